# SPDX-License-Identifier: LGPL-2.1-or-later
"""A D-Bus client of a few lines, for what other clients do not let one do: choose each flag of a call, pass
descriptors of any kind, have many calls under way, and see what came in which order. It is copied into labs
and uses the standard library alone."""

import array
import os
import socket
import struct
import time

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY, NO_START, INTERACTIVE = 1, 2, 4

BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")

_FIXED = {"y": ("B", 1), "b": ("I", 4), "n": ("h", 2), "q": ("H", 2), "i": ("i", 4), "u": ("I", 4),
          "x": ("q", 8), "t": ("Q", 8), "d": ("d", 8), "h": ("I", 4)}


class Fd(int):
    """A descriptor that came with a message, among numbers."""


class WireError(Exception):
    """The connection is gone, or silent for too long."""


class HungUp(WireError, ConnectionError):
    """The bus has ended the connection."""


def first(types):
    """The first complete type of a signature, and the rest."""
    if types[0] == "a":
        one, rest = first(types[1:])
        return "a" + one, rest
    if types[0] in "({":
        depth = 0
        for at, letter in enumerate(types):
            depth += (letter in "({") - (letter in ")}")
            if depth == 0:
                return types[:at + 1], types[at + 1:]
    return types[0], types[1:]


def split(types):
    """The complete types of a signature."""
    found = []
    while types:
        one, types = first(types)
        found.append(one)
    return found


def _align(kind):
    return 8 if kind[0] in "({" else 1 if kind[0] in "gv" else 4 if kind[0] in "aso" else _FIXED[kind[0]][1]


class Writer:
    """Puts values into a message; descriptors are gathered in .fds."""

    def __init__(self):
        self.data = bytearray()
        self.fds = []

    def pad(self, to):
        self.data += bytes(-len(self.data) % to)

    def put(self, kind, value):
        """One value of a complete type. Of a variant it is (type, value)."""
        head = kind[0]
        if head in "so":
            raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
            self.put("u", len(raw))
            self.data += raw + b"\0"
        elif head == "g":
            self.data += bytes([len(value)]) + value.encode() + b"\0"
        elif head == "v":
            self.put("g", value[0])
            self.put(value[0], value[1])
        elif head == "a":
            self._put_array(kind[1:], value)
        elif head in "({":
            self.pad(8)
            for one, part in zip(split(kind[1:-1]), value):
                self.put(one, part)
        elif head == "h":
            self.put("u", len(self.fds))
            self.fds.append(value)
        else:
            code, size = _FIXED[head]
            self.pad(size)
            self.data += struct.pack("<" + code, value)

    def _put_array(self, kind, values):
        self.put("u", 0)
        at = len(self.data)
        self.pad(_align(kind))
        start = len(self.data)
        for value in values.items() if isinstance(values, dict) else values:
            self.put(kind, value)
        struct.pack_into("<I", self.data, at - 4, len(self.data) - start)


class Reader:
    """Takes values out of a message."""

    def __init__(self, data, fds=(), at=0):
        self.data, self.fds, self.at = data, fds, at

    def pad(self, to):
        self.at += -self.at % to

    def _fixed(self, code, size):
        self.pad(size)
        self.at += size
        return struct.unpack_from("<" + code, self.data, self.at - size)[0]

    def get(self, kind):
        """One value; a variant gives its value alone."""
        head = kind[0]
        if head in "so":
            size = self._fixed("I", 4)
            self.at += size + 1
            return bytes(self.data[self.at - size - 1:self.at - 1]).decode("utf-8", "replace")
        if head == "g":
            size = self.data[self.at]
            self.at += size + 2
            return bytes(self.data[self.at - size - 1:self.at - 1]).decode()
        if head == "v":
            return self.get(self.get("g"))
        if head == "a":
            size = self._fixed("I", 4)
            self.pad(_align(kind[1:]))
            end, found = self.at + size, []
            while self.at < end:
                found.append(self.get(kind[1:]))
            return dict(found) if kind[1] == "{" else found
        if head in "({":
            self.pad(8)
            return [self.get(one) for one in split(kind[1:-1])]
        value = self._fixed(*_FIXED[head])
        if head == "h":
            return Fd(self.fds[value]) if value < len(self.fds) else None
        return bool(value) if head == "b" else value


class Message:
    """What came: .kind, .serial, .reply_to, .sender, .path, .interface, .member, .error, .body, .fds."""

    def __init__(self, data, fds):
        self.kind, self.flags = data[1], data[2]
        self.serial = struct.unpack_from("<I", data, 8)[0]
        reader = Reader(data, at=12)
        fields = dict(reader.get("a(yv)"))
        reader.pad(8)
        self.path, self.interface, self.member = (fields.get(i) for i in (1, 2, 3))
        self.error, self.reply_to, self.sender = (fields.get(i) for i in (4, 5, 7))
        self.types = fields.get(8, "")
        self.fds = fds
        body = Reader(memoryview(data)[reader.at:], fds)
        self.body = [body.get(one) for one in split(self.types)]

    def close(self):
        """Let go of the descriptors that came along."""
        for fd in self.fds:
            os.close(fd)
        self.fds = []


