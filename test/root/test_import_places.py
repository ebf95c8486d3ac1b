# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pools in places where not all goes well: file systems that are read-only, or full at one moment or another, and
folders that are not there. One line says so, and nothing is left."""

import os
import subprocess

import pytest

from skeplib import archives, kernel, must_run


@pytest.fixture(name="sources", scope="module")
def make_sources(tmp_path_factory):
    """What is imported, some megabytes each."""
    where = tmp_path_factory.mktemp("sources")
    (where / "tree/deeper").mkdir(parents=True)
    for i in range(60):
        (where / f"tree/deeper/{i}").write_bytes(os.urandom(50_000))
    archives.write(where / "x.tar", [archives.file(f"d/{i}", os.urandom(50_000)) for i in range(60)])
    (where / "x.raw").write_bytes(os.urandom(3_000_000))
    return where


@pytest.fixture
def attempt(program, sources):
    """attempt(kind, pool): how an import ends, and what it says. Of pipes nobody knows how long they are."""
    def call(kind, pool, *options):
        words = {"tar": ("import-tar", sources / "x.tar"), "raw": ("import-raw", sources / "x.raw"),
                 "fs": ("import-fs", sources / "tree"), "tar-pipe": ("import-tar", "-"), "raw-pipe": ("import-raw", "-"),
                 "pull": ("--verify=no", "pull-raw", f"file://{sources}/x.raw")}[kind]
        argv = [program("skep-import"), "-q", f"--image-root={pool}", *options, *words, "web"]
        with subprocess.Popen(["cat", sources / f"x.{kind[:3]}"] if "pipe" in kind else ["true"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as cat:
            done = subprocess.run(argv, stdin=cat.stdout, stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stderr

    return call


KINDS = ["tar", "raw", "fs", "tar-pipe", "raw-pipe", "pull"]


@pytest.mark.parametrize("kind", KINDS)
def test_read_only(attempt, scratch, kind):
    pool = scratch / "pool"
    pool.mkdir()
    kernel.mount("pool", pool, "tmpfs", 0, "size=64M")
    (pool / ".#skep.old.0123456789abcdef").mkdir()
    kernel.mount(None, pool, None, kernel.MS_REMOUNT | kernel.MS_RDONLY)
    status, said = attempt(kind, pool)
    assert status == 1 and said.count("\n") == 1 and "Read-only file system" in said, said
    assert str(pool) in said or "pool" in said
    kernel.umount(pool)


@pytest.mark.parametrize("kind", KINDS)
def test_not_there(attempt, scratch, kind):
    """It is made, for root alone; unless there is something else."""
    status, said = attempt(kind, scratch / "one/two")
    assert status == 0, said
    assert (scratch / "one/two").stat().st_mode & 0o777 == 0o700
    assert len(os.listdir(scratch / "one/two")) == 1
    (scratch / "file").touch()
    for pool in (scratch / "file", scratch / "file/below"):
        status, said = attempt(kind, pool)
        assert status == 1 and said.count("\n") == 1 and "Not a directory" in said and str(scratch / "file") in said, said


@pytest.mark.parametrize("kind", KINDS)
def test_full_sooner_or_later(request, attempt, scratch, kind):
    """As on a disk that others write to as well: at whatever point there is no room any more."""
    pool = scratch / "disk"
    pool.mkdir()
    with open(scratch / "disk.img", "wb") as f:
        f.truncate(10 << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", "-N", "200", scratch / "disk.img"], check=True)
        subprocess.run(["mount", "-o", "loop", scratch / "disk.img", pool], check=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        must_run(f"no ext4 here: {problem}")
    request.addfinalizer(lambda: kernel.umount(pool))
    failed = 0
    for room in (0, 8 << 10, 100 << 10, 1 << 20, 2_500_000, 3_000_000, 3_100_000):
        free = os.statvfs(pool).f_bavail * os.statvfs(pool).f_frsize
        with open(pool / "filler", "wb") as f:
            os.posix_fallocate(f.fileno(), 0, max(free - room - (64 << 10), 1))
        status, said = attempt(kind, pool)
        if status:
            failed += 1
            assert said.count("\n") == 1 and ("is full" in said or "do not fit" in said or "No space" in said
                                              or "needs about" in said), (room, said)
            assert str(pool) in said, (room, said)
            assert sorted(os.listdir(pool)) == ["filler", "lost+found"], (room, said)
        subprocess.run(["rm", "-rf", pool / "filler", *pool.glob("web*")], check=True)
    assert failed >= 4
    assert attempt(kind, pool)[0] == 0, "and with room it is well again"


def test_no_more_files(attempt, scratch):
    """There may be room, but no inodes."""
    pool = scratch / "pool"
    pool.mkdir()
    for inodes in (2, 5, 40):
        kernel.mount("pool", pool, "tmpfs", 0, f"size=64M,nr_inodes={inodes}")
        for kind in ("tar", "fs", "tar-pipe"):
            status, said = attempt(kind, pool)
            assert status == 1 and said.count("\n") == 1, said
            assert "is full" in said or "No space" in said, said
            assert os.listdir(pool) == []
        kernel.umount(pool)


def test_disk_of_a_device(program, scratch):
    """What is a block device goes out like a file, and what is no disk says so."""
    pool = scratch / "pool"
    pool.mkdir()
    with open(scratch / "disk.img", "wb") as f:
        f.write(os.urandom(1 << 20))
        f.truncate(4 << 20)
    try:
        device = subprocess.run(["losetup", "--find", "--show", scratch / "disk.img"], stdout=subprocess.PIPE, text=True,
                                check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as problem:
        must_run(f"no loop devices here: {problem}")
    try:
        (pool / "web.raw").symlink_to(device)
        argv = [program("skep-import"), "-q", f"--image-root={pool}"]
        for name, *unpack in (("x.raw", "cat"), ("x.raw.zst", "zstd", "-dc")):
            subprocess.run([*argv, "export-raw", "web", scratch / name], check=True)
            with open(scratch / name, "rb") as f:
                out = subprocess.run(unpack, stdin=f, stdout=subprocess.PIPE, check=True).stdout
            assert out == (scratch / "disk.img").read_bytes()
        done = subprocess.run([*argv, "import-raw", device, "other"], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            assert (pool / "other.raw").read_bytes() == (scratch / "disk.img").read_bytes()
        else:
            assert done.stderr.count("\n") == 1 and device in done.stderr
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
