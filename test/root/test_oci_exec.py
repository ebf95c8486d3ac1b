# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep-oci: further processes in a container, its limits, and what it uses."""

import array
import json
import os
import re
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


@pytest.fixture
def box(runtime):
    """A container that sleeps."""
    runtime.run("run", "-d", "-b", runtime.bundle("/bin/sleep", "100"), "box")
    return "box"


def sh(script):
    return ["/bin/sh", "-c", script]


def test_it_is_in_the_container(runtime, box):
    assert runtime.out("exec", box, *sh("hostname; echo $PATH; pwd; ls /; cat /proc/1/comm")).splitlines()[0] == "skep"
    pid = runtime.state(box)["pid"]
    for name in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
        inner = runtime.out("exec", box, "/bin/readlink", f"/proc/self/ns/{name}")
        assert inner.strip() == os.readlink(f"/proc/{pid}/ns/{name}")


@pytest.mark.parametrize("status", [0, 1, 77])
def test_its_status_is_ours(runtime, box, status):
    assert runtime.run("exec", box, *sh(f"exit {status}"), check=False).returncode == status


def test_what_cannot_be_run(runtime, box):
    line = runtime.refuse("exec", box, "/bin/missing", status=255)
    assert "exec failed" in line and "'/bin/missing'" in line and "No such file or directory" in line
    assert "a command or --process=" in runtime.refuse("exec", box, status=255)


def test_options(runtime, box):
    words = ["--env", "A=1", "-e", "PATH=/bin", "--cwd", "/proc", "--user", "7:8", "-g", "9", "-g", "10",
             "--no-new-privs", box]
    said = runtime.out("exec", *words, *sh("echo $A $PATH; pwd; id -u; id -g; grep -E '^(Groups|NoNew)' /proc/self/status"))
    assert said.split() == ["1", "/bin", "/proc", "7", "8", "Groups:", "9", "10", "NoNewPrivs:", "1"]


def rights(text):
    return dict(re.findall(r"Cap(\w+):\s+([0-9a-f]+)", text))


def test_it_has_the_capabilities_of_the_document_and_those_that_were_added(runtime, box):
    look = ["/bin/grep", "^Cap", "/proc/self/status"]
    plain = rights(runtime.out("exec", box, *look))
    pid = runtime.state(box)["pid"]
    assert plain == rights(open(f"/proc/{pid}/status", encoding="ascii").read())
    more = rights(runtime.out("exec", "--cap", "CAP_SYS_ADMIN", box, *look))
    assert int(more["Eff"], 16) == int(plain["Eff"], 16) | 1 << 21
    assert int(more["Bnd"], 16) == int(plain["Bnd"], 16) | 1 << 21


def test_a_process_as_a_document(runtime, box, scratch):
    process = {"args": sh("echo $X; pwd; id -u; ulimit -n; umask; grep ^Cap /proc/self/status"),
               "env": ["X=y"], "cwd": "/bin", "user": {"uid": 5, "gid": 6, "umask": 0o77},
               "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 70, "hard": 80}]}
    (scratch / "process.json").write_text(json.dumps(process))
    said = runtime.out("exec", "--process", scratch / "process.json", box)
    assert said.split()[:5] == ["y", "/bin", "5", "70", "0077"]
    assert set(rights(said).values()) == {"0" * 16}
    (scratch / "process.json").write_text('{"args": 1}')
    assert "process.json" in runtime.refuse("exec", "-p", scratch / "process.json", box, status=255)


def test_in_the_background(runtime, box, scratch):
    runtime.run("exec", "-d", "--pid-file", scratch / "pid", box, "/bin/sleep", "50")
    pid = int((scratch / "pid").read_text())
    assert json.loads(runtime.out("ps", "-f", "json", box)) == sorted([runtime.state(box)["pid"], pid])
    assert open(f"/proc/{pid}/cmdline", encoding="ascii").read() == "/bin/sleep\00050\0"
    assert f"\nPPid:\t{os.getpid()}\n" in open(f"/proc/{pid}/status", encoding="ascii").read()


def test_at_a_terminal(runtime, box, scratch):
    assert "console socket" in runtime.refuse("exec", "-d", "-t", box, "/bin/tty", status=255)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(scratch / "s"))
        listener.listen()
        runtime.run("exec", "-d", "-t", "--console-socket", scratch / "s", box, *sh("tty; read x; echo got $x"))
        with listener.accept()[0] as conn:
            _, control, _, _ = conn.recvmsg(4096, socket.CMSG_SPACE(4))
    master = array.array("i", control[0][2][:4])[0]
    os.set_blocking(master, True)
    os.write(master, b"words\n")
    said = b""
    while b"got words" not in said:
        said += os.read(master, 4096)
    assert b"/dev/pts/" in said
    os.close(master)


def test_descriptors(runtime, box, scratch):
    (scratch / "three").write_text("three\n")
    script = f'exec 3<{scratch}/three; exec "$@"'
    done = subprocess.run(["sh", "-c", script, "sh",
                           *runtime.command("exec", "--preserve-fds", "1", box, *sh("cat <&3; ls /proc/self/fd | wc -l"))],
                          capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "three\n5\n"


def test_in_one_that_waits_to_be_started(runtime):
    runtime.create("new", runtime.bundle("/bin/sleep", "100"))
    assert runtime.out("exec", "new", *sh("echo in")) == "in\n"
    assert runtime.status("new") == "created"
    runtime.run("start", "new")


def test_nobody_inside_sees_a_program_of_the_host(runtime, box):
    """Neither exec nor what waits to be started runs from a file that a payload could write to."""
    runtime.create("new", runtime.bundle("/bin/true"))
    for pid in (runtime.state("new")["pid"], runtime.state(box)["pid"]):
        assert "skep-oci" not in os.readlink(f"/proc/{pid}/exe")


def test_events(runtime, box):
    stats = json.loads(runtime.out("events", "--stats", box))
    assert (stats["type"], stats["id"]) == ("stats", box)
    assert stats["data"]["cpu"]["usage"]["total"] >= 0
    assert set(stats["data"]) == {"cpu", "memory", "pids"}
    with runtime.spawn("events", "--interval", "50ms", box, stdout=subprocess.PIPE, text=True) as p:
        assert json.loads(p.stdout.readline())["type"] == "stats"
        assert json.loads(p.stdout.readline())["type"] == "stats"
        runtime.run("kill", box, "KILL")
        wait_until(lambda: p.poll() is not None or not p.stdout.readline())
        assert p.wait(5) == 0


def test_update_says_what_is_wrong(runtime, box):
    assert "--memory: 'lots' is no number" in runtime.refuse("update", "--memory", "lots", box)
    assert "does not exist" in runtime.refuse("update", "--pids-limit", "5", "nobody")
    done = subprocess.run(runtime.command("update", "-r", "-", box), input='{"memory": 7}', capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode == 1 and "memory" in done.stderr


def test_without_a_control_group(runtime):
    """--cgroup-manager=disabled: in the caller's."""
    bundle = runtime.bundle("/bin/sleep", "100")
    runtime.run("run", "-d", "-b", bundle, "x", options=["--cgroup-manager=disabled"])
    pid = runtime.state("x")["pid"]
    own = [line for line in open("/proc/self/cgroup", encoding="ascii") if line.startswith("0::")]
    assert own[0] in open(f"/proc/{pid}/cgroup", encoding="ascii").read()
    assert "no control group of its own" in runtime.refuse("pause", "x")
    assert json.loads(runtime.out("ps", "-f", "json", "x")) == [pid]
    runtime.run("delete", "-f", "x")
