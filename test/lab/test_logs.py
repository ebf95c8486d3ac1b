# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep logs: what a machine's unit says and what the machine writes down itself."""

import json
import re

import pytest

from skeplib import machine1

LAB_SUITES = ("bookworm", "trixie")


@pytest.fixture(scope="module", autouse=True)
def web(lab):
    """A machine with a journal of its own, and users of its own."""
    lab.add_machine("web", lab.suite + "-guest")
    lab.run("skep start web", timeout=60)
    lab.wait_for("systemctl -M web is-system-running | grep -E 'running|degraded'", timeout=30)


def inside(lab, script):
    """Run a shell script in the machine, as who its root is."""
    done = machine1.run(lab, "web", ["/bin/sh", "-c", script])
    assert done["status"] == "exited 0\n", done


def write(lab, text):
    """Have the guest write to its journal, and wait until that is in its file."""
    inside(lab, f"logger -t worker '{text}'; journalctl --sync")


def messages(lab, options):
    return [e["MESSAGE"] for e in map(json.loads, lab.out(f"skep logs web -o json {options}").splitlines())]


def test_unit_and_guest_in_order(lab):
    write(lab, "first word")
    lab.run("systemctl kill -s WINCH --kill-whom=main skep@web.service; echo from the unit | "
            "systemd-cat -t outside; systemctl set-property --runtime skep@web.service TasksMax=10000")
    guest = messages(lab, "--from=guest")
    unit = messages(lab, "--from=unit")
    both = messages(lab, "")
    assert "first word" in guest and "first word" not in unit
    assert any("Started skep@web.service" in str(m) for m in unit) and len(both) >= len(unit) + len(guest)
    stamps = [int(json.loads(line)["__REALTIME_TIMESTAMP"])
              for line in lab.out("skep logs web -o json").splitlines()]
    assert stamps == sorted(stamps)
    # The last lines of both, as people read them.
    write(lab, "the very last")
    lines = lab.out("skep logs web -n 20").splitlines()
    assert len(lines) == 20 and any(re.search(r" worker\[\d+\]: the very last$", x) for x in lines)
    assert "the very last" in lab.out("skep logs web --since=-1h") \
        and lab.out("skep logs web --from=guest --since=2099-01-01") == ""


@pytest.mark.parametrize("mode", ["short", "short-delta", "short-monotonic", "verbose", "export", "json"])
def test_as_journalctl_shows_it(lab, mode):
    """What the guest has written down up to a time, beside Debian's own reader."""
    inside(lab, "printf 'one\\ntwo' | systemd-cat -t worker; logger -t worker three; journalctl --sync")
    until = lab.out("sleep 1.1; date +@%s")
    ours = lab.run(f"skep logs web --from=guest -o {mode} -n 30 --until={until}", text=False).stdout
    theirs = lab.run(f"journalctl -q --root=/var/lib/machines/web -o {mode} -n 30 --until={until}", text=False).stdout
    if mode == "json":
        ours, theirs = [[json.loads(line) for line in text.splitlines()] for text in (ours, theirs)]
        for entry in theirs:
            # Newer ones number entries.
            entry.pop("__SEQNUM", None)
            entry.pop("__SEQNUM_ID", None)
    if mode == "export":
        theirs = re.sub(rb"__SEQNUM(_ID)?=\w+\n", b"", theirs)
    if mode in ("short-delta", "short-monotonic") and lab.suite != "bookworm":
        # Newer ones take other clocks, where the entry has them.
        ours, theirs = [re.sub(rb"(?m)^\[.{12}|<.{12}", b"", text) for text in (ours, theirs)]
    assert ours and ours == theirs


def test_what_is_no_text(lab):
    """Bytes that are none do not reach a terminal; who exports them has them all."""
    inside(lab, "printf 'bell\\007 \\377' | systemd-cat -t binary; journalctl --sync")
    assert "MESSAGE=[7B blob data]" in lab.out("skep logs web --from=guest -o verbose")
    raw = lab.run("skep logs web --from=guest -o export", text=False).stdout
    assert b"MESSAGE\n\x07\0\0\0\0\0\0\0bell\x07 \xff\n" in raw
    done = lab.run("script -qec 'skep logs web -o export' /dev/null", check=False)
    assert done.returncode == 1 and "this is a terminal" in done.stdout
    assert lab.out("skep logs web --until=2001-01-01") == ""
    assert "do not go together" in lab.run("skep logs web -f --until=now", check=False).stderr


def test_follows(lab):
    p = lab.spawn(["skep", "logs", "web", "-f", "-n", "1"], stdout=-1, text=True)
    assert p.stdout.readline()
    write(lab, "while you look")
    for line in p.stdout:
        if "while you look" in line:
            break
    # A new file is taken up.
    inside(lab, "journalctl --rotate")
    write(lab, "in another file")
    for line in p.stdout:
        if "in another file" in line:
            break
    p.stdout.close()        # nobody looks any more
    p.wait(timeout=30)
    lab.wait_for("! pgrep -x skep")


def test_hostile_journal(lab):
    """What a machine puts where its journal is belongs to the machine: no file of the host's is read, nothing
    drives the terminal, and what is no journal ends nothing but its own reader."""
    leader = lab.out("skep show -P Leader web")
    folder = lab.out(f"cd /proc/{leader}/root; ls -d var/log/journal/* run/log/journal/* 2>/dev/null | head -1")
    lab.run("journalctl --sync; echo of the host | systemd-cat -t secret; journalctl --sync")
    host = lab.out("ls -d /var/log/journal/*/system.journal /run/log/journal/*/system.journal 2>/dev/null | head -1")
    inside(lab, r"printf '\033]0;title\007\033[31mred\n' | logger -t worker; journalctl --sync")
    inside(lab, f"cd /{folder}; ln -s {host} link.journal; mkfifo fifo.journal; mkdir d.journal; "
            "head -c 100000 /dev/urandom >noise.journal; ln -s /dev/zero zero.journal")
    done = lab.run("skep logs web --from=guest -n 20", check=False, timeout=20)
    assert "of the host" not in done.stdout and "\033" not in done.stdout and "\007" not in done.stdout
    assert "title" in done.stdout
    # Whoever reads it can do nothing else.
    p = lab.spawn(["skep", "logs", "web", "-f", "--from=guest"], stdout=-1)
    p.stdout.readline()
    child = lab.out("pgrep -x skep -n")
    status = lab.read(f"/proc/{child}/status")
    assert re.search(r"^Uid:\t65534\t65534", status, re.M) and re.search(r"^CapPrm:\t0+$", status, re.M)
    assert re.search(r"^Seccomp:\t2$", status, re.M) and re.search(r"^NoNewPrivs:\t1$", status, re.M)
    p.stdout.close()
    p.wait(timeout=30)
    inside(lab, f"cd /{folder}; rm -rf link.journal fifo.journal d.journal noise.journal zero.journal")


def test_of_a_machine_that_does_not_run(lab):
    lab.run("skep terminate --wait web")
    assert "first word" in messages(lab, "--from=guest")
    done = lab.run("skep logs nobody", check=False)
    assert done.returncode == 1 and "No image 'nobody' known" in done.stderr
    done = lab.run("skep logs web --since=tomorrowish", check=False)
    assert done.returncode == 1 and "is no point in time" in done.stderr
