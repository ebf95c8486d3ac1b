# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in a lab, beside wire.py: goes through a list of steps (skeplib.sidebyside makes it), and writes down what each
call on the bus was answered with and which signals came. Steps come as JSON on standard input, the record goes to
standard output. Arguments: the service, and the signal by which it tells of something new."""

import json
import os
import pwd
import stat
import subprocess
import sys
import time

import wire

NAME, NEW = sys.argv[1:]
MANAGER = NAME + ".Manager"


def kind_of(fd):
    """What a descriptor is, for whoever cannot see it."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISCHR(mode):
        return "<terminal>" if os.isatty(fd) else "<device>"
    return {stat.S_IFDIR: "<folder>", stat.S_IFIFO: "<pipe>", stat.S_IFREG: "<file>"}.get(
        stat.S_IFMT(mode), "<descriptor>")


def plain(value):
    """A value that JSON can hold."""
    if isinstance(value, wire.Fd):
        return kind_of(value)
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return value


def perform(bus, step, held=None):
    """One call on a connection; descriptors that come are kept in @held, if that is wanted. Return: what came of it."""
    flags = wire.INTERACTIVE if step.get("interactive") else 0
    reply = bus.call(NAME, step["path"], step["interface"], step["member"], step["types"], step["args"],
                     flags, timeout=60)
    record = {}
    if reply.kind == wire.ERROR:
        record.update(error=reply.error, text=reply.body[0] if reply.body else "")
    else:
        record.update(types=reply.types, body=plain(reply.body))
    if step.get("hold") and held is not None:
        held.append(reply)
    else:
        reply.close()
    return record


def perform_as(user, step):
    """One call of a user's, from a process of its own: so what polkit is asked can be told from other questions."""
    entry = pwd.getpwnam(user)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
            os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
            answer = perform(wire.Bus(), step)
        except BaseException as problem:  # whoever asked has to know, whatever it is
            answer = {"broken": repr(problem)}
        with os.fdopen(writer, "w") as f:
            json.dump(answer, f)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as f:
        answer = json.load(f)
    os.waitpid(pid, 0)
    return {**answer, "pid": pid}


class Recorder:
    """Goes through the steps; values that a step keeps are known to those after it as "$NAME"."""

    def __init__(self):
        self.known, self.signals, self.held = {}, [], []
        self.bus = wire.Bus()
        self.bus.match(f"type='signal',sender='{NAME}'")
        self.bus.match("type='signal',member='PropertiesChanged'")

    def _filled(self, value):
        if isinstance(value, str) and value.startswith("$"):
            return self.known[value[1:]]
        if isinstance(value, list):
            return [self._filled(v) for v in value]
        if isinstance(value, dict):
            return os.open(value["open"], value["flags"] | os.O_CLOEXEC, 0o600)
        return value

    def _named(self, text):
        """A text in which values stand as @NAME@."""
        for name, value in self.known.items():
            text = text.replace(f"@{name}@", str(value))
        return text

    def _take_signals(self):
        owner = self.bus.call(*wire.BUS, "GetNameOwner", "s", [NAME])
        took = [m for m in self.bus.signals if owner.body and m.sender == owner.body[0]]
        self.bus.signals = []
        found = [[m.interface, m.member, plain(m.body)] for m in took]
        self.signals += found
        return found

    def call(self, step):
        step = {**step, "args": self._filled(step["args"]), "path": self._named(step["path"])}
        if step["user"] == "root":
            record = perform(self.bus, step, self.held)
            record["before"] = [m.member for m in self.bus.signals if m.member == NEW]
            self._take_signals()
        else:
            record = perform_as(step["user"], step)
            self._take_signals()
        if step.get("keep"):
            self.known[step["keep"]] = record["body"][0] if "body" in record else "?"
        return record

    def shell(self, step):
        run = self._named(step["run"])
        done = subprocess.run(["bash", "-ec", run], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=90)
        if done.returncode:
            raise RuntimeError(f"{run}: status {done.returncode}: {done.stderr}")
        if step.get("keep"):
            out = done.stdout.strip()
            self.known[step["keep"]] = int(out) if out.isdecimal() else out
        return {}

    def look(self, step):
        """What a command prints, as if it were the answer to a call."""
        done = subprocess.run(["bash", "-c", step["run"]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
        return {"body": [[[line] for line in done.stdout.splitlines()]]}

    def release(self, _):
        """Let go of what is held."""
        while self.held:
            self.held.pop().close()
        return {}

    def wait(self, step):
        """Wait until the signal came that is wanted, if it did not come before."""
        end = time.monotonic() + step.get("patience", 5)
        wanted = [MANAGER, step["member"], self._filled(step["machine"])]
        if wanted[2] == "?":    # what did not begin does not end
            return {"missing": "not gone"}
        while not any([s[0], s[1], s[2][0]] == wanted for s in self.signals if s[2]):
            if time.monotonic() > end:
                return {"missing": "not gone"}
            self.bus.next(0.2)
            self._take_signals()
        return {}

    def go(self, steps):
        does = {"call": self.call, "shell": self.shell, "look": self.look, "release": self.release, "wait": self.wait}
        records = [does[step["do"]](step) for step in steps]
        self._take_signals()
        return {"records": records, "known": self.known, "signals": self.signals}


if __name__ == "__main__":
    json.dump(Recorder().go(json.load(sys.stdin)), sys.stdout)
