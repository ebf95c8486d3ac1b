# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benches of archives that become trees, and of trees that become archives: a tree of some 240 MB, in memory and on
a fresh ext4, against Debian's importers and the usual pipes. Nobody syncs: disks differ."""

import os
import shutil
import stat
import subprocess

from . import benches
from . import build
from . import taken
from . import trees

TREE = "bookworm-lab"
PEAK = 64       # MB that all processes of an import may have together; of xz, what its blocks need

# How the archive is packed: its suffix, the packer, and pipes that people use instead.
PACKINGS = {
    "tar": (".tar", None, {}),
    "gz": (".tar.gz", ["gzip", "-c", "-6"], {"igzip | bsdtar": "igzip -dc", "pigz | tar": "pigz -dc"}),
    "zst": (".tar.zst", ["zstd", "-q", "-c", "-3", "-T0"], {"zstd | tar": "zstd -dc"}),
    "zst-frames": (".tar.zst", ["pzstd", "-q", "-c", "-3"], {"pzstd | tar": "pzstd -q -dc"}),
    "xz": (".tar.xz", ["xz", "-c", "-6", "-T1"], {}),
    "xz-blocks": (".tar.xz", ["xz", "-c", "-6", "-T2", "--block-size=8MiB"], {"xz -T0 | tar": "xz -T0 -dc"}),
    "bz2": (".tar.bz2", ["bzip2", "-c"], {"lbzip2 | tar": "lbzip2 -dc"}),
    "lz4": (".tar.lz4", ["lz4", "-q", "-c"], {"lz4 | tar": "lz4 -q -dc"}),
}

# What ours may take of what others do.
IMPORTERS = ("systemd-import 252", "systemd-import 257")
TARGETS = {
    "tar": {},
    "gz": {**dict.fromkeys(IMPORTERS, 0.7), "igzip | bsdtar": 1.0},
    "zst": {"bsdtar": 1.0},
    "zst-frames": {"bsdtar": 1.0},
    "xz": {},
    # Debian 13 unpacks with another library.
    "xz-blocks": {"systemd-import 252": 0.6},
    "bz2": dict.fromkeys(IMPORTERS, 0.5),
    "lz4": {"bsdtar": 1.0},
}


def packed(plain, name, suffix, packer):
    """A file packed as @packer does it, once for all runs to come."""
    if shutil.which(packer[0]) is None:
        raise taken.CannotRun(f"{packer[0]} is not installed")
    where = plain.with_name(f"{plain.stem}.bench-{name}{suffix}")
    if not where.exists():
        new = where.with_name(where.name + ".new")
        with open(plain, "rb") as source, open(new, "wb") as target:
            subprocess.run(packer, stdin=source, stdout=target, check=True)
        new.rename(where)
    return where


def _archive(packing):
    suffix, packer, _ = PACKINGS[packing]
    plain = trees.tar(TREE)
    return plain if packer is None else packed(plain, packing, suffix, packer)


def trixie(program):
    """Debian 13's program with Debian 13's libraries."""
    top = trees.tree("trixie-lab")
    path = top / "usr/lib/systemd" / program
    if not path.exists():
        raise taken.CannotRun(f"{path} is missing")
    libraries = top / "usr/lib/x86_64-linux-gnu"
    return [top / "usr/lib64/ld-linux-x86-64.so.2", "--library-path", f"{libraries}:{libraries}/systemd", path]


def pool(folder, place):
    """Where images come. Return: (its path, what empties it)."""
    path = (folder if place == "memory" else benches.on_ext4(folder)) / "pool"

    def clear():
        if path.exists():
            subprocess.run(["rm", "-rf", path], check=True)
        path.mkdir()

    return path, clear


def contenders(rows, prepare, figure=taken.timed):
    """From {name: what makes a command}, so that what cannot be made is missing and not fatal."""
    def late(make, kind):
        made = []

        def run():
            if not made:
                made.append(kind(make(), prepare=prepare))
            return made[0]()

        return run

    return [benches.Contender(name, late(argv, figure), late(argv, taken.peak) if figure is taken.timed else None)
            for name, argv in rows.items()]


