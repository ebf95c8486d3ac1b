# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes into an archive comes out of it: every kind of entry, archiver and packing."""

import fcntl
import os
import socket
import stat
import subprocess
import tarfile

import pytest

from skeplib import archives, kernel, must_run
from skeplib.archives import directory, file, hardlink, node, symlink
from skeplib.faults import TROUBLE, Faults, alone


@pytest.fixture
def pool(scratch):
    """An empty pool."""
    where = scratch / "pool"
    where.mkdir()
    return where


@pytest.fixture
def run(program, pool):
    """run(archive, "--force", name="web") imports into the pool."""
    def call(archive, *options, name="web", check=True, **more):
        done = subprocess.run([program("skep-import"), "-q", f"--image-root={pool}", *options, "import-tar",
                               archive, name], stderr=subprocess.PIPE, text=True, check=False, **more)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return call


@pytest.fixture(name="tree")
def make_tree(scratch):
    """A small tree with one of everything."""
    return archives.torture(scratch / "source")


ARCHIVERS = {
    # Names instead of numbers in ACLs are a test of their own.
    "gnu-pax": (["tar", "-C", "{}", "--format=pax", "--numeric-owner", "--xattrs",
                 "--xattrs-include=*", "--acls", "-S", "-c", "."], True, ["socket"]),
    "gnu": (["tar", "-C", "{}", "--format=gnu", "--numeric-owner", "-S", "-c", "."], False,
            ["socket"]),
    "bsdtar": (["bsdtar", "-C", "{}", "--format=pax", "--numeric-owner", "-c", "."], True,
               ["socket"]),
}


@pytest.mark.parametrize("archiver", ARCHIVERS)
def test_same_tree(run, pool, scratch, tree, archiver):
    argv, everything, missing = ARCHIVERS[archiver]
    with open(scratch / "x.tar", "wb") as f:
        subprocess.run([a.format(tree) for a in argv], stdout=f, stderr=subprocess.PIPE, check=True)
    run(scratch / "x.tar")
    before = archives.describe(tree, nanoseconds=everything, xattrs=everything)
    after = archives.describe(pool / "web", nanoseconds=everything, xattrs=everything)
    for name in missing:
        del before[name]
    assert after == before
    assert os.stat(pool / "web/sparse").st_blocks * 512 < 10_000_000


@pytest.mark.parametrize("packed", archives.PACKERS)
def test_debian_tree(run, pool, guest_tar, scratch, packed):
    """Byte by byte what GNU tar makes of the same archive."""
    archive = guest_tar("busybox", "none")
    data = archives.pack(archive.read_bytes(), packed)
    (scratch / "a").write_bytes(data)
    (scratch / "reference").mkdir()
    subprocess.run(["tar", "-C", scratch / "reference", "--numeric-owner", "-xpf", archive],
                   check=True)
    run(scratch / "a")
    assert archives.describe(pool / "web") == archives.describe(scratch / "reference")


@pytest.mark.parametrize("argv", [["xz", "-T2", "--block-size=200KiB", "-c"],
                                  ["zstd", "-q", "-c", "-19", "--long=27"]], ids=lambda a: a[0])
def test_unusual_packing(run, pool, guest_tar, scratch, argv):
    archive = guest_tar("busybox", "none")
    with open(archive, "rb") as f, open(scratch / "a", "wb") as packed:
        subprocess.run(argv, stdin=f, stdout=packed, check=True)
    run(scratch / "a")
    run(archive, name="plain")
    assert archives.describe(pool / "web") == archives.describe(pool / "plain")


@pytest.mark.parametrize("packed", [p for p in archives.PACKERS if p != "none"])
def test_packed_in_parts(run, pool, guest_tar, scratch, packed):
    """As parallel packers write it: several members, one after the other."""
    data = guest_tar("busybox", "none").read_bytes()
    parts = [data[:700_001], data[700_001:700_002], data[700_002:]]
    (scratch / "a").write_bytes(b"".join(archives.pack(p, packed) for p in parts))
    run(scratch / "a")
    run(guest_tar("busybox", "none"), name="plain")
    assert archives.describe(pool / "web") == archives.describe(pool / "plain")


