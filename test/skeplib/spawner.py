# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts machines on the host, for the tests of the spawner."""

import glob
import itertools
import os
import re
import socket
import subprocess
import time

import pytest

from . import PATIENCE
from . import build
from . import kernel
from . import must_run

CHOWNED = 0x20000  # an ID base that is nobody's here

# Bounding set of a machine; the host may have less to give.
DEFAULT_CAPS = 0xfdecafff


def own_caps():
    """Our own bounding set, which no machine can exceed."""
    with open("/proc/self/status", encoding="utf-8") as f:
        return int(re.search(r"CapBnd:\s+(\w+)", f.read())[1], 16)


class Spawner:
    """Runs skep-spawn with a machine name of the test's own, in pipe mode and without registration
    unless told otherwise."""

    def __init__(self, name):
        try:
            self.program = build.program("skep-spawn")
        except FileNotFoundError as problem:
            must_run(str(problem))
        self.name = name
        self.started = []

    def argv(self, tree, *args, quiet=True, console="pipe", name=None, register="no"):
        """The command line: options first, then what comes after a "--" in @args."""
        argv = [str(self.program)]
        if quiet:
            argv.append("-q")
        if tree is not None:
            argv += ["-D", str(tree)]
        if name is not False:
            argv += ["-M", name or self.name]
        if console:
            argv.append(f"--console={console}")
        if register:
            argv.append(f"--register={register}")
        return argv + [str(a) for a in args]

    def start(self, tree, *args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
              stderr=subprocess.PIPE, env=None, pass_fds=(), cwd=None, cgroup=None, **options):
        def enter():
            (cgroup / "cgroup.procs").write_text("0", encoding="ascii")

        process = subprocess.Popen(self.argv(tree, *args, **options), stdin=stdin, stdout=stdout,
                                   stderr=stderr, env=env, pass_fds=pass_fds, cwd=cwd, text=True,
                                   preexec_fn=enter if cgroup else None)
        self.started.append(process)
        return process

    def run(self, tree, *args, check=True, timeout=20, input=None, **options):
        """Run a machine to its end. Return: CompletedProcess. With @check any status but 0 fails."""
        if input is not None:
            options["stdin"] = subprocess.PIPE
        process = self.start(tree, *args, **options)
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"still running after {timeout} s: {args}\nstdout: {out}\nstderr: {err}")
        if check and process.returncode:
            pytest.fail(f"status {process.returncode}: {args}\nstdout: {out}\nstderr: {err}")
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def out(self, tree, *args, **options):
        """Standard output of a machine that must succeed, without the last newline."""
        return self.run(tree, *args, **options).stdout.rstrip("\n")

    def sh(self, tree, script, *args, **options):
        """Output of a shell script as payload; @args are options."""
        return self.out(tree, *args, "--", "/bin/sh", "-c", script, **options)

    def ask(self, tree, *probe, options=(), **rest):
        """Facts from spawn-probe as payload, as a dictionary. @probe is its command line."""
        out = self.out(tree, *options, "--", "/probe", *probe, **rest)
        return dict(line.rsplit(" ", 1) for line in out.splitlines())

    def refuse(self, tree, *args, status=125, **options):
        """A start that must fail with one line on stderr and nothing on stdout. Return: the line."""
        done = self.run(tree, *args, check=False, **options)
        assert done.returncode == status, f"{args}: {done.returncode}, {done.stderr}"
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert len(lines) == 1, f"{args}: {done.stderr}"
        assert lines[0].startswith("skep-spawn: ") and not lines[0].endswith("."), lines[0]
        assert not re.search(r"\berrno\b|assert|\(null\)", lines[0]), lines[0]
        return lines[0]

    def stop_all(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait(5)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()


def wait_until(condition, timeout=5, what="that"):
    """Poll @condition until it is true; fail after @timeout seconds."""
    timeout *= PATIENCE
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not happen in {timeout} s")
        time.sleep(0.005)


def bind_source(path):
    """A path as --bind= takes it."""
    return str(path).replace(":", "\\:")


def leader_of(process):
    """PID of the first process of the machine that @process keeps."""
    found = []
    wait_until(lambda: found.extend(p for p in kernel.descendants(process.pid) if kernel.is_init(p))
               or found, what="a first process")
    return found[0]


def children():
    """Our own children, and orphans of theirs."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as f:
        return {int(p) for p in f.read().split()}


def mounts():
    """What is mounted here, without the numbers that change."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return sorted(line.split(" ", 1)[1] for line in f)


def links(name):
    """Network interfaces here that are of the machine @name; long names are cut to 11 characters."""
    return sorted(n for _, n in socket.if_nameindex() if n.startswith(f"ve-{name}"[:11]))


def traces(name):
    """Paths on the host that bear the name of a machine."""
    top = kernel.cgroup2_mount() / kernel.cgroup_of().lstrip("/")
    patterns = (f"{top}/**/*", "/run/skep/**/*", "/run/systemd/nspawn/**/*", "/run/systemd/machines/*",
                "/tmp/*", "/var/tmp/*")
    found = itertools.chain.from_iterable(
        glob.iglob(p, recursive=True, include_hidden=True) for p in patterns)
    return [p for p in found if name in os.path.basename(p)]
