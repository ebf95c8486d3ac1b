# SPDX-License-Identifier: LGPL-2.1-or-later
"""A system bus that fails where it is told to. It speaks just enough of the protocol to get that far:
the real one cannot be made to die between two chosen messages."""

import os
import socket
import struct
import threading


def _pad(data, to):
    return data + b"\0" * (-len(data) % to)


def _string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def _field(code, kind, value):
    return bytes([code, 1]) + kind.encode() + b"\0" + value


def _message(kind, serial, fields, signature="", body=b""):
    """@kind is 2 for a return, 3 for an error, 4 for a signal."""
    if signature:
        fields = [*fields, bytes([8, 1]) + b"g\0" + bytes([len(signature)]) + signature.encode() + b"\0"]
    joined = b""
    for field in fields:
        joined = _pad(joined, 8) + field
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), serial, len(joined))
    return _pad(head + joined, 8) + body


def _reply(serial, to, signature="", body=b""):
    return _message(2, serial, [_field(5, "u", struct.pack("<I", to)),
                                _field(7, "s", _string("org.freedesktop.DBus"))], signature, body)


def _error(serial, to, name, text):
    return _message(3, serial, [_field(5, "u", struct.pack("<I", to)), _field(4, "s", _string(name))],
                    "s", _string(text))


_JOB = "/org/freedesktop/systemd1/job/1"


def _job_removed(serial):
    body = _pad(struct.pack("<I", 1) + _string(_JOB), 4)
    body = _pad(body + _string("machine-x.scope"), 4) + _string("done")
    return _message(4, serial, [_field(1, "o", _string("/org/freedesktop/systemd1")),
                                _field(2, "s", _string("org.freedesktop.systemd1.Manager")),
                                _field(3, "s", _string("JobRemoved")),
                                _field(7, "s", _string("org.freedesktop.systemd1"))], "uoss", body)


def _member(message):
    """The member of a message, from its header; good enough for libsystemd's messages."""
    length, at = struct.unpack_from("<I", message, 12)[0], 16
    while at < 16 + length:
        at += -at % 8
        code, kind = message[at], chr(message[at + 2])
        at += 4
        if kind in "so":
            at += -at % 4
            n = struct.unpack_from("<I", message, at)[0]
            if code == 3:
                return message[at + 4:at + 4 + n].decode()
            at += 4 + n + 1
        elif kind == "g":
            at += 1 + message[at] + 1
        else:
            at += -at % 4 + 4
    return None


class BadBus:
    """Listens at @path. @script is a dictionary: member of a method call, or "accept" or "auth", to
    what happens there: "close", "hang", "garbage", "error"; what is not in it succeeds."""

    def __init__(self, path, script):
        self.script = script
        self.seen = []
        self.address = f"unix:path={path}"
        self._kept = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        for peer in [self._listener, *self._kept]:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            peer.close()

    def _serve(self):
        while True:
            try:
                peer = self._listener.accept()[0]
            except OSError:
                return
            self._kept.append(peer)
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _fails(self, peer, where):
        self.seen.append(where)
        what = self.script.get(where)
        if what == "garbage":
            peer.sendall(os.urandom(64) * 64)
        if what in ("close", "garbage"):
            peer.shutdown(socket.SHUT_RDWR)
        return what in ("close", "garbage", "hang")

    def _talk(self, peer):
        try:
            self._talk_until(peer)
        except OSError:
            pass

    def _talk_until(self, peer):
        if self._fails(peer, "accept"):
            return
        data, lines = b"", 0
        while b"BEGIN\r\n" not in data:     # what libsystemd sends at once, and may go on with
            got = peer.recv(4096)
            if not got:
                return
            data += got
            if lines == 0 and b"\n" in data:
                lines = 1
                if self._fails(peer, "auth"):
                    return
                peer.sendall(b"DATA\r\n" if b"DATA" in data else b"")
                peer.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
                peer.sendall(b"AGREE_UNIX_FD\r\n" if b"NEGOTIATE" in data else b"")
        data = data.split(b"BEGIN\r\n", 1)[1]
        serial = 0
        while True:
            while len(data) >= 16:
                body, to, fields = struct.unpack_from("<III", data, 4)
                size = 16 + fields + (-fields % 8) + body
                if len(data) < size:
                    break
                message, data = data[:size], data[size:]
                member = _member(message)
                if self._fails(peer, member):
                    return
                serial += 1
                if self.script.get(member) == "error":
                    peer.sendall(_error(serial, to, "org.example.Broken", "it is broken"))
                elif member in ("Hello", "GetNameOwner"):
                    peer.sendall(_reply(serial, to, "s", _string(":1.7")))
                elif member in ("StartTransientUnit", "StopUnit"):
                    peer.sendall(_reply(serial, to, "o", _string(_JOB)))
                    serial += 1
                    if not self._fails(peer, "JobRemoved"):
                        peer.sendall(_job_removed(serial))
                else:
                    peer.sendall(_reply(serial, to))
            got = peer.recv(65536)
            if not got:
                return
            data += got