def test_from_a_pipe(run, pool, scratch):
    archive = archives.write(scratch / "x", [file("a", b"1")], "zst")
    with subprocess.Popen(["cat", archive], stdout=subprocess.PIPE) as cat:
        run("-", stdin=cat.stdout)
    assert (pool / "web/a").read_bytes() == b"1"


def test_from_a_socket(run, pool, scratch):
    data = archives.write(scratch / "x", [file("a", b"1")], "gz").read_bytes()
    ours, theirs = socket.socketpair()
    ours.sendall(data)
    ours.close()
    run("-", stdin=theirs.fileno())
    assert (pool / "web/a").read_bytes() == b"1"


def test_missing_directories_are_made(run, pool, scratch):
    run(archives.write(scratch / "x", [file("a/b/c", b"1")]))
    assert (pool / "web/a/b/c").read_bytes() == b"1"
    for name in ("web", "web/a", "web/a/b"):
        assert stat.S_IMODE(os.stat(pool / name).st_mode) == 0o755


def test_later_entries_replace_earlier_ones(run, pool, scratch):
    run(archives.write(scratch / "x", [
        file("file", b"old"), file("file", b"new", mode=0o600),
        file("becomes-link", b"old"), symlink("becomes-link", "file"),
        symlink("becomes-file", "file"), file("becomes-file", b"mine"),
        directory("becomes-link-2"), symlink("becomes-link-2", "file"),
        file("becomes-dir", b"old"), directory("becomes-dir", mode=0o711),
        file("becomes-dir/in", b"x"),
        directory("dir", mode=0o700), file("dir/in", b"x"), directory("dir", mode=0o751),
        file("one", b"1"), hardlink("two", "one"), file("one", b"other"),
    ]))
    web = pool / "web"
    assert (web / "file").read_bytes() == b"new"
    assert stat.S_IMODE((web / "file").stat().st_mode) == 0o600
    assert os.readlink(web / "becomes-link") == os.readlink(web / "becomes-link-2") == "file"
    assert (web / "becomes-file").read_bytes() == b"mine"
    assert (web / "becomes-dir/in").read_bytes() == b"x"
    assert stat.S_IMODE((web / "becomes-dir").stat().st_mode) == 0o711
    assert stat.S_IMODE((web / "dir").stat().st_mode) == 0o751
    assert (web / "dir/in").read_bytes() == b"x"
    assert ((web / "one").read_bytes(), (web / "two").read_bytes()) == (b"other", b"1")


def test_pool_hands_nothing_down(run, pool, scratch):
    """Neither the group nor the ACLs of the pool show up in the image."""
    os.chown(pool, 0, 4321)
    pool.chmod(0o2700)
    os.setxattr(pool, "system.posix_acl_default",
                archives.acl((1, 7, 0xffffffff), (2, 7, 1234), (4, 5, 0xffffffff),
                             (16, 7, 0xffffffff), (32, 5, 0xffffffff)))
    run(archives.write(scratch / "x", [directory("d", mode=0o750), file("d/f", b"1", mode=0o640)]))
    for name, mode in (("d", 0o750), ("d/f", 0o640)):
        status = os.stat(pool / "web" / name)
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (mode, 0)
        assert os.listxattr(pool / "web" / name) == []


def test_harmless_devices_alone(program, pool, scratch):
    archive = archives.write(scratch / "x", [
        node("null", "c", 1, 3), node("removed", "c", 0, 0), node("mem", "c", 1, 1),
        node("disk", "b", 8, 0), node("loop", "b", 7, 0), node("fifo", "p"), node("kmsg", "c", 1, 11),
    ])
    done = subprocess.run([program("skep-import"), f"--image-root={pool}", "import-tar", archive, "web"],
                          stderr=subprocess.PIPE, text=True, check=True)
    assert sorted(os.listdir(pool / "web")) == ["fifo", "null", "removed"]
    assert "4 device nodes were left out" in done.stderr


def test_other_attributes_are_left_out(run, pool, scratch):
    pax = {"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.security.evil": "x",
           "SCHILY.xattr.user.good": "1"}
    run(archives.write(scratch / "x", [file("a", b"1", pax_headers=pax)]))
    assert os.listxattr(pool / "web/a") == ["user.good"]


