# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two daemons, one list of calls: goes through it in a lab, makes what came comparable, and holds the differences
against the table in a document. What is called is a subject's: the modules calls and import_calls are such."""

import concurrent.futures
import json
import re

from . import TOP
from . import calls
from . import guestcalls

HERE = "/run/side-by-side"
# More steps of a subject, with preparations of their own.
PARTS = {calls.NAME: [guestcalls]}

# Properties whose values are others in each run.
_TIMES = ("Timestamp", "TimestampMonotonic", "CreationTimestamp", "ModificationTimestamp")
_NUMBERS = ("LeaderPIDFDId", "SupervisorPIDFDId")


def prepare(lab, subject):
    """Make a lab ready: the rules of polkit, and the programs of the recorder."""
    lab.write("/etc/polkit-1/rules.d/10-side-by-side.rules", subject.RULES)
    # Or it keeps what a rule says to itself.
    lab.run("sed -i 's/--no-debug//; s/--log-level=[a-z]*//' /usr/lib/systemd/system/polkit.service; "
            "systemctl daemon-reload; systemctl stop polkit")
    for part in ("wire", "recorder"):
        lab.write(f"{HERE}/{part}.py", (TOP / f"test/skeplib/{part}.py").read_text(encoding="utf-8"))


def record(lab, subject, steps):
    """Go through the steps in a lab. Return: {title: what came of it}, and the signals by machine."""
    done = lab.run(["python3", f"{HERE}/recorder.py", subject.NAME, subject.NEW], input=json.dumps(steps), timeout=240)
    got = json.loads(done.stdout)
    asked = _asked(lab)
    known = {value: "$" + name for name, value in got["known"].items() if isinstance(value, int)}
    rows = {}
    for step, answer in zip(steps, got["records"]):
        if step["do"] == "wait":
            rows[f"end of {step['machine'].lstrip('$')}"] = {"error": answer.get("missing"), "body": None, "asked": [], "new": None}
        if step["do"] == "look":
            rows[step["title"]] = {"error": None, "body": answer["body"], "asked": [], "new": None}
        if step["do"] != "call":
            continue
        name = subject.title(step)
        assert name not in rows, f"two calls are called {name}"
        assert "broken" not in answer, (name, answer)
        questions = asked.get(answer.get("pid"), [])
        rows[name] = {"error": answer.get("error"), "text": answer.get("text"),
                      "body": _comparable(step, answer.get("body"), known),
                      "asked": _comparable(step, questions, known),
                      "new": _comparable(step, answer.get("before"), known)}
    return rows, _signals(got["signals"], subject, known)


def _asked(lab):
    """{process: [action with its details]} of what polkit was asked."""
    lab.run(["journalctl", "--sync"])
    found = {}
    for text in re.finditer(r"process (\d+) asks: \[Action id='[\w.]*\.([\w-]+)'(.*)\]",
                            lab.journal("-o", "cat", "-u", "polkit")):
        details = sorted(f"{k}={v}" for k, v in re.findall(r" ([\w.]+)='([^']*)'", text[3])
                         if not k.startswith("polkit."))
        found.setdefault(int(text[1]), []).append(" ".join([text[2], *details]))
    return found


def _comparable(step, value, known):
    """A value without what differs from run to run."""
    prop = step.get("property")
    if prop == "Id" and step["of"] == ".host" and value:
        return "an ID"
    if prop == "TimestampMonotonic" and step["of"] == ".host":
        return "the beginning"      # or a moment after it, as clocks are read one after the other
    if isinstance(value, list):
        if len(value) > 1 and all(type(v) is int for v in value):
            return value    # an ID or an address
        value = [_comparable(step, v, known) for v in value]
        if step["member"] in ("ListMachines", "ListImages", "CleanPool"):
            value = sorted(value, key=json.dumps)
        return value
    if isinstance(value, dict):
        return {k: _comparable(step, v, known) for k, v in value.items()}
    if isinstance(value, str):
        value = re.sub(r"/pts/\d+|/transfer/_\d+", lambda m: m[0].rstrip("0123456789") + "N", value)
    if isinstance(value, int) and not isinstance(value, bool):
        if value in known:
            return known[value]
        if prop in _TIMES or step["member"] == "ListImages" and value > 10 ** 15 and value < 2 ** 63:
            return "a time" if value else 0
        if prop in _NUMBERS and value:
            return "a number"
    return value