class Bus:
    """A connection to the system bus. Signals that come are kept in .signals."""

    def __init__(self, path="/run/dbus/system_bus_socket", uid=None):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._data, self._fds = bytearray(), []
        self._serial = 0
        self.signals, self._replies = [], {}
        who = str(os.getuid() if uid is None else uid).encode().hex().encode()
        self._socket.sendall(b"\0AUTH EXTERNAL " + who + b"\r\n")
        self._line(b"OK ")
        self._socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        self._line(b"AGREE_UNIX_FD")
        self._socket.sendall(b"BEGIN\r\n")
        self.name = self.call(*BUS, "Hello").body[0]

    def _line(self, start):
        line = b""
        while not line.endswith(b"\r\n"):
            got = self._socket.recv(1)
            if not got:
                raise WireError("the bus hung up")
            line += got
        if not line.startswith(start):
            raise WireError(f"the bus said {line!r}")

    def close(self):
        """End the connection at once, whatever is under way."""
        self._socket.close()
        for fd in self._fds:
            os.close(fd)
        for reply in [*self._replies.values(), *self.signals]:
            reply.close()

    def send(self, name, path, interface, member, types="", args=(), flags=0):
        """Send a call. Return: its serial, for wait()."""
        body = Writer()
        for kind, value in zip(split(types), args):
            body.put(kind, value)
        self._serial += 1
        fields = [(1, ("o", path)), (3, ("s", member)), (6, ("s", name))]
        if interface:
            fields.append((2, ("s", interface)))
        if types:
            fields.append((8, ("g", types)))
        if body.fds:
            fields.append((9, ("u", len(body.fds))))
        head = Writer()
        head.data += struct.pack("<cBBBII", b"l", CALL, flags, 1, len(body.data), self._serial)
        head.put("a(yv)", fields)
        head.pad(8)
        data = bytes(head.data + body.data)
        fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", body.fds))] if body.fds else []
        self._socket.settimeout(30)
        sent = self._socket.sendmsg([data], fds)
        self._socket.sendall(data[sent:])
        return self._serial

    def _receive(self, timeout):
        """Take in one more message. Return: it, or None when none came."""
        while True:
            if len(self._data) >= 16:
                body, _, fields = struct.unpack_from("<III", self._data, 4)
                size = 16 + fields + (-fields % 8) + body
                if len(self._data) >= size:
                    data = bytes(self._data[:size])
                    del self._data[:size]
                    return self._parsed(data)
            self._socket.settimeout(max(timeout, 0.001))
            try:
                data, extra, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(4 * 64))
            except (socket.timeout, BlockingIOError):
                return None
            if not data:
                raise HungUp("the bus hung up")
            self._data += data
            for level, kind, raw in extra:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    self._fds += array.array("i", raw[:len(raw) // 4 * 4])

    def _parsed(self, data):
        reader = Reader(data, at=12)
        count = dict(reader.get("a(yv)")).get(9, 0)
        message = Message(data, self._fds[:count])
        del self._fds[:count]
        return message

    def next(self, timeout):
        """Sort in the next message: replies to be waited for, signals to .signals. Return: whether one came."""
        message = self._receive(timeout)
        if message is None:
            return False
        if message.kind in (RETURN, ERROR):
            self._replies[message.reply_to] = message
        elif message.kind == SIGNAL:
            self.signals.append(message)
        return True

    def wait(self, serial, timeout=30):
        """The reply to a call."""
        end = time.monotonic() + timeout
        while serial not in self._replies:
            if not self.next(end - time.monotonic()) and time.monotonic() >= end:
                raise WireError(f"no reply within {timeout} s")
        return self._replies.pop(serial)

    def call(self, name, path, interface, member, types="", args=(), flags=0, timeout=30):
        """Call, and wait for the reply or the error."""
        return self.wait(self.send(name, path, interface, member, types, args, flags), timeout)

    def match(self, rule):
        """Ask for signals."""
        self.call(*BUS, "AddMatch", "s", [rule])

    def wait_signal(self, wanted, timeout=20):
        """The first signal, of those there are and those to come, that wanted(message) is true of."""
        end = time.monotonic() + timeout
        while True:
            for message in self.signals:
                if wanted(message):
                    return message
            if not self.next(end - time.monotonic()) and time.monotonic() >= end:
                raise WireError(f"no such signal within {timeout} s")
