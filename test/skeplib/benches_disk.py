# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benches of disks, that are imported and exported: one of 4 GiB with holes and a file system of some 240 MB, in
memory and on a fresh ext4, against Debian's importers and the usual tools. Nobody syncs: disks differ."""

import os
import shutil
import subprocess

from . import benches
from . import build
from . import taken
from . import trees
from .benches_import import PEAK, IMPORTERS, TREE, contenders, packed, pool, trixie

GiB = 1024 ** 3


def _raw():
    """The disk, as a file with holes."""
    source = trees.ext4(TREE)
    where = source.with_name(f"{source.stem}.bench-disk.raw")
    if not where.exists():
        new = where.with_name(where.name + ".new")
        subprocess.run(["cp", "--sparse=always", source, new], check=True)
        os.truncate(new, 4 * GiB)
        new.rename(where)
    return where


def _qcow2(name, *options):
    raw = _raw()
    if shutil.which("qemu-img") is None:
        raise taken.CannotRun("qemu-img is not installed")
    where = raw.with_name(f"{raw.stem}-{name}.qcow2")
    if not where.exists():
        new = where.with_name(where.name + ".new")
        subprocess.run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", *options, raw, new], check=True)
        new.rename(where)
    return where


# What is imported: what makes it, who else can, and what ours may take of that.
DISKS = {
    "raw": (_raw, dict.fromkeys(IMPORTERS, 0.15)),
    "raw-gz": (lambda: packed(_raw(), "gz", ".raw.gz", ["gzip", "-c", "-6"]), dict.fromkeys(IMPORTERS, 0.7)),
    "raw-zst": (lambda: packed(_raw(), "zst", ".raw.zst", ["zstd", "-q", "-c", "-3", "-T0"]), {"zstd --sparse": 1.0}),
    "qcow2": (lambda: _qcow2("plain"), {**dict.fromkeys(IMPORTERS, 0.3), "qemu-img": 1.0}),
    "qcow2-zlib": (lambda: _qcow2("zlib", "-c"), {**dict.fromkeys(IMPORTERS, 0.3), "qemu-img": 1.0}),
    "qcow2-zstd": (lambda: _qcow2("zstd", "-c", "-o", "compression_type=zstd"),
                   {**dict.fromkeys(IMPORTERS, 0.3), "qemu-img": 1.0}),
}


def _import(kind, place):
    def make(folder):
        top, clear = pool(folder, place)
        disk = DISKS[kind][0]()
        rows = {
            "skep-import": lambda: [build.program("skep-import"), "-q", "--sync=no", f"--image-root={top}", "import-raw",
                                    disk, "x"],
            "systemd-import 252": lambda: ["/usr/lib/systemd/systemd-import", "--sync=no", f"--image-root={top}", "raw",
                                           disk, "x"],
            "systemd-import 257": lambda: [*trixie("systemd-import"), "--sync=no", f"--image-root={top}", "raw",
                                           disk, "x"],
        }
        if kind == "raw-zst":
            # They know no zstd and take it for a disk.
            del rows["systemd-import 252"], rows["systemd-import 257"]
        if kind == "raw":
            rows["cp --sparse=always"] = lambda: ["cp", "--sparse=always", disk, top / "plain"]
        if kind == "raw-zst":
            rows["zstd --sparse"] = lambda: ["zstd", "-q", "-d", "--sparse", disk, "-o", top / "plain"]
        if kind.startswith("qcow2"):
            rows["qemu-img"] = lambda: ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, top / "plain"]
        return contenders(rows, clear)

    return make


EXPORTS = {"raw": ("uncompressed", "cp --sparse=always"), "gz": ("gzip", "pigz"), "zst": ("zstd", "zstd -q -T0")}


def _export(packing, place):
    form, packer = EXPORTS[packing]

    def make(folder):
        top, clear = pool(folder, place)
        clear()
        subprocess.run(["cp", "--sparse=always", _raw(), top / "x.raw"], check=True)
        target = top.parent / "out"
        script = ('mkdir -p /var/lib/machines && mount --bind "$0" /var/lib/machines && exec '
                  f'/usr/lib/systemd/systemd-export raw --format={form} x "$1"')
        plain = ["cp", "--sparse=always", top / "x.raw", target]
        rows = {
            "skep-import": [build.program("skep-import"), "-q", "--sync=no", f"--image-root={top}", "export-raw",
                            f"--format={form}", "x", target],
            packer: plain if packing == "raw" else ["sh", "-c", f'{packer} < "$0" > "$1"', top / "x.raw", target],
            "systemd-export 252": ["unshare", "-m", "sh", "-c", script, top, target],
        }
        return contenders({name: lambda argv=argv: argv for name, argv in rows.items()},
                          lambda: target.unlink(missing_ok=True))

    return make


BENCHES = (
    *(benches.Bench(f"import-{k}{suffix}", f"a disk of 4 GiB with 240 MB on it from {k}, {where}", "ms", 3,
                    _import(k, place), targets=DISKS[k][1], peak=PEAK)
      for place, suffix, where in (("memory", "", "into memory"), ("ext4", "-ext4", "onto a fresh ext4"))
      for k in DISKS),
    *(benches.Bench(f"export-disk-{p}{suffix}", f"a disk of 4 GiB with 240 MB on it to {p}, {where}", "ms", 3,
                    _export(p, place), targets={} if p == "raw" else {EXPORTS[p][1]: 1.0}, peak=PEAK)
      for place, suffix, where in (("memory", "", "in memory"), ("ext4", "-ext4", "on a fresh ext4"))
      for p in EXPORTS),
)
