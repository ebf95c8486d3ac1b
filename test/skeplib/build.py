# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds of skep: the one whose programs the root tests run, and the installed trees that labs lay
over Debian's."""

import fcntl
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import time

from . import TOP
from . import builder


def build_dir():
    """The meson build folder under test ($SKEP_BUILD, else build/)."""
    return pathlib.Path(os.environ.get("SKEP_BUILD", TOP / "build"))


@functools.lru_cache(maxsize=None)
def program(name):
    """Path of a program in the build folder under test."""
    for found in sorted(build_dir().glob(f"src/**/{name}")):
        if found.is_file() and os.access(found, os.X_OK):
            return found
    raise FileNotFoundError(f"{name} is not in {build_dir()}: build it first (ninja -C build)")


@functools.lru_cache(maxsize=None)
def installed(replace_systemd=True, prefix="/usr"):
    """A tree of what `meson install` puts on a host.

    It is named after its content and never changed, for labs have it mounted."""
    given = os.environ.get("SKEP_LAB_ROOT" if replace_systemd else "SKEP_LAB_ROOT_BESIDE")
    if given and prefix == "/usr":
        return pathlib.Path(given)

    build = TOP / ("build-lab" + ("" if replace_systemd else "-beside")
                   + ("" if prefix == "/usr" else prefix.replace("/", "-")))
    build.mkdir(exist_ok=True)
    run = builder.inside(builder.OLDEST) if builder.newer_than_labs() else ()
    with open(build / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (build / "build.ninja").exists():
            _quiet(*run, "meson", "setup", build, TOP, f"--prefix={prefix}", "--buildtype=debugoptimized",
                   # As tools/check builds, so that what it has compiled is found in ccache.
                   "-Db_colorout=never", *(["--werror"] if os.environ.get("CI") else []),
                   "-Dtests=false", f"-Dreplace-systemd={'true' if replace_systemd else 'false'}")
        _quiet(*run, "ninja", "-C", build)
        root = build / ("root-" + _content(run, build))
        if not root.exists():
            fresh = build / "root.new"
            shutil.rmtree(fresh, ignore_errors=True)
            _quiet(*run, "meson", "install", "-C", build, "--no-rebuild", "--destdir", fresh)
            fresh.mkdir(exist_ok=True)
            fresh.rename(root)
        _sweep(build, root)
    return root


def _content(run, build):
    out = subprocess.run([*run, "meson", "introspect", "--installed", build],
                         stdout=subprocess.PIPE, check=True)
    digest = hashlib.sha256()
    for source, target in sorted(json.loads(out.stdout).items()):
        if not os.path.exists(source):  # a symlink that the build makes: its name is all of it
            digest.update(f"{target} {source}\n".encode())
            continue
        stat = os.stat(source)
        digest.update(f"{target} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    return digest.hexdigest()[:12]


def _sweep(build, keep):
    for old in build.glob("root-*"):
        if old != keep and old.stat().st_mtime < time.time() - 2 * 3600:
            shutil.rmtree(old, ignore_errors=True)


def _quiet(*argv):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(str(a) for a in argv[:8])} failed:\n{done.stdout[-4000:]}")
