# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files that were damaged on their way, at every place: where the format has checksums, either what was meant comes
out or one line says why not; where it has none, nothing crashes, and nothing is left of what failed."""

import os
import struct
import subprocess

import pytest

from skeplib import archives
from skeplib.faults import STRIDE

# Of each file so many places are tried.
PLACES = 12 // STRIDE

DISK = (b"some text, " * 5000 + bytes(70_000) + os.urandom(40_000) + b"\1" * 30_000 + os.urandom(10_000)).ljust(1 << 18, b"\0")


def in_parts(argv, data, n):
    """One stream after another, as those who pack on several processors write them."""
    step = -(-len(data) // n)
    return b"".join(subprocess.run(argv, input=data[at:at + step], stdout=subprocess.PIPE, check=True).stdout
                    for at in range(0, len(data), step))


PACKINGS = {
    "gzip": lambda d: in_parts(["gzip", "-c"], d, 1),
    "gzip-members": lambda d: in_parts(["gzip", "-c"], d, 4),
    "bzip2-blocks": lambda d: in_parts(["bzip2", "-1", "-c"], d, 1),
    "bzip2-streams": lambda d: in_parts(["bzip2", "-1", "-c"], d, 3),
    "xz": lambda d: in_parts(["xz", "-0", "-c"], d, 1),
    "xz-blocks": lambda d: in_parts(["xz", "-0", "-T2", "--block-size=64KiB", "-c"], d, 1),
    "xz-streams": lambda d: in_parts(["xz", "-0", "-c"], d, 3),
    "zstd": lambda d: in_parts(["zstd", "-q", "--check", "-c"], d, 1),
    "zstd-frames": lambda d: in_parts(["zstd", "-q", "--check", "-c"], d, 4),
    "lz4": lambda d: in_parts(["lz4", "-q", "-c", "-B4"], d, 1),
    "lz4-frames": lambda d: in_parts(["lz4", "-q", "-c", "--content-size"], d, 3),
}


@pytest.fixture
def pool(scratch):
    """An empty pool."""
    where = scratch / "pool"
    where.mkdir()
    return where


@pytest.fixture
def attempt(program, pool, scratch):
    """attempt("import-raw", bytes): the image's bytes, or None if there is none; and what was said."""
    def call(verb, content, *options):
        (scratch / "x").write_bytes(content)
        done = subprocess.run([program("skep-import"), "-q", "--sync=no", f"--image-root={pool}", *options, verb,
                               scratch / "x", "web"], stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        left = os.listdir(pool)
        if done.returncode == 0:
            assert left == ["web.raw"]
            disk = (pool / "web.raw").read_bytes() if (pool / "web.raw").stat().st_size < 1 << 24 else b"large"
            (pool / "web.raw").unlink()
            return disk, done.stderr
        assert done.returncode == 1 and left == [], (done.returncode, left)
        assert done.stderr.count("\n") == 1 and "killed" not in done.stderr, done.stderr
        return None, done.stderr

    return call


def places(content, n=PLACES):
    """The first bytes and the last, and as many between."""
    step = max(1, len(content) // n)
    return sorted({*range(0, min(16, len(content))), *range(0, len(content), step), *range(len(content) - 8, len(content))})


@pytest.mark.parametrize("name", PACKINGS)
def test_packed(attempt, name):
    """Cut off, or with other bytes, or with more of them at the end."""
    whole = PACKINGS[name](DISK)
    assert attempt("import-raw", whole)[0] == DISK
    for at in places(whole):
        disk, said = attempt("import-raw", whole[:at])
        # At the end of a member that could be all, which nobody can tell; not even the first byte is an image of its own.
        assert disk is None or (len(disk) < len(DISK) and ("-" in name or at < 16)), f"cut at {at} of {len(whole)}"
        bad = bytearray(whole)
        bad[at] ^= 0x41
        disk, said = attempt("import-raw", bytes(bad))
        # Who damages the mark at the beginning makes a disk of something else.
        assert disk in (None, DISK) or (at < 6 and disk.startswith(bytes(bad))), f"other byte at {at} of {len(whole)}: {said}"
    disk, said = attempt("import-raw", whole + b"nonsense behind it" * 40)
    assert disk in (None, DISK), said


@pytest.mark.parametrize("options", ["compat=1.1", "compat=0.10", "compression_type=zstd", "extended_l2=on,cluster_size=16k",
                                     "cluster_size=512"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_qcow2(attempt, scratch, options, packed):
    """It has no checksums: but its tables are looked at."""
    (scratch / "raw").write_bytes(DISK)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *["-c"] * packed, "-o", options, scratch / "raw",
                    scratch / "q"], check=True)
    whole = (scratch / "q").read_bytes()
    assert attempt("import-raw", whole)[0] == DISK
    for at in sorted({*range(0, 112, 3), *places(whole, 16)}):
        for change in (0x41, 0xff):
            bad = bytearray(whole)
            bad[at] ^= change
            disk, _ = attempt("import-raw", bytes(bad), "--max-ratio=2")
            assert disk is None or at < 4 or disk == b"large" or len(disk) % 512 == 0
        disk, said = attempt("import-raw", whole[:at])
        # The last cluster of a file may be shorter than the others: what is behind its end is zeroes.
        assert disk in (None, DISK) or at < 4 or len(whole) - at < 512, f"cut at {at} of {len(whole)}: {said}"


def header(size, l1_size, l1_at, cluster_bits=16, version=3, extra=b""):
    """The beginning of a qcow2 image."""
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, 0, 0, cluster_bits, size, 0, l1_size, l1_at, 0, 0, 0, 0)
    head += struct.pack(">QQQII", 0, 0, 0, 4, 104 + len(extra)) if version == 3 else b""
    return head + extra


def qcow2(size, l1, l2, cluster_bits=16, length=None):
    """An image with one table of each kind: their entries."""
    cluster = 1 << cluster_bits
    table = b"".join(struct.pack(">Q", e) for e in l1)
    entries = b"".join(struct.pack(">Q", e) for e in l2)
    whole = header(size, len(l1), cluster, cluster_bits).ljust(cluster, b"\0") + table.ljust(cluster, b"\0") + entries.ljust(
        cluster, b"\0") + b"data".ljust(cluster, b"d")
    return whole if length is None else whole[:length]


COPIED = 1 << 63
ONE = 1 << 16
LIES = {
    "no-table": header(1 << 30, 0, 0),
    "table-nowhere": header(1 << 30, 2, 1 << 50),
    "table-in-the-header": header(1 << 20, 1, 0),
    "table-not-aligned": qcow2(1 << 20, [2 * ONE + 512 | COPIED], []),
    "table-too-small": qcow2(1 << 40, [2 * ONE | COPIED], []),
    "table-huge": header(1 << 62, 1 << 31, ONE) + bytes(ONE),
    "size-huge": header(2 ** 63 - 512, 1, ONE) + bytes(2 * ONE),
    "size-negative": header(2 ** 64 - 512, 1, ONE) + bytes(2 * ONE),
    "clusters-tiny": header(1 << 20, 1, 512, 3) + bytes(ONE),
    "clusters-huge": header(1 << 20, 1, 512, 63) + bytes(ONE),
    "cluster-nowhere": qcow2(1 << 20, [2 * ONE | COPIED], [1 << 50 | COPIED]),
    "cluster-behind-the-end": qcow2(1 << 20, [2 * ONE | COPIED], [3 * ONE | COPIED], length=3 * ONE),
    "cluster-not-aligned": qcow2(1 << 20, [2 * ONE | COPIED], [3 * ONE + 512 | COPIED]),
    "packed-nowhere": qcow2(1 << 20, [2 * ONE | COPIED], [1 << 62 | 1 << 50]),
    "packed-nonsense": qcow2(1 << 20, [2 * ONE | COPIED], [1 << 62 | 3 * ONE]),
    "table-is-its-own-cluster": qcow2(1 << 20, [ONE | COPIED], []),
    "version-1": header(1 << 20, 1, ONE, version=1) + bytes(2 * ONE),
    "version-9": header(1 << 20, 1, ONE, version=9) + bytes(2 * ONE),
    "extension-endless": header(1 << 20, 1, ONE, extra=b"") + struct.pack(">II", 0x12345678, 0xffffffff) + bytes(2 * ONE),
}


@pytest.mark.parametrize("name", LIES)
def test_qcow2_that_lies(attempt, name):
    disk, said = attempt("import-raw", LIES[name])
    assert disk is None or name in ("extension-endless", "table-is-its-own-cluster", "table-in-the-header"), "believed"
    assert disk is not None or ("damaged" in said or "qcow2" in said or "disk" in said or "fit" in said), said


def test_qcow2_of_one_cluster_again_and_again(attempt):
    """A few kilobytes that say they are a disk of half a gigabyte without a hole."""
    disk, said = attempt("import-raw", qcow2(8192 * ONE, [2 * ONE | COPIED], [3 * ONE | COPIED] * 8192))
    assert disk is None and "--max-ratio" in said, said


@pytest.mark.parametrize("packer", [["lz4", "-9", "-c"], ["gzip", "-9", "-c"], ["zstd", "-q", "-c"]], ids=lambda p: p[0])
def test_ones_by_the_gigabyte(attempt, scratch, packer):
    """What takes room without end is not unpacked to its end; twice packed is packed once."""
    ones = b"\1" * (100 << 20)
    packed = subprocess.run(packer, input=ones, stdout=subprocess.PIPE, check=True).stdout
    again = subprocess.run(packer, input=packed, stdout=subprocess.PIPE, check=True).stdout
    if len(ones) / len(packed) > 256:
        disk, said = attempt("import-raw", packed)
        assert disk is None and "--max-ratio" in said
    assert attempt("import-raw", again)[0] is not None


def test_archive_in_each_packing(attempt, scratch, program, pool):
    """The same for trees: what comes out is the whole tree, or nothing."""
    tar = archives.write(scratch / "tar", [archives.file(f"f{i}", os.urandom(3000)) for i in range(10)]).read_bytes()
    subprocess.run([program("skep-import"), "-q", f"--image-root={pool}", "import-tar", scratch / "tar", "good"], check=True)
    good = {n: (pool / "good" / n).read_bytes() for n in os.listdir(pool / "good")}
    for name, pack in PACKINGS.items():
        whole = pack(tar)
        for at in places(whole, 8)[8:]:
            bad = bytearray(whole)
            bad[at] ^= 0x55
            (scratch / "x").write_bytes(bad)
            done = subprocess.run([program("skep-import"), "-q", f"--image-root={pool}", "--sync=no", "--force", "import-tar",
                                   scratch / "x", "web"], stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode == 0:
                assert {n: (pool / "web" / n).read_bytes() for n in os.listdir(pool / "web")} == good, (name, at)
                subprocess.run(["rm", "-rf", pool / "web"], check=True)
            assert sorted(os.listdir(pool)) == ["good"] and done.stderr.count("\n") == (done.returncode != 0), (name, at)
