# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boots a tree as a test host: with our own spawner, as one more machine of this host."""

import itertools
import os
import signal
import subprocess

from . import build
from . import kernel

_counter = itertools.count(1)


def boot(root, share, hostname, log):
    """Start systemd of the tree @root as PID 1 of a host of its own.

    @share is shown inside at /srv/skep, read-only; the file @log takes what the booter has to say.
    Return: (process to kill, cgroup folder to remove)."""
    name = f"lab-{os.getpid()}-{next(_counter)}"
    above = kernel.cgroup2_mount() / kernel.cgroup_of().lstrip("/")
    _sweep(above)
    cgroup = above / name
    cgroup.mkdir()
    procs = str(cgroup / "cgroup.procs")

    def enter():
        kernel.die_with_parent(signal.SIGTERM)
        with open(procs, "w", encoding="ascii") as f:
            f.write("0")

    argv = [build.installed() / "usr/bin/skep-spawn", "--quiet", "--boot", f"--directory={root}",
            f"--machine={name}", f"--hostname={hostname}", "--register=no", "--settings=no",
            "--console=read-only", "--kill-signal=SIGKILL",
            # Nothing is held back: a lab boots machines of its own.
            "--capability=all", "--private-network", "--api-vfs-writable=yes",
            f"--bind-ro={share}:/srv/skep:norbind"]
    argv += [f"--bind={node}" for node in ("/dev/fuse", "/dev/loop-control")
             if os.path.exists(node)]
    with open(log, "wb") as f:
        process = subprocess.Popen([str(a) for a in argv], preexec_fn=enter,
                                   stdin=subprocess.DEVNULL, stdout=f, stderr=f)
    return process, cgroup


def _sweep(above):
    """Remove what a run left that was killed before it could."""
    for old in above.glob("lab-*-*"):
        if not os.path.exists("/proc/" + old.name.split("-")[1]):
            kernel.remove_cgroup(old, patience=0)
