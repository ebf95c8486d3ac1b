# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep-nft: the aide that writes to the packet filter. Each test has a network namespace of its own."""

import os
import socket
import struct
import subprocess

import pytest

from skeplib import build

HANDSHAKE_PHASE, HANDSHAKE_ERROR = 0, 3
ENOENT, EEXIST, EINVAL = 2, 17, 22


@pytest.fixture
def network():
    """PID of a process in a network namespace that is nobody else's."""
    with subprocess.Popen(["unshare", "-n", "sleep", "60"], stdout=subprocess.PIPE) as process:
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{process.pid}/ns/net") == own:
            pass
        yield process.pid
        process.kill()


def memory(text):
    fd = os.memfd_create("test")
    os.write(fd, text.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def nft(pid, commands):
    """Has the aide do them in the network of @pid. Returns errno, its sentence, what they printed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    given = [theirs.fileno(), memory(commands), memory("")]

    def arrange():
        high = [os.dup2(fd, 100 + i) for i, fd in enumerate(given)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i, inheritable=True)

    with subprocess.Popen(["nsenter", "-n", "-t", str(pid), build.program("skep-nft")],
                          preexec_fn=arrange, close_fds=False) as process:  # pylint: disable=W1509
        theirs.close()
        message = ours.recv(4096)
        process.wait(timeout=30)
    ours.close()
    os.close(given[1])
    with os.fdopen(given[2], "rb") as answer:
        answer.seek(0)
        text = answer.read().decode()
    kind = struct.unpack_from("I", message)[0]
    if kind == HANDSHAKE_PHASE:
        return 0, "", text
    assert kind == HANDSHAKE_ERROR
    return -struct.unpack_from("i", message, 16)[0], message[20:].split(b"\0")[0].decode(), text


def test_all_or_nothing(network):
    assert nft(network, "add table inet t\nadd set inet t s { type ifname; }") == (0, "", "")
    code, sentence, _ = nft(network, "add table inet u\ncreate table inet t")
    assert (code, sentence) == (EEXIST, "nft: Could not process rule: File exists")
    assert nft(network, "list tables") == (0, "", "table inet t\n")


@pytest.mark.parametrize("commands, code, sentence", [
    ("add element inet t s { lo }", ENOENT, "nft: No such file or directory"),
    ("list table inet t", ENOENT, "nft: No such file or directory"),
    ("add rule inet t c drop", ENOENT, "nft: Could not process rule: No such file or directory"),
    ("nonsense", EINVAL, "nft: syntax error, unexpected newline, "),
])
def test_what_it_refuses(network, commands, code, sentence):
    status, said = nft(network, commands)[:2]
    assert status == code and said.startswith(sentence)


def test_it_opens_no_file(network, scratch):
    """A command that names a file has it neither read nor done."""
    (scratch / "more").write_text("add table inet from-a-file\n")
    code, sentence, _ = nft(network, f'include "{scratch}/more"\nadd table inet t')
    assert code and "more" in sentence, sentence
    assert nft(network, "list tables") == (0, "", "")


if not os.environ.get("SKEP_SANITIZED"):     # which is no good under a tracer
    def test_it_has_one_capability(network, scratch):
        """Seen by what it may still ask of the kernel."""
        log = scratch / "log"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        text = memory("list tables")

        def arrange():
            os.dup2(theirs.fileno(), 100)
            os.dup2(text, 101)
            os.dup2(100, 3, inheritable=True)
            os.dup2(101, 4, inheritable=True)

        subprocess.run(["nsenter", "-n", "-t", str(network), "strace", "-qq", "-o", log, "-e",
                        "trace=capset,seccomp,prctl,sendto", build.program("skep-nft")], check=True,
                       preexec_fn=arrange, close_fds=False)  # pylint: disable=W1509
        ours.close()
        theirs.close()
        os.close(text)
        lines = log.read_text().splitlines()
        given_up = next(i for i, line in enumerate(lines) if line.startswith("capset("))
        assert "permitted=1<<CAP_NET_ADMIN, inheritable=0" in lines[given_up]
        assert any("PR_SET_SECCOMP" in line for line in lines[given_up:])
        # Nothing has been said to the kernel's packet filter before that.
        assert not any(line.startswith("sendto(") for line in lines[:given_up])
