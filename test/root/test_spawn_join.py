# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands in machines that run already, by skep-spawn --join."""

import contextlib
import errno
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess

import pytest

from skeplib import kernel
from skeplib.faults import CANNOT_FAIL, CHANGES_NOTHING, TROUBLE, Faults
from skeplib.spawner import leader_of, wait_until
from skeplib.terminal import HostTerminal as Terminal


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
    def start(*options, command=("sleep", "100000"), **rest):
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
        return re.search(rf"^{key}:[ \t]*(.*)$", f.read(), re.MULTILINE)[1]


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
    # Who joined first has ended.
    wait_until(lambda: len(list(kernel.descendants(inside.pid))) == 1)
    pid = next(kernel.descendants(inside.pid))
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


# --- terminals -------------------------------------------------------------------------------------

def at_terminal(join, *args, **options):
    return Terminal(JoinStarter(join), None, *args, **options)


class JoinStarter:
    """What Terminal takes for a Spawner."""

    def __init__(self, join):
        self.join = join

    def start(self, tree, *args, console=None, **options):
        return self.join.start(*args, **options)


def test_terminal_and_its_size(machine, join):
    machine()
    terminal = at_terminal(join, "sh", "-c",
                           "tty; stty size; trap 'stty size; exit 3' WINCH; echo ready; "
                           "while :; do sleep 0.05; done", rows=31, columns=99)
    terminal.expect("/dev/pts/")
    terminal.expect("31 99")
    terminal.expect("ready")
    terminal.resize(20, 70)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.expect("20 70")
    assert terminal.end() == 3


def test_terminal_is_raw_and_keys_go_in(machine, join):
    machine()
    terminal = at_terminal(join, "sh", "-c", "trap 'echo caught; exit 5' INT; echo ready; "
                           "while :; do sleep 0.05; done")
    terminal.expect("ready")
    terminal.send(b"\x03")
    terminal.expect("caught")
    assert terminal.end() == 5


def test_three_escapes_hang_up_the_terminal(machine, join):
    leader = leader_of(machine())
    terminal = at_terminal(join, "sh", "-c", "echo ready; exec sleep 4321")
    terminal.expect("ready")
    terminal.send(b"\x1d\x1d\x1d")
    assert terminal.end() in (129, 143)
    assert join.sh("pgrep -f 4321 || echo none") == "none"
    os.kill(leader, 0)


def test_terminal_where_stdio_is_none(machine, join):
    machine()
    out = join.out("--pty", "sh", "-c", "tty; echo $TERM", env={"TERM": "xterm-256color"})
    assert re.fullmatch(r"/dev/pts/\d+\s+xterm-256color", out)


def test_the_terminal_belongs_to_the_user(machine, join):
    machine("--private-users=524288:65536")
    assert join.sh("stat -c %u $(tty)", "--pty", "--uid=12") == "12"
    assert join.sh("stat -c %u $(tty)", "--pty") == "0"


def test_terminals_of_the_host_stay_outside(machine, join):
    machine()
    terminal = at_terminal(join, "--pipe", "sh", "-c",
                           "for i in 0 1 2; do [ -t $i ] && echo a-terminal; done; "
                           "echo err >&2; cat; exit 6")
    terminal.expect("err")
    terminal.send(b"typed\n\x04")
    terminal.expect("typed")
    assert terminal.end() == 6
    assert "a-terminal" not in terminal.text


# --- machines in every state -----------------------------------------------------------------------

def test_stopped_machine(machine, join):
    process = machine()
    leader = leader_of(process)
    os.kill(leader, signal.SIGSTOP)
    assert join.out("echo", "hello") == "hello"
    assert status(leader, "State").startswith("T")
    os.kill(leader, signal.SIGCONT)


