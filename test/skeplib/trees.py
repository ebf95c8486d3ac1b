# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian trees and archives of them, made and cached by tools/tree."""

import functools
import pathlib
import subprocess

from . import TOP
from . import kernel


@functools.lru_cache(maxsize=None)
def tree(name):
    """Path of a cached tree. It cannot be written to: use overlay() for a copy that can be."""
    kernel.scratch_dir()
    path = pathlib.Path(_run(name))
    kernel.mount(path, path, None, kernel.MS_BIND)
    kernel.mount(None, path, None, kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY)
    return path


@functools.lru_cache(maxsize=None)
def tar(name, packed="none"):
    """Path of an archive of a tree; @packed is none, gz, xz, zst or bz2."""
    return pathlib.Path(_run(name, f"--tar={packed}"))


@functools.lru_cache(maxsize=None)
def ext4(name):
    """Path of a file system image of a tree, to be mounted read-only."""
    return pathlib.Path(_run(name, "--ext4"))


def overlay(where, *lowers):
    """Mount a writable view of @lowers (topmost first) below the folder @where.

    Return: the merged folder. It lives in memory and goes with this process's mounts."""
    where = pathlib.Path(where)
    assert kernel.scratch_dir() in where.parents
    for part in ("upper", "work", "root"):
        (where / part).mkdir(parents=True)
    stack = ":".join(str(p) for p in lowers)
    kernel.mount("skep-overlay", where / "root", "overlay", 0,
                 f"lowerdir={stack},upperdir={where}/upper,workdir={where}/work")
    return where / "root"


def _run(*argv):
    out = subprocess.run([TOP / "tools/tree", *argv], stdout=subprocess.PIPE, check=True, text=True)
    return out.stdout.strip()
