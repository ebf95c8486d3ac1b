# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls to a service on the system bus, timed one by one. It runs inside a lab as a script of its own and
speaks the wire protocol itself, because what a bus library does to a reply of a thousand rows would
take longer than the service.

    busload.py sleep N              start N processes that sleep, print their PIDs, go
    busload.py register PREFIX      register the processes whose PIDs are on standard input
    busload.py unregister PREFIX N
    busload.py list COUNT
    busload.py by-pid               look up the processes whose PIDs are on standard input
    busload.py get PREFIX N
    busload.py get-all PREFIX N     GetMachine, and all properties of what it gives
    busload.py ping COUNT           what answers no question: the bus and the library alone

What is timed prints the median and the least of it, in µs, and how often it was."""

import os
import signal
import socket
import statistics
import struct
import sys
import time

NAME, PATH, MANAGER = ("org.freedesktop.machine1", "/org/freedesktop/machine1",
                       "org.freedesktop.machine1.Manager")


class Out:
    """Marshals what the calls here need."""

    def __init__(self):
        self.data = bytearray()

    def align(self, n):
        self.data += bytes(-len(self.data) % n)
        return self

    def number(self, value):
        self.align(4).data.extend(struct.pack("<I", value))
        return self

    def text(self, value):
        raw = value.encode()
        self.number(len(raw)).data.extend(raw + b"\0")
        return self

    def signature(self, value):
        self.data.extend(bytes([len(value)]) + value.encode() + b"\0")
        return self


def message(destination, path, interface, member, signature="", body=b""):
    """A call, with the serial number 0 at byte 8."""
    out = Out()
    out.data += b"l\1\0\1" + struct.pack("<III", len(body), 0, 0)
    start = len(out.data)
    for code, kind, value in ((1, "o", path), (2, "s", interface), (3, "s", member),
                              (6, "s", destination), (8, "g", signature)):
        if value:
            out.align(8).data.append(code)
            out.signature(kind)
            out.signature(value) if kind == "g" else out.text(value)
    struct.pack_into("<I", out.data, 12, len(out.data) - start)
    return bytes(out.align(8).data) + body


class Bus:
    """A connection that has one call under way at a time."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect("/run/dbus/system_bus_socket")
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        self.socket.recv(1000)
        self.socket.sendall(b"BEGIN\r\n")
        self.serial = 0
        # Made once: what is measured is the service, not the memory of this process.
        self.data = bytearray(1 << 21)
        self.have = 0
        self.call(message("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "Hello"))

    def call(self, text):
        """Send a call, wait for what answers it."""
        self.serial += 1
        self.socket.sendall(text[:8] + struct.pack("<I", self.serial) + text[12:])
        view = memoryview(self.data)
        while True:
            while self.have < 16 or self.have < (size := self.size()):
                more = self.socket.recv_into(view[self.have:])
                if not more:
                    raise SystemExit("the bus has hung up")
                self.have += more
            kind = self.data[1]
            if kind == 3:
                raise SystemExit(f"failed: {bytes(view[:size])}")
            self.have -= size
            if self.have:
                view[:self.have] = bytes(view[size:size + self.have])
            if kind == 2:
                return

    def size(self):
        """Of the message that is first in what has come."""
        n_body, _, n_fields = struct.unpack_from("<III", self.data, 4)
        return 16 + n_fields + -n_fields % 8 + n_body


def manager(member, signature="", body=b""):
    return message(NAME, PATH, MANAGER, member, signature, body)


def register(name, pid):
    out = Out().text(name).number(0).text("bench").text("container").number(pid).text("")
    return manager("RegisterMachine", "sayssus", bytes(out.data))


def get(name):
    return manager("GetMachine", "s", bytes(Out().text(name).data))


def get_all(name):
    path = PATH + "/machine/" + name.replace("-", "_2d")
    return (get(name), message(NAME, path, "org.freedesktop.DBus.Properties", "GetAll", "s",
                               bytes(Out().text(NAME + ".Machine").data)))


def timed(rounds):
    """Print what the calls took; each round is one or more calls."""
    bus, took = Bus(), []
    bus.call(manager("GetMachine", "s", bytes(Out().text(".host").data)))
    for calls in rounds:
        start = time.perf_counter()
        for text in calls:
            bus.call(text)
        took.append((time.perf_counter() - start) * 1e6)
    print(statistics.median(took), min(took), len(took))


def sleep(n):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in range(n):
        pid = os.fork()
        if pid == 0:
            os.setsid()
            for fd in (1, 2):
                os.dup2(0, fd)
            os.execv("/usr/bin/sleep", ["sleep", "100000"])
        print(pid)


def main(what, *args):
    if what == "sleep":
        sleep(int(args[0]))
    elif what == "register":
        timed([[register(f"{args[0]}-{i}", int(line))] for i, line in enumerate(sys.stdin)])
    elif what == "unregister":
        timed([[manager("UnregisterMachine", "s", bytes(Out().text(f"{args[0]}-{i}").data))]
               for i in range(int(args[1]))])
    elif what == "list":
        timed([[manager("ListMachines")]] * int(args[0]))
    elif what == "by-pid":
        timed([[manager("GetMachineByPID", "u", struct.pack("<I", int(line)))] for line in sys.stdin])
    elif what == "ping":
        timed([[message(NAME, PATH, "org.freedesktop.DBus.Peer", "Ping")]] * int(args[0]))
    elif what == "get":
        timed([[get(f"{args[0]}-{i}")] for i in range(int(args[1]))])
    else:
        timed([get_all(f"{args[0]}-{i}") for i in range(int(args[1]))])


if __name__ == "__main__":
    main(*sys.argv[1:])
