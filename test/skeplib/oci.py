# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep-oci on the host: bundles of busybox, commands, and what is left of it all."""

import ctypes
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from skeplib import PATIENCE, build, kernel, trees
from skeplib.spawner import children

PR_SET_CHILD_SUBREAPER = 36
ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]


def wait_until(condition, seconds=5):
    end = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


class Runtime:
    """One --root, with all of its containers and bundles."""

    def __init__(self, folder: Path, program=None):
        self.folder = folder
        self.root = folder / "state"
        self.program = str(program or build.program("skep-oci"))
        self.group = f"/skep-oci-test-{os.getpid()}"
        self.count = 0
        self.before = children()
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def command(self, *words, options=()):
        return [self.program, "--root", str(self.root), *options, *map(str, words)]

    def run(self, *words, check=True, options=(), **kwargs):
        """Output goes to files: a container keeps what it was created with."""
        with open(self.folder / "out", "w+b") as out, open(self.folder / "err", "w+b") as err:
            done = subprocess.run(self.command(*words, options=options), stdout=out, stderr=err,
                                  stdin=kwargs.pop("stdin", subprocess.DEVNULL), timeout=60, **kwargs)
            out.seek(0)
            err.seek(0)
            done.stdout = out.read().decode(errors="replace")
            done.stderr = err.read().decode(errors="replace")
        if check:
            assert done.returncode == 0, f"{words}: {done.returncode}: {done.stderr}"
        return done

    def out(self, *words, **kwargs):
        return self.run(*words, **kwargs).stdout

    def refuse(self, *words, status=1, **kwargs):
        """The sentence with which a command fails."""
        done = self.run(*words, check=False, **kwargs)
        assert done.returncode == status, f"{words}: {done.returncode}: {done.stderr}"
        return done.stderr

    def spawn(self, *words, **kwargs):
        return subprocess.Popen(self.command(*words), **kwargs)

    def bundle(self, *args, change=None, **process):
        """A bundle that runs a command; change(document) makes of it what the test wants."""
        self.count += 1
        where = self.folder / f"bundle{self.count}"
        where.mkdir()
        shutil.copytree(trees.tree("busybox"), where / "rootfs", symlinks=True)
        self.run("spec", "--bundle", where)
        document = json.loads((where / "config.json").read_text())
        document["process"].update({"args": list(args), "terminal": False, "env": ENVIRONMENT, **process})
        document["root"]["readonly"] = False
        document["linux"]["cgroupsPath"] = f"{self.group}/{self.count}"
        if change:
            change(document)
        (where / "config.json").write_text(json.dumps(document))
        return where

    def create(self, name, bundle, *options, **kwargs):
        self.run("create", "--bundle", bundle, *options, name, **kwargs)

    def state(self, name):
        return json.loads(self.out("state", name))

    def status(self, name):
        return self.state(name)["status"]

    def wait_for(self, name, status):
        wait_until(lambda: self.status(name) == status)

    def names(self):
        return self.out("list", "-q").split()

    def groups(self):
        """Control groups that are left, but for the one around them all."""
        top = kernel.cgroup2_mount() / self.group[1:]
        return [str(p) for p in top.rglob("*") if p.is_dir()] if top.exists() else []

    def close(self):
        """Remove everything; then nothing may be left."""
        left = self.names()
        for name in left:
            # What exec left to us keeps the container's PID namespace until we have waited for it.
            if self.status(name) in ("running", "paused"):
                self.run("kill", "--all", name, "KILL")
                wait_until(lambda n=name: self.reap() is not None and self.status(n) == "stopped")
            self.run("delete", "--force", name)
        wait_until(lambda: self.reap() == set())
        assert self.groups() == []
        top = kernel.cgroup2_mount() / self.group[1:]
        if top.exists():
            top.rmdir()
        assert not self.root.exists() or list(self.root.iterdir()) == []
        return left

    def reap(self):
        for pid in children() - self.before:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
        return children() - self.before
