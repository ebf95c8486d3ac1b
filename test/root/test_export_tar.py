# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trees go out as archives and come back the same, by us and by everybody else's tools."""

import os
import subprocess

import pytest

from skeplib import archives

UNPACKERS = {
    "uncompressed": ["cat"], "gzip": ["gzip", "-dc"], "bzip2": ["bzip2", "-dc"], "xz": ["xz", "-dc"],
    "zstd": ["zstd", "-dc"], "lz4": None,
}


@pytest.fixture
def pool(scratch):
    """An empty pool."""
    where = scratch / "pool"
    where.mkdir()
    return where


@pytest.fixture
def run(program, pool):
    """run("export-tar", "web", "x.tar", "--force") in the pool."""
    def call(*arguments, check=True, quiet=True, **more):
        done = subprocess.run([program("skep-import"), *["-q"] * quiet, f"--image-root={pool}", "--sync=no",
                               *arguments], stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                              check=False, **more)
        done.stderr = done.stderr.decode()
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return call


def without_sockets(tree):
    return {k: v for k, v in archives.describe(tree).items() if not v[0].startswith("0o14")}


@pytest.mark.parametrize("packing", UNPACKERS)
def test_torture_and_back(run, pool, scratch, packing):
    """import, export, import: all that a tree can have comes back, and the same archive once more."""
    tree = archives.torture(scratch / "source")
    run("import-fs", tree, "one")
    said = run("export-tar", f"--format={packing}", "one", scratch / "x", quiet=False).stderr
    assert "1 sockets were left out" in said
    run("import-tar", scratch / "x", "two")
    assert archives.describe(pool / "two") == without_sockets(tree)
    assert os.stat(pool / "two/sparse").st_blocks * 512 < 10_000_000
    run("export-tar", f"--format={packing}", "two", scratch / "y")
    assert (scratch / "x").read_bytes() == (scratch / "y").read_bytes()


@pytest.mark.parametrize("packing", [p for p in UNPACKERS if UNPACKERS[p]])
def test_others_can_read_it(run, pool, guest_tar, scratch, packing):
    """What the usual tools make of it is what was exported."""
    run("import-tar", guest_tar("busybox", "none"), "web")
    (pool / "web/noise").write_bytes(os.urandom(3_000_000))
    run("export-tar", f"--format={packing}", "web", scratch / "x")
    (scratch / "gnu").mkdir()
    (scratch / "bsd").mkdir()
    subprocess.run(["sh", "-c", '"$@" < x | tar -C gnu --numeric-owner --xattrs --xattrs-include="*" --acls -xp',
                    "sh", *UNPACKERS[packing]], cwd=scratch, check=True)
    subprocess.run(["bsdtar", "-C", "bsd", "--numeric-owner", "-xpf", "x"], cwd=scratch, check=True)
    want = archives.describe(pool / "web")
    assert archives.describe(scratch / "gnu") == want
    bsd = archives.describe(scratch / "bsd")
    # bsdtar leaves alone where it is told to unpack.
    assert {**bsd, ".": None} == {**want, ".": None}


def test_debian_and_back(run, pool, guest_tar, scratch):
    run("import-tar", guest_tar("bookworm-guest", "none"), "one")
    run("export-tar", "one", scratch / "x.tar.zst")
    assert (scratch / "x.tar.zst").read_bytes()[:4] == b"\x28\xb5\x2f\xfd", "the suffix says how"
    run("import-tar", scratch / "x.tar.zst", "two")
    assert archives.describe(pool / "two") == archives.describe(pool / "one")