def test_paused_machine(machine, join):
    leader = leader_of(machine())
    group = kernel.cgroup2_mount() / kernel.cgroup_of(leader).lstrip("/")
    (group / "cgroup.freeze").write_text("1", encoding="ascii")
    try:
        wait_until(lambda: "frozen 1" in (group / "cgroup.events").read_text(encoding="ascii"))
        assert "paused" in join.refuse("true")
    finally:
        (group / "cgroup.freeze").write_text("0", encoding="ascii")
    assert join.run("true").returncode == 0


def test_no_such_machine(spawn, join, machine):
    assert "nobody-at-all" in join.refuse("true", machine="nobody-at-all")
    assert "in no machine" in join.refuse("true", machine=os.getpid())
    join.refuse("true", machine="../x")
    process = machine()
    leader = leader_of(process)
    process.terminate()
    process.wait(5)
    join.refuse("true")
    join.refuse("true", machine=leader)


def test_options_that_make_a_machine_are_refused(join):
    for option in ("--read-only", "--directory=/", "--private-users", "--console=passive", "--boot"):
        assert option.split("=")[0] in join.refuse(option, "true") or "console" in option


def test_machine_that_ends_meanwhile(machine, join):
    process = machine()
    inside = join.start("sh", "-c", "echo ready; sleep 1000")
    assert inside.stdout.readline() == "ready\n"
    process.terminate()
    assert inside.wait(5) == 137
    process.wait(5)


def test_record_of_a_machine_is_not_believed(spawn, busybox, join, own_run, machine):
    """A leader that is another process by now, one of another user's, a file that others can write."""
    leader = leader_of(machine())
    records = pathlib.Path(own_run) / "systemd/machines"
    records.mkdir(parents=True)
    record = records / "other"
    good = f"NAME=other\nLEADER={leader}\nUID=0\n"
    record.write_text(good, encoding="ascii")
    assert join.out("echo", "in", machine="other") == "in"

    for bad, word in (("LEADER_PIDFDID=1\n", "ended"), ("UID=1000\n", "belongs to user 1000"),
                      ("REALTIME=1\nMONOTONIC=1\n", "ended"), ("NAME=another\n", "NAME="),
                      ("LEADER=1\n", "LEADER="), ("X='\n", "")):
        record.write_text(good + bad, encoding="ascii")
        assert word in join.refuse("true", machine="other")
    record.write_text(good, encoding="ascii")
    record.chmod(0o666)
    assert "others than root" in join.refuse("true", machine="other")
    record.unlink()
    record.symlink_to("/etc/passwd")
    join.refuse("true", machine="other")


# --- confinement -----------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [("--system-call-filter=~mkdir mkdirat",),
                                     ("--no-new-privileges=yes", "--drop-capability=CAP_CHOWN"),
                                     ("--restrict-address-families=AF_UNIX",),
                                     ("--oom-score-adjust=300", "--rlimit=CORE=1000:2000",
                                      "--cpu-affinity=0", "--personality=x86"),
                                     ("--seccomp=no",)])
def test_confined_as_the_machine_is(machine, join, options):
    """All that confines is the same for the first process and for one that joins."""
    def facts(text):
        keys = ("Cap", "Seccomp", "NoNewPrivs", "Cpus_allowed_list", "Max core", "machine", "made",
                "oom", "socket")
        return [line for line in text.splitlines() if line.startswith(keys)]

    script = ("cat /proc/self/status /proc/self/limits; mkdir /tmp/$$ && echo made; "
              "echo oom $(cat /proc/self/oom_score_adj); echo machine $(uname -m); "
              "nc 127.0.0.1 1 2>&1 </dev/null | sed 's/^/socket /'")
    first = machine(*options, command=("sh", "-c", script + "; echo end; sleep 1000"))
    text = ""
    while "end\n" not in text:
        text += first.stdout.readline()
    assert facts(join.sh(script)) == facts(text)


# --- payloads that mean harm -----------------------------------------------------------------------

