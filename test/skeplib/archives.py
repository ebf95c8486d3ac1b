# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archives made entry by entry, also such as no archiver would write, and trees compared in all that
an archive can hold."""

import hashlib
import io
import os
import stat
import struct
import subprocess
import tarfile

PACKERS = {
    "none": None,
    "gz": ["gzip", "-c"],
    "bz2": ["bzip2", "-c"],
    "xz": ["xz", "-c", "-1"],
    "zst": ["zstd", "-q", "-c"],
}
SUFFIXES = {"none": ".tar", "gz": ".tar.gz", "bz2": ".tar.bz2", "xz": ".tar.xz", "zst": ".tar.zst"}


def directory(name, **more):
    """An entry for write()."""
    return {"name": name, "type": tarfile.DIRTYPE, "mode": 0o755, **more}


def file(name, data=b"", **more):
    """An entry for write()."""
    return {"name": name, "type": tarfile.REGTYPE, "data": data, "mode": 0o644, **more}


def symlink(name, target, **more):
    """An entry for write()."""
    return {"name": name, "type": tarfile.SYMTYPE, "linkname": target, "mode": 0o777, **more}


def hardlink(name, target, **more):
    """An entry for write()."""
    return {"name": name, "type": tarfile.LNKTYPE, "linkname": target, "mode": 0o644, **more}


def node(name, kind, major=0, minor=0, **more):
    """An entry for write(); @kind is "c", "b" or "p"."""
    types = {"c": tarfile.CHRTYPE, "b": tarfile.BLKTYPE, "p": tarfile.FIFOTYPE}
    return {"name": name, "type": types[kind], "devmajor": major, "devminor": minor, "mode": 0o644,
            **more}


def write(path, entries, packed="none", fmt=tarfile.PAX_FORMAT):
    """Write an archive of @entries. Return: @path."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=fmt) as tar:
        for entry in entries:
            info = tarfile.TarInfo()
            data = entry.get("data")
            for key, value in entry.items():
                if key != "data":
                    setattr(info, key, value)
            if data is not None and "size" not in entry:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    path.write_bytes(pack(raw.getvalue(), packed))
    return path


def pack(data, packed):
    """Bytes packed by the program of that name."""
    if PACKERS[packed] is None:
        return data
    return subprocess.run(PACKERS[packed], input=data, stdout=subprocess.PIPE, check=True).stdout


def acl(*entries):
    """The value of system.posix_acl_*: entries are (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


def capability(*numbers):
    """The value of security.capability: permitted and effective."""
    bits = sum(1 << n for n in numbers)
    return struct.pack("<IIIII", 0x02000001, bits & 0xffffffff, 0, bits >> 32, 0)


def describe(top, nanoseconds=True, xattrs=True):
    """All about a tree: {path: (…)}. Two trees are the same if these are."""
    found, inodes = {}, {}
    for folder, folders, files in os.walk(top):
        for name in ["."] * (folder == str(top)) + folders + files:
            path = os.path.normpath(os.path.join(folder, name))
            found[os.path.relpath(path, top)] = _one(path, inodes, top, nanoseconds, xattrs)
    return found


def _one(path, inodes, top, nanoseconds, xattrs):
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    same = inodes.setdefault((status.st_dev, status.st_ino), os.path.relpath(path, top))
    content = None
    if kind == stat.S_IFREG:
        with open(path, "rb") as f:
            content = hashlib.file_digest(f, "sha256").hexdigest()
    elif kind == stat.S_IFLNK:
        content = os.readlink(path)
    mtime = status.st_mtime_ns if nanoseconds else status.st_mtime_ns // 10 ** 9
    attributes = {}
    if xattrs:
        attributes = {n: os.getxattr(path, n, follow_symlinks=False)
                      for n in os.listxattr(path, follow_symlinks=False)}
    return (oct(status.st_mode), status.st_uid, status.st_gid, mtime, status.st_rdev,
            status.st_size if kind == stat.S_IFREG else None,
            None if kind == stat.S_IFDIR else (status.st_nlink, same), content, attributes)
