# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes disk images, for tests: file systems with a tree in them, partition tables with those in them."""

import os
import pathlib
import subprocess

MiB = 1024 * 1024

# Types of a GPT, as the Discoverable Partitions Specification has them for x86-64.
ROOT = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
ROOT_ARM64 = "b921b045-1df0-41c3-af44-4c6f280d3fae"
ROOT_X86 = "44479540-f297-41b2-9af7-d131d5f0458a"
USR = "8484680c-9521-48c6-9c11-b0720656f69e"
HOME = "933ac7e1-2eb4-4f13-b844-0e14e2aef915"
SRV = "3b8f8425-20e0-4f3b-907f-1a25a76f98e8"
VAR = "4d21b016-b534-45c2-a9fb-5c16e091fd2d"
TMP = "7ec6f557-3bc5-4aca-b293-16ef5df639d1"
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
XBOOTLDR = "bc13c2ff-59e6-4262-a352-b275fd6f7172"
SWAP = "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"

READ_ONLY, GROWFS, NO_AUTO = 60, 59, 63


def run(*argv, **options):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **options)
    assert done.returncode == 0, f"{argv}: {done.stdout}"


def file_system(where, kind, tree=None, size=64 * MiB):
    """Make the file @where hold a file system of the @kind with a copy of @tree in it. Return: its path."""
    where = pathlib.Path(where)
    if kind in ("squashfs", "erofs"):
        if kind == "squashfs":
            run("mksquashfs", tree, where, "-quiet", "-no-progress")
        else:
            run("mkfs.erofs", where, tree)
        return where
    with open(where, "wb") as f:
        f.truncate(size)
    if kind == "ext4":
        run("mkfs.ext4", "-q", "-F", *(["-d", tree] if tree else []), where)
    elif kind == "btrfs":
        run("mkfs.btrfs", "-q", *(["-r", tree] if tree else []), where)
    elif kind == "vfat":
        run("mkfs.vfat", where)
    elif kind == "xfs":
        run("mkfs.xfs", "-q", where)
        if tree:
            fill(where, tree)
    else:
        raise ValueError(kind)
    return where


def fill(image, tree):
    """Copy a tree into a file system that has to be mounted for that."""
    point = pathlib.Path(f"{image}.mounted")
    point.mkdir()
    run("mount", "-o", "loop", image, point)
    try:
        run("cp", "-a", f"{tree}/.", point)
    finally:
        run("umount", point)
        point.rmdir()


def _units(size):
    return -(-size // MiB)


def _put(image, parts, first=1):
    """Write the contents of partitions one after the other. Return: lines for sfdisk, but for the type."""
    lines, start = [], first
    for content, size in parts:
        size = _units(max(size or 0, os.path.getsize(content) if content else 0)) or 1
        lines.append(f"start={start * 2048}, size={size * 2048}")
        if content:
            run("dd", f"if={content}", f"of={image}", "bs=1M", f"seek={start}", "conv=notrunc,sparse")
        start += size
    return lines, start


def gpt(where, *parts):
    """Make a GPT image. Each part is (type, content or None, options): size=bytes, name=, bits=[…]."""
    where = pathlib.Path(where)
    parts = [(p[0], p[1], p[2] if len(p) > 2 else {}) for p in parts]
    where.touch()
    lines, end = _put(where, [(content, o.get("size")) for _, content, o in parts])
    with open(where, "r+b") as f:
        f.truncate((end + 1) * MiB)
    script = ["label: gpt"]
    for line, (kind, _, o) in zip(lines, parts):
        line += f", type={kind}"
        if "name" in o:
            line += f', name="{o["name"]}"'
        if o.get("bits"):
            line += ', attrs="GUID:' + ",".join(str(b) for b in o["bits"]) + '"'
        script.append(line)
    run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", where, input="\n".join(script) + "\n")
    return where


def mbr(where, *parts):
    """Make an MBR image. Each part is (type in hexadecimal digits, content or None, bootable)."""
    where = pathlib.Path(where)
    where.touch()
    lines, end = _put(where, [(content, None) for _, content, _ in parts])
    with open(where, "r+b") as f:
        f.truncate(end * MiB)
    script = ["label: dos"] + [f"{line}, type={kind}{', bootable' if bootable else ''}"
                               for line, (kind, _, bootable) in zip(lines, parts)]
    run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", where, input="\n".join(script) + "\n")
    return where


def loops(path):
    """Loop devices that are over the file @path, or over files below the folder @path."""
    found = []
    for entry in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            backing = entry.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue
        if backing.startswith(str(path)) or os.path.basename(backing) == os.path.basename(path):
            found.append(entry.parts[3])
    return found


def can_mount(kind):
    """Whether this kernel has a file system."""
    with open("/proc/filesystems", encoding="ascii") as f:
        return kind in f.read().split()
