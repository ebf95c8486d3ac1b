# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep-oci: the life of a container, command by command."""

import array
import contextlib
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from skeplib import oci
from skeplib.oci import wait_until


@pytest.fixture
def runtime(scratch):
    r = oci.Runtime(scratch)
    yield r
    r.close()


def test_create_start_and_delete(runtime, scratch):
    bundle = runtime.bundle("/bin/sh", "-c", "echo ran; sleep 100")
    with open(scratch / "said", "wb") as said:
        done = subprocess.run(runtime.command("create", "--bundle", str(bundle), "--pid-file",
                                              str(scratch / "pid"), "web"), stdout=said, timeout=30)
    assert done.returncode == 0
    state = runtime.state("web")
    pid = int((scratch / "pid").read_text())
    assert (state["status"], state["id"], state["pid"]) == ("created", "web", pid)
    assert (state["bundle"], state["rootfs"]) == (str(bundle), str(bundle / "rootfs"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", state["created"])
    # It is ours since its maker is gone, and is no more than a few pages of system calls.
    assert f"\nPPid:\t{os.getpid()}\n" in open(f"/proc/{pid}/status", encoding="ascii").read()
    assert (scratch / "said").read_text() == ""
    assert not os.readlink(f"/proc/{pid}/exe").endswith("skep-oci")

    runtime.run("start", "web")
    assert runtime.status("web") == "running"
    wait_until(lambda: (scratch / "said").read_text() == "ran\n")
    assert "cannot start an already running container" in runtime.refuse("start", "web")
    assert "that is not stopped: running" in runtime.refuse("delete", "web")
    runtime.run("kill", "web", "KILL")
    runtime.wait_for("web", "stopped")
    assert runtime.state("web")["pid"] == 0
    assert "cannot start a container that has stopped" in runtime.refuse("start", "web")
    assert "container not running" in runtime.refuse("kill", "web", "TERM")
    runtime.run("delete", "web")
    assert "container does not exist" in runtime.refuse("state", "web")
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


def test_nothing_of_ours_stays_beside_the_container(runtime):
    runtime.create("one", runtime.bundle("/bin/sleep", "100"))
    assert runtime.reap() == {runtime.state("one")["pid"]}
    pid = runtime.state("one")["pid"]
    memory = open(f"/proc/{pid}/smaps_rollup", encoding="ascii").read()
    assert int(re.search(r"^Pss:\s+(\d+)", memory, re.M)[1]) < 100
    assert {os.readlink(f"/proc/{pid}/fd/{n}").rsplit("/", 1)[1] for n in os.listdir(f"/proc/{pid}/fd")
            if int(n) > 2} == {"gate", "outcome"}
    runtime.run("start", "one")
    assert [n for n in os.listdir(f"/proc/{pid}/fd") if int(n) > 2] == []
    assert runtime.reap() == {pid}


@pytest.mark.parametrize("status", [0, 3, 255])
def test_run_passes_the_status_on(runtime, status):
    done = runtime.run("run", "--bundle", runtime.bundle("/bin/sh", "-c", f"echo out; exit {status}"), "x",
                       check=False)
    assert (done.returncode, done.stdout) == (status, "out\n")
    assert runtime.names() == []


def test_run_in_the_background(runtime, scratch):
    runtime.run("run", "-d", "--pid-file", scratch / "pid", "-b", runtime.bundle("/bin/sleep", "100"), "x")
    assert runtime.status("x") == "running"
    assert runtime.state("x")["pid"] == int((scratch / "pid").read_text())


def test_run_and_keep(runtime):
    runtime.run("run", "--keep", "-b", runtime.bundle("/bin/true"), "x")
    assert runtime.status("x") == "stopped"


def test_run_passes_signals_on(runtime):
    bundle = runtime.bundle("/bin/sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done")
    with runtime.spawn("run", "-b", str(bundle), "x", stdout=subprocess.PIPE) as p:
        assert p.stdout.readline() == b"up\n"
        p.terminate()
        assert p.wait(10) == 7


@pytest.mark.parametrize("command, words", [
    ("/bin/missing", "No such file or directory"), ("/etc/group", "Permission denied"),
])
def test_what_cannot_be_executed_is_told_before_it_is_started(runtime, command, words):
    bundle = runtime.bundle(command)
    (bundle / "rootfs/etc").mkdir(exist_ok=True)
    (bundle / "rootfs/etc/group").write_text("")
    line = runtime.refuse("create", "-b", bundle, "x")
    assert words in line and command in line
    assert runtime.names() == []


def test_what_fails_only_at_its_execution_is_told_by_start(runtime):
    bundle = runtime.bundle("/bin/wrong")
    (bundle / "rootfs/bin/wrong").write_bytes(b"#!/no/such/thing\n")
    (bundle / "rootfs/bin/wrong").chmod(0o755)
    runtime.create("x", bundle)
    assert "cannot execute '/bin/wrong': No such file or directory" in runtime.refuse("start", "x")
    runtime.wait_for("x", "stopped")


def test_a_name_is_taken_once(runtime):
    bundle = runtime.bundle("/bin/true")
    runtime.create("x", bundle)
    assert "container with given ID already exists" in runtime.refuse("create", "-b", bundle, "x")
    assert runtime.status("x") == "created"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc", "a b", "x" * 300, "é"])
def test_names_that_would_lead_elsewhere(runtime, name):
    bundle = runtime.bundle("/bin/true")
    for words in (("create", "-b", bundle), ("state",), ("start",), ("kill",), ("delete",),
                  ("delete", "--force"), ("exec",), ("pause",), ("ps",)):
        more = ("true",) if words[0] == "exec" else ()
        status = 255 if words[0] == "exec" else 1
        assert "invalid container ID format" in runtime.refuse(*words, name, *more, status=status)


@pytest.mark.parametrize("words", [
    ["state", "x"], ["start", "x"], ["kill", "x"], ["delete", "x"], ["pause", "x"], ["resume", "x"], ["ps", "x"],
    ["events", "x"],
])
def test_what_is_not_there(runtime, words):
    assert "container does not exist" in runtime.refuse(*words)
    assert "exec failed: container does not exist" in runtime.refuse("exec", "x", "true", status=255)
    runtime.run("delete", "--force", "x")


def test_delete_with_force(runtime):
    runtime.run("run", "-d", "-b", runtime.bundle("/bin/sh", "-c", "sleep 100 & sleep 200"), "x")
    wait_until(lambda: len(json.loads(runtime.out("ps", "-f", "json", "x"))) == 2)
    runtime.run("delete", "--force", "x")
    assert runtime.names() == [] and runtime.groups() == []


def test_delete_what_was_only_created(runtime):
    runtime.create("x", runtime.bundle("/bin/true"))
    runtime.run("delete", "x")
    assert runtime.names() == []


@pytest.mark.parametrize("word, number", [("TERM", 15), ("SIGUSR1", 10), ("int", 2), ("12", 12)])
def test_kill_takes_names_and_numbers(runtime, word, number):
    traps = "; ".join(f"trap 'echo {n}; exit 0' {n}" for n in (2, 10, 12, 15))
    bundle = runtime.bundle("/bin/sh", "-c", f"{traps}; echo up; while :; do sleep 0.05; done")
    with runtime.spawn("run", "-b", str(bundle), "x", stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout.readline() == "up\n"
        runtime.run("kill", "x", word)
        assert p.stdout.readline() == f"{number}\n"


def test_kill_refuses_what_is_no_signal(runtime):
    runtime.create("x", runtime.bundle("/bin/true"))
    assert "unknown signal" in runtime.refuse("kill", "x", "NONSENSE")
    assert "unknown signal" in runtime.refuse("kill", "x", "999")
    assert runtime.status("x") == "created"


def test_kill_all(runtime):
    runtime.run("run", "-d", "-b", runtime.bundle("/bin/sh", "-c", "sleep 300 & sleep 200; sleep 100"), "x")
    wait_until(lambda: len(json.loads(runtime.out("ps", "-f", "json", "x"))) == 3)
    pids = json.loads(runtime.out("ps", "-f", "json", "x"))
    runtime.run("kill", "--all", "x", "KILL")
    runtime.wait_for("x", "stopped")
    wait_until(lambda: runtime.reap() is not None and not any(os.path.exists(f"/proc/{p}/exe") for p in pids))


def test_pause_and_resume(runtime):
    runtime.run("run", "-d", "-b", runtime.bundle("/bin/sh", "-c", "while :; do echo $((++i)) > /n; sleep 0.01; done"),
                "x")
    pid = runtime.state("x")["pid"]
    runtime.run("pause", "x")
    assert runtime.status("x") == "paused"
    seen = open(f"/proc/{pid}/root/n", encoding="ascii").read()
    assert "cannot exec in a paused container" in runtime.refuse("exec", "x", "/bin/true", status=255)
    assert "not paused" not in runtime.refuse("pause", "x")
    assert open(f"/proc/{pid}/root/n", encoding="ascii").read() == seen
    runtime.run("resume", "x")
    assert runtime.status("x") == "running"
    wait_until(lambda: open(f"/proc/{pid}/root/n", encoding="ascii").read() not in (seen, ""))
    assert "container not paused" in runtime.refuse("resume", "x")
    runtime.run("pause", "x")
    runtime.run("delete", "--force", "x")


def receive_terminal(path, words, runtime):
    """Run a command that sends a terminal to a socket: (its master, the name it came with)."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        runtime.run(*words)
        with listener.accept()[0] as conn:
            name, control, _, _ = conn.recvmsg(4096, socket.CMSG_SPACE(4))
    fds = array.array("i", control[0][2][:4])
    return fds[0], name.decode()


def read_some(fd, words):
    said = b""
    while words not in said:
        said += os.read(fd, 4096)
    return said


def test_the_terminal_goes_to_the_console_socket(runtime, scratch):
    def size(document):
        document["process"]["consoleSize"] = {"height": 33, "width": 101}
    bundle = runtime.bundle("/bin/sh", "-c", "stty size; tty; read line; echo got $line", terminal=True,
                            change=size)
    assert "console socket" in runtime.refuse("create", "-b", bundle, "x")
    assert runtime.names() == []
    # A socket whose path is longer than an address can be.
    folder = scratch / ("f" * 120)
    folder.mkdir()
    with contextlib.chdir(folder):
        master, name = receive_terminal("s", ["create", "-b", bundle, "--console-socket", folder / "s", "x"], runtime)
    assert re.fullmatch(r"/dev/pts/\d+|/dev/ptmx|/ptmx", name)
    runtime.run("start", "x")
    said = read_some(master, b"/dev/")
    assert b"33 101" in said
    os.write(master, b"hello\n")
    assert b"got hello" in read_some(master, b"got hello")
    os.close(master)


def test_no_console_socket_without_a_terminal(runtime, scratch):
    bundle = runtime.bundle("/bin/true")
    assert "console socket" in runtime.refuse("create", "-b", bundle, "--console-socket", scratch / "s", "x")


def test_descriptors_are_preserved_as_many_as_were_asked_for(runtime, scratch):
    bundle = runtime.bundle("/bin/sh", "-c", "ls /proc/self/fd | wc -l; cat <&3; cat <&4")
    for name in ("three", "four"):
        (scratch / name).write_text(f"{name}\n")
    # In a child, whose numbers are free.
    script = f'exec 3<{scratch}/three 4<{scratch}/four 5</dev/null; exec "$@"'
    done = subprocess.run(["sh", "-c", script, "sh", *runtime.command("run", "--preserve-fds", "2", "-b", bundle, "x")],
                          capture_output=True, text=True, timeout=30, check=True)
    # 0, 1, 2, the two, and that of the directory that ls reads
    assert done.stdout == "6\nthree\nfour\n"
    assert "cannot preserve descriptor 3" in runtime.refuse("run", "--preserve-fds", "1", "-b", bundle, "x")


def test_state_tells_annotations(runtime):
    def annotate(document):
        document["annotations"] = {"org.example.a": "1 \"2\"", "b": ""}
    runtime.create("x", runtime.bundle("/bin/true", change=annotate))
    assert runtime.state("x")["annotations"] == {"org.example.a": "1 \"2\"", "b": ""}


def test_list(runtime):
    assert json.loads(runtime.out("list", "--format", "json")) == []
    runtime.create("b", runtime.bundle("/bin/true"))
    runtime.create("a", runtime.bundle("/bin/true"))
    lines = runtime.out("list").splitlines()
    assert lines[0].split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert [line.split()[0] for line in lines[1:]] == ["a", "b"]
    assert {c["id"]: c["status"] for c in json.loads(runtime.out("list", "-f", "json"))} == {
        "a": "created", "b": "created"}


def test_ps(runtime):
    runtime.run("run", "-d", "-b", runtime.bundle("/bin/sleep", "100"), "x")
    pid = runtime.state("x")["pid"]
    wait_until(lambda: "sleep 100" in runtime.out("ps", "x"))
    lines = runtime.out("ps", "x", "-o", "pid,comm").splitlines()
    assert [line.split() for line in lines] == [["PID", "COMMAND"], [str(pid), "sleep"]]


def test_messages_in_json(runtime, scratch):
    log = scratch / "log"
    line = runtime.refuse("state", "x", options=["--log", log, "--log-format", "json"])
    assert line == "container does not exist\n"
    assert {k: v for k, v in json.loads(log.read_text()).items() if k != "time"} == {
        "level": "error", "msg": "container does not exist"}
    assert re.match(r'time="[^"]+" level=error msg="container does not exist"\n', runtime.refuse("state", "x"))


def test_what_the_command_line_refuses(runtime):
    assert runtime.run("bogus", check=False).returncode == 3
    assert "too few arguments" in runtime.refuse("create")
    assert "no-such" in runtime.refuse("create", "--no-such", "x")
    assert "not supported" in runtime.refuse("checkpoint", "x")


def test_version_and_features(runtime):
    assert re.match(r"skep-oci version \S+\nspec: 1\.2\.0\n", runtime.out("--version"))
    features = json.loads(runtime.out("features"))
    assert features["ociVersionMin"] == "1.0.0"
    assert features["linux"]["cgroup"]["v2"] is True
    assert "rbind" in features["mountOptions"]
    assert "CAP_SYS_ADMIN" in features["linux"]["capabilities"]
    assert all(a.startswith("SCMP_ARCH_") for a in features["linux"]["seccomp"]["archs"])


def test_spec_is_one_to_begin_with(runtime, scratch):
    where = scratch / "new"
    where.mkdir()
    runtime.run("spec", "-b", where)
    assert json.loads((where / "config.json").read_text())["process"]["args"] == ["sh"]
    assert "config.json exists" in runtime.refuse("spec", "-b", where)


def test_a_bundle_that_is_wrong_leaves_nothing(runtime, scratch):
    bundle = runtime.bundle("/bin/true")
    (bundle / "config.json").write_text('{"ociVersion": "1.0.2", "process": {"args": 7}}')
    assert "process.args" in runtime.refuse("create", "-b", bundle, "x")
    (bundle / "config.json").unlink()
    assert "No such file" in runtime.refuse("create", "-b", bundle, "x")
    assert runtime.names() == []


def test_readiness_is_passed_on(runtime, scratch):
    """start waits for it, and nothing else that the payload says gets out."""
    sock = scratch / "notify"
    env = {**os.environ, "NOTIFY_SOCKET": str(sock)}
    bundle = runtime.bundle("/bin/sh", "-c", "echo $NOTIFY_SOCKET > /where; sleep 100")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(sock))
        manager.settimeout(5)
        runtime.create("x", bundle, env=env)
        with runtime.spawn("start", "x", env=env) as start:
            where = bundle / "rootfs/where"
            wait_until(lambda: where.exists() and where.read_text())
            inner = f"/proc/{runtime.state('x')['pid']}/root{where.read_text().strip()}"
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as payload:
                payload.connect(inner)
                payload.send(b"STATUS=hello\nMAINPID=1")
                assert start.poll() is None
                payload.send(b"STATUS=hello\nREADY=1\n")
            assert start.wait(10) == 0
        assert manager.recv(4096) == b"READY=1"
        manager.settimeout(0.1)
        with pytest.raises(TimeoutError):
            manager.recv(4096)


def test_who_ends_before_it_is_ready_is_not_waited_for(runtime, scratch):
    env = {**os.environ, "NOTIFY_SOCKET": str(scratch / "nobody")}
    runtime.create("x", runtime.bundle("/bin/true"), env=env)
    runtime.run("start", "x", env=env)
    runtime.wait_for("x", "stopped")
