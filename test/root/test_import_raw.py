# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks go into the pool as raw files with holes, whatever they come in."""

import os
import pathlib
import random
import signal
import struct
import subprocess
import time

import pytest

SIZE = 24 << 20


@pytest.fixture
def pool(scratch):
    """An empty pool."""
    where = scratch / "pool"
    where.mkdir()
    return where


@pytest.fixture
def run(program, pool):
    """run("import-raw", "x.raw", "web", "--force") in the pool."""
    def call(*arguments, check=True, **more):
        done = subprocess.run([program("skep-import"), "-q", f"--image-root={pool}", "--sync=no", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **more)
        done.stderr = done.stderr.decode()
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return call


@pytest.fixture(name="disk")
def make_disk(scratch):
    """A disk with text, noise, ones and much of nothing."""
    rng = random.Random(5)
    with open(scratch / "disk.raw", "wb") as f:
        f.truncate(SIZE)
        for i in range(20):
            f.seek(rng.randrange(SIZE - 200_000))
            f.write(rng.randbytes(50_000) if i % 2 else b"all work and no play " * 5000)
        f.seek(10 << 20)
        f.write(b"\1" * (2 << 20))
    return scratch / "disk.raw"


def qcow2(source, target, options="compat=1.1", pack=False):
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *["-c"] * pack, "-o", options, source, target],
                   check=True, stdout=subprocess.DEVNULL)
    return target


def same(image, disk):
    assert image.read_bytes() == disk.read_bytes()
    assert image.stat().st_blocks <= disk.stat().st_blocks, "its holes are holes"


def test_plain(run, pool, disk):
    """From a file, and from a pipe, in which nobody sees holes."""
    run("import-raw", disk)
    same(pool / "disk.raw", disk)
    with subprocess.Popen(["cat", disk], stdout=subprocess.PIPE) as cat:
        run("import-raw", "-", "piped", stdin=cat.stdout)
    same(pool / "piped.raw", disk)
    assert sorted(os.listdir(pool)) == ["disk.raw", "piped.raw"]


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_from_where_it_stands(run, pool, disk, scratch, kind):
    """A file that was read in part goes on from there."""
    source = disk if kind == "raw" else qcow2(disk, scratch / "x.qcow2")
    with open(scratch / "both", "wb") as f:
        f.write(b"label" * 100)
        f.write(source.read_bytes())
    fd = os.open(scratch / "both", os.O_RDONLY)
    os.lseek(fd, 500, os.SEEK_SET)
    run("import-raw", "-", "web", stdin=fd)
    os.close(fd)
    same(pool / "web.raw", disk)


@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz -0", "zstd", "qcow2"])
def test_packed(run, pool, disk, scratch, packer):
    """By its content, whatever it is called; a qcow2 image in it, too."""
    plain = disk
    if packer == "qcow2":
        plain, packer = qcow2(disk, scratch / "x.qcow2"), "zstd"
    with open(scratch / "packed", "wb") as f:
        subprocess.run([*packer.split(), "-c", plain], stdout=f, check=True)
    run("import-raw", scratch / "packed", "web")
    same(pool / "web.raw", disk)