def _import(packing, place, figure=taken.timed):
    def make(folder):
        top, clear = pool(folder, place)
        archive = _archive(packing)
        into = top / "plain"
        rows = {
            "skep-import": lambda: [build.program("skep-import"), "-q", "--sync=no", f"--image-root={top}", "import-tar",
                                    archive, "x"],
            "systemd-import 252": lambda: ["/usr/lib/systemd/systemd-import", "--sync=no", f"--image-root={top}", "tar",
                                           archive, "x"],
            "systemd-import 257": lambda: [*trixie("systemd-import"), "--sync=no", f"--image-root={top}", "tar",
                                           archive, "x"],
            "bsdtar": lambda: ["sh", "-c", 'mkdir "$0" && exec bsdtar -C "$0" --numeric-owner -xpf "$1"', into, archive],
            "GNU tar": lambda: ["sh", "-c", 'mkdir "$0" && exec tar -C "$0" --numeric-owner -xpf "$1"', into, archive],
        }
        for name, unpack in PACKINGS[packing][2].items():
            tar = name.rsplit(" ", 1)[1]
            rows[name] = lambda unpack=unpack, tar=tar: [
                "bash", "-c", f'set -o pipefail; mkdir "$0" && {unpack} "$1" | {tar} -C "$0" --numeric-owner -xpf -',
                into, archive]
        return contenders(rows, clear, figure)

    return make


def _least_calls():
    """What a tree takes of calls at the least: a name is made and gets its time; a file is opened, written in blocks,
    and closed; a directory is entered, and opened for its time when it is full; who is not root is told so."""
    top = trees.tree(TREE)
    n = 0
    for path, directories, files in os.walk(top):
        for name in directories + files:
            st = os.lstat(os.path.join(path, name))
            n += st.st_uid != 0 or st.st_gid != 0
            if stat.S_ISREG(st.st_mode):
                n += 3 + -(-st.st_size // (256 * 1024)) + (st.st_mode & 0o7000 != 0)
            elif stat.S_ISDIR(st.st_mode):
                n += 6
            else:
                n += 2
    return n


def _calls(folder):
    return [*_import("tar", "memory", taken.calls)(folder), benches.Contender("the least (reckoned)", _least_calls)]


EXPORTS = {
    "tar": ("uncompressed", "cat"), "gz": ("gzip", "pigz"), "zst": ("zstd", "zstd -q -T0"), "xz": ("xz", "xz -T0"),
    "bz2": ("bzip2", "lbzip2"), "lz4": ("lz4", "lz4 -q -c"),
}


def _export(packing, place):
    form, packer = EXPORTS[packing]

    def make(folder):
        top, clear = pool(folder, place)
        clear()
        (top / "x").mkdir()
        subprocess.run(["tar", "-C", top / "x", "--numeric-owner", "-xpf", trees.tar(TREE)], check=True)
        target = top.parent / "out"
        # systemd-export knows no other pool.
        script = ('mkdir -p /var/lib/machines && mount --bind "$0" /var/lib/machines && exec '
                  f'/usr/lib/systemd/systemd-export tar --format={form} x "$1"')
        rows = {
            "skep-import": [build.program("skep-import"), "-q", "--sync=no", f"--image-root={top}", "export-tar",
                            f"--format={form}", "x", target],
            f"tar | {packer}": ["bash", "-c", f'set -o pipefail; tar -C "$0" --numeric-owner --xattrs --acls -c . | '
                                f'{packer} > "$1"', top / "x", target],
            "bsdtar": ["bsdtar", "-C", top / "x", "--numeric-owner", *([] if packing == "tar" else [f"--{form}"]), "-cf",
                       target, "."],
            "systemd-export 252": ["unshare", "-m", "sh", "-c", script, top, target],
        }
        return contenders({name: lambda argv=argv: argv for name, argv in rows.items()},
                          lambda: target.unlink(missing_ok=True))

    return make


def _targets(packing):
    return {f"tar | {EXPORTS[packing][1]}": 1.0}


BENCHES = (
    *(benches.Bench(f"import-{p}{suffix}", f"a tree of 240 MB from {p}, {where}", "ms", 3, _import(p, place),
                    targets=TARGETS[p], peak=0 if p.startswith("xz") else PEAK)
      for place, suffix, where in (("memory", "", "into memory"), ("ext4", "-ext4", "onto a fresh ext4"))
      for p in PACKINGS),
    benches.Bench("import-calls", "the calls of the kernel for that, from tar", "calls", 1, _calls,
                  targets={"the least (reckoned)": 1.3}),
    *(benches.Bench(f"export-{p}{suffix}", f"a tree of 240 MB to {p}, {where}", "ms", 3, _export(p, place),
                    targets=_targets(p), peak=0 if p.startswith("xz") else PEAK)
      for place, suffix, where in (("memory", "", "in memory"), ("ext4", "-ext4", "on a fresh ext4"))
      for p in EXPORTS),
)
