# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archives that mean harm, or are broken: nothing outside of the image changes, nothing is left, and the
user reads one line that names the archive, the entry and the cause."""

import os
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
        "too-deep": ([file("/".join("d" * 150), b"x")], "128"),
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
    assert web is None and "zeros" in said and "do not fit" in said and str(small) in said
    assert time.monotonic() - start < 10
    kernel.umount(small)


def test_many_small_fill_the_disk(attack, place):
    small = place / "pool"
    kernel.mount("small", small, "tmpfs", 0, "size=4M")
    web, said = attack(archives.write(place / "x.tar", [
        file(f"f{i}", bytes(3000)) for i in range(3000)], "gz"))
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
    assert web is None and "do not fit" in said and str(small) in said
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
    assert any(w in said for w in ("cut off", "damaged near byte", "not a tar archive")), said


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
    (b"", "is empty"), (b"x", "not a tar archive"), (b"PK\x03\x04" + bytes(2000), "not a tar archive"),
    (os.urandom(5000), "not a tar archive"), (bytes(10240), "no entries"),
    (b"\x1f\x8b", "cut off"), (b"\x02\x21\x4c\x18" + bytes(500), "not supported"),
    (b"#!/bin/sh\nexit 0\n" * 500, "not a tar archive"),
], ids=["empty", "one-byte", "zip", "noise", "zeros", "gzip-magic", "lz4", "script"])
def test_no_archive(attack, place, data, words):
    (place / "x").write_bytes(data)
    web, said = attack(place / "x")
    assert web is None and words in said, said


def test_gzip_of_gzip(attack, place):
    """Packed once means unpacked once."""
    inner = archives.write(place / "inner", [file("a", b"1")], "gz").read_bytes()
    (place / "x").write_bytes(archives.pack(inner, "gz"))
    assert "not a tar archive" in attack(place / "x")[1]


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
    (["--sha256=12", "import-tar", "{x}"], "64 hexadecimal"),
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
