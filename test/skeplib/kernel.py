# SPDX-License-Identifier: LGPL-2.1-or-later
"""The few system calls the beds need and Python 3.11 does not have, and a place for mounts that
nobody else sees."""

import contextlib
import ctypes
import os
import pathlib
import signal
import time

CLONE_NEWNS = 0x00020000
MS_RDONLY = 1
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)
_state = {}


def _check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, fstype, flags=0, options=""):
    """mount(2)."""
    def encode(text):
        return str(text).encode() if text is not None else None

    _check(_libc.mount(encode(source), encode(target), encode(fstype),
                       ctypes.c_ulong(flags), encode(options)), f"cannot mount {target}")


def umount(target):
    """Detach a mount, whoever uses it."""
    _check(_libc.umount2(str(target).encode(), 2), f"cannot unmount {target}")


def die_with_parent(sig=signal.SIGKILL):
    """For preexec_fn: the child gets @sig when we are gone, however we go."""
    _libc.prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)


def adopt_orphans():
    """From now on, processes whose parents have ended are children of this one."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(pids, patience=5):
    """Wait for the end of adopted processes; @patience in seconds."""
    end = time.monotonic() + patience
    for pid in pids:
        try:
            while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < end:
                time.sleep(0.01)
        except ChildProcessError:
            pass


def cache_dir():
    """Where trees are kept, as tools/tree has it."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "skep"


def scratch_dir():
    """A folder in memory that only this process and its children see.

    The first call gives the process a mount namespace of its own, so nothing mounted from then on
    is seen outside, and all of it goes when the process does."""
    if "scratch" not in _state:
        target = cache_dir() / "scratch"
        target.mkdir(parents=True, exist_ok=True)
        _check(_libc.unshare(CLONE_NEWNS), "cannot make a mount namespace")
        mount(None, "/", None, MS_REC | MS_PRIVATE, None)
        mount("skep-scratch", target, "tmpfs", 0, "mode=0755")
        _state["scratch"] = target
    return _state["scratch"]


def cgroup2_mount():
    """Where cgroup2 is mounted: /sys/fs/cgroup, or a folder of it on hybrid hosts."""
    found = None
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            left, right = line.split(" - ", 1)
            point = left.split()[4]
            if right.split()[0] == "cgroup2" and point.startswith("/sys/fs/cgroup"):
                found = pathlib.Path(point)         # the last one hides those before it
    if found is None:
        raise RuntimeError("cgroup2 is not mounted on this host")
    return found


def show_pure_cgroup2():
    """On a hybrid host, let this process and its children see cgroup2 alone at /sys/fs/cgroup: not
    all that we compare ourselves with can do with less."""
    scratch_dir()
    where = cgroup2_mount()
    if str(where) != "/sys/fs/cgroup":
        mount(where, "/sys/fs/cgroup", None, MS_BIND, None)


def show_run_in_memory():
    """Let this process and its children see an empty /run in memory, as every host that systemd has
    booted has it, where this one keeps it on a disk."""
    scratch_dir()
    if os.stat("/run").st_dev == os.stat("/").st_dev:
        mount("run", "/run", "tmpfs", 0, "mode=0755")


def cgroup_of(pid="self"):
    """The cgroup2 path of a process, below the mount point."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as f:
        for line in f:
            if line.startswith("0::"):
                return line[3:].strip()
    raise RuntimeError(f"process {pid} is in no cgroup2")


def remove_cgroup(top, patience=5):
    """Remove a control group and those in it, as soon as they are empty; @patience in seconds."""
    end = time.monotonic() + patience
    while top is not None and top.exists():
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass
        if time.monotonic() > end:
            break
        time.sleep(0.01)


@contextlib.contextmanager
def own_cgroup(name):
    """Have this process, and all it starts, in a cgroup2 of its own that is removed after."""
    before = cgroup2_mount() / cgroup_of().lstrip("/")
    top = before / f"{name}-{os.getpid()}"
    inner = top / "self"
    inner.mkdir(parents=True)
    (inner / "cgroup.procs").write_text("0", encoding="ascii")
    try:
        yield top
    finally:
        try:
            (before / "cgroup.procs").write_text("0", encoding="ascii")
        except OSError:         # controllers have been passed on there: no place for processes
            (cgroup2_mount() / "cgroup.procs").write_text("0", encoding="ascii")
        remove_cgroup(top)


def doing(pid):
    """One line of what a process is and waits for, as far as it can still be told."""
    def read(name):
        try:
            return pathlib.Path(f"/proc/{pid}/{name}").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError as e:
            return e.strerror

    return f"{read('cmdline')[:120]} [{read('stat')[:40]}] in {read('wchan')}, call {read('syscall')}, {read('stack')}"


def descendants(pid):
    """Every process below @pid, nearest first."""
    todo = [pid]
    while todo:
        p = todo.pop(0)
        try:
            with open(f"/proc/{p}/task/{p}/children", encoding="utf-8") as f:
                children = [int(c) for c in f.read().split()]
        except OSError:
            continue
        yield from children
        todo += children


def is_init(pid):
    """Whether a process is PID 1 of a PID namespace below ours."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as f:
            for line in f:
                if line.startswith("NSpid:"):
                    ids = line.split()[1:]
                    return len(ids) > 1 and ids[-1] == "1"
    except OSError:
        pass
    return False
