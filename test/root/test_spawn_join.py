# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands in machines that run already, by skep-spawn --join."""

import os
import re
import subprocess

import pytest

from skeplib import kernel
from skeplib.spawner import leader_of, wait_until


class Joiner:
    """Runs skep-spawn --join=."""

    def __init__(self, spawn):
        self.spawn = spawn

    def start(self, *args, machine=None, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        argv = [str(self.spawn.program), f"--join={machine or self.spawn.name}", *map(str, args)]
        process = subprocess.Popen(argv, text=True, **options)
        self.spawn.started.append(process)
        return process

    def run(self, *args, check=True, timeout=20, input=None, **options):
        if input is not None:
            options["stdin"] = subprocess.PIPE
        process = self.start(*args, **options)
        out, err = process.communicate(input, timeout=timeout)
        assert not check or process.returncode == 0, f"{args}: {process.returncode}, {err}"
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def out(self, *args, **options):
        return self.run(*args, **options).stdout.rstrip("\n")

    def sh(self, script, *args, **options):
        return self.out(*args, "--", "/bin/sh", "-c", script, **options)

    def refuse(self, *args, status=125, **options):
        done = self.run(*args, check=False, **options)
        assert done.returncode == status, f"{args}: {done.returncode}, {done.stderr}"
        assert done.stdout == ""
        assert re.fullmatch(r"skep-spawn: [^\n]*\n", done.stderr), done.stderr
        return done.stderr.strip()


@pytest.fixture
def join(spawn):
    return Joiner(spawn)


@pytest.fixture
def machine(spawn, busybox):
    """machine(option…) starts one that stays. Return: its supervisor."""
    def start(*options, command=("sh", "-c", "while :; do sleep 1000 & wait; done"), **rest):
        process = spawn.start(busybox, *options, "--", *command, **rest)
        pid = leader_of(process)
        wait_until(lambda: kernel_exe(pid) != "" and "spawn" not in kernel_exe(pid),
                   what="the payload")
        return process

    yield start
    for process in spawn.started:
        if process.poll() is None:
            process.terminate()
            process.wait(5)


def kernel_exe(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def status(pid, key):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return re.search(rf"^{key}:\s+(.*)$", f.read(), re.MULTILINE)[1]


def namespaces(pid):
    return {n: os.readlink(f"/proc/{pid}/ns/{n}") for n in os.listdir(f"/proc/{pid}/ns")
            if not n.endswith("_for_children")}


# --- what runs, and how it ends --------------------------------------------------------------------

@pytest.mark.parametrize("command, expected", [("true", 0), ("exit 7", 7), ("kill -9 $$", 137),
                                               ("kill -TERM $$", 143)])
def test_exit_status(machine, join, command, expected):
    machine()
    assert join.run("--", "sh", "-c", command, check=False).returncode == expected


def test_what_cannot_be_run(machine, join, busybox):
    (busybox / "no").write_text("")
    (busybox / "script").write_text("#!/gone\n")
    (busybox / "script").chmod(0o755)
    machine()
    assert "'nowhere'" in join.refuse("nowhere", status=127)
    assert "interpreter" in join.refuse("/script", status=127)
    join.refuse("/no", status=126)


def test_pipes_and_their_ends(machine, join):
    machine()
    assert join.out("wc", "-c", input="x" * 300000) == "300000"
    done = join.run("--", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    reader = join.start("--", "sh", "-c", "yes; echo $? >&2")
    assert reader.stdout.readline() == "y\n"
    reader.stdout.close()
    assert reader.wait(5) in (0, 141)


def test_by_pid(machine, join):
    leader = leader_of(machine())
    assert join.out("hostname", machine=leader) == join.spawn.name


@pytest.mark.parametrize("options", [(), ("--private-users=524288:65536",), ("--as-pid2",),
                                     ("--share-namespaces=uts,ipc",), ("--private-network",)])
def test_is_where_the_machine_is(machine, join, options):
    leader = leader_of(machine(*options))
    inside = join.start("sh", "-c", "echo ready; read end; exit 0", stdin=subprocess.PIPE)
    assert inside.stdout.readline() == "ready\n"
    pid = next(p for p in kernel.descendants(inside.pid))
    assert namespaces(pid) == namespaces(leader)
    assert kernel.cgroup_of(pid) == kernel.cgroup_of(leader)
    for key in ("CapBnd", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Uid"):
        assert status(pid, key) == status(leader, key), key
    assert status(pid, "CapInh") == status(pid, "CapAmb") == "0" * 16
    inside.stdin.close()
    assert inside.wait(5) == 0


def test_environment(machine, join):
    machine("--setenv=MARK=of the machine", "--setenv=OTHER=1")
    env = dict(line.split("=", 1) for line in
               join.out("--setenv=OTHER=2", "env", env={"LEAK": "1", "HOME": "/x"}).splitlines())
    assert env["MARK"] == "of the machine" and env["OTHER"] == "2" and env["HOME"] == "/root"
    assert env["container"] and env["PATH"] and env["USER"] == "root"
    assert not {"LEAK", "NOTIFY_SOCKET", "TERM"} & set(env)


def test_user_and_directory(machine, join, busybox):
    with open(busybox / "etc/passwd", "a", encoding="ascii") as f:
        f.write("someone:x:1234:1235::/home/someone:/bin/sh\n")
    (busybox / "etc/group").write_text("root:x:0:\nmore:x:77:someone\n")
    (busybox / "home/someone").mkdir(parents=True)
    machine()
    out = join.sh("id -u; id -g; id -G; echo $HOME; pwd; grep CapEff /proc/self/status",
                  "--uid=someone", "--chdir=/tmp")
    assert out.split() == ["1234", "1235", "1235", "77", "/home/someone", "/tmp", "CapEff:", "0" * 16]
    assert join.out("--uid=someone", input="pwd\n") == "/home/someone"
    assert "nobody-here" in join.refuse("--uid=nobody-here", "true")
    assert "/nowhere" in join.refuse("--chdir=/nowhere", "true")
