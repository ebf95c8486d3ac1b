# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a bundle's document lets its container do: system calls, devices, and as much of memory and the rest as the
host has controllers for."""

import fcntl
import json
import os
import pathlib
import select
import socket
import struct
import subprocess
import threading

import pytest

from skeplib import kernel
from skeplib.bundles import Bundle
from skeplib.spawner import leader_of

ALLOW = {"defaultAction": "SCMP_ACT_ALLOW"}


@pytest.fixture
def bundle(scratch):
    return Bundle(scratch / "bundle", "/bin/true")


def option(bundle):
    bundle.write()
    return f"--oci-bundle={bundle.path}"


@pytest.fixture
def sh(spawn, bundle):
    """sh("script") is what came of the script as the payload of the bundle."""
    def run(script, *args, **options):
        bundle.sh(script)
        return spawn.run(None, *args, option(bundle), check=False, console=None, **options)
    return run


def rule(action, *names, **more):
    return {"names": list(names), "action": action, **more}


def own_filters():
    with open("/proc/self/status", encoding="ascii") as f:
        return int([line for line in f if line.startswith("Seccomp_filters")][0].split()[1])


def filters(sh):
    """How many filters a payload has on it."""
    return int(sh("grep Seccomp_filters /proc/self/status | tr -dc 0-9").stdout)


def test_no_filter_without_one(sh, bundle):
    bundle.linux.pop("seccomp", None)
    assert filters(sh) == own_filters()


@pytest.mark.parametrize("no_new_privileges", (True, False))
def test_filter(sh, bundle, no_new_privileges):
    bundle.process["noNewPrivileges"] = no_new_privileges
    bundle.linux["seccomp"] = {**ALLOW, "syscalls": [
        rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat", errnoRet=28),
        rule("SCMP_ACT_KILL_PROCESS", "sethostname", "no_such_call_at_all"),
        rule("SCMP_ACT_ERRNO", "kill", errnoRet=95, args=[{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]),
    ]}
    done = sh("mkdir /tmp/a; hostname x; echo $?; kill -USR1 1; kill -0 1 && echo fine")
    assert "No space left on device" in done.stderr
    assert "not supported" in done.stderr
    assert done.stdout.split() == ["159", "fine"]


def test_filter_replaces_ours(sh, bundle):
    """What machines may not do is allowed where the document allows it, and what they may is not."""
    bundle.linux["seccomp"] = {**ALLOW, "syscalls": [rule("SCMP_ACT_ERRNO", "personality")]}
    assert filters(sh) == own_filters() + 1


def test_strict_filter(sh, bundle):
    """With no_new_privs the list need not have what we call, only what the payload does."""
    bundle.process["noNewPrivileges"] = True
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [rule(
        "SCMP_ACT_ALLOW", "execve", "brk", "mmap", "munmap", "mprotect", "arch_prctl", "write", "writev", "read",
        "exit_group", "exit", "set_tid_address", "rt_sigprocmask", "rt_sigaction", "getuid", "geteuid", "getgid",
        "getegid", "getpid", "getppid", "set_robust_list", "rseq", "prlimit64", "readlink", "readlinkat", "getrandom",
        "ioctl", "stat", "newfstatat", "fstat", "getcwd", "fcntl", "open", "openat", "close", "poll", "setuid",
        "setgid", "prctl", "lstat", "access", "pread64", "uname", "futex", "dup2")]}
    done = sh("echo fine")
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.parametrize("what,says", [
    ({"defaultAction": "SCMP_ACT_NOTIFY"}, "linux.seccomp: defaultAction"),
    ({**ALLOW, "architectures": ["SCMP_ARCH_VAX"]}, "'SCMP_ARCH_VAX' is not an architecture"),
    ({**ALLOW, "flags": ["SECCOMP_FILTER_FLAG_FUN"]}, "'SECCOMP_FILTER_FLAG_FUN'"),
    ({**ALLOW, "syscalls": [rule("SCMP_ACT_NOTIFY", "mknod")]}, "listenerPath"),
])
def test_refused_filters(sh, bundle, what, says):
    bundle.linux["seccomp"] = what
    done = sh("true")
    assert done.returncode == 125 and says in done.stderr


class Listener(threading.Thread):
    """Answers what a filter asks: that a directory was made, whose it is not to be."""

    def __init__(self, path):
        super().__init__()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        self.server.settimeout(10)
        self.state, self.calls = None, []
        self.start()

    def run(self):
        connection, _ = self.server.accept()
        text, fds, _, _ = socket.recv_fds(connection, 65536, 2)
        connection.close()
        self.state = json.loads(text)
        poll = select.poll()
        poll.register(fds[0], select.POLLIN)
        while poll.poll(10000)[0][1] & select.POLLIN:
            asked = bytearray(80)
            fcntl.ioctl(fds[0], 0xC0502100, asked)                      # SECCOMP_IOCTL_NOTIF_RECV
            number, pid, _, call = struct.unpack_from("=QIIi", asked)
            self.calls.append((pid, call))
            fcntl.ioctl(fds[0], 0xC0182101, struct.pack("=QqiI", number, 0, -123, 0))       # ENOMEDIUM
        for fd in fds:
            os.close(fd)


@pytest.mark.parametrize("no_new_privileges", (True, False))
@pytest.mark.parametrize("own_users", (False, True))
def test_filter_that_asks(spawn, bundle, scratch, no_new_privileges, own_users):
    bundle.process["noNewPrivileges"] = no_new_privileges
    if own_users:
        bundle.linux["namespaces"].append({"type": "user"})
        for kind in ("uidMappings", "gidMappings"):
            bundle.linux[kind] = [{"containerID": 0, "hostID": 500000, "size": 1000}]
    listener = Listener(scratch / "listener")
    bundle.linux["seccomp"] = {**ALLOW, "listenerPath": str(scratch / "listener"), "listenerMetadata": "mine",
                               "syscalls": [rule("SCMP_ACT_NOTIFY", "mkdir", "mkdirat")]}
    bundle.config["annotations"] = {"a": "b"}
    bundle.sh("mkdir /tmp/a; mkdir /tmp/b; ls -d /tmp/a; echo $(ls /proc/self/fd)")
    done = spawn.run(None, option(bundle), check=False, console=None)
    listener.join()
    assert done.stderr.count("No medium found") == 2 and "/tmp/a: No such file" in done.stderr
    assert done.stdout.split() == ["0", "1", "2", "3"], "the descriptor stays with the payload"
    assert len(listener.calls) == 2
    state = listener.state
    assert state["ociVersion"] == "1.0.2" and state["fds"] == ["seccompFd"] and state["metadata"] == "mine"
    assert state["pid"] == state["state"]["pid"] > 1
    assert state["state"]["status"] == "creating" and state["state"]["bundle"] == str(bundle.path)
    assert state["state"]["annotations"] == {"a": "b"}


def test_nobody_listens(sh, bundle, scratch):
    bundle.linux["seccomp"] = {**ALLOW, "listenerPath": str(scratch / "nobody"),
                               "syscalls": [rule("SCMP_ACT_NOTIFY", "mkdir")]}
    done = sh("echo runs")
    assert done.returncode == 125 and done.stdout == "" and "cannot reach the filter's listener" in done.stderr


def device(allow, kind="a", major=None, minor=None, access="rwm"):
    return {"allow": allow, "type": kind, "access": access,
            **({} if major is None else {"major": major}), **({} if minor is None else {"minor": minor})}


@pytest.mark.parametrize("rules,can", [
    ([device(False)], ""),
    ([device(False), device(True, "c", 1, 11, "r")], "r"),
    ([device(False), device(True, "c", 1, 11, "rw")], "rw"),
    ([device(True), device(False, "c", 1, 11, "w")], "r"),
    ([device(True, "c", 1), device(False, "c", 1, 11), device(True, "c", None, 11, "r")], "r"),
])
def test_devices(sh, bundle, rules, can):
    """/dev/kmsg, as its document's rules have it, and /dev/null whatever they say."""
    bundle.linux["resources"] = {"devices": rules}
    bundle.process["capabilities"] = {k: [*v, "CAP_SYSLOG"] for k, v in bundle.process["capabilities"].items()}
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/kmsg2", "major": 1, "minor": 11, "fileMode": 0o666}]
    done = sh("test -c /dev/kmsg2 || exit 9; (: </dev/kmsg2) && echo r; (: >/dev/kmsg2) && echo w;"
              "echo >/dev/null && mknod /tmp/x b 8 0 2>/dev/null; exit 0")
    assert "".join(done.stdout.split()) == can, done.stderr
    assert done.returncode == 0


