# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that go to a block device, or into a file, in place of an image: as they are, within their bounds, and never so
that a part of one, or what was not verified, is taken for a disk."""

import hashlib
import os
import random
import subprocess
import time

import pytest

from skeplib import badweb, netns

SIZE = 3 << 20
DATA = random.Random(3).randbytes(1 << 20) + bytes(1 << 20) + b"text" * (1 << 18)
OLD = b"\xee" * (8 << 20)
FIRST = 4096


@pytest.fixture(autouse=True, scope="module")
def network():
    with netns.own_network():
        yield


@pytest.fixture
def web():
    server = badweb.Web()
    yield server
    server.close()


@pytest.fixture
def run(program, scratch):
    """run("import-raw", …): what it says when it fails, else None."""
    def call(*arguments, **more):
        done = subprocess.run([program("skep-import"), "-q", f"--image-root={scratch}/pool", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
        assert done.returncode in (0, 1), done.stdout
        # Who fetches may see too little for a sanitizer, which says so.
        assert "SKEP_SANITIZED" in os.environ or done.stdout.count("\n") == done.returncode, done.stdout
        return done.stdout if done.returncode else None
    (scratch / "pool").mkdir()
    return call


@pytest.fixture(name="disk")
def make_disk(scratch):
    (scratch / "disk").write_bytes(DATA)
    return scratch / "disk"


@pytest.fixture(name="old")
def make_old(scratch):
    """A file with something in it."""
    (scratch / "old").write_bytes(OLD)
    return scratch / "old"


@pytest.fixture(name="device")
def make_device(scratch):
    """A block device with something on it: path, and the file behind it."""
    (scratch / "device").write_bytes(OLD)
    path = subprocess.run(["losetup", "--find", "--show", scratch / "device"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()
    yield path
    subprocess.run(["losetup", "--detach", path], check=True)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def has_no_beginning(target, before):
    """Nothing was written yet, or the first block is missing."""
    now = read(target)
    return now == before or now[:FIRST] == bytes(FIRST)


@pytest.mark.parametrize("packing", [None, "gzip", "xz", "zstd"])
def test_file(run, disk, old, scratch, packing):
    """A file becomes as long as the disk, with the same inode and mode, and with holes."""
    if packing:
        subprocess.run(f"{packing} -c <disk >packed", shell=True, check=True, cwd=scratch)
    before = old.stat()
    assert run("import-raw", "--direct", scratch / "packed" if packing else disk, old) is None
    assert old.read_bytes() == DATA and (old.stat().st_ino, old.stat().st_mode) == (before.st_ino, before.st_mode)
    assert old.stat().st_blocks * 512 < SIZE
    assert os.listdir(scratch / "pool") == []


def test_device(run, disk, device):
    """What is zero is written as well, for there was something else; what is behind the disk stays."""
    assert run("import-raw", "--direct", disk, device) is None
    assert read(device) == DATA + OLD[SIZE:]
    assert run("import-raw", "--direct", "--offset=1M", disk, device) is None
    assert read(device) == DATA[:1 << 20] + DATA + OLD[4 << 20:]
    with subprocess.Popen(["cat", disk], stdout=subprocess.PIPE) as cat:
        assert run("import-raw", "--direct", "-", device, stdin=cat.stdout) is None
    assert read(device)[:SIZE] == DATA


def test_offset_and_size(run, disk, old, device):
    """In a file, what is before and behind stays where an offset is said or a size; more than there is room for is
    refused, and does not run over."""
    assert run("import-raw", "--direct", "--offset=4096", disk, old) is None
    assert old.read_bytes() == OLD[:4096] + DATA + OLD[SIZE + 4096:]
    old.write_bytes(OLD)
    assert run("import-raw", "--direct", "--size-max=3M", disk, old) is None
    assert old.read_bytes() == DATA + OLD[SIZE:]
    for target in (old, device):
        assert "longer than the 2097152 bytes" in run("import-raw", "--direct", "--offset=1M", "--size-max=2M", disk,
                                                      target)
        assert read(target)[3 << 20:] == OLD[3 << 20:]
    assert "longer than" in run("import-raw", "--direct", "--offset=6M", disk, device)
    assert len(read(device)) == len(OLD)
    assert "ends before" in run("import-raw", "--direct", "--offset=8M", disk, device)


@pytest.mark.parametrize("kind", ["file", "device"])
def test_not_verified(run, disk, old, device, kind):
    """What does not have its digest lacks its beginning; so does what is cut off."""
    target = old if kind == "file" else device
    said = run("import-raw", "--direct", f"--verify={'0' * 128}", disk, target)
    assert "SHA-512" in said
    assert has_no_beginning(target, OLD)
    assert run("import-raw", "--direct", f"--verify={hashlib.sha512(DATA).hexdigest()}", disk, target) is None
    assert read(target)[:SIZE] == DATA


def test_refused(run, disk, old, device, scratch):
    """With the thing that was there untouched."""
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, scratch / "qcow2"], check=True)
    assert "qcow2 image, which --direct does not unpack" in run("import-raw", "--direct", scratch / "qcow2", old)
    (scratch / "empty").touch()
    assert "is empty" in run("import-raw", "--direct", scratch / "empty", old)
    assert "No such file" in run("import-raw", "--direct", disk, scratch / "new")
    assert "neither a block device nor a file" in run("import-raw", "--direct", disk, "/dev/null")
    assert "needs the path" in run("import-raw", "--direct", disk)
    assert "needs --direct" in run("import-raw", "--offset=1M", disk, "web")
    assert "needs --direct" in run("import-raw", "--size-max=1M", disk, "web")
    assert "means nothing with --direct" in run("import-raw", "--direct", "--force", disk, old)
    assert "means nothing to import-tar" in run("import-tar", "--direct", disk, old)
    assert old.read_bytes() == OLD
    with open(old, "rb") as f:
        subprocess.run(["flock", "--exclusive", "--nonblock", str(f.fileno())], check=True, pass_fds=[f.fileno()])
        assert "something else is using" in run("import-raw", "--direct", disk, old)
    subprocess.run(["mkfs.ext4", "-q", device], check=True)
    (scratch / "mount").mkdir()
    subprocess.run(["mount", device, scratch / "mount"], check=True)
    try:
        assert "busy" in run("import-raw", "--direct", disk, device)
    finally:
        subprocess.run(["umount", scratch / "mount"], check=True)


def test_killed(program, disk, device, scratch):
    """Before all of it came the disk has no beginning."""
    reader, writer = os.pipe()
    with subprocess.Popen([program("skep-import"), "-q", "import-raw", "--direct", "-", device], stdin=reader) as worker:
        os.close(reader)
        os.write(writer, DATA[:60_000])
        with open(disk, "rb") as f:
            f.seek(60_000)
            while data := f.read(60_000):
                os.write(writer, data)
        deadline = time.monotonic() + 60
        while read(device)[FIRST:1 << 20] != DATA[FIRST:1 << 20] and time.monotonic() < deadline:
            time.sleep(0.02)
        worker.kill()
        worker.wait()
        os.close(writer)
    assert read(device)[:1 << 20] == bytes(FIRST) + DATA[FIRST:1 << 20]


def test_pull(run, web, old, device, scratch):
    """From a server as well; what was downloaded is gone afterwards."""
    url = web.page("/disk.raw", DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    web.page("/disk.nspawn", b"[Exec]\n")
    for target in (old, device):
        assert run(f"--verify={digest}", "--direct", "pull-raw", url, target) is None
        assert read(target)[:SIZE] == DATA
    before = read(device)
    assert "not the expected one" in run(f"--verify={'0' * 64}", "--direct", "pull-raw", url, device)
    assert has_no_beginning(device, before)
    assert run("--verify=no", "--direct", "--offset=2M", "pull-raw", url, device) is None
    assert read(device)[2 << 20:5 << 20] == DATA and read(device)[5 << 20:] == OLD[5 << 20:]
    assert "keep-download" in run("--verify=no", "--direct", "--keep-download=yes", "pull-raw", url, device)
    assert os.listdir(scratch / "pool") == []