def test_acl_by_name_is_left_out(program, pool, scratch):
    pax = {"SCHILY.acl.access": "user::rw-,user:bob:rwx,group::r--,mask::rwx,other::---"}
    archive = archives.write(scratch / "x", [file("a", b"1", pax_headers=pax)])
    done = subprocess.run([program("skep-import"), f"--image-root={pool}", "import-tar", archive, "web"],
                          stderr=subprocess.PIPE, text=True, check=True)
    assert "1 ACL entries were left out" in done.stderr


def test_unwrap(run, pool, scratch):
    """An OS tree in a single directory becomes the image itself."""
    run(archives.write(scratch / "x", [
        directory("debian-12", mode=0o751), directory("debian-12/etc"),
        file("debian-12/etc/os-release", b"ID=debian\n")]))
    assert (pool / "web/etc/os-release").read_bytes() == b"ID=debian\n"
    assert stat.S_IMODE((pool / "web").stat().st_mode) == 0o751
    assert os.listdir(pool) == ["web"]


@pytest.mark.parametrize("entries", [
    [directory("one"), file("one/x", b"")],
    [directory("one"), directory("one/etc"), file("one/etc/os-release", b""), file("two", b"")],
    [directory("etc"), file("etc/os-release", b"")],
    [symlink("one", "/")],
], ids=["no-os", "two", "plain", "link"])
def test_no_unwrap(run, pool, scratch, entries):
    run(archives.write(scratch / "x", entries))
    assert sorted(os.listdir(pool / "web")) == sorted({e["name"].split("/")[0] for e in entries})


@pytest.fixture(name="on_disk", params=["btrfs", "ext4"])
def make_on_disk(request, scratch, pool):
    """The pool on a file system of that kind."""
    try:
        with open(scratch / "disk", "wb") as f:
            f.truncate(300 << 20)
        subprocess.run([f"mkfs.{request.param}", "-q", scratch / "disk"], check=True)
        subprocess.run(["mount", "-o", "loop", scratch / "disk", pool], check=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        must_run(f"no {request.param} here: {problem}")
    yield request.param
    kernel.umount(pool)


def is_subvolume(path):
    return os.stat(path).st_ino == 256


def test_file_systems(run, pool, scratch, guest_tar, on_disk):
    """As on a real disk: subvolumes where there are such, all marks and replacements, nothing left."""
    archive = guest_tar("busybox", "none")
    left = sorted(os.listdir(pool))
    run(archive)
    assert is_subvolume(pool / "web") == (on_disk == "btrfs")
    assert stat.S_IMODE((pool / "web").stat().st_mode) == 0o755
    run(archive, "--force", "--read-only")
    with pytest.raises(OSError):
        (pool / "web/x").touch()
    run(archive, "--force")
    (pool / "web/x").touch()
    wrapped = archives.write(scratch / "x", [
        directory("top", mode=0o751, uid=7, mtime=5), directory("top/etc"), directory("top/top"),
        file("top/etc/os-release", b"ID=debian\n")])
    run(wrapped, "--force", "--read-only")
    assert sorted(os.listdir(pool / "web")) == ["etc", "top"]
    status = (pool / "web").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_mtime) == (0o751, 7, 5)
    done = run(archives.write(scratch / "bad", [file("a", b"1"), file("../x")]), name="bad", check=False)
    assert done.returncode == 1
    assert sorted(os.listdir(pool)) == sorted([*left, "web"])


if "SKEP_SANITIZED" not in os.environ:     # which is no good under a tracer
    def test_killed_over_subvolumes(program, run, pool, scratch, on_disk):
        """Which cannot be told apart by their inode: the image and its settings are both old or both new."""
        for text in (b"old", b"new"):
            archives.write(scratch / f"{text.decode()}.tar", [file("a", text), file("b", text)])
            (scratch / f"{text.decode()}.nspawn").write_text(f"[Exec]\nHostname={text.decode()}\n")
        argv = [program("skep-import"), "-q", f"--image-root={pool}", "--force", "import-tar", scratch / "new.tar", "web"]
        with alone("skep-import-subvolumes"):
            faults = Faults(scratch)
            run(scratch / "old.tar")
            assert is_subvolume(pool / "web") == (on_disk == "btrfs")
            calls, done = faults.calls(argv)
            assert done.returncode == 0, done.stderr
            # From before the note is written until all is cleared away.
            own = [c for c in calls if c.process == 0]
            last = max(i for i, c in enumerate(own) if c.name == "renameat2")
            chosen = [c for c in own[last - 12:] if c.name in ("renameat2", "ioctl", "unlinkat", "unlink")]
            killed = 0
            for call in chosen[:20]:
                run(scratch / "old.tar", "--force")
                assert faults.kill(argv, call).returncode != TROUBLE, call
                if not faults.hit():
                    continue
                killed += 1
                subprocess.run([program("skep-import"), f"--image-root={pool}", "sweep"], check=True)
                data = (pool / "web/a").read_text()
                assert (pool / "web/b").read_text() == data, call
                assert (pool / "web.nspawn").read_text().endswith(f"={data}\n"), call
            assert killed > 3