def controllers():
    return pathlib.Path(kernel.cgroup2_mount(), "cgroup.controllers").read_text(encoding="ascii").split()


def test_limits_that_the_host_cannot_set_are_told(sh, bundle):
    bundle.linux["resources"] = {"pids": {"limit": 100}, "memory": {"limit": 1 << 30}}
    done = sh("echo runs", quiet=False)
    assert done.stdout == "runs\n"
    for name in ("pids", "memory"):
        assert (name in done.stderr) == (name not in controllers()), done.stderr


@pytest.mark.skipif("hugetlb" not in controllers(), reason="the host's cgroup2 has no hugetlb")
def test_a_limit_is_in_the_group(spawn, bundle):
    size = "2MB"
    bundle.linux["resources"] = {"hugepageLimits": [{"pageSize": size, "limit": 4 << 20}]}
    bundle.sh("echo up; read x")
    machine = spawn.start(None, option(bundle), console=None, stdin=subprocess.PIPE)
    assert machine.stdout.readline() == "up\n"
    group = kernel.cgroup2_mount() / str(kernel.cgroup_of(leader_of(machine))).lstrip("/")
    assert (group / f"hugetlb.{size}.max").read_text(encoding="ascii") == f"{4 << 20}\n"
    machine.communicate("\n")
    assert machine.returncode == 0


@pytest.mark.parametrize("resources,says", [
    ({"unified": {"skep.max": "1"}}, "'skep.max'"),
    ({"unified": {"hugetlb.2MB.max": "many"}}, "hugetlb.2MB.max"),
    ({"memory": {"swappiness": 10}}, "swappiness"),
    ({"network": {"classID": 5}}, "network"),
    ({"cpu": {"realtimeRuntime": 1000}}, "real-time"),
])
def test_refused_limits(sh, bundle, resources, says):
    bundle.linux["resources"] = resources
    done = sh("true")
    assert done.returncode == 125 and says in done.stderr


def test_what_nobody_does_is_refused(sh, bundle):
    bundle.linux["intelRdt"] = {"closID": "a"}
    done = sh("true")
    assert done.returncode == 125 and "linux.intelRdt" in done.stderr
