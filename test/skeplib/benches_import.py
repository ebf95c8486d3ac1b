# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benches of imports and exports: a tree of some 240 MB, in memory and on a fresh ext4, against Debian's importers
and the usual pipes. Nobody syncs: disks differ."""

import os
import shutil
import subprocess

from . import benches
from . import build
from . import trees

TREE = "bookworm-lab"

# How the archive is packed: its suffix, the packer, and pipes that people use instead.
PACKINGS = {
    "tar": (".tar", None, {}),
    "gz": (".tar.gz", ["gzip", "-c", "-6"], {"igzip | bsdtar": "igzip -dc", "pigz | tar": "pigz -dc"}),
    "zst": (".tar.zst", ["zstd", "-q", "-c", "-3", "-T0"], {"zstd | tar": "zstd -dc"}),
    "zst-frames": (".tar.zst", ["pzstd", "-q", "-c", "-3"], {"pzstd | tar": "pzstd -q -dc"}),
    "xz": (".tar.xz", ["xz", "-c", "-6", "-T1"], {}),
    "xz-blocks": (".tar.xz", ["xz", "-c", "-6", "-T2", "--block-size=8MiB"], {"xz -T0 | tar": "xz -T0 -dc"}),
    "bz2": (".tar.bz2", ["bzip2", "-c"], {"lbzip2 | tar": "lbzip2 -dc"}),
}


def _archive(packing):
    """The archive, packed once for all runs to come."""
    suffix, packer, _ = PACKINGS[packing]
    plain = trees.tar(TREE)
    if packer is None:
        return plain
    if shutil.which(packer[0]) is None:
        raise benches.CannotRun(f"{packer[0]} is not installed")
    where = plain.with_name(f"{plain.stem}.bench-{packing}{suffix}")
    if not where.exists():
        new = where.with_name(where.name + ".new")
        with open(plain, "rb") as source, open(new, "wb") as target:
            subprocess.run(packer, stdin=source, stdout=target, check=True)
        new.rename(where)
    return where


def _trixie(program):
    """Debian 13's program with Debian 13's libraries."""
    top = trees.tree("trixie-lab")
    path = top / "usr/lib/systemd" / program
    if not path.exists():
        raise benches.CannotRun(f"{path} is missing")
    libraries = top / "usr/lib/x86_64-linux-gnu"
    return [top / "usr/lib64/ld-linux-x86-64.so.2", "--library-path", f"{libraries}:{libraries}/systemd", path]


def _pool(folder, place):
    pool = (folder if place == "memory" else benches.on_ext4(folder)) / "pool"

    def clear():
        if pool.exists():
            subprocess.run(["rm", "-rf", pool], check=True)
        pool.mkdir()

    return pool, clear


def _peak(argv, prepare):
    """A run: the most memory that a command or one of its children had, in kB."""
    def run():
        prepare()
        with open("/dev/null", "r+b") as null:
            pid = os.posix_spawn(shutil.which(str(argv[0])), [str(a) for a in argv], os.environ,
                                 file_actions=[(os.POSIX_SPAWN_DUP2, null.fileno(), n) for n in range(3)])
        _, status, usage = os.wait4(pid, 0)
        if status:
            raise benches.CannotRun(f"{argv[0]} ended with status {status}")
        return usage.ru_maxrss

    return run


def _late(make):
    """A run that is made when it is first run, so that what cannot be made is missing and not fatal."""
    made = []

    def run():
        if not made:
            made.append(make())
        return made[0]()

    return run


def _import(packing, place, figure=benches.timed):
    def contenders(folder):
        pool, clear = _pool(folder, place)
        archive = _archive(packing)
        into = pool / "plain"
        rows = {
            "skep-import": lambda: [build.program("skep-import"), "-q", "--sync=no", f"--image-root={pool}", "import-tar",
                                    archive, "x"],
            "systemd-import 252": lambda: ["/usr/lib/systemd/systemd-import", "--sync=no", f"--image-root={pool}", "tar",
                                           archive, "x"],
            "systemd-import 257": lambda: [*_trixie("systemd-import"), "--sync=no", f"--image-root={pool}", "tar",
                                           archive, "x"],
            "bsdtar": lambda: ["sh", "-c", 'mkdir "$0" && exec bsdtar -C "$0" --numeric-owner -xpf "$1"', into, archive],
            "GNU tar": lambda: ["sh", "-c", 'mkdir "$0" && exec tar -C "$0" --numeric-owner -xpf "$1"', into, archive],
        }
        for name, unpack in PACKINGS[packing][2].items():
            tar = name.rsplit(" ", 1)[1]
            rows[name] = lambda unpack=unpack, tar=tar: [
                "bash", "-c", f'set -o pipefail; mkdir "$0" && {unpack} "$1" | {tar} -C "$0" --numeric-owner -xpf -',
                into, archive]
        return [benches.Contender(name, _late(lambda argv=argv: figure(argv(), prepare=clear)))
                for name, argv in rows.items()]

    return contenders


EXPORTS = {
    "tar": ("uncompressed", "cat"), "gz": ("gzip", "pigz"), "zst": ("zstd", "zstd -q -T0"), "xz": ("xz", "xz -T0"),
    "bz2": ("bzip2", "lbzip2"),
}


def _export(packing, place):
    form, packer = EXPORTS[packing]

    def contenders(folder):
        pool, clear = _pool(folder, place)
        clear()
        (pool / "x").mkdir()
        subprocess.run(["tar", "-C", pool / "x", "--numeric-owner", "-xpf", trees.tar(TREE)], check=True)
        target = pool.parent / "out"

        def forget():
            target.unlink(missing_ok=True)

        rows = {
            "skep-import": [build.program("skep-import"), "-q", "--sync=no", f"--image-root={pool}", "export-tar",
                            f"--format={form}", "x", target],
            f"tar | {packer}": ["bash", "-c", f'set -o pipefail; tar -C "$0" --numeric-owner --xattrs --acls -c . | '
                                f'{packer} > "$1"', pool / "x", target],
            "bsdtar": ["bsdtar", "-C", pool / "x", "--numeric-owner", *([] if packing == "tar" else [f"--{form}"]), "-cf",
                       target, "."],
        }
        # systemd-export knows no other pool.
        script = ('mount --bind "$0" /var/lib/machines && exec /usr/lib/systemd/systemd-export tar '
                  f'--format={form} x "$1"')
        rows["systemd-export 252"] = ["unshare", "-m", "sh", "-c", script, pool, target]
        if not os.path.isdir("/var/lib/machines") or not os.access("/usr/lib/systemd/systemd-export", os.X_OK):
            del rows["systemd-export 252"]
        return [benches.Contender(name, benches.timed(argv, prepare=forget)) for name, argv in rows.items()]

    return contenders


BENCHES = (
    *(benches.Bench(f"import-{p}", f"a tree of 240 MB from {p}, into memory", "ms", 3, _import(p, "memory"))
      for p in PACKINGS),
    *(benches.Bench(f"import-{p}-ext4", f"a tree of 240 MB from {p}, onto a fresh ext4", "ms", 3, _import(p, "ext4"))
      for p in PACKINGS),
    *(benches.Bench(f"import-{p}-peak", f"the most memory for that, from {p}", "kB", 1, _import(p, "memory", _peak))
      for p in PACKINGS),
    *(benches.Bench(f"export-{p}", f"a tree of 240 MB to {p}, in memory", "ms", 3, _export(p, "memory"))
      for p in EXPORTS),
    *(benches.Bench(f"export-{p}-ext4", f"a tree of 240 MB to {p}, on a fresh ext4", "ms", 3, _export(p, "ext4"))
      for p in EXPORTS),
)