def _signals(signals, subject, known):
    """{machine or interface: what was told of it, in its order}"""
    told = {}
    for interface, member, body in signals:
        if interface == subject.NAME + ".Manager":
            name = body[0] if isinstance(body[0], str) else known.get(body[0], "others")
            told.setdefault(name.lstrip("$"), []).append(" ".join([member, *body[2:]]))
        else:
            told.setdefault(f"signal {interface}.{member}", ["sent"])
    return told


def _record_all(lab, subject):
    prepare(lab, subject)
    rows, signals = record(lab, subject, subject.STEPS)
    for part in PARTS.get(subject.NAME, ()):
        part.prepare(lab)
        more_rows, more_signals = record(lab, subject, part.STEPS)
        assert not rows.keys() & more_rows.keys()
        rows, signals = {**rows, **more_rows}, {**more_signals, **signals}
    return rows, signals


def both(theirs, ours, subject=calls):
    """Record in two labs at the same time. Return: {title: (what theirs did, what ours did)} of all differences."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        (their_rows, their_signals), (our_rows, our_signals) = pool.map(lambda lab: _record_all(lab, subject),
                                                                        (theirs, ours))
    found = {}
    for name, their in their_rows.items():
        _differ(found, name, their, our_rows[name])
    for name in {*their_signals, *our_signals}:
        pair = tuple(" ".join(s.get(name, ["none"])) for s in (their_signals, our_signals))
        if pair[0] != pair[1]:
            found[name if name.startswith("signal ") else f"signals of {name}"] = pair
    return found


def _short(value):
    text = json.dumps(value, ensure_ascii=False).replace('"', "'")
    return text if len(text) <= 100 else text[:97] + "..."


def _apart(their, our):
    """Of two answers that are lists of rows what is not in both."""
    if their and our and all(isinstance(v[0], list) and all(isinstance(row, list) for row in v[0])
                             for v in (their, our)):
        return [row for row in their[0] if row not in our[0]], [row for row in our[0] if row not in their[0]]
    return their, our


def _differ(found, name, their, our):
    """Add to @found in what two calls were not the same, in words."""
    if their["error"] != our["error"]:
        found[name] = tuple((row["error"] or "ok").rpartition(".")[2] for row in (their, our))
    elif their["body"] != our["body"]:
        found[name] = tuple(_short(v) for v in _apart(their["body"], our["body"]))
    elif their["new"] != our["new"]:
        found[f"order of {name}"] = tuple(f"{row['new'][0]} before the reply" if row["new"] else "after" for row in
                                          (their, our))
    if their["asked"] != our["asked"]:
        found[f"question of {name}"] = tuple(", ".join(row["asked"]) or "none" for row in (their, our))


def documented(subject=calls):
    """[(call, releases, theirs, ours, reason)] of the table in the document."""
    rows = []
    for line in subject.DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 5 and cells[0].startswith("`"):
            rows.append([cells[0].strip("`"), cells[1].split(", "), *(c.strip("`") for c in cells[2:])])
    return rows


def _fits(pattern, text):
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text, re.S)


def compare(found, rows, release):
    """Hold differences against the rows of the table that are about a release of systemd: in a cell * stands for any
    text. Return: (differences that no row explains, rows that nothing differs for)."""
    rows = [row for row in rows if release in row[1]]
    unused = {row[0]: row for row in rows}
    unexplained = {}
    for name, (their, our) in sorted(found.items()):
        fitting = [row for row in rows
                   if _fits(row[0], name) and _fits(row[2], their) and _fits(row[3], our)]
        if fitting:
            unused.pop(fitting[0][0], None)
        else:
            unexplained[name] = (their, our)
    return unexplained, list(unused)