def test_name_from_the_archive(program, pool, scratch):
    archive = archives.write(scratch / "my-image.v2.tar.gz", [file("a", b"1")], "gz")
    subprocess.run([program("skep-import"), "-q", f"--image-root={pool}", "import-tar", archive], check=True)
    assert os.listdir(pool) == ["my-image.v2"]


def test_taken_and_force(run, pool, scratch):
    first = archives.write(scratch / "1", [file("a", b"1")])
    second = archives.write(scratch / "2", [file("b", b"2")])
    run(first)
    done = run(second, check=False)
    assert (done.returncode, done.stderr) == (1, "skep-import: an image 'web' exists already\n")
    assert os.listdir(pool / "web") == ["a"]
    run(second, "--force")
    assert os.listdir(pool / "web") == ["b"]
    assert os.listdir(pool) == ["web"]


def test_force_on_what_is_in_use(run, pool, scratch):
    """A machine that runs from it holds its lock."""
    first = archives.write(scratch / "1", [file("a", b"1")])
    run(first)
    with open(pool / ".#web.lck", "w", encoding="ascii") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        done = run(first, "--force", check=False)
        assert done.returncode == 1 and "in use" in done.stderr
    os.unlink(pool / ".#web.lck")
    assert os.listdir(pool) == ["web"] and os.listdir(pool / "web") == ["a"]


def test_force_on_nothing(run, pool, scratch):
    run(archives.write(scratch / "1", [file("a", b"1")]), "--force")
    assert os.listdir(pool) == ["web"]


def test_disk_has_the_name(run, pool, scratch):
    archive = archives.write(scratch / "1", [file("a", b"1")])
    (pool / "web.raw").write_bytes(b"disk")
    assert "exists already" in run(archive, check=False).stderr
    run(archive, "--force")
    assert os.listdir(pool) == ["web"]


def test_read_only(run, pool, scratch):
    archive = archives.write(scratch / "1", [file("a", b"1")])
    run(archive, "--read-only")
    with pytest.raises(PermissionError):
        (pool / "web/b").touch()
    # And the mark keeps nobody from replacing it.
    run(archive, "--force", "--read-only")
    run(archive, "--force")
    (pool / "web/b").touch()
    assert os.listdir(pool) == ["web"]


@pytest.mark.parametrize("kind", ["sha256", "sha512"])
def test_digest(run, pool, scratch, kind):
    archive = archives.write(scratch / "1", [file("a", b"1")], "gz")
    digest = subprocess.run([kind + "sum", archive], stdout=subprocess.PIPE, text=True,
                            check=True).stdout.split()[0]
    done = run(archive, f"--verify={'0' * len(digest)}", check=False)
    assert digest in done.stderr and os.listdir(pool) == []
    run(archive, f"--verify={kind}:{digest}")
    assert os.listdir(pool) == ["web"]


@pytest.mark.parametrize("fmt", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(run, pool, scratch, fmt):
    name = "/".join(["n" * 50] * 3) if fmt == tarfile.USTAR_FORMAT else "/".join(["n" * 200] * 5)
    run(archives.write(scratch / "1", [file(name, b"1")], fmt=fmt))
    assert (pool / "web" / name).read_bytes() == b"1"


def test_concatenated(run, pool, scratch):
    one = archives.write(scratch / "1", [file("a", b"1")]).read_bytes()
    two = archives.write(scratch / "2", [file("b", b"2")]).read_bytes()
    (scratch / "both").write_bytes(one + two)
    run(scratch / "both")
    assert sorted(os.listdir(pool / "web")) == ["a", "b"]
