# SPDX-License-Identifier: LGPL-2.1-or-later
"""Harm done to a starting machine at one chosen system call, by test/root/spawn-fault.c: as each call of
each process is gone through, nothing depends on luck or on how fast the machine is."""

import collections
import contextlib
import os
import pathlib
import subprocess

from . import build
from . import kernel

Call = collections.namedtuple("Call", "process number name")

# After any of these the world is as it was before: to be killed there is to be killed before.
CHANGES_NOTHING = {
    "access", "arch_prctl", "brk", "capget", "clock_gettime", "faccessat2", "fcntl", "fstatfs",
    "getcwd", "getdents64", "geteuid", "getpid", "getrandom", "getrlimit", "getuid", "lseek", "mmap",
    "mprotect", "munmap", "newfstatat", "fstat", "pread64", "prlimit64", "read", "readlink",
    "readlinkat", "rseq", "rt_sigaction", "rt_sigprocmask", "set_robust_list", "set_tid_address",
    "stat", "statfs", "statx", "umask", "uname",
}

# Calls that the kernel always grants, that have done their work even if they say otherwise, or that do not
# say it by an errno.
CANNOT_FAIL = {"arch_prctl", "brk", "close", "exit_group", "getegid", "geteuid", "getgid", "getpid", "getppid",
               "getuid", "rseq", "rt_sigaction", "rt_sigprocmask", "set_robust_list", "set_tid_address", "umask"}

# What the C library does before main().
_LIBC_START = CANNOT_FAIL | {"brk", "getrandom", "mmap", "mprotect", "prlimit64", "readlink",
                             "readlinkat"}

TROUBLE = 99

# Of the places where harm could be done, every n-th is enough where all of them are another run's.
STRIDE = 4 if os.environ.get("SKEP_SANITIZED") else 1


@contextlib.contextmanager
def alone(name):
    """Other machines of this host come and go, and sweep what others left: a place without them."""
    kernel.scratch_dir()
    os.makedirs("/var/lib/skep", exist_ok=True)
    for private in ("/run", "/var/lib/skep"):
        kernel.mount("private", private, "tmpfs", 0, "mode=0755")
    try:
        with kernel.own_cgroup(name):
            yield
    finally:
        for private in ("/run", "/var/lib/skep"):
            kernel.umount(private)


class Faults:
    """Runs of the spawner with harm done to them; @enter is called in the child before each."""

    def __init__(self, scratch, enter=None):
        self.log = pathlib.Path(scratch) / "fault"
        self.enter = enter

    def _run(self, argv, mode, *place):
        return self.plain([str(build.build_dir() / "test/root/spawn-fault"), mode,
                           *[str(p) for p in place], str(self.log), *argv])

    def plain(self, argv):
        """A run without harm."""
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=20, check=False,
                              preexec_fn=self.enter)

    def calls(self, argv):
        """Every call of a start that is left alone, and how it ended."""
        done = self._run(argv, "list")
        lines = self.log.read_text(encoding="ascii").split("\n")[:-1]
        found = [Call(int(p), int(n), name) for p, n, name in (line.split() for line in lines)]
        start = next(i for i, call in enumerate(found) if call.name not in _LIBC_START)
        return found[start:], done

    def kill(self, argv, call):
        """The supervisor dies where @call is made, by whichever process."""
        return self._run(argv, "kill", call.process, call.number)

    def die(self, argv, call):
        """The process that makes @call dies."""
        return self._run(argv, "die", call.process, call.number)

    def fail(self, argv, call, error):
        """@call fails with the errno @error."""
        return self._run(argv, "fail", call.process, call.number, error)

    def hold(self, argv, call, msec):
        """@call waits for @msec, while all other processes run on."""
        return self._run(argv, "hold", call.process, call.number, msec)

    def hit(self):
        """What harm was done in the last run; empty = none."""
        return self.log.read_text(encoding="ascii").strip()

