# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the spawner on the host share. The fixture spawn starts machines and, when the
test is over, looks for anything they left behind."""

import ctypes
import os
import shutil
import signal
import subprocess
import time

import pytest

from skeplib import build, disks, kernel, trees
from skeplib.spawner import Spawner, children, links, mounts, traces

PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture
def spawn(request, scratch):
    """A Spawner. After the test: no process, mount, cgroup, link or file of its machines is left."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = {"processes": children(), "mounts": mounts()}
    spawner = Spawner(f"t{os.getpid()}-{abs(hash(request.node.name)) % 0xffffff:x}")
    yield spawner

    killed = [p for p in spawner.started if p.poll() is None]
    spawner.stop_all()
    end = time.monotonic() + 10
    left = None
    while time.monotonic() < end:
        for pid in children() - before["processes"]:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
        left = {
            "processes": {p: kernel.doing(p) for p in children() - before["processes"]},
            "links": links(spawner.name),
            "files": sorted(str(p) for p in traces(spawner.name)),
        }
        if not any(left.values()):
            break
        time.sleep(0.02)
    for pid in left["processes"]:
        os.kill(pid, signal.SIGKILL)
    assert not any(left.values()), f"left behind: {left}"
    assert not killed, f"still running at the end of the test: {[p.args for p in killed]}"
    ours = (str(scratch), str(kernel.cache_dir()))
    new = [m for m in mounts() if m not in before["mounts"] and not any(o in m for o in ours)]
    assert not new, f"mounts left behind: {new}"


@pytest.fixture
def own_run():
    """An empty /run: with what lies there other starts on this host sweep what is left of a machine."""
    kernel.mount("run", "/run", "tmpfs", 0, "mode=0755")
    yield "/run"
    kernel.umount("/run")


@pytest.fixture
def unit(spawn):
    """A control group such as a service manager makes for a unit."""
    where = kernel.cgroup2_mount() / f"skep-test-{os.getpid()}.service"
    where.mkdir()
    yield where
    spawn.stop_all()
    for folder, _, _ in os.walk(where, topdown=False):
        os.rmdir(folder)


@pytest.fixture
def new_tree(scratch, fresh_tree):
    """new_tree("busybox") is a writable tree with the probe in it, made anew at each call."""
    def make(kind="busybox"):
        if kind == "busybox":
            where = scratch / f"busybox-{len(list(scratch.iterdir()))}"
            shutil.copytree(trees.tree(kind), where, symlinks=True)
            where.chmod(0o755)
        else:
            where = fresh_tree(kind)
        shutil.copy(build.build_dir() / "test/root/spawn-probe", where / "probe")
        return where

    return make


@pytest.fixture
def busybox(new_tree):
    """A writable busybox tree."""
    return new_tree()


@pytest.fixture
def folder(scratch):
    """A folder of the host to be bound, with an awkward name."""
    where = scratch / "a folder:odd"
    (where / "sub").mkdir(parents=True)
    (where / "file").write_text("content\n")
    return where


@pytest.fixture(params=["busybox", "bookworm-guest", "trixie-guest"])
def any_tree(request, new_tree):
    """A writable tree of every kind."""
    return new_tree(request.param)


@pytest.fixture(name="mount_point")
def make_mount_point(scratch):
    """mount_point("-t", "tmpfs", "tmpfs") is where a file system is mounted so for the time of the test."""
    made = []

    def call(*what):
        where = scratch / f"mount{len(made)}"
        where.mkdir()
        subprocess.run(["mount", *what, where], check=True)
        made.append(where)
        return where

    yield call
    for where in made:
        subprocess.run(["umount", "-l", where], check=True)


@pytest.fixture
def mounted_tmpfs(mount_point):
    """mounted_tmpfs("8M"): a new file system of that size, gone after the test."""
    return lambda size: mount_point("-t", "tmpfs", "-o", f"size={size}", "tmpfs")


@pytest.fixture
def mounted_disk(mount_point, scratch):
    """mounted_disk("xfs"): one on a disk of its own."""
    return lambda kind, size=300 << 20: mount_point("-o", "loop", disks.file_system(scratch / f"{kind}.disk", kind, size=size))
