# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep-join, which runs commands for the registry, is harmed at every system call that it or the process in the machine
makes: nothing of it stays in the machine, and the registry is told either that it failed and why, or what became of the
command, or nothing at all by one who is dead."""

import array
import errno
import os
import signal
import socket
import struct
import subprocess

import pytest

from skeplib import build, kernel
from skeplib.faults import CANNOT_FAIL, CHANGES_NOTHING, STRIDE, TROUBLE, Faults
from skeplib.spawner import leader_of, wait_until

# As in base/handshake.h and base/join-call.h.
PHASE, FD, ID, ERROR = 0, 1, 2, 3
STDIN, STDOUT, STDERR, LEADER, TEXT, CONTROL = range(6)
SENT, RUNS = 0, 1
SOCKET = 3


class Joins(Faults):
    """Runs of skep-join for one request each; what the registry would hear is kept: .heard, the kinds of messages and
    the number or text of each, and .end, what the command's end was told as."""

    def __init__(self, scratch, leader, command, terminal):
        super().__init__(scratch)
        self.leader, self.terminal = leader, terminal
        text = [b"M=it", b"L=%d" % leader, b"U=root", b"D=/", *[b"A=" + word.encode() for word in command]]
        if terminal:
            text.append(b"T=24,80")
        self.text = b"".join(word + b"\0" for word in text)
        self.heard, self.end = [], ""

    def _ask(self, sock, control):
        def send(kind, number, fd=None):
            extra = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
            sock.sendmsg([struct.pack("=IIQ", kind, number, 0)], extra)

        text, null, pidfd = os.memfd_create("text"), os.open("/dev/null", os.O_RDWR), os.pidfd_open(self.leader)
        reader, writer = os.pipe()
        os.write(text, self.text)
        send(FD, TEXT, text)
        if not self.terminal:
            for which, fd in ((STDIN, null), (STDOUT, writer), (STDERR, writer)):
                send(FD, which, fd)
        send(FD, LEADER, pidfd)
        send(FD, CONTROL, control.fileno())
        send(PHASE, SENT)
        for fd in (text, null, pidfd, writer):
            os.close(fd)
        return reader

    def _hear(self, sock):
        sock.settimeout(20)
        while True:
            try:
                data, extra, _, _ = sock.recvmsg(4096, socket.CMSG_SPACE(4))
            except ConnectionResetError:    # it is gone, and had not read all; what it said is still there
                continue
            if not data:
                return
            kind, number, value = struct.unpack_from("=IIQ", data)
            for _, _, raw in extra:
                os.close(array.array("i", raw)[0])
            said = data[20:].split(b"\0")[0].decode() if kind == ERROR else value if kind == ID else number
            self.heard.append((kind, said))

    def plain(self, argv):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control, remote = socket.socketpair()
        self.heard = []
        with ours, theirs, control, remote:
            reader = self._ask(ours, remote)

            def enter():
                os.dup2(theirs.fileno(), SOCKET)

            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       text=True, preexec_fn=enter, pass_fds=(SOCKET, theirs.fileno()))
            theirs.close()
            remote.close()
            _, err = process.communicate(timeout=20)
            self._hear(ours)
            control.settimeout(20)
            self.end = control.recv(1000).decode()
            with open(reader, encoding="ascii") as f:
                out = f.read()
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def says_why(self):
        """Whether the registry was told that it failed, in a line."""
        errors = [said for kind, said in self.heard if kind == ERROR]
        return len(errors) == 1 and errors[0] and "\n" not in errors[0] and (PHASE, RUNS) not in self.heard


@pytest.fixture
def leader(spawn, busybox):
    process = spawn.start(busybox, "--private-users=pick", "--", "sleep", "100000")
    pid = leader_of(process)
    wait_until(lambda: "busybox" in os.readlink(f"/proc/{pid}/exe"), what="the payload")
    yield pid
    process.send_signal(signal.SIGTERM)
    process.wait(10)


def left_in(pid):
    """Processes, terminals and control groups of a machine."""
    group = kernel.cgroup2_mount() / kernel.cgroup_of(pid).lstrip("/")
    return ((group / "cgroup.procs").read_text(encoding="ascii").split(), sorted(os.listdir(f"/proc/{pid}/root/dev/pts")),
            sorted(p.name for p in group.iterdir() if p.is_dir()))


ARGV = [str(build.build_dir() / "src/spawn/joiner/skep-join"), "--once"]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("harm", ["kill", "die"])
def test_nothing_is_left_of_one_that_is_killed(leader, scratch, terminal, harm):
    before = left_in(leader)
    faults = Joins(scratch, leader, ["sleep", "0.01"], terminal)
    calls, done = faults.calls(ARGV)
    assert done.returncode == 0 and faults.heard[-1] == (PHASE, RUNS) and faults.end == "exited 0\n", (done, faults.heard)
    harmed = 0
    for call in calls:
        if call.name in CHANGES_NOTHING or call.number % STRIDE or (harm == "die" and call.process == 0):
            continue
        done = getattr(faults, harm)(ARGV, call)
        assert done.returncode != TROUBLE, (call, done)
        if not faults.hit():
            continue
        harmed += 1
        if harm == "kill":
            assert done.returncode == 128 + signal.SIGKILL and faults.end in ("", "exited 0\n"), (call, done, faults.end)
        else:
            ended = (PHASE, RUNS) in faults.heard and faults.end == "killed 9\n"
            assert ended or faults.says_why(), (call, done, faults.heard, faults.end)
        wait_until(lambda: left_in(leader) == before, what=f"an end of {call}")
    assert harmed > 10 // STRIDE


def test_no_call_fails_in_silence(leader, scratch):
    before = left_in(leader)
    faults = Joins(scratch, leader, ["echo", "hello"], False)
    refused = 0
    for call in faults.calls(ARGV)[0]:
        if call.name in CANNOT_FAIL or call.number % STRIDE:
            continue
        done = faults.fail(ARGV, call, errno.EIO)
        assert done.returncode != TROUBLE, (call, done)
        good = (PHASE, RUNS) in faults.heard and faults.end == "exited 0\n" and done.stdout == "hello\n"
        told = (PHASE, RUNS) in faults.heard and faults.end.startswith("failed ") and done.returncode == 1
        # The way to tell is what failed. Who hears of no start has none; of no end, one that is unknown.
        silent = call.process == 0 and call.name in ("sendmsg", "sendto") and \
            (done.returncode == 1 if (PHASE, RUNS) not in faults.heard else faults.end == "")
        assert good or told or faults.says_why() or silent, (call, done, faults.heard, faults.end)
        refused += not good
        wait_until(lambda: left_in(leader) == before, what=f"an end of {call}")
    assert refused > 20 // STRIDE
