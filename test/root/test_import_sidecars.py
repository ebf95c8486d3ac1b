# SPDX-License-Identifier: LGPL-2.1-or-later
"""What lies beside a file and goes with it goes with the image that is made of it."""

import os
import subprocess
import tarfile

import pytest

BESIDE = {"nspawn": b"[Exec]\nBoot=no\n", "roothash": b"0" * 64, "roothash.p7s": b"signed", "usrhash": b"1" * 64,
          "usrhash.p7s": b"signed too", "verity": os.urandom(70_000)}


@pytest.fixture(name="pool")
def make_pool(scratch):
    where = scratch / "pool"
    where.mkdir()
    return where


@pytest.fixture
def run(program, pool):
    def call(*arguments, check=True, **more):
        done = subprocess.run([program("skep-import"), "-q", f"--image-root={pool}", "--sync=no", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
        assert not check or done.returncode == 0, done.stdout
        return done
    return call


@pytest.fixture(autouse=True)
def files(scratch):
    """A disk, packed, an archive, and what goes with them."""
    (scratch / "a.raw").write_bytes(b"x" * 8192)
    subprocess.run(["xz", "-k", scratch / "a.raw"], check=True)
    with tarfile.open(scratch / "a.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("etc"))
    for suffix, data in BESIDE.items():
        (scratch / f"a.{suffix}").write_bytes(data)
    (scratch / "a.raw.nspawn").write_text("of nothing")


@pytest.mark.parametrize("name", ["a.raw", "a.raw.xz"])
def test_disk(run, pool, scratch, name):
    run("import-raw", scratch / name, "web")
    assert sorted(os.listdir(pool)) == sorted(["web.raw"] + [f"web.{s}" for s in BESIDE])
    for suffix, data in BESIDE.items():
        assert (pool / f"web.{suffix}").read_bytes() == data
        assert (pool / f"web.{suffix}").stat().st_mode & 0o777 == 0o444


def test_tree(run, pool, scratch):
    """A tree has settings, and no hash of a partition; what is no machine has no settings either."""
    run("import-tar", scratch / "a.tar.gz")
    assert sorted(os.listdir(pool)) == ["a", "a.nspawn"]
    run("--class=sysext", "import-tar", scratch / "a.tar.gz", "b")
    run("--settings=no", "import-tar", scratch / "a.tar.gz", "c")
    with open(scratch / "a.tar.gz", "rb") as f:
        run("import-tar", "-", "d", stdin=f)
    assert sorted(os.listdir(pool)) == ["a", "a.nspawn", "b", "c", "d"]


@pytest.mark.parametrize("option, gone", [
    ("settings", ["nspawn"]), ("roothash", ["roothash", "usrhash"]), ("verity", ["verity"]),
    ("roothash-signature", ["roothash.p7s", "usrhash.p7s"])])
def test_left_out(run, pool, scratch, option, gone):
    run("import-raw", f"--{option}=no", scratch / "a.raw", "web")
    assert sorted(os.listdir(pool)) == sorted(["web.raw"] + [f"web.{s}" for s in BESIDE if s not in gone])


def test_refused(run, pool, scratch):
    """What is there already is not replaced, unless the image is; without it there is no image."""
    (pool / "web.nspawn").write_text("mine")
    assert "web.nspawn" in run("import-raw", scratch / "a.raw", "web", check=False).stdout
    assert os.listdir(pool) == ["web.nspawn"] and (pool / "web.nspawn").read_text() == "mine"
    run("import-raw", "--force", scratch / "a.raw", "web")
    assert (pool / "web.nspawn").read_bytes() == BESIDE["nspawn"]
    for path in pool.iterdir():
        path.unlink()
    (scratch / "a.roothash").unlink()
    os.mkfifo(scratch / "a.roothash")
    done = run("import-raw", scratch / "a.raw", "web", check=False, timeout=60)
    assert "a.roothash" in done.stdout and "regular file" in done.stdout and done.stdout.count("\n") == 1
    (scratch / "a.roothash").unlink()
    (scratch / "a.roothash").write_bytes(bytes(2 << 20))
    assert "larger" in run("import-raw", scratch / "a.raw", "web", check=False).stdout
    assert os.listdir(pool) == []
