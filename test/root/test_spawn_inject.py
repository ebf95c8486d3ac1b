# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every system call that makes a machine fails once, in whichever process: for want of memory,
descriptors or room, for want of rights, or because a signal came. Then either one line says why, the
status is that of a failed set-up and nothing stays, or it did not matter: then the payload is confined
exactly as ever."""

import errno
import os
import re
import subprocess

import pytest

from skeplib import disks
from skeplib.faults import CANNOT_FAIL, STRIDE, Faults, alone
from skeplib.netns import own_network

_DESCRIPTORS = {"accept4", "fsmount", "fsopen", "memfd_create", "open", "open_tree", "openat",
                "openat2", "pidfd_open", "pipe2", "signalfd4", "socket", "socketpair"}
_ROOM = {"bind", "fchownat", "fchmodat", "ftruncate", "mkdir", "mkdirat", "mknodat", "pwrite64",
         "symlinkat", "write"}
_RIGHTS = {"bind", "capset", "chroot", "clone3", "close_range", "execveat", "fchdir", "fchownat",
           "fsconfig", "fsmount", "fsopen", "mkdirat", "mount", "mount_setattr",
           "move_mount", "open_tree", "openat", "pivot_root", "prctl", "seccomp", "sethostname",
           "setns", "setgroups", "setresgid", "setresuid", "umount2", "unshare", "write"}
_WAITING = {"fcntl", "flock", "poll", "ppoll", "read", "recvmsg", "sendmsg", "wait4", "waitid", "write"}

_KINDS = {
    "plain": lambda tree: ("-D", tree),
    "users": lambda tree: ("-D", tree, "--private-users=pick", "-x", "-u", "1000",
                           "--bind-ro=/usr:/mnt"),
    "stub": lambda tree: ("-D", tree, "-a", "--console=read-only"),
    "network": lambda tree: ("-D", tree, "-n"),
    "address": lambda tree: ("-D", tree, "-n", "--network-address=auto"),
    "image": lambda tree: ("-i", disks.file_system(tree.parent / "it.raw", "squashfs", tree),
                           "--volatile=overlay"),
    "disk": lambda tree: ("-D", tree, "--ephemeral=disk", f"--overlay={tree}/etc::/srv"),
}

# Where only the supervisor does what it does not do for others.
_OF_SUPERVISOR = {"network", "address", "image", "disk"}

# Most of its calls are the same as for the others.
_EVERY = {"address": 3}

# What a machine may lack without being less of one, or less confined.
_OPTIONAL = re.compile(r"^/dev/(char/|net|fuse)|^/etc/(localtime|resolv.conf) ")

# Where the way to report by is what failed, or where a name is all that is known.
_CAUSE_IS_LOST = {"recvmsg", "sendmsg"}


@pytest.fixture(scope="module", autouse=True)
def _alone():
    with alone("skep-inject"), own_network():
        yield


def errors_of(call):
    first = errno.EMFILE if call.name in _DESCRIPTORS else \
        errno.ENOSPC if call.name in _ROOM else errno.ENOMEM
    yield first
    if call.name in _RIGHTS:
        yield errno.EPERM
    if call.name in _WAITING:
        yield errno.EINTR


def host_namespaces():
    names = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    return {os.readlink(f"/proc/self/ns/{name}") for name in names}


_STATUS = re.compile(r"(Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp\w*|NSp?id|NSpgid):")


def confinement(text, host):
    """What the probe "self" says, without what differs from start to start."""
    lines, part = [], ""
    for line in text.replace("\r", "").splitlines():
        part = line if line.startswith("# ") else part
        if part.endswith("status") and not line.startswith("#") and not _STATUS.match(line):
            continue
        if part.endswith("mountinfo"):
            line = re.sub(r"^\d+ \d+ \d+:\d+ \S+ ", "", line)
            line = re.sub(r"(shared|master):\d+", r"\1", line)
            line = re.sub(r"([ug]id)=\d{6,}", r"\1=picked", line)
            line = re.sub(r"((upper|work|lower)dir\+?)=[^,]*", r"\1", line)
        elif part.endswith("namespaces"):
            line = f"{line.split(':')[0]} {'host' if line in host else 'own'}"
        if "pipe:[" not in line:
            lines.append(line)
    return lines


def differs(lines, expected):
    """What is different in ways that matter."""
    odd = set(lines) ^ set(expected)
    return sorted(line for line in odd if not _OPTIONAL.search(line))


@pytest.mark.parametrize("kind", _KINDS)
def test_nothing_runs_half_confined(spawn, busybox, scratch, kind):
    faults, host = Faults(scratch), host_namespaces()
    argv = spawn.argv(None, *_KINDS[kind](busybox), "--", "/probe", "self")
    faults.plain(argv)      # which makes what the image lacks
    calls, done = faults.calls(argv)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    expected = confinement(done.stdout, host)
    assert len(expected) > 100 and not differs(confinement(faults.plain(argv).stdout, host), expected)

    refused, every = 0, STRIDE * _EVERY.get(kind, 1)
    for call in calls:
        if call.name in CANNOT_FAIL or call.number % every or (kind in _OF_SUPERVISOR and call.process > 0):
            continue
        for error in errors_of(call):
            done = faults.fail(argv, call, error)
            # What is called, and by whom, is not quite the same every time.
            if not faults.hit().endswith(f" {call.name}"):
                continue
            where = f"{faults.hit()}, {errno.errorcode[error]}: {done.returncode} {done.stderr}"
            said = confinement(done.stdout, host)
            if done.returncode == 0:
                # Where our own output does not go, that of the payload is lost.
                if call.process == 0 and " write" in faults.hit():
                    continue
                assert not differs(said, expected), where
                assert done.stderr == "", where
                continue
            refused += 1
            # What the supervisor itself cannot do may come too late for the payload.
            assert not set(differs(said[:-1], expected)) - set(expected), where
            assert done.returncode == 125 or (call.name == "faccessat2" and done.returncode == 126), where
            lines = done.stderr.splitlines()
            assert len(lines) == 1 and lines[0].startswith("skep-spawn: "), where
            # The remedy may be told in place of the cause.
            assert os.strerror(error) in lines[0] or call.name in _CAUSE_IS_LOST or \
                (error == errno.EPERM and "DeviceAllow=" in lines[0]), where
    assert refused > 30 // STRIDE
    # The next start takes away what could not be removed, of a network the next that has one.
    options = ("-n", "--network-address=auto") if kind == "address" else ()
    spawn.run(busybox, *options, "--", "true", name=spawn.name + "-b")


@pytest.mark.parametrize("kind", ["plain", "users"])
def test_processes_that_die_while_they_build(spawn, busybox, scratch, kind):
    """As if the kernel had found no memory and chosen them: no machine stays half made."""
    faults = Faults(scratch)
    argv = spawn.argv(None, *_KINDS[kind](busybox), "--", "/bin/echo", "payload")
    calls, _ = faults.calls(argv)
    for call in calls[::5]:
        if call.process == 0 or call.name in CANNOT_FAIL:
            continue
        done = faults.die(argv, call)
        if faults.hit():
            assert done.stdout == "" and done.returncode in (125, 128 + 9), f"{call}: {done}"
            assert done.returncode != 125 or done.stderr.count("\n") == 1, f"{call}: {done}"


def test_masks_are_looked_at_after_mounting(spawn, busybox, scratch):
    """A mount that is said to be there and is not, or to be read-only and is not: then what it was to hide
    must not be seen, and what it was to protect must not be there."""
    (scratch / "bound").mkdir()
    script = ("cat /proc/kallsyms /proc/keys /proc/timer_list | wc -c; "
              "grep -c ' /proc/sys proc ro' /proc/mounts; "
              "awk '$2 ~ \"^(/proc/sys|/sys|/mnt|/run/host|/run/host/os-release)$\" && $4 !~ /^ro/' "
              "/proc/mounts")
    faults, refused = Faults(scratch), 0
    argv = spawn.argv(busybox, f"--bind-ro={scratch}/bound:/mnt", "--", "/bin/sh", "-c", script)
    faults.plain(argv)      # which makes what the image lacks
    calls, _ = faults.calls(argv)
    for call in calls:
        if call.name not in ("move_mount", "mount", "mount_setattr"):
            continue
        done = faults.fail(argv, call, 0)
        assert call.name in faults.hit()
        if done.returncode == 0:
            assert done.stdout.split() == ["0", "1"], f"{call}: {done.stdout}"
        else:
            refused += 1
            assert done.returncode == 125 and done.stdout == "", f"{call}: {done}"
    assert refused >= 4


def test_descriptors_run_out(spawn, busybox):
    """The real thing: with so few, opening fails at one place or another."""
    refused = 0
    for limit in range(4, 30, 3):
        argv = spawn.argv(busybox, "--private-users=pick", "-x", "--", "true")
        done = subprocess.run(["prlimit", f"--nofile={limit}:{limit}", "--", *argv], text=True,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=10, check=False)
        assert done.returncode in (0, 125), done
        refused += done.returncode == 125
        assert done.returncode == 0 or done.stderr.count("\n") == 1, done.stderr
    assert refused > 2
