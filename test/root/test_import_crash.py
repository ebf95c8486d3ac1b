# SPDX-License-Identifier: LGPL-2.1-or-later
"""Imports that do not reach their end: asked to stop, killed, two at once. Nothing is left, or what is
left is swept, and what is alive is not."""

import os
import pathlib
import signal
import subprocess
import time

import pytest

from skeplib import archives
from skeplib.archives import file


@pytest.fixture
def pool(scratch):
    """An empty pool."""
    where = scratch / "pool"
    where.mkdir()
    return where


@pytest.fixture
def start(program, pool):
    """start(archive) starts an import in the background; all are over when the test is."""
    running = []

    def call(archive, *options, name="web", **more):
        process = subprocess.Popen(
            [program("skep-import"), "-q", f"--image-root={pool}", *options, "import-tar", archive, name],
            stderr=subprocess.PIPE, text=True, **more)
        running.append(process)
        return process

    yield call
    for process in running:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture(name="long", params=["xz", "bz2", "none"])
def make_long(scratch, request, guest_tar):
    """An archive that takes a while: a real file of the kind named."""
    if request.param != "none":
        data = guest_tar("bookworm-guest", "none").read_bytes()[:60_000_000]
        packer = {"xz": ["xz", "-T2", "-0", "-c"], "bz2": ["bzip2", "-1", "-c"]}[request.param]
        with open(scratch / "long", "wb") as f:
            subprocess.run(packer, input=data, stdout=f, check=True)
    else:
        with open(scratch / "entries.tar", "wb") as f:
            for i in range(100_000):
                f.write(archives.tarfile.TarInfo(f"d{i % 100}/{i}").tobuf())
            f.write(bytes(1024))
        return scratch / "entries.tar"
    return scratch / "long"


def wait_for_entries(pool, count=3, timeout=10):
    """Wait until the unpacker is in the middle of it."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for temp in pool.glob(".#skep.*"):
            if len(os.listdir(temp)) >= count:
                return temp
        time.sleep(0.002)
    raise AssertionError("the import did not begin")


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid, timeout=2):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            if pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):  # before it is opened, or before it is read
            return True
        time.sleep(0.005)
    return False


def test_cancel_file(start, pool, long):
    """In the middle of decoding and writing, and soon."""
    took = []
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        process = start(long)
        wait_for_entries(pool)
        unpackers = children(process.pid)
        before = time.monotonic()
        process.send_signal(sig)
        assert all(gone(p) for p in unpackers)
        took.append(time.monotonic() - before)
        assert process.wait(timeout=5) == 128 + sig
        assert process.stderr.read() == ""
        assert os.listdir(pool) == []
    assert min(took) < 0.1, took


def test_cancel_silent_pipe(start, pool):
    """While nothing comes."""
    reader, writer = os.pipe()
    process = start("-", stdin=reader)
    os.close(reader)
    while not list(pool.glob(".#skep.*")) or not children(process.pid):
        time.sleep(0.01)
    before = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 128 + signal.SIGTERM
    assert time.monotonic() - before < 1
    os.close(writer)
    assert os.listdir(pool) == []


def test_killed_and_swept(start, pool, scratch, guest_tar):
    process = start(guest_tar("bookworm-guest", "xz"))
    temp = wait_for_entries(pool)
    unpackers = children(process.pid)
    assert unpackers
    process.kill()
    process.wait()
    assert all(gone(p) for p in unpackers), "the unpacker does not outlive its parent"
    assert os.listdir(pool) == [temp.name]

    other = start(archives.write(scratch / "x", [file("a", b"1")]), name="other")
    assert other.wait(timeout=10) == 0, other.stderr.read()
    assert os.listdir(pool) == ["other"]


def test_sweep(start, program, pool, guest_tar):
    process = start(guest_tar("bookworm-guest", "xz"))
    wait_for_entries(pool)
    process.kill()
    process.wait()
    (pool / ".#skep.foreign").mkdir()
    (pool / ".#other.web.0123456789abcdef").mkdir()
    subprocess.run([program("skep-import"), f"--image-root={pool}", "sweep"], check=True)
    assert sorted(os.listdir(pool)) == [".#other.web.0123456789abcdef", ".#skep.foreign"]


def test_the_living_are_not_swept(start, pool, scratch, program):
    reader, writer = os.pipe()
    process = start("-", stdin=reader)
    os.close(reader)
    while not list(pool.glob(".#skep.*")) or not children(process.pid):
        time.sleep(0.01)
    subprocess.run([program("skep-import"), f"--image-root={pool}", "sweep"], check=True)
    assert len(os.listdir(pool)) == 1
    os.write(writer, archives.write(scratch / "x", [file("a", b"1")]).read_bytes())
    os.close(writer)
    assert process.wait(timeout=10) == 0, process.stderr.read()
    assert os.listdir(pool / "web") == ["a"]


def test_unpacker_is_killed(start, pool):
    reader, writer = os.pipe()
    process = start("-", stdin=reader)
    os.close(reader)
    while not children(process.pid):
        time.sleep(0.01)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    assert process.wait(timeout=5) == 1
    assert "killed by" in process.stderr.read()
    os.close(writer)
    assert os.listdir(pool) == []


def test_two_to_one_name(start, pool, scratch):
    """The first to come to the end has the name."""
    archive = archives.write(scratch / "x", [file("a", b"1")]).read_bytes()
    pipes = [os.pipe() for _ in range(2)]
    both = []
    for reader, _ in pipes:
        both.append(start("-", stdin=reader))
        os.close(reader)
    while len(list(pool.glob(".#skep.*"))) < 2:
        time.sleep(0.01)
    for _, writer in pipes:
        os.write(writer, archive)
        os.close(writer)
    assert sorted(p.wait(timeout=10) for p in both) == [0, 1]
    assert "exists already" in "".join(p.stderr.read() for p in both)
    assert os.listdir(pool) == ["web"]


def test_confined(start, pool):
    """What the unpacker has while it reads: no network, no way up, and of root's rights a few."""
    reader, writer = os.pipe()
    process = start("-", stdin=reader)
    os.close(reader)
    while not children(process.pid):
        time.sleep(0.01)
    pid = children(process.pid)[0]
    end = time.monotonic() + 5
    while time.monotonic() < end:
        status = dict(line.split(":\t", 1) for line in
                      pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        if int(status["Threads"]) > 1:      # the chain is built after the confinement
            break
        time.sleep(0.01)
    kept = sum(1 << n for n in (0, 1, 3, 4, 27, 31))
    for name in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[name], 16) & ~kept == 0, name
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    for space in ("net", "mnt", "ipc", "uts"):
        assert os.readlink(f"/proc/{pid}/ns/{space}") != os.readlink(f"/proc/self/ns/{space}")
    mounts = pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    assert mounts and all(line.split()[5].split(",")[0] == "ro" for line in mounts)
    open_files = [os.readlink(f"/proc/{pid}/fd/{f}") for f in os.listdir(f"/proc/{pid}/fd")]
    assert not [f for f in open_files if f == str(pool)], "the pool itself is out of reach"
    os.close(writer)
    process.wait(timeout=5)
