# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in a lab, beside wire.py: calls everything that a service says it has, with arguments made up from its
introspection data, many calls at a time, for some seconds. Ends with status 1 when the daemon died of it, and shows the
last calls then.

Usage: busfuzz.py machine1|import1 SECONDS SEED [PID...]; the PIDs are processes that it may make machines of, and
end."""

import collections
import os
import random
import sys
import time
from xml.etree import ElementTree

import wire

MACHINE1 = "org.freedesktop.machine1"
# These are known to work; and there is no use in filling the lab's memory.
SKIPPED = {"org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable"}
# Paths of the lab that may come to harm are not among them.
TEXTS = [
    "", "a", "web", "net", "one", "mapped-1", "fuzz-1", "fuzz-2", "fuzz-3", ".host", "self", ".", "..", "../x",
    "a/b", "x" * 64, "x" * 65, "x" * 255, "x" * 256, "x" * 5000, "a\nb=c", "\x01\x1b[31m", "ü", "🐝", "%s%n", "-a",
    "a.", "a..b", ".#x", "tree", "bare", "disk", "fixed", ".hidden", "tree2", "disk2", "container", "vm", "host",
    "leader", "supervisor", "all", "hidden", "root", "nobody", "nosuchuser", "0", "65534", "-1", "/", "/bin/true",
    "/bin/false", "/nonexistent", "/tmp/fuzz", "/tmp/fuzz/a", "/tmp/fuzz/b/c", "/tmp/fuzz/../fuzz/a",
    "relative/path", "//tmp//fuzz", "/proc/self/fd", "/dev/null", "A=b", "=x", "A", "PATH=/bin", "1A=b",
    "vsock/3", "debug", "info", "journal", "console", MACHINE1 + ".Manager", MACHINE1 + ".Machine", MACHINE1 + ".Image",
    "org.skep.Manager1", "org.skep.Machine1",
]
KEYS = ["Id", "Service", "Class", "LeaderPID", "LeaderPIDFD", "LeaderPIDFDID", "RootDirectory", "NetworkInterfaces",
        "VSockCID", "SSHAddress", "SSHPrivateKeyPath", "Description", "TasksMax", "Nonsense", "Slice", ""]
NUMBERS = [0, 1, 2, 3, 7, 15, 16, 64, 65, 127, 128, 255, 256, 65535, 65536, 200000, 2**31 - 1, 2**31, 2**32 - 2,
           2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]
WIDTHS = {"y": (0, 8), "n": (1, 16), "q": (0, 16), "i": (1, 32), "u": (0, 32), "x": (1, 64), "t": (0, 64)}


class Maker:
    """Makes up arguments for the registry."""

    name, path, texts = MACHINE1, "/org/freedesktop/machine1", TEXTS
    objects = ("/machine/web", "/machine/_")

    def __init__(self, seed, pids):
        self.random = random.Random(seed)
        self.pids = pids
        self.fds = [os.open(p, os.O_RDONLY) for p in ("/dev/null", "/", "/etc/hostname", "/proc/self/status")]
        self.fds += [*os.pipe(), os.open("/", os.O_PATH), os.open("/dev/null", os.O_RDWR)]
        self.fds += [os.pidfd_open(p) for p in pids[:2]]

    def text(self):
        r = self.random
        if r.random() < 0.85:
            return r.choice(self.texts)
        return "".join(chr(r.choice((r.randrange(1, 128), r.randrange(32, 0x2fff)))) for _ in range(r.randrange(40)))

    def number(self, kind, name):
        is_signed, width = WIDTHS[kind]
        # Of the machines that are made here root may end all that is in their units: it has to be ours.
        if name in ("leader", "pid", "LeaderPID"):
            return self.random.choice([*self.pids, 1, 3999999, 2**32 - 1])
        value = self.random.choice(NUMBERS) & (2**width - 1)
        if is_signed and value >= 2**(width - 1):
            value -= 2**width
        if name == "signal" and value in (0, *range(1, 65)):
            return self.random.choice((0, 18, 10, 65))
        return value

    def value(self, kind, name=""):
        """A value of a complete type; @name is what introspection calls it."""
        r = self.random
        if kind == "v":
            inner = {"LeaderPID": "u", "LeaderPIDFD": "h", "LeaderPIDFDID": "t", "NetworkInterfaces": "ai", "Id": "ay",
                     "VSockCID": "u"}.get(name, "s")
            if r.random() < 0.2:
                inner = r.choice(("s", "u", "b", "ay", "as", "a{sv}", "(su)", "v"))
            return inner, self.value(inner, name)
        if kind == "a(sv)":
            keys = [r.choice(KEYS) for _ in range(r.randrange(6))]
            return [(key, self.value("v", key)) for key in keys]
        if kind == "ay":
            return r.randbytes(r.choice((0, 16, 15, 17, 4096)))
        if kind[0] == "a":
            return [self.value(kind[1:], name) for _ in range(r.choice((0, 1, 1, 2, 3, 200)))]
        if kind[0] in "({":
            return [self.value(one, name) for one in wire.split(kind[1:-1])]
        if kind == "s":
            return self.text()
        if kind == "o":
            return r.choice((self.path, "/", *(self.path + tail for tail in self.objects)))
        if kind == "g":
            return r.choice(("", "s", "a{sv}"))
        if kind == "b":
            return r.random() < 0.5
        if kind == "h":
            return r.choice(self.fds)
        if kind == "d":
            return r.choice((0.0, -1.5, 1e300))
        return self.number(kind, name)

    def learn(self, message):
        """Look at an answer, which may be of use for further arguments."""

    def sent(self):
        """What was made up last is under way."""


class ImportMaker(Maker):
    """Makes up arguments for the importer."""

    name, path = "org.freedesktop.import1", "/org/freedesktop/import1"
    objects = ("/transfer/_1", "/transfer/_")
    texts = [text for text in TEXTS if not text.startswith("fuzz-")] + [
        "a", "a", "b", "c", "machine", "portable", "sysext", "confext", "no", "checksum", "signature", "tar", "raw",
        "0" * 64, "0" * 128, "gzip", "xz", "zstd:fast", "uncompressed", "bzip2", "lz4", "import-tar", "pull-raw",
        "import-fs", "export-tar", "export-raw", "http://127.0.0.1:1/x.tar", "file:///tmp/fuzz/a.tar", "http://[", "/tmp",
        "https://u:p@127.0.0.1:1/x.raw", "file:///tmp/fuzz/a", "file:///dev/zero", "ftp://x/y", "http://\n/", "file://",
        "debian", "docker://x"]
    # What a caller's own words most often are, so that many of them are taken.
    LIKELY = {"local_name": "abc", "class": ("machine", "portable", "sysext", "confext"), "verify_mode": ("no", "checksum"),
              "url": ("file:///tmp/fuzz/a.tar", "file:///tmp/fuzz/a.raw", "http://127.0.0.1:1/x.tar"),
              "format": ("", "gzip", "zstd"), "Class": ("machine", "sysext"), "Verify": ("no",),
              "Local": "abc", "Remote": ("file:///tmp/fuzz/a.tar", "http://127.0.0.1:1/x.raw"), "ImageRoot": ("/tmp/fuzz",),
              "Type": ("import-tar", "import-raw", "import-fs", "export-tar", "export-raw", "pull-tar", "pull-raw")}
    KINDS = {"Flags": "t", "Descriptor": "h"}

    def __init__(self, seed, pids):
        super().__init__(seed, pids)
        self.ids, self.fresh = collections.deque([0, 1, 4711], maxlen=64), []
        # Nothing that is large, or of which there is no end.
        self.fds = [os.open(p, os.O_RDONLY) for p in ("/dev/null", "/etc/hostname", "/tmp/fuzz/a", "/tmp/fuzz/a.raw",
                                                      "/tmp/fuzz/a.raw")]
        self.fds += [*os.pipe(), os.open("/tmp/fuzz/a", os.O_PATH), os.memfd_create("x")]

    def value(self, kind, name=""):
        r = self.random
        if kind == "a{sv}":
            keys = [r.choice([*self.LIKELY, *self.KINDS, "Nonsense"]) for _ in range(r.randrange(9))]
            return [(key, self.value("v", key)) for key in [*keys, *r.choices(("Type", "Local"), k=r.randrange(3))]]
        if kind == "v" and r.random() > 0.1:
            inner = self.KINDS.get(name, "s")
            return inner, self.value(inner, name)
        if kind == "s" and name in self.LIKELY and r.random() < 0.7:
            return r.choice(self.LIKELY[name])
        if kind == "h" and r.random() < 0.5:    # with a place in it that is its own
            self.fresh.append(os.open("/tmp/fuzz/a.tar", os.O_RDONLY))
            return self.fresh[-1]
        if kind == "u" and r.random() < 0.9:
            return r.choice(self.ids)
        if kind == "t" and name in ("flags", "Flags") and r.random() < 0.8:
            return r.choice((0, 1, 2, 3))
        return super().value(kind, name)

    def sent(self):
        while self.fresh:
            os.close(self.fresh.pop())

    def learn(self, message):
        if message.types == "uo":
            self.ids.append(message.body[0])


def offered(bus, maker, path=None, depth=0):
    """[(path, interface, member, [(type, name)])] of all methods, and of the properties as calls of Get and Set."""
    path = path or maker.path
    reply = bus.call(maker.name, path, "org.freedesktop.DBus.Introspectable", "Introspect")
    if reply.kind == wire.ERROR:
        return []
    found, tree = [], ElementTree.fromstring(reply.body[0])
    for interface in tree.iter("interface"):
        name = interface.get("name")
        if name in SKIPPED:
            continue
        for method in interface.iter("method"):
            args = [(a.get("type"), a.get("name") or "") for a in method.iter("arg") if a.get("direction") != "out"]
            found.append((path, name, method.get("name"), args))
        for prop in interface.iter("property"):
            found.append((path, "org.freedesktop.DBus.Properties", "Get", [("=", name), ("=", prop.get("name"))]))
    for node in tree.findall("node"):
        if depth < 2:
            found += offered(bus, maker, f"{path}/{node.get('name')}", depth + 1)
    return found


class Fuzzer:
    """Keeps a connection busy."""

    def __init__(self, maker):
        self.maker = maker
        self.recent = collections.deque(maxlen=64)
        self.outcomes, self.waiting = collections.Counter(), []
        self.bus = wire.Bus()
        self.targets = offered(self.bus, maker)

    def owner(self):
        reply = self.bus.call(*wire.BUS, "GetNameOwner", "s", [self.maker.name])
        return reply.body[0]

    def send(self):
        r = self.maker.random
        path, interface, member, args = r.choice(self.targets)
        kinds = ["s" if kind == "=" else kind for kind, _ in args]
        values = [name if kind == "=" else self.maker.value(kind, name) for kind, name in args]
        if r.random() < 0.03:    # not what it takes
            kinds, values = kinds[:-1], values[:-1]
        if interface == "org.freedesktop.LogControl1":
            return
        self.recent.append((path, interface, member, values))
        flags = r.choice((0, 0, 0, wire.NO_REPLY))
        serial = self.bus.send(self.maker.name, path, interface, member, "".join(kinds), values, flags)
        self.maker.sent()
        if not flags:
            self.waiting.append((serial, member))

    def settle(self):
        for serial, member in self.waiting:
            try:
                reply = self.bus.wait(serial, timeout=45)
            except wire.WireError:
                print("no answer to", [row for row in self.recent if row[2] == member])
                raise
            self.outcomes[reply.error or "ok"] += 1
            self.maker.learn(reply)
            reply.close()
        for message in self.bus.signals:
            message.close()
        self.waiting, self.bus.signals = [], []

    def again(self):
        """Hang up with calls under way, and come back."""
        self.bus.close()
        self.bus, self.waiting = wire.Bus(), []
        self.targets = offered(self.bus, self.maker) or self.targets

    def go(self, seconds):
        owner, end, calls = self.owner(), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            try:
                for _ in range(self.maker.random.choice((1, 8, 40))):
                    self.send()
                    calls += 1
                if self.maker.random.random() < 0.05:
                    self.again()
                self.settle()
            except ConnectionError:     # by the bus, which hangs up on who sends what no message may hold
                self.again()
            if self.owner() != owner or self.outcomes["org.freedesktop.DBus.Error.NoReply"]:
                for row in self.recent:
                    print(row)
                return 1
        print(f"{calls} calls to {len(self.targets)} members, {dict(self.outcomes.most_common(12))}")
        return 0


if __name__ == "__main__":
    made = {"machine1": Maker, "import1": ImportMaker}[sys.argv[1]](int(sys.argv[3]), [int(p) for p in sys.argv[4:]])
    sys.exit(Fuzzer(made).go(float(sys.argv[2])))
