# SPDX-License-Identifier: LGPL-2.1-or-later
"""Being at the console of a machine that runs, by skep-spawn --attach."""

import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess
import time

import pytest

from skeplib import kernel
from skeplib.spawner import children, leader_of, wait_until
from skeplib.terminal import HostTerminal

AWAY = b"\x1d\x1d\x1d"
SHELL = ("sh", "-c", "while read -r line; do case $line in size) stty size;; end*) exit ${line#end};;"
         " *) echo said-$line;; esac; done")
RUN = pathlib.Path("/run/skep/attach")


class Visitor:
    """What HostTerminal takes for a Spawner: it asks for the console of the spawner's machine."""

    def __init__(self, spawn):
        self.spawn = spawn

    def start(self, tree, *args, console=None, **options):
        process = subprocess.Popen([str(self.spawn.program), f"--attach={self.spawn.name}"], text=True,
                                   **options)
        self.spawn.started.append(process)
        return process


@pytest.fixture
def machine(spawn, busybox):
    """A machine with a console that nobody is at; its output is read by the test."""
    def start(*command, console="read-only", **options):
        process = spawn.start(busybox, "--", *(command or SHELL), console=console, **options)
        leader_of(process)
        return process

    yield start
    for process in spawn.started:
        if process.poll() is None:
            process.terminate()
            process.wait(5)


def visit(spawn, **options):
    terminal = HostTerminal(Visitor(spawn), None, **options)
    terminal.expect("at the console of")
    return terminal


