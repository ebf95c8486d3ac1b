# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands at a terminal that a test types into and reads from."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

import pytest

from . import PATIENCE


class Terminal:
    """A command in the lab on a terminal of its own."""

    def __init__(self, lab, command, rows=24, columns=80, **env):
        self.outer, inner = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(inner)
        self.seen = ""
        # A session of its own with this as its terminal, so that signals come as from a keyboard.
        self.process = lab.spawn(["setsid", "--ctty", "--wait", "bash", "-c", command],
                                 env={"TERM": "xterm", **env}, stdin=inner, stdout=inner, stderr=inner)
        self.inner = inner

    def resize(self, rows, columns):
        fcntl.ioctl(self.outer, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.outer, text.encode())

    def read(self, timeout=0.05):
        while select.select([self.outer], [], [], timeout)[0]:
            try:
                self.seen += os.read(self.outer, 65536).decode(errors="replace")
            except OSError:
                return

    def expect(self, pattern, timeout=20):
        """Wait until a pattern has come; what came before it is forgotten."""
        end = time.monotonic() + timeout
        while True:
            self.read()
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return found
            assert time.monotonic() < end, f"no {pattern!r} in {self.seen!r}"

    def end(self, timeout=30):
        """Wait for the end. Return: exit status and what was shown."""
        end = time.monotonic() + timeout
        while self.process.poll() is None:
            self.read()
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"still running; it showed {self.seen!r}")
        self.read()
        assert termios.tcgetattr(self.inner) == self.before, "the terminal is not as it was"
        return self.process.returncode, self.seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.inner)
        os.close(self.outer)


class HostTerminal:
    """A terminal on the host with skep-spawn on it; @spawn is a Spawner."""

    def __init__(self, spawn, tree, *args, rows=33, columns=101):
        self.master, slave = pty.openpty()
        self.slave_path = os.ttyname(slave)
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.process = spawn.start(tree, *args, stdin=slave, stdout=slave, stderr=slave,
                                   console=None)
        self.slave = slave
        self.text = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, what, timeout=5):
        end = time.monotonic() + timeout * PATIENCE
        while what not in self.text:
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                pytest.fail(f"no {what!r} in {self.text!r}")
            try:
                self.text += os.read(self.master, 4096).decode(errors="replace")
            except OSError:
                pytest.fail(f"ended without {what!r}: {self.text!r}")

    def send(self, data):
        os.write(self.master, data)

    def end(self, timeout=5):
        self.process.wait(timeout)
        after = termios.tcgetattr(self.slave)
        os.close(self.slave)
        os.close(self.master)
        assert after == self.before, "the terminal was left in another mode"
        return self.process.returncode
