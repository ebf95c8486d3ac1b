# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks go out as they are, or packed as the file is called."""

import os
import random
import subprocess

import pytest

UNPACKERS = {"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd"}


@pytest.fixture
def pool(scratch):
    """A pool with one disk, most of which is a hole."""
    where = scratch / "pool"
    where.mkdir()
    rng = random.Random(7)
    with open(where / "web.raw", "wb") as f:
        f.truncate(32 << 20)
        for at in (0, 5_000_000, 31 << 20):
            f.seek(at)
            f.write(rng.randbytes(300_000) + b"words " * 50_000)
    (where / "tree").mkdir()
    return where


@pytest.fixture
def run(program, pool):
    """run("export-raw", "web", "x.raw") in the pool."""
    def call(*arguments, check=True, **more):
        done = subprocess.run([program("skep-import"), "-q", f"--image-root={pool}", "--sync=no", *arguments],
                              stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE, check=False, **more)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return call


def test_plain(run, pool, scratch):
    """To a file with its holes; to a pipe and to what is open already without."""
    disk = (pool / "web.raw").read_bytes()
    run("export-raw", "web", scratch / "x.raw")
    assert (scratch / "x.raw").read_bytes() == disk
    assert (scratch / "x.raw").stat().st_blocks <= (pool / "web.raw").stat().st_blocks
    assert run("export-raw", "web").stdout == disk
    with open(scratch / "y", "wb") as f:
        f.write(b"before")
        f.flush()
        run("export-raw", "web", "-", stdout=f)
    assert (scratch / "y").read_bytes() == b"before" + disk


@pytest.mark.parametrize("suffix", UNPACKERS)
def test_packed(run, pool, scratch, suffix):
    """As the suffix says, the same each time; others unpack it, and so do we."""
    target = scratch / f"x.raw.{suffix}"
    run("export-raw", "web", target)
    with subprocess.Popen([UNPACKERS[suffix], "-dc", target], stdout=subprocess.PIPE) as unpacker:
        assert unpacker.stdout.read() == (pool / "web.raw").read_bytes()
    run("export-raw", f"--format={dict(gz='gzip', bz2='bzip2', zst='zstd').get(suffix, suffix)}", "web", scratch / "y")
    assert (scratch / "y").read_bytes() == target.read_bytes()
    run("import-raw", target, "again")
    assert (pool / "again.raw").read_bytes() == (pool / "web.raw").read_bytes()
    assert (pool / "again.raw").stat().st_blocks <= (pool / "web.raw").stat().st_blocks


def test_refused(run, pool, scratch):
    """A tree is no disk, a file that is there stays there, a full file system has nothing left on it."""
    assert b"export-tar" in run("export-raw", "tree", scratch / "x", check=False).stderr
    assert b"no image" in run("export-raw", "none", scratch / "x", check=False).stderr
    (scratch / "there").write_bytes(b"mine")
    assert b"exists already" in run("export-raw", "web", scratch / "there", check=False).stderr
    assert (scratch / "there").read_bytes() == b"mine"
    small = scratch / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512K", "tmpfs", small], check=True)
    try:
        for name in ("x", "x.gz"):
            said = run("export-raw", "web", small / name, check=False).stderr
            assert (b"needs about" if name == "x" else b"is full") in said
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", "-l", small], check=True)


@pytest.mark.parametrize("name", ["web.raw", "web.raw.gz"])
def test_checksum(run, pool, scratch, name):
    """The file beside it is one that others verify it by."""
    run("export-raw", "--checksum", "web", scratch / name)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", name + ".sha256"], cwd=scratch, check=True)
    done = run("export-raw", "--checksum", "web", check=False)
    assert done.returncode == 1 and b"needs a file" in done.stderr and done.stdout == b""
