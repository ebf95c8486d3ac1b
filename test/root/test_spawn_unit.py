# SPDX-License-Identifier: LGPL-2.1-or-later
"""What skep-spawn tells a service manager, what it says, what it reads."""

import os
import re
import socket
import subprocess
import sys
import time

import pytest

from skeplib import kernel
from skeplib.spawner import bind_source, leader_of


# --- service manager ------------------------------------------------------------------------------

@pytest.fixture
def manager(scratch):
    """The notification socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(scratch / "notify"))
        s.settimeout(5)
        yield s


def messages(manager, until):
    text = ""
    while until not in text:
        text += manager.recv(4096).decode() + "\n"
    return text


def test_ready_is_told_to_the_manager(spawn, busybox, manager):
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}
    process = spawn.start(busybox, "/probe", "signal", env=env)
    text = messages(manager, "READY=1")
    assert re.search(r"^X_NSPAWN_LEADER_PID=\d+$", text + messages_now(manager), re.M)
    process.terminate()
    process.communicate(timeout=5)


def messages_now(manager):
    text = ""
    manager.setblocking(False)
    try:
        while True:
            text += manager.recv(4096).decode() + "\n"
    except BlockingIOError:
        return text
    finally:
        manager.settimeout(5)


def test_notify_ready_waits_for_the_payload(spawn, busybox, manager):
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}
    process = spawn.start(busybox, "--notify-ready=yes", "/probe", "notify", "STATUS=slow", "wait",
                          "READY=1", "wait", env=env, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "STATUS=slow ok\n"
    time.sleep(0.1)
    assert "READY=1" not in messages_now(manager)
    process.stdin.write("\n")
    process.stdin.flush()
    messages(manager, "READY=1")
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.wait(5) == 0


def test_payload_cannot_speak_for_the_unit(spawn, busybox, manager):
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}
    process = spawn.start(busybox, "--notify-ready=yes", "/probe", "notify",
                          "MAINPID=1\nEXIT_STATUS=3\nSTATUS=x\x01READY=1\nREADY=1", "wait", env=env,
                          stdin=subprocess.PIPE)
    text = messages(manager, "Machine running:") + messages_now(manager)
    assert "READY=1\n" in text and "MAINPID" not in text and "EXIT_STATUS" not in text
    assert "STATUS=Machine running: x READY=1\n" in text
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.wait(5) == 0


def received(manager, until):
    """[(message, contents of the files that came with it)] up to a message with @until in it."""
    found = []
    while not found or until not in found[-1][0]:
        data, fds, _, _ = socket.recv_fds(manager, 4096, 16)
        contents = []
        for fd in fds:
            contents.append(os.pread(fd, 100, 0))
            os.close(fd)
        found.append((data.decode(), contents))
    return found


def test_descriptors_are_stored_by_the_manager(spawn, busybox, manager, scratch):
    (scratch / "file").write_bytes(b"kept")
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname(), "FDSTORE": "10"}
    with open(scratch / "file", "rb") as stdin:
        spawn.run(busybox, "/probe", "notify", "FDSTORE=1\nFDNAME=mine\nFDPOLL=1", "FDSTORE=1\nFDNAME=a:b",
                  "FDSTOREREMOVE=1\nFDNAME=mine\nMAINPID=1", "STATUS=done", "wait", env=env, stdin=stdin)
    found = received(manager, "done")
    assert ("FDSTORE=1\nFDNAME=payload-mine\nFDPOLL=0", [b"kept"]) in found
    assert ("FDSTORE=1\nFDNAME=payload-stored\nFDPOLL=0", [b"kept"]) in found
    assert ("FDSTOREREMOVE=1\nFDNAME=payload-mine", []) in found
    assert not any("MAINPID" in text for text, _ in found)


def test_descriptors_are_not_stored_unless_the_manager_offers_it(spawn, busybox, manager):
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}
    env.pop("FDSTORE", None)
    spawn.run(busybox, "/probe", "notify", "FDSTORE=1\nFDNAME=mine", "STATUS=done", "wait", env=env)
    assert not any(fds or "FDSTORE" in text for text, fds in received(manager, "done"))


def test_only_the_first_process_may_notify(spawn, busybox, manager):
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}
    spawn.run(busybox, "--notify-ready=yes", "/bin/sh", "-c", "/probe notify READY=1; exit 0", env=env)
    assert "READY=1" not in messages_now(manager)


def test_register_auto_works_without_a_bus(spawn, busybox):
    env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"}
    assert spawn.out(busybox, "echo", "x", register=None, env=env) == "x"


def test_register_yes_needs_a_bus(spawn, busybox):
    env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"}
    assert "bus" in spawn.refuse(busybox, "echo", "x", register="yes", env=env)


def test_keep_unit_splits_the_cgroup_of_the_caller(spawn, busybox, unit):
    process = spawn.start(busybox, "--keep-unit", "/probe", "signal", cgroup=unit)
    assert process.stdout.readline() == "waiting\n", process.stderr.read()
    path = "/" + str(unit.relative_to(kernel.cgroup2_mount()))
    assert kernel.cgroup_of(leader_of(process)) == path + "/payload"
    assert kernel.cgroup_of(process.pid) == path + "/supervisor"
    process.terminate()
    process.communicate(timeout=5)


# --- talking --------------------------------------------------------------------------------------

def test_quiet(spawn, busybox):
    done = spawn.run(busybox, "true")
    assert (done.stdout, done.stderr) == ("", "")


def test_version_and_help(spawn):
    for option in ("--version", "--help"):
        out = spawn.run(None, option, console=None, name=False, register=None, quiet=False).stdout
        assert "skep" in out
    for option in ("--private-users=", "--bind-ro=", "--console=", "--notify-ready=", "--slice=",
                   "--ephemeral", "--dry-run", "--settings="):
        assert option in out, option


def test_dry_run(spawn, busybox, folder):
    out = spawn.out(busybox, "--dry-run", f"--bind={bind_source(folder)}:/mnt/x",
                    "--private-users=pick", "-n", "touch", "/ran")
    assert not (busybox / "ran").exists() and not (busybox / "mnt").exists()
    for word in ("/mnt/x", "touch /ran", "/proc/kallsyms", "null 1:3", f"ve-{spawn.name}"[:11]):
        assert word in out, out


# --- settings file --------------------------------------------------------------------------------

def write_settings(busybox, name, text):
    path = busybox.parent / f"{name}.nspawn"
    path.write_text(text)
    return path


def test_settings_beside_the_image(spawn, busybox):
    write_settings(busybox, spawn.name,
                   "[Exec]\nHostname=from-file\nEnvironment=A=file\nWorkingDirectory=/usr\n")
    assert spawn.sh(busybox, "hostname; echo $A; pwd").splitlines() == ["from-file", "file", "/usr"]


def test_command_line_wins_over_settings(spawn, busybox):
    write_settings(busybox, spawn.name, "[Exec]\nHostname=from-file\n")
    assert spawn.out(busybox, "--hostname=mine", "hostname") == "mine"
    assert spawn.out(busybox, "--settings=override", "--hostname=mine", "hostname") == "from-file"
    assert spawn.out(busybox, "--settings=no", "hostname") == spawn.name


def test_untrusted_settings_are_not_obeyed(spawn, busybox, folder):
    write_settings(busybox, spawn.name,
                   f"[Exec]\nCapability=CAP_SYS_TIME\n[Files]\nBind={bind_source(folder)}:/mnt/x\n")
    done = spawn.run(busybox, "/bin/sh", "-c", "ls /mnt; grep CapBnd /proc/self/status", check=False,
                     quiet=False)
    assert done.returncode == 0 and "x" not in done.stdout.split("\n")[0]
    assert not int(done.stdout.split()[-1], 16) >> 25 & 1
    assert "Capability" in done.stderr and f"{spawn.name}.nspawn" in done.stderr


def test_trusted_settings_are_obeyed(spawn, busybox):
    write_settings(busybox, spawn.name, "[Exec]\nCapability=CAP_SYS_TIME\n[Files]\nReadOnly=yes\n")
    out = spawn.sh(busybox, "touch /new 2>/dev/null; grep CapBnd /proc/self/status",
                   "--settings=trusted")
    assert int(out.split()[-1], 16) >> 25 & 1
    assert not (busybox / "new").exists()


# --- sockets of the service manager ---------------------------------------------------------------

LISTEN = """
import fcntl, os, sys
spare = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 50) for fd in sys.argv[1:3]]
for i, fd in enumerate(spare):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.closerange(5, 100)
os.environ['LISTEN_PID'] = str(os.getpid())
os.execv(sys.argv[3], sys.argv[3:])
"""


@pytest.mark.parametrize("options, pid", [([], 1), (["-a"], 2), (["-U", "-x"], 1)])
def test_sockets_are_passed_on(spawn, busybox, scratch, options, pid):
    script = ("echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; readlink /proc/self/fd/4; "
              "ls /proc/self/fd | wc -l; exec cat <&3")
    with socket.socket(socket.AF_UNIX) as listening, open(scratch / "file", "w+b") as file:
        listening.bind(str(scratch / "socket"))
        file.write(b"content")
        file.seek(0)
        fds = (file.fileno(), listening.fileno())
        argv = spawn.argv(busybox, *options, "--", "/bin/sh", "-c", script)
        env = dict(os.environ, LISTEN_FDS="2", LISTEN_FDNAMES="payload-data:http")
        done = subprocess.run([sys.executable, "-c", LISTEN, *map(str, fds), *argv], pass_fds=fds,
                              env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=20)
    lines = done.stdout.splitlines()
    assert lines[0] == f"2 {pid} data:http"
    assert lines[1].startswith("socket:")
    assert lines[2:] == ["6", "content"]        # 0 to 4, and the folder that ls reads


def test_sockets_for_somebody_else_are_not(spawn, busybox):
    env = dict(os.environ, LISTEN_FDS="1", LISTEN_PID="1", LISTEN_FDNAMES="x")
    with open("/dev/null", "rb") as f:
        out = spawn.sh(busybox, "echo [$LISTEN_FDS$LISTEN_PID]; ls /proc/self/fd | wc -l", env=env,
                       pass_fds=(f.fileno(),))
    assert out.split() == ["[]", "4"]
