# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in a lab: calls all that a varlink service describes, with parameters made up from its descriptions, and sends it
what is none of that, for some seconds. Ends with status 1 when something was not answered.

Usage: varlinkfuzz.py SOCKET SECONDS SEED FILE..., which are lent to what takes descriptors"""

import collections
import json
import os
import random
import re
import socket
import sys
import time

TEXTS = ["", "a", "b", "c", "-", ".", "..", "x/y", "x" * 300, "x" * 70000, "ü", "🐝", "\x01\x1b[31m", "a\nb", "%s%n", "no",
         "checksum", "0" * 64, "file:///tmp/fuzz/a.tar", "http://127.0.0.1:1/a.tar", "ftp://x", "gzip", "zstd:1", "/tmp/fuzz",
         "relative", "/proc/self", ".host"]
NUMBERS = [0, 1, 2, 3, 9, 255, 256, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**64, -1, 1.5, 1e300]
NONSENSE = [b"", b"{", b"[]", b"null", b"{}", b'{"method":1}', b'{"method":"x"}', b'{"method":"a.b.C","parameters":[]}',
            b"\xff\xfe", b'{"method":"org.varlink.service.GetInfo","parameters":{"x":"\\ud800"}}', b"[" * 5000,
            b'{"method":"' + b"y" * 100000 + b'"}', b'{"more":true,"oneway":true,"method":"org.varlink.service.GetInfo"}']


class Link:
    """One connection."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(45)
        self.socket.connect(path)
        self.rest = b""

    def send(self, data, fds=()):
        """Return: whether it is still there to be sent to."""
        try:
            sent = socket.send_fds(self.socket, [data], fds)
            self.socket.sendall(data[sent:])
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def answer(self):
        """The next answer; None when the service has hung up."""
        while b"\0" not in self.rest:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return None
            self.rest += piece
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, **parameters):
        """Return: what a method says that is sure to be there."""
        self.send(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
        return self.answer()["parameters"]


def described(path):
    """[(method, [(name, type, may be missing)])] and {type: its values}."""
    link, methods, types = Link(path), [], {}
    for name in link.call("org.varlink.service.GetInfo")["interfaces"]:
        text = re.sub(r"#.*", "", link.call("org.varlink.service.GetInterfaceDescription", interface=name)["description"])
        for kind, values in re.findall(r"type (\w+)\s*\(([^:)]*)\)", text):
            types[kind] = [v.strip() for v in values.split(",")]
        for method, fields in re.findall(r"method (\w+)\s*\(([^)]*)\)", text):
            rows = re.findall(r"(\w+)\s*:\s*(\??)([\w\[\]]+)", fields)
            methods.append((f"{name}.{method}", [(field, kind, bool(may)) for field, may, kind in rows]))
    return methods, types


class Fuzzer:
    """Makes up what is sent."""

    def __init__(self, path, seed, files):
        self.path, self.random, self.files = path, random.Random(seed), files
        self.methods, self.types = described(path)
        self.outcomes, self.ids = collections.Counter(), collections.deque([1, 4711], maxlen=32)

    def value(self, kind, name):
        """Of a type, most of the time."""
        r = self.random
        if r.random() < 0.04:
            return r.choice((None, True, "x", 7, -1.5, [], {}, [[[]]], {"a": {"b": None}}))
        if name == "id":
            return r.choice((*self.ids, r.choice(NUMBERS)))
        if name == "fileDescriptor":
            return r.choice((0, 0, 0, 0, 1, 2, 255, 256, -1))
        if kind in self.types:
            return r.choice(self.types[kind])
        if name in ("remote", "local") and r.random() < 0.6:
            return r.choice({"remote": TEXTS[-10:-8], "local": "abc"}[name])
        return {"int": lambda: r.choice(NUMBERS), "float": lambda: r.choice(NUMBERS),
                "bool": lambda: r.random() < 0.5}.get(kind, lambda: r.choice(TEXTS))()

    def call(self):
        """Return: a call and how it wants to be answered."""
        r = self.random
        method, fields = r.choice(self.methods)
        parameters = {name: self.value(kind, name) for name, kind, may in fields if r.random() < (0.4 if may else 0.97)}
        if r.random() < 0.03:
            parameters["nonsense"] = self.value("string", "")
        how = r.choice((None, None, None, "more", "oneway"))
        return {"method": method, "parameters": parameters, **({how: True} if how else {})}, how

    def talk(self):
        """One connection: some calls one after another or at once, maybe something else at the end."""
        r = self.random
        link, sent = Link(self.path), []
        for _ in range(r.choice((1, 1, 2, 8))):
            call, how = self.call()
            fds = [os.open(f, os.O_RDONLY) for f in r.choices(self.files, k=r.choice((0, 1, 1, 1, 3)))]
            sent.append((call, how) if link.send(json.dumps(call).encode() + b"\0", fds) else None)
            for fd in fds:
                os.close(fd)
            if how == "more" or r.random() < 0.1:   # what follows may be long in coming
                break
        if sent[-1] and sent[-1][1] != "more" and r.random() < 0.2:
            link.send(r.choice(NONSENSE) + r.choice((b"\0", b"")))
        if r.random() < 0.1:
            return self.close(link)
        for row in sent:
            if row is None or row[1] == "oneway":
                continue
            reply = link.answer()
            while reply and reply.get("continues") and row[1] != "more":
                raise RuntimeError(f"{row[0]}: more than one answer: {reply}")
            self.outcomes[(reply.get("error") or "ok") if reply else "hung up"] += 1
            if reply is None:
                raise RuntimeError(f"{row[0]}: hung up on")
            if isinstance(reply.get("parameters", {}).get("id"), int):
                self.ids.append(reply["parameters"]["id"])
        return self.close(link)

    @staticmethod
    def close(link):
        link.socket.close()


def main():
    path, seconds, seed, files = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    fuzzer, end, n = Fuzzer(path, seed, files), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        fuzzer.talk()
        n += 1
    print(f"{n} connections, {len(fuzzer.methods)} methods, {dict(fuzzer.outcomes.most_common(12))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
