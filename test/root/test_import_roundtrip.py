# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trees and disks that go out and come in again are what they were, in all that a file system can say of them, with
numbers, names and marks at the ends of their ranges; and from file systems with means of their own."""

import ctypes
import os
import stat
import subprocess
import tarfile

import pytest

from skeplib import archives, kernel, must_run


@pytest.fixture
def pool(scratch):
    """An empty pool."""
    where = scratch / "pool"
    where.mkdir()
    yield where


@pytest.fixture
def run(program, pool):
    """run("export-tar", "web", "x.tar") in the pool. Return: what was said."""
    def call(*arguments, check=True, **more):
        done = subprocess.run([program("skep-import"), f"--image-root={more.pop('root', pool)}", "--sync=no",
                               *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **more)
        said = done.stderr.decode()
        assert not check or done.returncode == 0, said
        return said if check else (done.returncode, said)

    return call


def grim(top):
    """A tree with what no usual tree has. Return: @top."""
    archives.torture(top)
    here = os.fsencode(top)
    names = [b"new\nline", b"tab\tand\rreturn", b"\x01\x1b[31m\x7f", b"-rf", b"--", b"~", b"*?[a]", b" ", b"trailing ",
             b"back\\slash", b"%41%", b"=", b"\xff" * 255, b"\xc3\x28", b"\xed\xa0\x80", b"a" * 100, b"a" * 101,
             b"PaxHeader", b"@LongLink", b".wh.whiteout", b".wh..wh..opq", "e\u0301".encode(), "\u00e9".encode()]
    for name in names:
        with open(here + b"/" + name, "wb") as f:
            f.write(name)
        os.symlink(name, here + b"/to-" + name[:250])
    # Times before 1970, beyond 32 and 34 bits, with every last nanosecond.
    (top / "times").mkdir()
    for at, ns in enumerate((-1, -10 ** 9, -10 ** 9 + 1, -2 ** 31 * 10 ** 9 + 5, 0, 1, 999_999_999, (2 ** 31) * 10 ** 9 - 1,
                             (2 ** 32) * 10 ** 9 + 7, 2 ** 33 * 10 ** 9 + 1)):
        (top / f"times/{at}").touch()
        os.utime(top / f"times/{at}", ns=(0, ns))
        (top / f"times/link{at}").symlink_to("x")
        os.utime(top / f"times/link{at}", ns=(0, ns), follow_symlinks=False)
    # Owners and modes at their ends.
    for uid, gid in ((0, 2 ** 32 - 2), (2 ** 31, 2 ** 31 - 1), (2 ** 21, 2 ** 21 - 1), (65534, 65535)):
        path = top / f"owned-{uid}-{gid}"
        path.touch()
        os.chown(path, uid, gid)
        path.chmod(0o6777)
    (top / "sticky/empty").mkdir(parents=True)
    (top / "sticky").chmod(0o3777)
    (top / "sealed").mkdir()
    (top / "sealed/in").write_text("x")
    (top / "sealed").chmod(0)
    # Links of every kind of file, in other directories.
    os.mknod(top / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    for name in ("zero", "fifo", "sym", "owned-65534-65535", "caps"):
        os.link(top / name, top / f"sticky/{name}-again", follow_symlinks=False)
    # Marks of many sizes, and with names that tar has to escape.
    for size in (0, 1, 255, 4000):
        os.setxattr(top / "big", f"user.size.{size}", os.urandom(size))
    for name in ("user.with=equals", "user.per%25cent", "user.new\nline", "user.ünï"):
        os.setxattr(top / "big", name, name.encode())
    os.setxattr(top / "big-ids", "security.capability", archives.capability(*range(38)))
    os.setxattr(top / "dir-1777", "system.posix_acl_default", archives.acl(
        (1, 7, 0xffffffff), (2, 0, 0), (2, 5, 2 ** 31 - 1), (2, 7, 2 ** 32 - 2), (4, 0, 0xffffffff), (8, 1, 3_000_000_000),
        (16, 7, 0xffffffff), (32, 1, 0xffffffff)))
    # Holes: one after another, none at the ends, and a length that ends within one.
    with open(top / "comb", "wb") as f:
        for at in range(0, 4 << 20, 1 << 16):
            f.seek(at)
            f.write(b"tooth" * 10)
        f.truncate((4 << 20) + 12345)
    for folder in ("etc", "a/b", "sticky", "times"):
        os.utime(top / folder, ns=(0, -5))
    return top


def without_sockets(tree):
    return {k: v for k, v in archives.describe(tree).items() if not v[0].startswith("0o14")}


def differences(found, wanted):
    """Path by path, so that a failure can be read."""
    return {path: (found.get(path), wanted.get(path)) for path in found.keys() | wanted.keys()
            if found.get(path) != wanted.get(path)}


def data(path):
    """Bytes that are no hole."""
    return os.stat(path).st_blocks * 512


def test_grim_tree(run, pool, scratch):
    """A copy, an archive of it, a tree of that, an archive of this."""
    tree = grim(scratch / "source")
    wanted = without_sockets(tree)
    run("import-fs", tree, "one")
    assert differences(without_sockets(pool / "one"), wanted) == {}
    run("export-tar", "one", scratch / "x.tar")
    run("import-tar", scratch / "x.tar", "two")
    assert differences(archives.describe(pool / "two"), wanted) == {}
    run("export-tar", "two", scratch / "y.tar.zst")
    run("import-tar", scratch / "y.tar.zst", "three")
    assert differences(archives.describe(pool / "three"), wanted) == {}
    for name in ("sparse", "sparse-ends", "hole", "comb"):
        for image in ("one", "two", "three"):
            assert data(pool / image / name) <= data(tree / name) + 4096, (image, name)


def test_huge_file(run, pool, scratch):
    """Sizes that do not fit into the digits of a header."""
    (scratch / "source").mkdir()
    with open(scratch / "source/huge", "wb") as f:
        f.truncate((9 << 30) + 1)
        f.seek(9 << 30)
        f.write(b"!")
    run("import-fs", scratch / "source", "one")
    run("export-tar", "one", scratch / "x.tar")
    assert data(scratch / "x.tar") < 1 << 20
    run("import-tar", scratch / "x.tar", "two")
    for image in ("one", "two"):
        with open(pool / image / "huge", "rb") as f:
            assert os.pread(f.fileno(), 10, (9 << 30) - 1) == b"\0!"
        assert data(pool / image / "huge") <= 8192


def test_alike_names(run, pool, scratch):
    """What looks the same to people is not the same."""
    names = ["\u00e9", "e\u0301", "\u212b", "\u00c5", "A\u030a", "\ufb01", "fi"]
    for fmt in (archives.tarfile.PAX_FORMAT, archives.tarfile.GNU_FORMAT):
        run("--force", "import-tar", archives.write(scratch / "x", [archives.file(n, n.encode()) for n in names], fmt=fmt),
            "web")
        assert {n: (pool / "web" / n).read_bytes() for n in names} == {n: n.encode() for n in names}


def test_attributes_of_other_archivers(run, pool, scratch):
    """GNU tar and bsdtar each have a way of their own to write a name with "=" in it."""
    (scratch / "source").mkdir()
    (scratch / "source/file").touch()
    marks = {"user.a=b": b"1", "user.%3D": b"2", "user.plain": b"3", "user.%": b"4"}
    for name, value in marks.items():
        os.setxattr(scratch / "source/file", name, value)
    for argv in (["tar", "--xattrs", "--xattrs-include=*", "--format=pax"], ["bsdtar", "--format=pax"]):
        with open(scratch / "x", "wb") as f:
            subprocess.run([*argv, "-C", scratch / "source", "-c", "."], stdout=f, check=True)
        run("--force", "import-tar", scratch / "x", "web")
        found = {n: os.getxattr(pool / "web/file", n) for n in os.listxattr(pool / "web/file")}
        assert found == marks, argv


@pytest.mark.parametrize("packing", ["uncompressed", "gzip", "bzip2", "xz", "zstd", "lz4"])
def test_disk(run, pool, scratch, packing):
    """Byte by byte, and hole by hole."""
    with open(scratch / "disk.raw", "wb") as f:
        f.truncate(16 << 20)
        for at in (0, 5 << 20, (16 << 20) - 512):
            f.seek(at)
            f.write(os.urandom(512))
    run("import-raw", scratch / "disk.raw", "one")
    run("export-raw", f"--format={packing}", "one", scratch / "x")
    run("import-raw", scratch / "x", "two")
    for image in ("one", "two"):
        assert (pool / f"{image}.raw").read_bytes() == (scratch / "disk.raw").read_bytes()
        assert data(pool / f"{image}.raw") <= data(scratch / "disk.raw")


@pytest.mark.parametrize("levels,name", [(500, "d"), (120, "a-long-name-of-a-directory"), (1100, "d"),
                                         (400, "a-long-name-of-a-directory")])
def test_deep_tree(run, pool, scratch, levels, name):
    """As deep as is allowed it comes back; what is deeper is refused in one line and leaves nothing."""
    top = scratch / "source"
    top.mkdir()
    here = os.getcwd()
    os.chdir(top)
    for _ in range(levels):
        os.mkdir(name)
        os.chdir(name)
    with open("file", "w", encoding="ascii") as f:
        f.write("deep")
    os.chdir(here)
    for words in (("import-fs", top, "one"), ("export-tar", "one", scratch / "x.tar"),
                  ("import-tar", scratch / "x.tar", "two")):
        status, said = run("-q", *words, check=False)
        if status != 0:
            break
    if levels * len(name) < 4000 and levels <= 512:
        assert status == 0, said
        assert differences(archives.describe(pool / "two"), archives.describe(top)) == {}
    else:
        assert status == 1 and said.count("\n") == 1, said
        assert not list(pool.glob(".#*")), "nothing is left"
    subprocess.run(["rm", "-rf", top, pool], check=True)


def loop(request, scratch, kind, size=300 << 20):
    """A file system of that kind, mounted until the test is over."""
    where = scratch / "disk"
    where.mkdir()
    with open(scratch / "disk.img", "wb") as f:
        f.truncate(size)
    try:
        subprocess.run([f"mkfs.{kind}", "-q", scratch / "disk.img"], check=True)
        subprocess.run(["mount", "-o", "loop", scratch / "disk.img", where], check=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        must_run(f"no {kind} here: {problem}")
    request.addfinalizer(lambda: kernel.umount(where))
    return where


def no_quota(where):
    done = subprocess.run(["btrfs", "qgroup", "show", where], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          check=False)
    return done.returncode != 0 and b"quota" in done.stderr


def test_btrfs(request, run, scratch):
    """Subvolumes: exported whole, also what is a subvolume below; and quota is left to whoever wants it."""
    disk = loop(request, scratch, "btrfs")
    pool = disk / "pool"
    pool.mkdir()
    tree = archives.torture(scratch / "source")
    run("import-fs", tree, "one", root=pool)
    assert os.stat(pool / "one").st_ino == 256
    run("export-tar", "one", scratch / "x.tar", root=pool)
    run("import-tar", "--read-only", scratch / "x.tar", "two", root=pool)
    assert differences(archives.describe(pool / "two"), without_sockets(tree)) == {}
    assert sorted(os.listdir(pool)) == ["one", "two"]
    subvolumes = subprocess.run(["btrfs", "subvolume", "list", disk], stdout=subprocess.PIPE, text=True, check=True)
    assert len(subvolumes.stdout.splitlines()) == 2, "no snapshot is left of an export"
    run("import-fs", pool / "two", "three", root=pool)
    assert differences(archives.describe(pool / "three"), without_sockets(tree)) == {}
    subprocess.run(["btrfs", "-q", "subvolume", "create", pool / "three/below"], check=True)
    (pool / "three/below/file").write_text("x")
    run("export-tar", "three", scratch / "y.tar", root=pool)
    with tarfile.open(scratch / "y.tar") as tar:
        assert "./below/file" in tar.getnames()
    assert sorted(os.listdir(pool)) == ["one", "three", "two"]
    assert no_quota(disk)


FS_NOCOW = 0x00800000


def flags(path):
    fd = os.open(path, os.O_RDONLY)
    value = ctypes.c_int()
    assert ctypes.CDLL(None).ioctl(fd, ctypes.c_ulong(0x80086601), ctypes.byref(value)) == 0
    os.close(fd)
    return value.value


def test_disk_on_btrfs(request, run, scratch):
    """A disk is not copied on write, whatever it came in; what shares data with its source has the source's mark."""
    disk = loop(request, scratch, "btrfs")
    pool = disk / "pool"
    pool.mkdir()
    raw = scratch / "x.raw"
    raw.write_bytes(os.urandom(1 << 20))
    subprocess.run(["zstd", "-q", raw], check=True)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, scratch / "x.qcow2"], check=True)
    for name in ("x.raw", "x.raw.zst", "x.qcow2"):
        run("--force", "import-raw", scratch / name, "web", root=pool)
        assert (pool / "web.raw").read_bytes() == raw.read_bytes()
        assert flags(pool / "web.raw") & FS_NOCOW, name
    (disk / "there.raw").write_bytes(raw.read_bytes())
    os.sync()
    free = os.statvfs(disk).f_bfree
    run("--force", "import-raw", disk / "there.raw", "web", root=pool)
    os.sync()
    assert (pool / "web.raw").read_bytes() == raw.read_bytes()
    assert not flags(pool / "web.raw") & FS_NOCOW
    assert os.statvfs(disk).f_bfree >= free - 16