def test_reproducible(run, pool, scratch):
    """The same content in another order, made at another time, is the same archive if that is asked for."""
    for name, order in (("one", (1, 2, 3)), ("two", (3, 1, 2))):
        top = pool / name
        (top / "d").mkdir(parents=True)
        top.chmod(0o755)
        for i in order:
            (top / f"d/{i}").write_text(str(i))
    for name in ("one", "two"):
        run("export-tar", "--clamp-mtime=1000000000", "--threads=2", name, scratch / f"{name}.tar.xz")
        run("export-tar", "--threads=1", name, scratch / f"{name}.env.tar.gz",
            env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000"})
    assert (scratch / "one.tar.xz").read_bytes() == (scratch / "two.tar.xz").read_bytes()
    assert (scratch / "one.env.tar.gz").read_bytes() == (scratch / "two.env.tar.gz").read_bytes()
    run("import-tar", scratch / "one.tar.xz", "back")
    assert (pool / "back/d/1").stat().st_mtime == 1000000000


def test_nothing_is_followed(program, run, pool, scratch):
    (scratch / "outside").mkdir()
    (scratch / "outside/secret").write_text("host")
    (pool / "web/mounted").mkdir(parents=True)
    (pool / "web/out").symlink_to(scratch / "outside")
    subprocess.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs x "$0/mounted" && touch "$0/mounted/secret" && '
                    'exec "$@"', pool / "web", program("skep-import"), "-q", f"--image-root={pool}", "export-tar",
                    "web", scratch / "x.tar"], check=True)
    found = subprocess.run(["tar", "-tf", scratch / "x.tar"], stdout=subprocess.PIPE, text=True, check=True)
    assert found.stdout.split() == ["./", "./mounted/", "./out"]


@pytest.mark.parametrize("arguments,words", [
    (["nothing", "{}/x"], "no image 'nothing'"), (["../pool", "{}/x"], "not the name of an image"),
    (["disk", "{}/x"], "only directories and subvolumes"), (["web", "{}/there"], "exists already"),
    (["web", "{}/no/x"], "No such file"), (["--level=10", "--format=gzip", "web", "{}/x"], "levels from 1 to 9"),
    (["--level=1", "web", "{}/x"], "has no level"), (["--format=rar", "web", "{}/x"], "rar"),
    (["--read-only", "web", "{}/x"], "means nothing to export-tar"), (["web", "{}/"], "no name for a file"),
])
def test_refused(run, pool, scratch, arguments, words):
    (pool / "web").mkdir()
    (pool / "disk.raw").touch()
    (scratch / "there").touch()
    done = run("export-tar", *[a.format(scratch) for a in arguments], check=False)
    assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert sorted(os.listdir(scratch)) == ["pool", "there"] and (scratch / "there").stat().st_size == 0
    assert sorted(os.listdir(pool)) == ["disk.raw", "web"]


def test_force_and_output(run, pool, scratch):
    (pool / "web").mkdir()
    (pool / "web/f").write_text("x")
    (scratch / "there").write_text("old")
    run("export-tar", "--force", "web", scratch / "there")
    assert run("export-tar", "web").stdout == (scratch / "there").read_bytes()
    assert sorted(os.listdir(scratch)) == ["pool", "there"]


def test_files_of_others(program, pool, scratch):
    """What only its owner can read is in the archive, also where the service has few rights."""
    (pool / "web").mkdir()
    (pool / "web/private").write_text("x")
    (pool / "web/private").chmod(0o600)
    os.chown(pool / "web/private", 1000, 1000)
    subprocess.run(["setpriv", "--bounding-set=-dac_read_search", program("skep-import"), "-q",
                    f"--image-root={pool}", "export-tar", "web", scratch / "x"], check=True)
    assert subprocess.run(["tar", "-xOf", scratch / "x", "./private"], stdout=subprocess.PIPE,
                          check=True).stdout == b"x"


def test_checksum(run, pool, scratch):
    """The file beside it is one that others verify it by."""
    (pool / "web").mkdir()
    run("export-tar", "--checksum", "web", scratch / "web.tar.zst")
    assert sorted(os.listdir(scratch)) == ["pool", "web.tar.zst", "web.tar.zst.sha256"]
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "web.tar.zst.sha256"], cwd=scratch, check=True)
    done = run("export-tar", "--checksum", "web", check=False)
    assert done.returncode == 1 and "needs a file" in done.stderr and done.stdout == b""


def test_full_disk(program, pool, scratch):
    """Nothing is left, and the message names the file."""
    (pool / "web").mkdir()
    (pool / "web/big").write_bytes(os.urandom(3_000_000))
    (scratch / "small").mkdir()
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=1M x "$0" && "$@"; r=$?; ls -A "$0"; exit $r',
         scratch / "small", program("skep-import"), "-q", f"--image-root={pool}", "export-tar", "web",
         scratch / "small/x.tar.zst"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == "", done
    assert "is full" in done.stderr and done.stderr.count("\n") == 1