def watch(machine, join, busybox, scratch, attack, *options):
    """What a payload could have of joins that @attack makes, as probe_watch() tells it."""
    (scratch / "canary").write_text("")
    watcher = machine(*options, command=("/probe", "watch"))
    assert watcher.stdout.readline() == "watching\n"
    attack(watcher.stdout)
    (busybox / "stop").write_text("")
    out = watcher.communicate(timeout=10)[0]
    return {name: int(n) for name, n in (line.split() for line in out.splitlines() if " " in line)}


def harmless(had, *but):
    assert had.pop("sightings") > 0
    breaches = {name: n for name, n in had.items() if n and name not in but}
    assert not breaches


@pytest.mark.parametrize("users", [False, True])
def test_nothing_can_be_had_of_who_joins(machine, join, busybox, scratch, users):
    def attack(sighted):
        more = 20
        for _ in range(1000):   # the moment is short; on a busy machine it is often missed
            join.run("true", cwd=scratch, env={"LEAK": "1"})
            more -= bool(select.select([sighted], [], [], 0)[0])
            if more == 0:
                break

    had = watch(machine, join, busybox, scratch, attack,
                *(("--private-users=524288:65536",) if users else ()))
    # Root of the host in a machine may trace its own kind: skep-init, which is of the machine.
    harmless(had, *(() if users else ("traced", "memory")))


def test_nothing_can_be_had_at_any_moment(machine, join, busybox, scratch):
    """One after the other, each call that is made once there is a process in the machine waits."""
    faults = Faults(scratch)
    argv = [str(join.spawn.program), f"--join={join.spawn.name}", "true"]

    def attack(_):
        calls, done = faults.calls(argv)
        assert done.returncode == 0, done.stderr
        for call in calls:
            if call.process == max(c.process for c in calls):
                assert faults.hold(argv, call, 20).returncode == 0

    with contextlib.chdir(scratch):
        harmless(watch(machine, join, busybox, scratch, attack), "traced", "memory")


# --- faults ----------------------------------------------------------------------------------------

def left_in(leader):
    """Processes, terminals and control groups of a machine."""
    group = kernel.cgroup2_mount() / kernel.cgroup_of(leader).lstrip("/")
    pids = (group / "cgroup.procs").read_text(encoding="ascii").split()
    return ([p for p in pids if status(p, "State")[0] not in "ZX"], sorted(os.listdir(f"/proc/{leader}/root/dev/pts")),
            sorted(p.name for p in group.iterdir() if p.is_dir()))


@pytest.mark.parametrize("way", ["pipe", "pty"])
@pytest.mark.parametrize("harm", ["kill", "die"])
def test_nothing_is_left_of_a_join_that_is_killed(machine, join, scratch, way, harm):
    leader = leader_of(machine())
    before = left_in(leader)
    faults = Faults(scratch)
    argv = [str(join.spawn.program), f"--join={join.spawn.name}", f"--{way}", "sleep", "0.01"]
    calls, done = faults.calls(argv)
    assert done.returncode == 0, done.stderr
    for call in calls:
        if call.name in CHANGES_NOTHING or (harm == "die" and call.process == 0):
            continue
        done = getattr(faults, harm)(argv, call)
        assert faults.hit() and done.returncode != TROUBLE, (call, done)
        if harm == "die":
            assert done.returncode in (125, 137), (call, done)
            assert done.returncode == 137 or done.stderr.count("\n") == 1, (call, done)
        wait_until(lambda: left_in(leader) == before, what=f"an end of {call}")


def test_no_call_fails_in_silence(machine, join, scratch):
    leader = leader_of(machine())
    before = left_in(leader)
    faults = Faults(scratch)
    argv = [str(join.spawn.program), f"--join={join.spawn.name}", "echo", "hello"]
    for call in faults.calls(argv)[0]:
        if call.name in CANNOT_FAIL:
            continue
        done = faults.fail(argv, call, errno.EIO)
        good = done.returncode == 0 and done.stdout == "hello\n"
        assert good or (done.returncode in (125, 126, 127) and done.stderr.count("\n") == 1), (call, done)
        wait_until(lambda: left_in(leader) == before, what=f"an end of {call}")


