# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is not going to fit is refused before anything is written: what is needed, what there is and where are said.
How much is needed is read from the file, whatever that is packed with."""

import io
import os
import random
import re
import subprocess
import tarfile

import pytest

SIZE = 24 << 20
TEXT = b"all work and no play makes jack a dull boy\n"


@pytest.fixture(name="small")
def make_small(mounted_tmpfs):
    """A pool that has room for what is packed, but not for what comes out of it."""
    return mounted_tmpfs("8M")


@pytest.fixture
def run(program):
    """run("import-tar", file, "web", pool): what it says when it fails, else None."""
    def call(*arguments, pool, **more):
        done = subprocess.run([program("skep-import"), "-q", f"--image-root={pool}", "--sync=no", *arguments],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, **more)
        return done.stderr.decode() if done.returncode else None

    return call


def figures(said):
    """"needs about 24 MiB, but /x (tmpfs) has 8 MiB free": both in bytes, and the place."""
    found = re.search(r"needs about ([0-9.]+) (.?i?B), but (.*) has ([0-9.]+) (.?i?B) free", said or "")
    assert found, said
    units = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    return float(found[1]) * units[found[2]], float(found[4]) * units[found[5]], found[3]


def tar(path, size=SIZE, data=TEXT):
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("text")
        info.size = size
        archive.addfile(info, io.BytesIO((data * (size // len(data) + 1))[:size]))
    return path


PACKERS = {
    "plain": "cat x.tar > x",
    "gzip": "gzip -c x.tar > x",
    "xz": "xz -0 -c x.tar > x",
    "xz, streams": "head -c 12M x.tar | xz -0 -c > x; tail -c +12582913 x.tar | xz -0 -c >> x",
    "zstd": "zstd -q -c x.tar > x",
    "zstd, a stream": "zstd -q -c < x.tar > x",
    "zstd, frames": "head -c 12M x.tar | zstd -q -c > x; tail -c +12582913 x.tar | zstd -q -c >> x",
    "lz4": "lz4 -q --content-size -c x.tar > x",
    "lz4, a stream": "lz4 -q -B6 -c < x.tar > x",
}


@pytest.mark.parametrize("how", PACKERS)
def test_archives(run, small, scratch, how):
    """Each packing says how long it is; what was begun is gone, and with more room it is no obstacle."""
    # Where blocks do not say how long they are, those are believed that pack as well as a system does.
    hard = how in ("zstd, a stream", "zstd, frames")
    tar(scratch / "x.tar", data=random.Random(2).randbytes(1 << 22).hex().encode() if hard else TEXT)
    subprocess.run(PACKERS[how], shell=True, check=True, cwd=scratch)
    need, free, where = figures(run("import-tar", scratch / "x", "web", pool=small))
    assert SIZE * 0.95 <= need <= SIZE * 1.05 and 7 << 20 <= free <= 8 << 20 and where == f"{small} (tmpfs)"
    assert os.listdir(small) == []
    subprocess.run(["mount", "-o", "remount,size=48M", small], check=True)
    assert run("import-tar", scratch / "x", "web", pool=small) is None
    assert (small / "web/text").stat().st_size == SIZE


def test_disks(run, small, scratch):
    """Of disks that counts which is no hole, raw or in qcow2."""
    disk, holes = scratch / "disk", scratch / "holes"
    disk.write_bytes(random.Random(1).randbytes(SIZE))
    with open(holes, "wb") as f:
        f.truncate(1 << 33)
        f.seek(1 << 32)
        f.write(b"x" * (4 << 20))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, scratch / "qcow2"], check=True)
    for name in ("disk", "qcow2"):
        need, _, where = figures(run("import-raw", scratch / name, "web", pool=small))
        assert SIZE <= need <= SIZE * 1.05 and where == f"{small} (tmpfs)", name
    assert os.listdir(small) == []
    assert run("import-raw", holes, "web", pool=small) is None
    assert (small / "web.raw").stat().st_size == 1 << 33


def test_directories(run, small, scratch):
    (scratch / "tree/deeper").mkdir(parents=True)
    for name in ("a", "deeper/b"):
        (scratch / "tree" / name).write_bytes(random.Random(2).randbytes(SIZE // 2))
    need, _, where = figures(run("import-fs", scratch / "tree", "web", pool=small))
    assert SIZE <= need <= SIZE * 1.05 and where == f"{small} (tmpfs)"
    assert os.listdir(small) == []


def test_exports(run, small, scratch):
    """A plain export is as long as what is in the image; how long a packed one will be, nobody knows."""
    pool = scratch / "pool"
    (pool / "web").mkdir(parents=True)
    (pool / "web/text").write_bytes(TEXT * (SIZE // len(TEXT)))
    (pool / "disk.raw").write_bytes(TEXT * (SIZE // len(TEXT)))
    for verb, name in (("export-tar", "web"), ("export-raw", "disk")):
        need, _, where = figures(run(verb, name, small / "x", pool=pool))
        assert SIZE * 0.95 <= need <= SIZE * 1.05 and where == f"{small} (tmpfs)", verb
        assert os.listdir(small) == []
        assert run(verb, name, small / "x", "--format=zstd", pool=pool) is None
        os.unlink(small / "x")


def test_liar(run, mounted_tmpfs, scratch):
    """A file that says it is larger than it is cannot do more than keep itself out; smaller, than be refused later."""
    tar(scratch / "x.tar", 1 << 20, os.urandom(1 << 20))
    subprocess.run(["gzip", "-k", scratch / "x.tar"], check=True)
    data = bytearray((scratch / "x.tar.gz").read_bytes())
    pool = mounted_tmpfs("4M")
    data[-4:] = (5 << 20).to_bytes(4, "little")
    (scratch / "more.gz").write_bytes(data)
    figures(run("import-tar", scratch / "more.gz", "web", pool=pool))
    data[-4:] = (3 << 30).to_bytes(4, "little")
    (scratch / "most.gz").write_bytes(data)
    assert "needs about 3 GiB" not in run("import-tar", scratch / "most.gz", "web", pool=pool), "deflate cannot do that"
    assert os.listdir(pool) == []