def status(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(") ")[2][0]


def refused(spawn, name=None):
    done = subprocess.run([str(spawn.program), f"--attach={name or spawn.name}"], check=False, timeout=10,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    assert done.returncode == 125 and re.fullmatch(r"skep-spawn: [^\n]*\n", done.stderr), done
    return done.stderr


@pytest.mark.parametrize("console", ["read-only", "passive"])
def test_come_and_go(spawn, machine, console):
    process = machine(console=console)
    for rows, columns in ((31, 99), (20, 70)):
        terminal = visit(spawn, rows=rows, columns=columns)
        terminal.send(b"size\n")
        terminal.expect(f"{rows} {columns}")
        terminal.send(b"hello\n")
        terminal.expect("said-hello\r\n")
        terminal.resize(rows + 1, columns)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        terminal.send(b"size\n")
        terminal.expect(f"{rows + 1} {columns}")
        terminal.send(AWAY)
        terminal.expect("runs on")
        assert terminal.end() == 0 and process.poll() is None


def test_end_of_the_machine(spawn, machine):
    process = machine()
    terminal = visit(spawn)
    terminal.send(b"end7\n")
    terminal.expect("has ended")
    assert terminal.end() == 7
    assert process.wait(5) == 7
    assert not (RUN / spawn.name).exists()


def test_output_goes_to_the_keeper_again(spawn, machine):
    """What is said while nobody is there goes where it went before, with lines that end as before."""
    process = machine("sh", "-c", "read x; echo while-there; sleep 0.5; echo while-gone; read x; exit 0")
    terminal = visit(spawn)
    terminal.send(b"\n")
    terminal.expect("while-there\r\n")
    terminal.send(AWAY)
    assert terminal.end() == 0
    assert process.stdout.readline() == "while-gone\n"
    terminal = visit(spawn)
    terminal.send(b"\n")
    assert terminal.end() == 0
    assert process.communicate(timeout=5)[0] == ""


def test_keys_that_are_none_go_in(spawn, machine):
    process = machine("sh", "-c", "stty -icanon -echo; echo ready; dd bs=1 count=5 2>/dev/null | od -An -tx1")
    assert process.stdout.readline() == "ready\n"
    terminal = visit(spawn)
    terminal.send(b"\x1d")                 # alone: it comes when the second is over
    time.sleep(1.2)
    terminal.send(b"\x1d\x1dxy")
    terminal.expect("1d 1d 1d 78 79")
    assert terminal.end() == 0


def test_one_at_a_time(spawn, machine):
    machine()
    terminal = visit(spawn)
    assert str(terminal.process.pid) in refused(spawn)
    os.kill(terminal.process.pid, signal.SIGKILL)      # whoever dies gives it back
    terminal.process.wait(5)
    other = visit(spawn)
    other.send(b"again\n")
    other.expect("said-again")
    other.send(AWAY)
    assert other.end() == 0


def test_what_has_no_console_to_give(spawn, machine, busybox):
    assert "no machine" in refused(spawn, "nobody-at-all")
    refused(spawn, "../x")
    process = machine("sleep", "1000", console="pipe")
    wait_until(lambda: "spawn" not in os.readlink(f"/proc/{leader_of(process)}/exe"))
    assert "no console" in refused(spawn)
    process.terminate()
    process.wait(5)
    terminal = HostTerminal(spawn, busybox, "sh", "-c", "echo ready; read -r x")
    terminal.expect("ready")
    assert "terminal it was started at" in refused(spawn)
    terminal.send(b"\n")
    assert terminal.end() == 0


def test_only_root_is_answered(spawn, machine):
    """Even where somebody else got so far as to connect."""
    machine()
    terminal = visit(spawn)
    terminal.send(AWAY)
    terminal.end()
    path = RUN / spawn.name
    assert path.is_socket() and RUN.stat().st_mode & 0o777 == 0o700
    RUN.chmod(0o755)
    path.chmod(0o777)
    try:
        pid = os.fork()
        if pid == 0:
            os.setuid(pwd.getpwnam("nobody").pw_uid)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.settimeout(5)
                s.connect(str(path))
                os._exit(0 if s.recv(512) == b"" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        RUN.chmod(0o700)


def test_nothing_is_there_until_somebody_asks(spawn, machine):
    machine()
    assert not (RUN / spawn.name).exists()


def test_socket_of_a_killed_keeper_is_swept(spawn, machine, busybox, own_run):
    process = machine()
    terminal = visit(spawn)
    process.kill()
    terminal.expect("was killed")
    assert terminal.end() == 125
    assert (RUN / spawn.name).exists()
    spawn.run(busybox, "true", name=spawn.name + "-b")
    assert not (RUN / spawn.name).exists()


def test_reboot_while_somebody_is_there(spawn, machine):
    machine("sh", "-c", "[ -e /again ] || { touch /again; read x; exec /probe reboot again; };"
            "read x; echo second; exit 4")
    terminal = visit(spawn)
    terminal.send(b"\n")
    terminal.expect("reboots")
    assert terminal.end() == 0
    terminal = visit(spawn)
    terminal.send(b"\n")
    terminal.expect("second")
    assert terminal.end() == 4


def test_keeper_stays_small(spawn, machine):
    """Having lent its console once, and being idle again, it is as small as before."""
    process = machine()
    terminal = visit(spawn)
    terminal.send(AWAY)
    terminal.end()

    def pss():
        text = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
        return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])

    wait_until(lambda: pss() <= 300, timeout=6, what="being small")


def test_in_a_unit(spawn, busybox, unit):
    """Where it is a service's main process."""
    process = spawn.start(busybox, "--keep-unit", "--", *SHELL, console="read-only", cgroup=unit)
    leader_of(process)
    terminal = visit(spawn)
    terminal.send(b"end3\n")
    terminal.expect("has ended")
    assert terminal.end() == 3 and process.wait(5) == 3


# --- leaving the terminal that a machine was started at --------------------------------------------

LEAVE = b"\x1d\x1dd"


def test_leave_and_come_back(spawn, busybox):
    terminal = HostTerminal(spawn, busybox, *SHELL)
    terminal.send(b"one\n")
    terminal.expect("said-one")
    terminal.send(LEAVE)
    assert terminal.end() == 0
    terminal = visit(spawn, rows=22, columns=88)
    terminal.send(b"size\n")
    terminal.expect("22 88")
    terminal.send(b"two\n")
    terminal.expect("said-two")     # nothing of the keys went in
    terminal.send(AWAY)
    assert terminal.end() == 0
    terminal = visit(spawn)
    terminal.send(b"end5\n")
    assert terminal.end() == 5


def test_terminal_is_left_for_good(spawn, busybox):
    """Neither a signal nor an end of the terminal reaches who was left; it holds none of it open."""
    terminal = HostTerminal(spawn, busybox, *SHELL)
    terminal.send(b"one\n")
    terminal.expect("said-one")
    supervisor = next(iter(kernel.descendants(terminal.process.pid)))
    terminal.send(LEAVE)
    assert terminal.end() == 0
    links = {os.readlink(f"/proc/{supervisor}/fd/{n}") for n in os.listdir(f"/proc/{supervisor}/fd")}
    assert terminal.slave_path not in links
    assert os.getsid(supervisor) == supervisor
    os.kill(supervisor, signal.SIGTERM)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_machine_ends_with_its_terminal(spawn, busybox, how):
    terminal = HostTerminal(spawn, busybox, *SHELL)
    terminal.send(b"one\n")
    terminal.expect("said-one")
    supervisor = next(iter(kernel.descendants(terminal.process.pid)))
    terminal.process.send_signal(how)
    assert terminal.process.wait(5) == (-how if how == signal.SIGKILL else 137)
    wait_until(lambda: supervisor not in children() or status(supervisor) == "Z")


def test_reboot_at_the_terminal(spawn, busybox):
    terminal = HostTerminal(spawn, busybox, "sh", "-c",
                            "[ -e /again ] || { touch /again; exec /probe reboot again; };"
                            "stty size; read x; echo second-$x; exit 4", rows=21, columns=77)
    terminal.expect("21 77")
    terminal.send(b"x\n")
    terminal.expect("second-x")
    assert terminal.end() == 4


def test_killed_supervisor(spawn, busybox, own_run):
    terminal = HostTerminal(spawn, busybox, *SHELL)
    terminal.send(b"one\n")
    terminal.expect("said-one")
    os.kill(next(iter(kernel.descendants(terminal.process.pid))), signal.SIGKILL)
    assert terminal.end() == 137
    spawn.run(busybox, "true")      # sweeps


if os.environ.get("SKEP_SANITIZED"):     # whose shadow memory is what it is
    del test_keeper_stays_small