# --- machines that are not ours --------------------------------------------------------------------

@pytest.fixture
def foreign(spawn, busybox):
    """foreign(option…) has another program make namespaces for a tree. Return: PID of what runs there."""
    def make(*options, command=("sleep", "100000")):
        process = subprocess.Popen(["unshare", "--kill-child", *options, "chroot", str(busybox), *command])
        spawn.started.append(process)
        found = []
        wait_until(lambda: found.extend(p for p in [process.pid, *kernel.descendants(process.pid)]
                                        if kernel_exe(p) == f"{busybox}/bin/busybox") or found)
        return found[0]

    yield make
    spawn.stop_all()


@pytest.mark.parametrize("options", [("--mount",), ("--mount", "--pid", "--fork", "--net", "--uts"),
                                     ("--mount", "--user", "--map-root-user", "--pid", "--fork")])
def test_machine_of_another_engine(join, foreign, options):
    pid = foreign(*options)
    assert join.sh("cat /etc/os-release; id -u; ls /proc | wc -l", machine=pid).startswith("ID=busybox")
    inside = join.start("cat", machine=pid, stdin=subprocess.PIPE, extra_groups=[4, 24])
    wait_until(lambda: [kernel_exe(p)[-7:] for p in kernel.descendants(inside.pid)] == ["busybox"])
    assert namespaces(next(kernel.descendants(inside.pid))) == namespaces(pid)
    assert set(status(next(kernel.descendants(inside.pid)), "Groups").split()) <= {"0"}
    inside.stdin.close()
    assert inside.wait(5) == 0


def test_filter_is_asked_of_the_kernel(machine, join):
    """Where it is not known from elsewhere; who is asked goes on."""
    if status("self", "Seccomp") != "0":
        pytest.skip("who is confined may not ask")
    process = machine("--system-call-filter=~mkdir mkdirat",
                      command=("sh", "-c", "sleep 100000 & sleep 100001"))
    found = []
    wait_until(lambda: found.extend(p for p in kernel.descendants(leader_of(process))) or len(found) > 1)
    pid = found[-1]
    assert join.sh("mkdir /tmp/x 2>/dev/null; echo $?", machine=pid) == "1"
    assert join.out("grep", "Seccomp_filters", "/proc/self/status", machine=pid).split()[1] == "1"
    assert status(pid, "State")[0] == "S" and status(pid, "TracerPid") == "0"


def test_container_of_a_bundle(spawn, join, busybox, scratch):
    """It has the filter of its document, and its first process the environment."""
    (scratch / "bundle").mkdir()
    shutil.copytree(busybox, scratch / "bundle/rootfs", symlinks=True)
    document = {
        "ociVersion": "1.0.2", "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["sleep", "100000"], "user": {"uid": 0, "gid": 0},
                    "env": ["PATH=/bin:/usr/bin", "MARK=of the document"]},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": n} for n in ("pid", "mount", "ipc", "uts", "cgroup")],
                  "seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
                              "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}}}
    (scratch / "bundle/config.json").write_text(json.dumps(document), encoding="utf-8")
    process = spawn.start(None, f"--oci-bundle={scratch / 'bundle'}", console=None)
    wait_until(lambda: kernel_exe(leader_of(process)).endswith("busybox"))
    assert join.sh("echo $MARK; mkdir /tmp/x 2>/dev/null; echo $?; grep CapBnd /proc/self/status").split() == [
        "of", "the", "document", "1", "CapBnd:", "0" * 16]
    process.terminate()
    process.wait(5)


if os.environ.get("SKEP_SANITIZED"):     # which makes calls of its own, also to look for leaks
    del test_nothing_can_be_had_at_any_moment
    del test_nothing_is_left_of_a_join_that_is_killed
    del test_no_call_fails_in_silence
