# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archives made entry by entry, also such as no archiver would write, and trees compared in all that
an archive can hold."""

import hashlib
import io
import os
import socket
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


def torture(top):
    """A small tree with one of everything that a tree can have. Return: @top."""
    top.mkdir()
    (top / "etc").mkdir()
    (top / "etc/os-release").write_text("ID=test\n")
    (top / "empty").touch()
    (top / "big").write_bytes(os.urandom(3_000_000))
    (top / "name with ünïcode and \\ and \n").write_text("x")
    os.fsencode(top)
    with open(os.fsencode(top) + b"/not-utf8-\xff\xfe", "wb") as f:
        f.write(b"bytes")
    for mode in (0o4755, 0o2755, 0o1777, 0o000, 0o640):
        (top / f"mode-{mode:o}").write_text(str(mode))
        os.chown(top / f"mode-{mode:o}", 1000, 2000)
        (top / f"mode-{mode:o}").chmod(mode)
        (top / f"dir-{mode:o}").mkdir()
        os.chown(top / f"dir-{mode:o}", 3000, 100000)
        (top / f"dir-{mode:o}").chmod(mode)
        (top / f"dir-{mode:o}/inside").write_text("x")
    (top / "a/b/c/d/e").mkdir(parents=True)
    (top / "a/b/c/d/e/deep").write_text("deep")
    os.link(top / "a/b/c/d/e/deep", top / "z-hard")
    (top / "a/hard-too").hardlink_to(top / "z-hard")
    (top / "sym").symlink_to("a/b")
    (top / "abs").symlink_to("/etc/passwd")
    (top / "dangling").symlink_to("x" * 200)
    os.chown(top / "sym", 5, 6, follow_symlinks=False)
    (top / "link-twice").hardlink_to(top / "sym")
    (top / ("n" * 255)).write_text("a long name")
    (top / ("\u20ac" * 85)).write_text("as long in other bytes")
    deep = top.joinpath(*["deep"] * 40)
    deep.mkdir(parents=True)
    (deep / ("f" * 200)).write_text("a long path")
    (deep / ("l" * 200)).symlink_to("../" * 300 + "x")
    (top / "big-ids").write_text("x")
    os.chown(top / "big-ids", 2 ** 32 - 2, 3_000_000_000)
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(top / "socket"))
    os.mknod(top / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with open(top / "sparse", "wb") as f:
        f.truncate(50_000_000)
        f.seek(20_000_000)
        f.write(b"in the middle")
    with open(top / "sparse-ends", "wb") as f:
        f.write(b"first")
        f.seek(8_000_000)
        f.write(b"last")
    (top / "hole").touch()
    os.truncate(top / "hole", 7_000_001)
    (top / "caps").write_text("x")
    os.setxattr(top / "caps", "security.capability", capability(10, 13))
    os.setxattr(top / "caps", "user.note", b"kept\0binary")
    entries = [(1, 6, 0xffffffff), (2, 4, 1234), (4, 4, 0xffffffff), (8, 7, 77), (16, 7, 0xffffffff),
               (32, 0, 0xffffffff)]
    for i in range(30):
        os.setxattr(top / "caps", f"user.many.{i}", os.urandom(i))
    os.setxattr(top / "a", "user.of-directory", b"=\n\x00 %41")
    os.setxattr(top / "etc", "system.posix_acl_access", acl(*entries))
    os.setxattr(top / "etc", "system.posix_acl_default", acl(*entries))
    os.setxattr(top / "etc/os-release", "system.posix_acl_access", acl(*entries))
    for folder, folders, files in os.walk(top, topdown=False):
        for i, name in enumerate(folders + files + ["."]):
            os.utime(os.path.join(folder, name), ns=(10 ** 18 + i, 10 ** 18 + 123456789 + i),
                     follow_symlinks=False)
    return top


def describe(top, nanoseconds=True, xattrs=True):
    """All about a tree: {path: (…)}. Two trees are the same if these are."""
    found, inodes = {}, {}
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in ["."] * (folder == str(top)) + sorted(folders + files):
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
