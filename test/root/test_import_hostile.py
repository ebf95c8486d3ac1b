# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archives that mean harm, or are broken: nothing outside of the image changes, nothing is left, and the
user reads one line that names the archive, the entry and the cause."""

import os
import resource
import struct
import subprocess
import tarfile
import time
import zlib

import pytest

from skeplib import archives, kernel
from skeplib.archives import directory, file, hardlink, symlink


@pytest.fixture
def place(scratch):
    """A pool, and a folder beside it that archives try to reach."""
    (scratch / "pool").mkdir()
    canary = scratch / "canary"
    (canary / "sub").mkdir(parents=True)
    (canary / "file").write_text("host\n")
    os.setxattr(canary / "file", "user.mark", b"host")
    return scratch


@pytest.fixture
def attack(program, place):
    """attack(archive) imports, and checks that nothing but an image came of it. Return: (its folder, or
    None; what was printed)."""
    def call(archive, *options):
        before = archives.describe(place / "canary")
        done = subprocess.run([program("skep-import"), "-q", f"--image-root={place}/pool", *options,
                               "import-tar", archive, "web"], stderr=subprocess.PIPE, text=True, check=False,
                              cwd=place / "canary")
        assert archives.describe(place / "canary") == before
        left = os.listdir(place / "pool")
        if done.returncode == 0:
            assert left == ["web"]
            return place / "pool/web", done.stderr
        assert done.returncode == 1
        assert left == []
        assert done.stderr.count("\n") == 1 and str(archive) in done.stderr, done.stderr
        return None, done.stderr

    return call


def refused(place):
    """name: (entries, words of the message) of archives that are refused."""
    out = str(place / "canary")
    return {
        "dot-dot": ([file("../canary/new", b"x")], "'..'"),
        "dot-dot-inside": ([directory("a"), file("a/../../canary/new", b"x")], "'..'"),
        "dot-dot-directory": ([directory("..", mode=0o777)], "'..'"),
        "absolute": ([file(out + "/new", b"x")], "absolute"),
        "absolute-directory": ([directory(out, mode=0o777)], "absolute"),
        "link-then-file": ([symlink("l", out), file("l/new", b"x")], "'l' on the way"),
        "link-then-file-relative": ([symlink("l", "../../canary"), file("l/new", b"x")],
                                    "'l' on the way"),
        "link-then-directory": ([symlink("l", out), directory("l/sub", mode=0o777)],
                                "'l' on the way"),
        "link-then-link": ([symlink("l", out), symlink("l/new", "x")], "'l' on the way"),
        "link-then-node": ([symlink("l", out), archives.node("l/new", "p")], "'l' on the way"),
        "links-in-a-row": ([symlink("a", out), symlink("b", "a"), symlink("c", "b"),
                            file("c/new", b"x")], "'c' on the way"),
        "link-deep": ([directory("d"), symlink("d/l", out), file("d/l/sub/new", b"x")],
                      "'l' on the way"),
        "link-within": ([directory("d"), symlink("l", "d"), file("l/new", b"x")], "'l' on the way"),
        "proc-link": ([symlink("l", "/proc/self/cwd"), file("l/new", b"x")], "'l' on the way"),
        "directory-becomes-link": ([directory("d"), symlink("d", out), file("d/new", b"x")],
                                   "'d' on the way"),
        "directory-stays-open": ([directory("d"), file("d/one", b"1"), symlink("d", out),
                                  file("d/new", b"x")], "not empty"),
        "hard-dot-dot": ([hardlink("h", "../canary/file")], "'..'"),
        "hard-absolute": ([hardlink("h", out + "/file")], "absolute"),
        "hard-through-link": ([symlink("l", out), hardlink("h", "l/file")], "is not a directory"),
        "hard-to-directory": ([directory("d"), hardlink("h", "d")], "directory"),
        "hard-to-root": ([hardlink("h", ".")], "not in the tree"),
        "hard-missing": ([hardlink("h", "nothing")], "not in the tree"),
        "hard-relative-to-cwd": ([hardlink("h", "file")], "not in the tree"),
        "hard-to-itself": ([file("h", b""), hardlink("h", "h")], "itself"),
        "root-is-link": ([symlink(".", out)], "root of the tree"),
        "root-is-link-2": ([directory("."), symlink("./", out)], "root of the tree"),
        "root-is-file": ([file(".", b"x")], "root of the tree"),
        "root-is-hard-link": ([file("f", b"x"), hardlink(".", "f")], "root of the tree"),
        "name-too-long": ([file("n" * 256, b"x")], "255"),
        "path-too-long": ([file("/".join(["n" * 250] * 20), b"x")], "4095"),
        "too-deep": ([file("/".join("d" * 600), b"x")], "512"),
        "file-as-directory": ([file("f", b"x"), file("f/x", b"x")], "'f' on the way"),
        "huge-owner": ([file("f", b"", uid=2 ** 40)], "owner"),
    }


REFUSED = list(refused(__import__("pathlib").Path("/")))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(attack, place, name):
    entries, words = refused(place)[name]
    web, said = attack(archives.write(place / "x.tar", entries))
    assert web is None
    assert words in said and "entry '" in said, said


def test_hard_link_to_link_with_content(attack, place):
    """Content that comes with a hard link does not run through what it links to."""
    web, said = attack(archives.write(place / "x.tar", [
        symlink("l", str(place / "canary/file")), hardlink("h", "l", size=4, data=b"evil",
                                                           pax_headers={"size": "4"})]))
    assert web is None or (web / "h").is_symlink(), said


def test_link_is_replaced_not_followed(attack, place):
    out = str(place / "canary")
    web, _ = attack(archives.write(place / "x.tar", [
        symlink("l", out), directory("l", mode=0o700), file("l/new", b"x"),
        symlink("f", out + "/file"), file("f", b"mine", mode=0o600),
        symlink("s", out + "/file"), hardlink("h", "s"), file("h", b"mine"),
    ]))
    assert (web / "l/new").read_bytes() == b"x" and not (web / "l").is_symlink()
    assert (web / "f").read_bytes() == (web / "h").read_bytes() == b"mine"
    assert os.readlink(web / "s") == out + "/file"


def test_directory_metadata_does_not_follow(attack, place):
    """What is set at the end is set on a directory of the tree, whatever its name is by then."""
    web, _ = attack(archives.write(place / "x.tar", [
        directory("d", mode=0o777, uid=1234, mtime=1), symlink("d", str(place / "canary")),
        directory("e", mode=0o777, uid=1234), file("e", b"x")]))
    assert (web / "d").is_symlink() and (web / "e").stat().st_uid == 0


def test_setuid_is_kept_inside(attack, place):
    web, _ = attack(archives.write(place / "x.tar", [
        file("su", b"x", mode=0o4755, uid=1000), directory(".", mode=0o711)]))
    assert (web / "su").stat().st_mode & 0o7777 == 0o4755
    assert web.parent.stat().st_mode & 0o077 == 0o055, "the pool's own mode is the pool's business"


def test_control_characters_are_not_printed(attack, place):
    _, said = attack(archives.write(place / "x.tar", [file("../\x1b[2Jevil\n", b"x")]))
    assert "\x1b" not in said and "\\x1b" in said


def header(name=b"f", size=b"00000000000\0", mode=b"0000644\0", uid=b"0000000\0", kind=b"0", mtime=b"00000000000\0",
           link=b"", device=b"0000001\0", magic=b"ustar\x0000", rest=bytes(167)):
    """A header of 512 bytes with any bytes in its fields, and the right checksum."""
    raw = bytearray(name.ljust(100, b"\0") + mode + uid + b"0000000\0" + size + mtime + b" " * 8 + kind
                    + link.ljust(100, b"\0") + magic + bytes(64) + device * 2 + rest)
    assert len(raw) == 512
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def binary(number, width):
    """A number as GNU tar writes those that do not fit: negative ones, too."""
    return (number & ((1 << (8 * width)) - 1) | 1 << (8 * width - 1)).to_bytes(width, "big")


def pax(text, kind=b"x"):
    """A header of that kind with these bytes as its records."""
    return header(b"pax", b"%011o\0" % len(text), kind=kind) + text + bytes(-len(text) % 512)


def record(key, value):
    """One record of such a header."""
    n = len(key) + len(value) + 3
    while len(b"%d" % n) + len(key) + len(value) + 3 != n:
        n += 1
    return b"%d %s=%s\n" % (n, key, value)


BROKEN = {
    "negative-size": header(size=binary(-1, 12)),
    "huge-size": header(size=binary(2 ** 62, 12)) + b"x" * 512,
    "size-beyond-64-bits": header(size=binary(2 ** 80, 12)),
    "negative-uid": header(uid=binary(-1, 8)),
    "uid-beyond-32-bits": header(uid=binary(2 ** 40, 8)),
    "uid-of-nobody-at-all": header(uid=binary(2 ** 32 - 1, 8)),
    "pax-uid-negative": pax(record(b"uid", b"-1")) + header(),
    "pax-uid-huge": pax(record(b"uid", b"9" * 30)) + header(),
    "pax-size-negative": pax(record(b"size", b"-5")) + header(),
    "pax-size-huge": pax(record(b"size", b"9223372036854775807")) + header() + b"x" * 512,
    "pax-length-lies": pax(b"99999 path=x\n") + header(),
    "pax-length-overflows": pax(b"99999999999999999999999 path=x\n") + header(),
    "pax-length-negative": pax(b"-5 path=x\n") + header(),
    "pax-length-zero": pax(b"0 path=x\n") + header(),
    "pax-without-end": pax(b"12 path=abcdefgh") + header(),
    "pax-path-out": pax(record(b"path", b"../canary/new")) + header(),
    "pax-path-absolute": pax(record(b"path", b"/canary/new")) + header(),
    "pax-link-out": pax(record(b"linkpath", b"../canary/file")) + header(kind=b"1", link=b"x"),
    "pax-huge": header(b"pax", b"77777777777\0", kind=b"x") + b"x" * 4096,
    "pax-sparse-map-lies": pax(record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.minor", b"0")
                               + record(b"GNU.sparse.realsize", b"10")) + header(size=b"00000001000\0")
    + b"99999999999999999999\n".ljust(512, b"0"),
    "pax-sparse-overlap": pax(record(b"GNU.sparse.size", b"100") + record(b"GNU.sparse.numblocks", b"2")
                              + record(b"GNU.sparse.map", b"50,60,0,9223372036854775807")) + header(),
    "gnu-long-name-huge": header(b"././@LongLink", b"77777777777\0", kind=b"L") + b"x" * 4096,
    "gnu-long-name-out": header(b"././@LongLink", b"00000000016\0", kind=b"L") + b"../canary/new\0".ljust(512, b"\0")
    + header(),
    "gnu-sparse-beyond": header(kind=b"S", size=b"00000000001\0", magic=b"ustar  \0", rest=bytes(41) + (
        b"77777777777\0" * 2 + bytes(73) + b"00000000200\0").ljust(126, b"\0")) + b"x" * 512,
    "gnu-sparse-backwards": header(kind=b"S", size=b"00000000002\0", magic=b"ustar  \0", rest=bytes(41) + (
        b"00000000100\x0000000000001\x0000000000010\x0000000000001\0" + bytes(49)
        + b"00000000200\0").ljust(126, b"\0")) + b"x" * 512,
    "no-name": header(name=b""),
    "pax-path-with-nul": pax(record(b"path", b"f\0/../../canary/new")) + header(),
    "pax-link-with-nul": pax(record(b"linkpath", b"../canary/file\0")) + header(kind=b"1", link=b"x"),
    "pax-path-empty": pax(record(b"path", b"")) + header(),
    "pax-key-empty": pax(record(b"", b"x")) + header(),
    "pax-key-long": pax(record(b"SCHILY.xattr.user." + b"k" * 3000, b"x")) + header(),
    "pax-xattr-without-name": pax(record(b"SCHILY.xattr.", b"x")) + header(),
    "pax-xattr-with-nul": pax(record(b"SCHILY.xattr.user.a\0b", b"x")) + header(),
    "pax-xattr-escapes": pax(record(b"LIBARCHIVE.xattr.security%2ecapability", b"AAAA")) + header(),
    "pax-xattr-of-overlay": pax(record(b"SCHILY.xattr.trusted.overlay.redirect", b"/canary")) + header(kind=b"5"),
    "pax-mtime-huge": pax(record(b"mtime", b"9" * 40)) + header(),
    "pax-mtime-negative": pax(record(b"mtime", b"-9223372036854775808.9")) + header(),
    "pax-mtime-nonsense": pax(record(b"mtime", b"1e300.nan")) + header(),
    "mtime-huge": header(mtime=binary(2 ** 70, 12)),
    "mtime-negative": header(mtime=binary(-2 ** 62, 12)),
    "pax-device-huge": pax(record(b"SCHILY.devmajor", b"99999999999999")) + header(kind=b"3"),
    "pax-acl-nonsense": pax(record(b"SCHILY.acl.access", b"user:::,,:x:rwxrwx,mask")) + header(),
    "pax-acl-long": pax(record(b"SCHILY.acl.access", b",".join(b"user:%d:rwx:%d" % (i, i) for i in range(9000)))) + header(),
    "pax-flags": pax(record(b"SCHILY.fflags", b"schg,uchg,sappnd,immutable,append")) + header(),
    "directory-with-content": header(kind=b"5", size=b"00000001000\0") + b"x" * 512,
    "link-with-content": header(kind=b"2", link=b"../canary/file", size=b"00000001000\0") + b"x" * 512,
    "device-with-content": header(kind=b"3", size=b"00000001000\0") + b"x" * 512,
    "kind-unknown": header(kind=b"Q"),
    "kind-of-volume": header(kind=b"V") + header(kind=b"M", size=b"00000001000\0") + b"x" * 512,
    "kind-of-dump": header(kind=b"D", size=b"00000001000\0") + b"Y../canary/new\0\0".ljust(512, b"\0"),
    "cpio-link-out": b"070701000000010000a1ff000000000000000000000001000000000000000e00000000000000000000000000000000"
                     b"0000000200000000l\0../canary/file\0\0",
    "cpio-socket": b"070701000000010000c1ff000000000000000000000001000000000000000000000000000000000000000000000000"
                   b"0000000200000000s\0",
    "cpio-negative": b"070707-00001-00001100644-00001-00001-00001-0000100000000000-0000200000000001f\0",
    "checksum": header()[:148] + b"000000\0 " + header()[156:],
    "pax-global-path": pax(record(b"path", b"../canary/new"), b"g") + header(),
    "cpio-out": b"07070100000001000081a4000000000000000000000001000000000000000100000000000000000000000000000000"
                b"0000000e00000000../canary/new\0x\0\0\0",
    "cpio-size": b"07070100000001000081a400000000000000000000000100000000fffffffffffffff0000000000000000000000000"
                 b"0000000200000000f\0",
    "cpio-name": b"07070100000001000081a4000000000000000000000001000000000000000100000000000000000000000000000000"
                 b"ffffffff00000000f\0",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_numbers(attack, place, name):
    """Lengths, sizes and owners that no archiver writes: refused, or harmless; quick, and never a crash."""
    (place / "x.tar").write_bytes(BROKEN[name] + bytes(1024))
    start = time.monotonic()
    web, said = attack(place / "x.tar", "--sync=no")
    assert "was killed by" not in said
    assert time.monotonic() - start < 10
    if name.startswith("pax-length") or name == "pax-without-end":
        assert web is None and "damaged" in said, "what was in it is not passed over"
    if web is not None:
        found = archives.describe(web)
        assert all(0 <= v[1] < 2 ** 32 - 1 and (v[5] or 0) < 2 ** 20 for v in found.values()), found


@pytest.mark.parametrize("size", [0x18000000, 0x7fffffff, 0xffffffff])
def test_name_that_takes_all_memory(attack, place, size):
    """A name of that length is not made room for, be there any number of bytes of it."""
    head = BROKEN["cpio-name"].replace(b"ffffffff", b"%08x" % size)[:110]
    (place / "x.tar").write_bytes(head + b"a" * (1 << 20))
    web, said = attack(place / "x.tar", "--sync=no")
    assert web is None
    # Sanitizers need all the memory there is.
    if "SKEP_SANITIZED" not in os.environ:
        assert "wants more memory" in said and said.count("\n") == 1, said


CLASSES = ["machine", "portable", "sysext", "confext"]


@pytest.mark.parametrize("kind", CLASSES)
def test_class(attack, place, kind):
    """What removes files of the host, and what gives rights on it, is for machines alone; disks are for nobody."""
    web, said = attack(archives.write(place / "x.tar", [
        directory("usr/bin", mode=0o2755), file("usr/bin/su", b"x", mode=0o4755), file("usr/bin/wall", b"x", mode=0o2755),
        hardlink("usr/bin/su2", "usr/bin/su"), archives.node("usr/gone", "c", 0, 0), archives.node("null", "c", 1, 3),
        archives.node("sda", "b", 8, 0), archives.node("mem", "c", 1, 1), archives.node("kvm", "c", 10, 232),
        file("caps", b"x", pax_headers={"SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.user.note": "n",
                                        "SCHILY.xattr.trusted.overlay.opaque": "y"}),
        file(".wh.file", b""), file(".wh..wh..opq", b""),
    ]), f"--class={kind}")
    assert web is not None, said
    machine = kind == "machine"
    assert (web / "usr/bin/su").stat().st_mode & 0o7777 == (web / "usr/bin/su2").stat().st_mode & 0o7777 \
        == (0o4755 if machine else 0o755)
    assert (web / "usr/bin/wall").stat().st_mode & 0o7777 == (0o2755 if machine else 0o755)
    assert (web / "usr/gone").exists() == (web / "null").exists() == machine
    assert not any((web / n).exists() for n in ("sda", "mem", "kvm"))
    assert sorted(os.listxattr(web / "caps")) == ["user.note"] + ["user.overlay.opaque"] * machine
    assert (web / ".wh.file").exists(), "it is a name like any other outside of layers"


@pytest.mark.parametrize("form", ["newc", "odc", "crc", "bin"])
def test_cpio(attack, place, form):
    """cpio is taken as well; links to what is outside, names that lead out and missing ends are not."""
    tree = place / "tree"
    (tree / "d").mkdir(parents=True)
    (tree / "d/f").write_bytes(b"content")
    os.chown(tree / "d/f", 7, 8)
    os.link(tree / "d/f", tree / "hard")
    (tree / "sym").symlink_to("d/f")
    os.mkfifo(tree / "fifo")
    data = subprocess.run(["sh", "-c", 'find . -depth | cpio --quiet -o -H "$0"', form], cwd=tree,
                          stdout=subprocess.PIPE, check=True).stdout
    (place / "cut").write_bytes(data[:data.rindex(b"TRAILER")])
    assert attack(place / "cut")[0] is None
    (place / "x").write_bytes(data)
    web, said = attack(place / "x")
    assert web is not None, said
    assert archives.describe(web, nanoseconds=False).keys() == archives.describe(tree).keys()
    assert (web / "d/f").read_bytes() == b"content" and (web / "d/f").stat().st_uid == 7
    assert (web / "hard").samefile(web / "d/f") and os.readlink(web / "sym") == "d/f"


@pytest.mark.parametrize("pack", [["gzip", "-9"], ["xz", "-1"], ["zstd", "-1"], ["bzip2", "-1"]],
                         ids=lambda p: p[0])
def test_ratio(attack, place, pack):
    """What is packed far better than any system can be is a trap, and not unpacked to its end."""
    (place / "zeros").touch()
    os.truncate(place / "zeros", 150 * 1024 * 1024)
    subprocess.run(["sh", "-c", 'tar -c zeros | "$@" > x.tar', "sh", *pack], cwd=place, check=True)
    web, said = attack(place / "x.tar", "--sync=no")
    assert web is None and "more than 200 times its size" in said
    web, said = attack(place / "x.tar", "--sync=no", "--max-ratio=0")
    assert (web / "zeros").stat().st_size == 150 * 1024 * 1024


def test_bomb(attack, place, program):
    """A file larger than the disk is refused before the disk is full."""
    small = place / "pool"
    kernel.mount("small", small, "tmpfs", 0, "size=8M")
    stream = zlib.compressobj(9, wbits=31)
    info = tarfile.TarInfo("zeros")
    info.size = 3 << 30
    with open(place / "x.tar.gz", "wb") as f:
        f.write(stream.compress(info.tobuf(tarfile.GNU_FORMAT)))
        block = bytes(1 << 20)
        for _ in range(64):
            f.write(stream.compress(block))
        f.write(stream.flush())
    start = time.monotonic()
    web, said = attack(place / "x.tar.gz")
    assert web is None and "needs about" in said and str(small) in said
    assert time.monotonic() - start < 10
    kernel.umount(small)


def test_map_of_a_sparse_file(program, place):
    """A list of pieces that is short when it is packed takes memory, and no more than there is for it."""
    pieces = 3_000_000
    text = f"{pieces}\n".encode() + b"0\n0\n" * pieces
    text += bytes(-len(text) % 512)
    names = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.realsize": b"9", b"GNU.sparse.name": b"f"}
    (place / "x.tar.gz").write_bytes(archives.pack(
        pax(b"".join(record(k, v) for k, v in names.items())) + header(size=b"%011o\0" % len(text)) + text + bytes(1024),
        "gz"))
    # Sanitizers need more than any such limit.
    limit = resource.RLIM_INFINITY if os.environ.get("SKEP_SANITIZED") else 120 << 20
    done = subprocess.run(
        [program("skep-import"), f"--image-root={place}/pool", "--max-ratio=0", "import-tar", place / "x.tar.gz", "web"],
        stderr=subprocess.PIPE, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)))
    if limit == resource.RLIM_INFINITY:
        assert done.returncode == 0, done.stderr
        return
    # libarchive ends the process, with a line of its own.
    assert done.returncode == 1 and "ut of memory" in done.stderr and "the unpacker failed" in done.stderr, done.stderr
    assert os.listdir(place / "pool") == []


def test_many_small_fill_the_disk(attack, place):
    small = place / "pool"
    kernel.mount("small", small, "tmpfs", 0, "size=4M")
    web, said = attack(archives.write(place / "x.tar", [
        file(f"f{i}", b"x") for i in range(3000)], "gz"))
    assert web is None and "entry 'f" in said and str(small) in said
    assert "do not fit" in said or "is full" in said
    kernel.umount(small)


@pytest.mark.parametrize("make", [file, directory, lambda n: symlink(n, "x"),
                                  lambda n: archives.node(n, "p")],
                         ids=["files", "directories", "links", "nodes"])
def test_no_inodes_left(attack, place, make):
    small = place / "pool"
    kernel.mount("small", small, "tmpfs", 0, "size=64M,nr_inodes=200")
    web, said = attack(archives.write(place / "x.tar", [make(f"f{i}") for i in range(500)]))
    assert web is None and "is full" in said and str(small) in said
    kernel.umount(small)


def test_archive_larger_than_the_disk(attack, place):
    small = place / "pool"
    kernel.mount("small", small, "tmpfs", 0, "size=1M")
    web, said = attack(archives.write(place / "x.tar", [file("f", os.urandom(4 << 20))]))
    assert web is None and "needs about 4 MiB, but " in said and str(small) in said
    kernel.umount(small)


def test_sparse_takes_no_room(attack, place):
    with open(place / "big", "wb") as f:
        f.truncate(1 << 40)
    subprocess.run(["tar", "-C", place, "-S", "--format=gnu", "-cf", place / "x.tar", "big"], check=True)
    web, said = attack(place / "x.tar")
    assert web, said
    assert (web / "big").stat().st_size == 1 << 40 and (web / "big").stat().st_blocks == 0


def test_many_entries(attack, place, program):
    """A hundred thousand entries are work, but no trouble."""
    count = 100_000
    with open(place / "x.tar", "wb") as f:
        info = tarfile.TarInfo()
        for i in range(count):
            info.name = f"d{i % 100}/{i}"
            f.write(info.tobuf(tarfile.USTAR_FORMAT))
        f.write(bytes(1024))
    start = time.monotonic()
    web, said = attack(place / "x.tar")
    assert web, said
    assert sum(len(os.listdir(web / d)) for d in os.listdir(web)) == count
    assert time.monotonic() - start < 60


def test_many_attributes(attack, place):
    pax = {f"SCHILY.xattr.user.a{i}": "x" * 1000 for i in range(500)}
    attack(archives.write(place / "x.tar", [file("f", b"x", pax_headers=pax)]))


@pytest.fixture(scope="module", name="whole")
def make_whole():
    """A tar of 2 MB that does not pack well."""
    info = tarfile.TarInfo("noise")
    info.size = 1_900_000
    data = os.urandom(info.size)
    return (info.tobuf() + data + bytes(-info.size % 512) + tarfile.TarInfo("end").tobuf()
            + bytes(1024))


# Without a packing, half of the end mark will do.
CUTS = [(p, c) for p in archives.PACKERS for c in (5, 300, 700, 100_000, -1500, -1024, -9, -1)
        if p != "none" or not -512 <= c < 0]


@pytest.mark.parametrize("packed, cut", CUTS)
def test_cut_off(attack, place, whole, packed, cut):
    (place / "x").write_bytes(archives.pack(whole, packed)[:cut])
    web, said = attack(place / "x")
    assert web is None
    assert any(w in said for w in ("cut off", "damaged near byte", "neither a tar nor a cpio archive")), said


@pytest.mark.parametrize("packed", archives.PACKERS)
@pytest.mark.parametrize("at", [0, 10, 100, 0.5, 0.9])
def test_corrupt(attack, place, whole, packed, at):
    data = bytearray(archives.pack(whole, packed))
    at = int(len(data) * at) if isinstance(at, float) else at
    data[at:at + 8] = bytes(b ^ 0xff for b in data[at:at + 8])
    (place / "x").write_bytes(data)
    web, said = attack(place / "x")
    if packed == "none" and at >= 512:
        assert web, "there is no checksum over a file's content in a plain tar"
    elif packed == "gz" and at == 10:
        assert web is None or (web / "noise").exists()
    else:
        assert web is None, said


@pytest.mark.parametrize("data, words", [
    (b"", "is empty"), (b"x", "neither a tar nor a cpio archive"), (b"PK\x03\x04" + bytes(2000), "neither a tar nor a cpio archive"),
    (os.urandom(5000), "neither a tar nor a cpio archive"), (bytes(10240), "no entries"),
    (b"\x1f\x8b", "cut off"), (b"\x02\x21\x4c\x18" + bytes(500), "not supported"),
    (b"#!/bin/sh\nexit 0\n" * 500, "neither a tar nor a cpio archive"),
], ids=["empty", "one-byte", "zip", "noise", "zeros", "gzip-magic", "lz4", "script"])
def test_no_archive(attack, place, data, words):
    (place / "x").write_bytes(data)
    web, said = attack(place / "x")
    assert web is None and words in said, said


def test_gzip_of_gzip(attack, place):
    """Packed once means unpacked once."""
    inner = archives.write(place / "inner", [file("a", b"1")], "gz").read_bytes()
    (place / "x").write_bytes(archives.pack(inner, "gz"))
    assert "neither a tar nor a cpio archive" in attack(place / "x")[1]


def test_xz_with_huge_dictionary(attack, place):
    """A header that asks for gigabytes of memory gets none."""
    header = bytearray(b"\xfd7zXZ\x00\x00\x04")
    header += struct.pack("<I", zlib.crc32(header[6:8]))
    block = bytearray(b"\x02\x00\x21\x01\x28\x00\x00\x00")     # LZMA2 with a dictionary of 4 GiB
    block += struct.pack("<I", zlib.crc32(block))
    (place / "x").write_bytes(bytes(header + block) + b"\x01\x00\x00" + bytes(2000))
    web, said = attack(place / "x")
    assert web is None and "too much memory" in said, said


@pytest.mark.parametrize("args, words", [
    (["import-tar", "/nonexistent"], "cannot open '/nonexistent': No such file"),
    (["import-tar", "/tmp"], "neither a file nor a pipe"),
    (["import-tar", "-"], "needs a name"),
    (["import-tar", "/dev/null", "web"], "neither a file"),
    (["import-tar", "{x}", "a/b"], "not a name for an image"),
    (["import-tar", "{x}", ".host"], "not a name for an image"),
    (["import-tar", "{x}", ".#evil"], "not a name for an image"),
    (["import-tar", "{x}", ""], "not a name for an image"),
    (["import-tar", "{x}", ".."], "not a name for an image"),
    (["import-tar"], "too few arguments"),
    (["raw", "{x}"], "unknown command"),
    (["--verify=12", "import-tar", "{x}"], "128 hexadecimal"),
    (["--verify=checksum", "import-raw", "{x}"], "beside a file that is imported"),
    (["--nonsense"], "nonsense"),
    (["--image-root=/dev/null/x", "import-tar", "{x}", "web"], "/dev/null/x"),
], ids=lambda v: "-".join(v) if isinstance(v, list) else None)
def test_usage(program, place, args, words):
    archives.write(place / "x", [file("a", b"1")])
    done = subprocess.run([program("skep-import"), f"--image-root={place}/pool",
                           *[a.format(x=place / "x") for a in args]],
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1
    assert os.listdir(place / "pool") == []
