# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a command takes: time, time of processors, memory of all of its processes, calls of the kernel."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time

from . import kernel


class CannotRun(Exception):
    """It does not work on this machine; the text says why."""


class Took(float):
    """ms from start to end; .cpu is ms of processors, user's and kernel's."""
    cpu = None


class _Memory(threading.Thread):
    """Watches a process and those below it: the most that each of them ever had, all together, in kB. What they share
    counts for each."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.ended = pid, {}, threading.Event()

    def run(self):
        ours = os.readlink("/proc/self/exe")
        while not self.ended.wait(0.002):
            for pid in [self.pid, *kernel.descendants(self.pid)]:
                try:
                    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
                    started = os.readlink(f"/proc/{pid}/exe") != ours
                except OSError:
                    continue
                found = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
                if found and started:
                    self.most[pid] = max(self.most.get(pid, 0), int(found[1]))

    def kilobytes(self):
        """How much it was."""
        self.ended.set()
        self.join()
        return sum(self.most.values())


def _started(argv, log):
    argv = [str(a) for a in argv]
    path = shutil.which(argv[0])
    if path is None:
        raise CannotRun(f"{argv[0]} is not installed")
    with open("/dev/null", "r+b") as null:
        actions = [(os.POSIX_SPAWN_DUP2, null.fileno(), 0),
                   (os.POSIX_SPAWN_DUP2, null.fileno(), 1),
                   (os.POSIX_SPAWN_DUP2, log.fileno(), 2)]
        return os.posix_spawn(path, argv, os.environ, file_actions=actions)


def _ended(pid, argv, log):
    _, status, usage = os.wait4(pid, 0)
    took = time.perf_counter()
    if status:
        log.seek(0)
        said = log.read().decode(errors="replace")
        raise CannotRun(f"{argv[0]} ended with status {status}\n{said}".strip())
    return took, usage


def timed(argv, prepare=None):
    """A run: the time of a command, which must be a success."""
    def run():
        if prepare:
            prepare()
        with tempfile.TemporaryFile() as log:
            start = time.perf_counter()
            end, usage = _ended(_started(argv, log), argv, log)
        took = Took((end - start) * 1000)
        took.cpu = (usage.ru_utime + usage.ru_stime) * 1000
        return took

    return run


def peak(argv, prepare=None):
    """A run: the kB that a command has with all processes below it."""
    def run():
        if prepare:
            prepare()
        with tempfile.TemporaryFile() as log:
            pid = _started(argv, log)
            memory = _Memory(pid)
            memory.start()
            try:
                _ended(pid, argv, log)
            finally:
                kilobytes = memory.kilobytes()
        return kilobytes

    return run


def calls(argv, prepare=None):
    """A run: how many calls of the kernel a command makes, with all processes below it."""
    def run():
        if prepare:
            prepare()
        if shutil.which("strace") is None:
            raise CannotRun("strace is not installed")
        with tempfile.NamedTemporaryFile() as table:
            done = subprocess.run(["strace", "-f", "-qq", "-c", "-o", table.name, *[str(a) for a in argv]],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  check=False)
            if done.returncode:
                raise CannotRun(done.stderr.decode(errors="replace"))
            text = pathlib.Path(table.name).read_text(encoding="utf-8")
        return int(re.search(r"^100\.00\s+\S+\s+\S+\s+(\d+)\s.*total$", text, re.MULTILINE)[1])

    return run
