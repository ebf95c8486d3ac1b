# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that are pulled, and what lies beside them."""

import gzip
import hashlib
import lzma
import os
import random
import subprocess

import pytest

from skeplib import badweb, netns


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
def pool(scratch):
    where = scratch / "pool"
    where.mkdir()
    return where


DISK = random.Random(5).randbytes(3_000_000) + bytes(29_000_000) + random.Random(6).randbytes(2 * 1024 * 1024)
DISK += bytes(-len(DISK) % 4096)


@pytest.fixture
def pull(program, pool):
    def call(url, *options, check=True, verify="no", name="web"):
        done = subprocess.run(
            [program("skep-import"), f"--image-root={pool}", "--retries=1", "--sync=no", f"--verify={verify}", *options,
             "pull-raw", url, *([name] if name else [])],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout
        return done
    return call


@pytest.mark.parametrize("form", ["raw", "raw.gz", "raw.xz"])
@pytest.mark.parametrize("cut", [[], [900_000, 900_000, 900_000]], ids=["whole", "broken"])
def test_pull(web, pull, pool, form, cut):
    data = {"raw": DISK, "raw.gz": gzip.compress(DISK, 1), "raw.xz": lzma.compress(DISK, preset=0)}[form]
    url = web.page(f"/a.{form}", data, cut=cut)
    pull(url, "--connections=2", verify=hashlib.sha256(data).hexdigest(), name=None)
    assert os.listdir(pool) == ["a.raw"]
    disk = pool / "a.raw"
    assert disk.read_bytes() == DISK
    assert disk.stat().st_blocks * 512 < len(DISK) / 2, "what is all zeroes is not there"
    assert web.sent(f"/a.{form}") < len(data) * 1.05


def test_wrong(web, pull, pool):
    url = web.page("/a.raw", DISK)
    done = pull(url, verify="0" * 64, check=False)
    assert done.returncode == 1 and "SHA-256" in done.stdout
    assert os.listdir(pool) == []


def kept(pool):
    return [n for n in os.listdir(pool) if n.startswith(".raw-")]


def test_again(web, pull, mounted_disk):
    """What is kept is there once, cannot be written to, and is not fetched again; images share its data."""
    pool = mounted_disk("xfs")
    url = web.page("/a.raw", DISK)
    for name in ("first", "second"):
        pull(url, f"--image-root={pool}", "--keep-download=yes", name=name)
        assert (pool / f"{name}.raw").read_bytes() == DISK
        assert (pool / f"{name}.raw").stat().st_mode & 0o200
    assert kept(pool) == [f".raw-{hashlib.sha256(DISK).hexdigest()[:32]}.raw"]
    assert not (pool / kept(pool)[0]).stat().st_mode & 0o222
    assert web.sent("/a.raw") == len(DISK)
    assert (pool / "first.raw").stat().st_blocks * 512 < len(DISK) / 2


def test_nothing_is_there_twice(web, pull, pool):
    """Where files cannot share data, a disk is not kept beside its image; but what was kept by itself is used."""
    url = web.page("/a.raw", DISK)
    done = pull(url, "--keep-download=yes", name="first")
    assert "is not kept: the file system of" in done.stdout and os.listdir(pool) == ["first.raw"]
    pull(url, "--keep-download=yes", name="-")
    assert len(kept(pool)) == 1
    sent = web.sent("/a.raw")
    done = pull(url, "--keep-download=yes", name="second")
    assert "'second' is copied" in done.stdout and web.sent("/a.raw") == sent
    assert (pool / "second.raw").read_bytes() == (pool / "first.raw").read_bytes() == DISK


BESIDE = {".nspawn": b"[Exec]\n", ".roothash": b"00" * 32, ".roothash.p7s": b"sig", ".usrhash": b"11" * 32,
          ".usrhash.p7s": b"gis", ".verity": bytes(100_000) + b"v"}


def beside(pool, name):
    return {s for s in BESIDE if (pool / (name + s)).exists()}


def test_companions(web, pull, pool):
    """All that belongs to a disk comes with it, by the same list; what is not in the list is not there."""
    url = web.page("/a.raw", DISK)
    for suffix, data in BESIDE.items():
        web.page(f"/a{suffix}", data)
    listed = {"a.raw": DISK} | {f"a{s}": d for s, d in BESIDE.items() if s != ".usrhash.p7s"}
    web.page("/SHA256SUMS", "".join(f"{hashlib.sha256(d).hexdigest()}  {n}\n" for n, d in listed.items()).encode())
    pull(url, verify="checksum")
    assert beside(pool, "web") == set(BESIDE) - {".usrhash.p7s"}
    assert all((pool / f"web{s}").read_bytes() == BESIDE[s] for s in beside(pool, "web"))

    pull(url, name="all")
    assert beside(pool, "all") == set(BESIDE)
    pull(url, "--settings=no", "--verity=no", "--roothash=no", "--roothash-signature=no", name="none")
    assert beside(pool, "none") == set()
    pull(url, "--keep-download=yes", name="kept")
    assert beside(pool, "kept") == set(BESIDE)
    assert pull(url, "--class=sysext", name="ext").returncode == 0
    assert beside(pool, "ext") == set(BESIDE) - {".nspawn"}

    web.page("/a.roothash", b"22" * 32)
    assert pull(url, verify="checksum", name="wrong", check=False).returncode == 1
    assert not any(n.startswith("wrong") for n in os.listdir(pool))


def test_no_companions_of_a_digest(web, pull, pool):
    """A digest vouches for one file."""
    url = web.page("/a.raw", DISK)
    web.page("/a.roothash", b"00" * 32)
    pull(url, verify=hashlib.sha256(DISK).hexdigest())
    assert os.listdir(pool) == ["web.raw"]
