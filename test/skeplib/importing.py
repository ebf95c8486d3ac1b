# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in a lab, beside wire.py: as many transfers at once as there may be, half of which are cancelled while the
daemon is killed again and again. Then looks at what became of each, and at what is left. Arguments: kills, seed."""

import hashlib
import io
import json
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
SOURCE = "/root/source"
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


def digest(root):
    """One number for all of a tree: names, types, modes, owners, contents."""
    total = hashlib.sha256()
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


class Storm:
    """The transfers, and what is done to them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.bus = wire.Bus()
        self.archive = make_source()
        self.feeders, self.numbers = [], {}
        self.go = threading.Event()

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

    def feed(self, fd, pause):
        """Write the archive to a pipe, the last half of it only when all have begun, and not at once."""
        half = len(self.archive) // 2
        try:
            with os.fdopen(fd, "wb", buffering=0) as f:
                f.write(self.archive[:half])
                self.go.wait()
                for at in range(half, len(self.archive), 20000):
                    time.sleep(pause)
                    f.write(self.archive[at:at + 20000])
        except BrokenPipeError:
            pass    # it was cancelled

    def start(self, local, number):
        """One transfer, of a pipe or of the tree."""
        if number % 4 == 3:
            fd, writer, member = os.open(SOURCE, os.O_RDONLY | os.O_DIRECTORY), None, "ImportFileSystemEx"
        else:
            (fd, writer), member = os.pipe(), "ImportTarEx"
        error, body = self.call(MANAGER, member, "hsst", fd, local, "machine", 0)
        os.close(fd)
        # Begun by a daemon that did not live to say so.
        if error and "InProgress" not in error:
            raise RuntimeError(f"{member} {local}: {error} {body}")
        if writer is not None:
            feeder = threading.Thread(target=self.feed, args=(writer, self.random.uniform(0, 0.15)), daemon=True)
            feeder.start()
            self.feeders.append(feeder)
        self.numbers[local] = None if error else body[0]

    def running(self):
        """{name: number} of those that run."""
        return {row[3]: row[0] for row in self.call(MANAGER, "ListTransfers")[1][0]}

    def kill(self):
        subprocess.run(["systemctl", "kill", "--kill-whom=main", "-s", "KILL", "skep-importd"], check=False)

    def wait(self):
        end = time.monotonic() + 240
        while self.running():
            if time.monotonic() > end:
                raise RuntimeError(f"still running: {self.running()}")
            time.sleep(0.1)


def cancel_half(storm, kills):
    """Cancel every second one in an order of chance, and kill the daemon in between."""
    names = list(storm.numbers)
    storm.random.shuffle(names)
    cancelled = names[:len(names) // 2]
    moments = {storm.random.randrange(len(cancelled)) for _ in range(kills)}
    while len(moments) < kills:
        moments.add(storm.random.randrange(len(cancelled)))
    for at, name in enumerate(cancelled):
        if at in moments:
            storm.kill()
        number = storm.numbers[name] or storm.running().get(name)
        if number:
            error, body = storm.call(MANAGER, "CancelTransfer", "u", number)
            assert error in (None, NAME + ".NoSuchTransfer"), (error, body)
        time.sleep(storm.random.uniform(0, 0.03))
    return cancelled


def main(kills, seed):
    storm = Storm(seed)
    wanted = digest(SOURCE)
    for number in range(MOST - 16):
        storm.start(f"storm{number}", number)
    # Pipes all of them, so that all are there at once.
    for number in range(MOST - 16, MOST):
        storm.start(f"storm{number}", 0)
    full = len(storm.running())
    pipes = [n for n in range(MOST) if n >= MOST - 16 or n % 4 != 3]
    assert full >= len(pipes), (full, len(pipes))
    for number in range(MOST - full):
        storm.start(f"more{number}", 0)
    error, body = storm.call(MANAGER, "ImportTarEx", "hsst", os.pipe()[0], "one-too-many", "machine", 0)
    assert "E2BIG" in (error or ""), (error, body)
    assert len(storm.running()) == MOST
    storm.go.set()
    cancelled = cancel_half(storm, kills)
    storm.wait()
    for feeder in storm.feeders:
        feeder.join(30)

    ends = {row[3]: (row[5], row[6]) for row in storm.call(SKEP, "ListHistory", "st", "", 0)[1][0]}
    results = {name: ends.get(name, ("unknown", "")) for name in storm.numbers}
    for name, (result, why) in results.items():
        assert result in ("done", "canceled", "failed"), (name, result)
        assert result != "canceled" or name in cancelled, name
        assert result != "failed", (name, why)
        there = os.path.exists(f"{POOL}/{name}")
        assert there == (result == "done"), (name, result, there)
        if there:
            assert digest(f"{POOL}/{name}") == wanted, name
    assert not set(os.listdir(POOL)) - set(results), os.listdir(POOL)
    counts = {result: sum(r == result for r, _ in results.values()) for result in ("done", "canceled")}
    assert counts["canceled"] >= 8 and counts["done"] >= MOST // 2, counts
    print(json.dumps(counts))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