@pytest.mark.parametrize("pack", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("options", ["compat=0.10", "compat=1.1", "cluster_size=512", "cluster_size=2M",
                                     "compression_type=zstd", "extended_l2=on,cluster_size=16k"])
def test_qcow2(run, pool, disk, scratch, options, pack):
    """What qemu-img makes comes out as it went in."""
    run("import-raw", qcow2(disk, scratch / "web.qcow2", options, pack))
    same(pool / "web.raw", disk)
    assert os.listdir(pool) == ["web.raw"]


def test_qcow2_refused(run, pool, disk, scratch):
    """What is not all of a disk is not taken for one."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", scratch / "layer"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={scratch}/data", scratch / "external",
                    "1M"], check=True)
    whole = bytearray(qcow2(disk, scratch / "x").read_bytes())
    for name, offset, value in (("dirty", 72, 1), ("corrupt", 72, 2)):
        (scratch / name).write_bytes(whole[:offset] + struct.pack(">Q", value) + whole[offset + 8:])
    (scratch / "encrypted").write_bytes(whole[:32] + struct.pack(">I", 1) + whole[36:])
    (scratch / "cut").write_bytes(whole[:len(whole) // 3])
    for name, word in (("layer", "backing file"), ("external", "another file"), ("dirty", "not closed"),
                       ("corrupt", "corrupt"), ("encrypted", "encrypted"), ("cut", "damaged")):
        done = run("import-raw", scratch / name, "web", check=False)
        assert done.returncode != 0 and word in done.stderr, f"{name}: {done.stderr}"
    assert os.listdir(pool) == []


def test_cut_off_stream(run, pool, disk, scratch):
    with open(scratch / "packed", "wb") as f:
        subprocess.run(["zstd", "-c", disk], stdout=f, check=True)
    os.truncate(scratch / "packed", os.stat(scratch / "packed").st_size - 1000)
    assert run("import-raw", scratch / "packed", "web", check=False).returncode != 0
    assert run("import-raw", "--verify=" + "0" * 64, disk, "web", check=False).returncode != 0
    assert os.listdir(pool) == []


def test_bomb(run, pool, scratch):
    """Ones by the gigabyte are not worth their space; holes cost none."""
    with subprocess.Popen("tr '\\0' '\\1' < /dev/zero | head -c 300M | zstd -c", shell=True,
                          stdout=subprocess.PIPE) as bomb:
        done = run("import-raw", "-", "web", stdin=bomb.stdout, check=False)
    assert done.returncode != 0 and "--max-ratio" in done.stderr
    assert os.listdir(pool) == []
    with open(scratch / "nothing", "wb") as f:
        f.truncate(1 << 30)
    subprocess.run(["zstd", "-q", scratch / "nothing"], check=True)
    run("import-raw", scratch / "nothing.zst", "web")
    assert (pool / "web.raw").stat().st_size == 1 << 30
    assert (pool / "web.raw").stat().st_blocks == 0


def test_names_and_marks(run, pool, disk, scratch):
    """One name is one image, whatever form it has; another takes its place only if that is asked for."""
    (pool / "web").mkdir()
    assert "exists already" in run("import-raw", disk, "web", check=False).stderr
    run("import-raw", "--force", "--read-only", disk, "web")
    assert os.listdir(pool) == ["web.raw"]
    assert (pool / "web.raw").stat().st_mode & 0o777 == 0o400
    short = scratch / "short"
    short.write_bytes(b"x" * 777)
    run("import-raw", "--force", short, "web")
    assert (pool / "web.raw").read_bytes() == b"x" * 777 + bytes(1024 - 777), "whole sectors"
    assert (pool / "web.raw").stat().st_mode & 0o777 == 0o600


def test_full(run, pool, disk, mounted_tmpfs):
    """Refused before anything is written if it is known; nothing is left if it is not."""
    small = mounted_tmpfs("1M")
    done = run("import-raw", disk, "web", f"--image-root={small}", check=False)
    assert "needs about" in done.stderr and f"{small} (tmpfs) has 1 MiB free" in done.stderr
    with subprocess.Popen(["cat", disk], stdout=subprocess.PIPE) as cat:
        done = run("import-raw", "-", "web", f"--image-root={small}", stdin=cat.stdout, check=False)
    assert "is full" in done.stderr
    assert os.listdir(small) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_ended(run, program, pool, disk, how):
    """Asked to stop it leaves nothing; killed, what it leaves is swept by the next, which leaves alone who is alive."""
    with subprocess.Popen([program("skep-import"), "-q", f"--image-root={pool}", "import-raw", "-", "web"],
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdin.write(disk.read_bytes()[:3 << 20])
        process.stdin.flush()
        end = time.monotonic() + 20
        while not list(pool.glob(".#skep.*")) and time.monotonic() < end:
            time.sleep(0.01)
        run("import-raw", disk, "other")
        assert len(list(pool.glob(".#skep.*"))) == 1, "that is somebody's who is alive"
        process.send_signal(how)
        process.wait()
        process.stdin.close()
    if how == signal.SIGTERM:
        assert os.listdir(pool) == ["other.raw"]
    end = time.monotonic() + 20
    while True:
        run("import-raw", "--force", disk, "web")
        if sorted(os.listdir(pool)) == ["other.raw", "web.raw"] or time.monotonic() > end:
            break
    assert sorted(os.listdir(pool)) == ["other.raw", "web.raw"]


def test_shares_data(run, disk, scratch):
    """Where the file system can, a copy costs nothing."""
    loop = scratch / "loop"
    with open(loop, "wb") as f:
        f.truncate(300 << 20)
    subprocess.run(["mkfs.xfs", "-q", loop], check=True)
    where = scratch / "xfs"
    where.mkdir()
    subprocess.run(["mount", "-o", "loop", loop, where], check=True)
    try:
        (where / "pool").mkdir()
        image = pathlib.Path(where / "disk.raw")
        image.write_bytes(disk.read_bytes())
        packed = qcow2(image, where / "x.qcow2")
        before = os.statvfs(where).f_bfree
        run("import-raw", image, "web", f"--image-root={where}/pool")
        run("import-raw", packed, "web2", f"--image-root={where}/pool")
        os.sync()
        cost = (before - os.statvfs(where).f_bfree) * os.statvfs(where).f_frsize
        assert cost < 4 << 20
        assert (where / "pool/web.raw").read_bytes() == disk.read_bytes()
        assert (where / "pool/web2.raw").read_bytes() == disk.read_bytes()
    finally:
        subprocess.run(["umount", "-l", where], check=True)
