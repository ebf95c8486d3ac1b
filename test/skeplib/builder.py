# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compiling for another release of Debian than this host's: in a tree of that release, which has what a build needs."""

import os
import pathlib
import sys

from . import TOP
from . import kernel
from . import trees

# The oldest release that labs are of: what is compiled for it runs in all of them.
OLDEST = "bookworm"
_OLDEST_LIBC = (2, 36)


def newer_than_labs():
    """Whether this host's C library is too new for programs compiled with it to run in every lab."""
    version = os.confstr("CS_GNU_LIBC_VERSION").rpartition(" ")[2]
    return tuple(int(part) for part in version.split(".")[:2]) > _OLDEST_LIBC


def other_suite():
    """The release of Debian that this host is not."""
    text = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    return OLDEST if "VERSION_CODENAME=trixie" in text.splitlines() else "trixie"


def inside(suite):
    """What to put before a command to run it in the tree of @suite, in the checkout, which is at its place there."""
    return "env", f"PYTHONPATH={TOP}/test", "/usr/bin/python3", "-m", "skeplib.builder", suite


def main(suite, *command):
    root = trees.overlay(kernel.scratch_dir() / "builder", trees.tree(f"{suite}-build"))
    shown = [TOP, pathlib.Path("/proc"), pathlib.Path("/dev"), pathlib.Path("/sys")]
    compiled = pathlib.Path(os.environ.get("CCACHE_DIR") or kernel.cache_dir().parent / "ccache")
    if compiled.is_dir():
        shown.append(compiled)
    for path in shown:
        below = root / path.relative_to("/")
        below.mkdir(parents=True, exist_ok=True)
        kernel.mount(path, below, None, kernel.MS_BIND | kernel.MS_REC)
    os.chroot(root)
    os.chdir(TOP)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
