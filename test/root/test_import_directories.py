# SPDX-License-Identifier: LGPL-2.1-or-later
"""Directories become images: whole, or with what their class may not have left out; and nothing is followed out
of them."""

import os
import stat
import subprocess

import pytest

from skeplib import archives


@pytest.fixture
def pool(scratch):
    """An empty pool."""
    where = scratch / "pool"
    where.mkdir()
    return where


@pytest.fixture
def run(program, pool):
    """run(directory, "--force", name="web") imports into the pool."""
    def call(source, *options, name="web", check=True, quiet=True, **more):
        done = subprocess.run([program("skep-import"), *["-q"] * quiet, f"--image-root={pool}", *options,
                               "import-fs", source, name], stderr=subprocess.PIPE, text=True, check=False,
                              **more)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return call


def test_same_tree(run, pool, scratch):
    tree = archives.torture(scratch / "source")
    run(tree)
    assert archives.describe(pool / "web") == archives.describe(tree)
    assert os.stat(pool / "web/sparse").st_blocks * 512 < 10_000_000
    # The descriptor may be handed in.
    fd = os.open(tree, os.O_RDONLY)
    run("-", name="again", stdin=fd)
    os.close(fd)
    assert archives.describe(pool / "again") == archives.describe(tree)


@pytest.mark.parametrize("kind", ["portable", "sysext", "confext"])
def test_class(run, pool, scratch, kind):
    """What becomes part of the host has no privileges of its own."""
    tree = archives.torture(scratch / "source")
    (tree / "block").touch()
    os.mknod(tree / "whiteout", stat.S_IFCHR | 0o600, 0)
    os.setxattr(tree / "caps", "user.overlay.opaque", b"y")
    said = run(tree, f"--class={kind}", quiet=False).stderr
    before, after = archives.describe(tree), archives.describe(pool / "web")
    assert before.keys() - after.keys() == {"null", "whiteout"}
    assert "2 device nodes were left out" in said and "2 files lost their setuid or setgid bit" in said
    assert after["mode-4755"][0] == after["mode-2755"][0] == "0o100755"
    assert after["dir-2755"] == before["dir-2755"], "on directories it gives nobody rights"
    assert after["caps"][-1] == {k: v for k, v in before["caps"][-1].items()
                                 if k not in ("security.capability", "user.overlay.opaque")}


def test_machine_has_no_disks(run, pool, scratch):
    (scratch / "source").mkdir()
    os.mknod(scratch / "source/disk", stat.S_IFBLK | 0o666, os.makedev(7, 0))
    os.mknod(scratch / "source/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    said = run(scratch / "source", quiet=False).stderr
    assert os.listdir(pool / "web") == ["null"] and "1 device nodes were left out" in said


def test_nothing_is_followed(program, pool, scratch):
    """Neither a link in the tree nor a mount below it leads out."""
    (scratch / "outside").mkdir()
    (scratch / "outside/secret").write_text("host")
    tree = scratch / "source"
    (tree / "mounted").mkdir(parents=True)
    (tree / "abs").symlink_to(scratch / "outside")
    (tree / "up").symlink_to("../outside")
    subprocess.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs x "$0/mounted" && touch "$0/mounted/secret" && '
                    'exec "$@"', tree, program("skep-import"), "-q", f"--image-root={pool}", "import-fs", tree,
                    "web"], check=True)
    assert sorted(os.listdir(pool / "web")) == ["abs", "mounted", "up"]
    assert (pool / "web/abs").is_symlink() and (pool / "web/up").is_symlink()
    assert os.listdir(pool / "web/mounted") == []


@pytest.mark.parametrize("what,words", [("{}/nothing", "No such file"), ("{}/file", "Not a directory"),
                                        ("{}", "has the directory of images"),
                                        ("/", "has the directory of images")])
def test_refused(run, pool, scratch, what, words):
    (scratch / "file").touch()
    done = run(what.format(scratch), check=False)
    assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert os.listdir(pool) == []


def test_full_disk(program, scratch):
    """Nothing is left, and the message names the disk."""
    (scratch / "source").mkdir()
    for number in range(20):
        (scratch / f"source/{number}").write_bytes(b"x")
    (scratch / "small").mkdir()
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=1M,nr_inodes=8 x "$0" && "$@"; r=$?; ls -A "$0"; exit $r',
         scratch / "small", program("skep-import"), "-q", f"--image-root={scratch}/small", "import-fs",
         scratch / "source", "web"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == "", done
    assert f"the file system of {scratch}/small is full" in done.stderr and done.stderr.count("\n") == 1
