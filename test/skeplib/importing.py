# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in a lab, beside wire.py: as many transfers of all kinds at once as there may be, half of which are cancelled
while the daemon is killed again and again. Then looks at what became of each, and at what is left.

Usage: importing.py prepare | importing.py storm KILLS SEED URL; what a server has to serve is prepared in SERVED, and
URL/ANYTHING/FILE is where it is found then."""

import gzip
import hashlib
import io
import json
import lzma
import os
import random
import subprocess
import sys
import tarfile
import threading
import time

import wire

NAME, PATH = "org.freedesktop.import1", "/org/freedesktop/import1"
MANAGER, SKEP = NAME + ".Manager", "org.skep.ImportManager1"
POOL = "/var/lib/machines"
SOURCE, SERVED = "/root/source", "/root/served"
ORIGIN = "origin"   # an image of each type, to be exported
MOST = 64
# What a call says when the daemon is not there, or dies over it.
LOST = ("NoReply", "ServiceUnknown", "NameHasNoOwner", "Disconnected", "UnknownObject", "UnknownMethod", "Spawn.")


def make_source():
    """A tree with some files of each kind. Return: the same as an archive."""
    for number in range(60):
        folder = f"{SOURCE}/folder{number % 7}/deeper"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/file{number}", "wb") as f:
            f.write(random.Random(number).randbytes(number * 300))
        os.chmod(f"{folder}/file{number}", 0o600 + number % 64)
    os.symlink("folder1/deeper", f"{SOURCE}/link")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        tar.add(SOURCE, arcname=".")
    return raw.getvalue()


def make_disk():
    """A disk with data and holes."""
    return b"".join(random.Random(n).randbytes(300 * 512) + bytes(500 * 512) for n in range(6))


def prepare():
    """Make the files that are served, but for the disk in another format."""
    os.makedirs(SERVED)
    for name, data in (("a.tar", make_source()), ("a.raw", make_disk())):
        with open(f"{SERVED}/{name}", "wb") as f:
            f.write(data)
    with open(f"{SERVED}/SHA256SUMS", "w", encoding="ascii") as sums:
        for name in ("a.tar", "a.raw"):
            with open(f"{SERVED}/{name}", "rb") as f:
                sums.write(f"{hashlib.sha256(f.read()).hexdigest()}  {name}\n")
    subprocess.run(["cp", "-a", SOURCE, f"{POOL}/{ORIGIN}"], check=True)
    subprocess.run(["cp", f"{SERVED}/a.raw", f"{POOL}/{ORIGIN}-disk.raw"], check=True)


def digest(root):
    """One number for all of a tree, or of a file: names, types, modes, owners, contents."""
    total = hashlib.sha256()
    if os.path.isfile(root):
        with open(root, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()
    for folder, folders, files in sorted(os.walk(root)):
        for name in sorted([*folders, *files]):
            path = os.path.join(folder, name)
            st = os.lstat(path)
            total.update(f"{os.path.relpath(path, root)} {st.st_mode:o} {st.st_uid} {st.st_gid} ".encode())
            if os.path.islink(path):
                total.update(os.readlink(path).encode())
            elif os.path.isfile(path):
                with open(path, "rb") as f:
                    total.update(f.read())
    return total.hexdigest()


class Transfer:
    """One of them: what it is, and what is done at the other end."""

    def __init__(self, kind, name, fast=False):
        self.kind, self.name, self.number, self.got = kind, name, None, None
        self.is_raw = "raw" in kind or kind == "import-qcow2"
        self.image = f"{POOL}/{name}" + (".raw" if self.is_raw else "")
        self.is_export, self.is_fast = kind.startswith("export"), fast

    def is_complete(self, wanted):
        """Whether what came of it is what it was made of."""
        if not self.is_export:
            return digest(self.image) == wanted[self.is_raw]
        data = {"gzip": gzip.decompress, "xz": lzma.decompress, "": bytes}[FORMATS[self.number % 3]](self.got)
        if self.is_raw:
            return hashlib.sha256(data).hexdigest() == wanted[True]
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(f"/root/out-{self.number}", numeric_owner=True)
        return digest(f"/root/out-{self.number}") == wanted[False]


# How things are packed that are exported, by the number of the transfer.
FORMATS = ("", "gzip", "xz")
# In turns. What we are the other end of is there until we let it go on.
KINDS = ("import-tar", "pull-tar", "import-raw", "export-tar", "import-qcow2", "pull-raw", "export-raw", "import-fs")
NOT_HELD = ("import-qcow2", "import-fs", "pull-tar", "pull-raw")


class Storm:
    """The transfers, and what is done to them."""

    def __init__(self, seed, url):
        self.random, self.url = random.Random(seed), url
        self.bus = wire.Bus()
        with open(f"{SERVED}/a.tar", "rb") as tar, open(f"{SERVED}/a.raw", "rb") as raw:
            self.fed = {"import-tar": tar.read(), "import-raw": raw.read()}
        self.threads, self.transfers = [], []
        self.over = threading.Event()

    def call(self, interface, member, types="", *args):
        """A call that is made again until a daemon has answered it."""
        end = time.monotonic() + 120
        while True:
            reply = self.bus.call(NAME, PATH, interface, member, types, list(args), timeout=60)
            if reply.kind != wire.ERROR:
                return None, reply.body
            if not any(word in reply.error for word in LOST):
                return reply.error, reply.body
            if time.monotonic() > end:
                raise RuntimeError(f"{member}: {reply.error} {reply.body}")
            time.sleep(0.05)

    def feed(self, fd, data):
        """Write to a pipe, bit by bit while others are cancelled, and the last half when that is over."""
        half = len(data) // 2
        try:
            with os.fdopen(fd, "wb", buffering=0) as f:
                for at in range(0, half, half // 20 + 1):
                    f.write(data[at:min(at + half // 20 + 1, half)])
                    self.over.wait(self.random.uniform(0, 0.1))
                self.over.wait()
                f.write(data[half:])
        except BrokenPipeError:
            pass    # it was cancelled

    def take(self, fd, transfer):
        """Read from a pipe, likewise."""
        got = []
        with os.fdopen(fd, "rb", buffering=0) as f:
            while len(got) < 20 and (piece := f.read(10000)):
                got.append(piece)
                self.over.wait(self.random.uniform(0, 0.1))
            self.over.wait()
            while piece := f.read(65536):
                got.append(piece)
        transfer.got = b"".join(got)

    def run(self, what, *args):
        self.threads.append(threading.Thread(target=what, args=args, daemon=True))
        self.threads[-1].start()

    def ask(self, t):
        """The call that begins a transfer. Return: what it was answered."""
        number = len(self.transfers) + 1
        if t.kind.startswith("pull"):
            member = "PullRawEx" if t.is_raw else "PullTarEx"
            return self.call(MANAGER, member, "sssst", f"{self.url}/{t.name}/a.{'raw' if t.is_raw else 'tar'}", t.name,
                             "machine", "checksum", 0)
        if t.is_export:
            reader, fd = os.pipe()
            answer = self.call(MANAGER, "ExportRawEx" if t.is_raw else "ExportTarEx", "sshst",
                               ORIGIN + ("-disk" if t.is_raw else ""), "machine", fd, FORMATS[number % 3], 0)
            self.run(self.take, reader, t)
        elif t.kind in self.fed:
            fd, writer = os.pipe()
            answer = self.call(MANAGER, "ImportRawEx" if t.is_raw else "ImportTarEx", "hsst", fd, t.name, "machine", 0)
            self.run(self.feed, writer, self.fed[t.kind])
        else:
            fd = os.open(*((f"{SERVED}/a.qcow2", os.O_RDONLY) if t.is_raw else (SOURCE, os.O_RDONLY | os.O_DIRECTORY)))
            answer = self.call(MANAGER, "ImportRawEx" if t.is_raw else "ImportFileSystemEx", "hsst", fd, t.name,
                               "machine", 0)
        os.close(fd)
        return answer

    def start(self, kind):
        """One transfer more."""
        t = Transfer(kind, f"storm{len(self.transfers)}")
        error, body = self.ask(t)
        if error:
            raise RuntimeError(f"{kind}: {error} {body}")
        t.number = body[0]
        if t.is_export and FORMATS[t.number % 3] != FORMATS[(len(self.transfers) + 1) % 3]:
            raise RuntimeError(f"transfer {t.number} is not the {len(self.transfers) + 1}th")
        self.transfers.append(t)

    def running(self):
        """Numbers of those that run."""
        return {row[0] for row in self.call(MANAGER, "ListTransfers")[1][0]}

    def kill(self):
        subprocess.run(["systemctl", "kill", "--kill-whom=main", "-s", "KILL", "skep-importd"], check=False)

    def wait(self):
        end = time.monotonic() + 240
        while self.running():
            if time.monotonic() > end:
                raise RuntimeError(f"still running: {self.running()}")
            time.sleep(0.1)


def cancel_half(storm, kills):
    """Cancel every second one of each kind in an order of chance, and kill the daemon in between. Return: their
    numbers."""
    cancelled = []
    for kind in KINDS:
        numbers = [t.number for t in storm.transfers if t.kind == kind]
        cancelled += storm.random.sample(numbers, len(numbers) // 2)
    storm.random.shuffle(cancelled)
    moments = set(storm.random.sample(range(len(cancelled)), min(kills, len(cancelled))))
    for at, number in enumerate(cancelled):
        if at in moments:
            storm.kill()
        error, body = storm.call(MANAGER, "CancelTransfer", "u", number)
        assert error in (None, NAME + ".NoSuchTransfer"), (error, body)
        time.sleep(storm.random.uniform(0, 0.03))
    return cancelled


def look(storm, cancelled):
    """Judge what became of each. Return: {how it ended: {kind: how many}}."""
    wanted = {False: digest(SOURCE), True: digest(f"{SERVED}/a.raw")}
    ends = {row[0]: (row[5], row[6]) for row in storm.call(SKEP, "ListHistory", "st", "", 0)[1][0]}
    counts, left = {}, set(os.listdir(POOL)) - {ORIGIN, ORIGIN + "-disk.raw"}
    for t in storm.transfers:
        result, why = ends.get(t.number, ("unknown", ""))
        assert result in ("done", "canceled"), (t.kind, t.number, result, why)
        assert result != "canceled" or t.number in cancelled, (t.kind, t.number)
        assert result == "canceled" or t.number not in cancelled or t.kind in NOT_HELD, (t.kind, t.number)
        if not t.is_export:
            assert os.path.exists(t.image) == (result == "done"), (t.kind, t.number, result)
            left.discard(os.path.basename(t.image))
        assert result != "done" or t.is_complete(wanted), (t.kind, t.number)
        counts.setdefault(result, {}).setdefault(t.kind, 0)
        counts[result][t.kind] += 1
    # Of a pull what is there already is kept, for the next one.
    assert all(name.startswith(".skep-part.") for name in left), left
    return counts


def main(kills, seed, url):
    storm = Storm(seed, url)
    for number in range(MOST - 16):
        storm.start(KINDS[number % len(KINDS)])
    # So that all are there at once.
    while len(storm.running()) < MOST:
        storm.start("import-tar")
    error, body = storm.call(MANAGER, "ImportTarEx", "hsst", os.pipe()[0], "one-too-many", "machine", 0)
    assert "E2BIG" in (error or ""), (error, body)
    cancelled = cancel_half(storm, kills)
    storm.over.set()
    storm.wait()
    for thread in storm.threads:
        thread.join(30)
    counts = look(storm, cancelled)
    print(json.dumps(counts))
    assert set(counts["done"]) == set(KINDS) and len(counts["canceled"]) >= len(KINDS) - len(NOT_HELD), counts


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare()
    else:
        main(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
