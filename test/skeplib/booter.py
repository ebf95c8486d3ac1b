# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boots a tree as a test host. boot() is the only way in, and says which booter is used."""

import itertools
import os
import subprocess

from . import kernel

_counter = itertools.count(1)

# What makes a file system tree look like a host to systemd, with nothing held back: a lab boots
# machines of its own.
_STAGE = r"""
set -e
root=$1 share=$2
mount --make-rprivate /
mount --rbind "$root" "$root"
cd "$root"
mkdir -p proc sys dev run tmp srv/skep
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 dev dev
for n in null zero full random urandom tty fuse loop-control net/tun; do
        [ -e /dev/$n ] || continue
        mkdir -p dev/${n%/*} 2>/dev/null || :
        rm -rf dev/$n; mkdir -p $(dirname dev/$n); : >dev/$n; mount --bind /dev/$n dev/$n
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
: >dev/console; mount --bind /dev/null dev/console
mount -t tmpfs -o mode=0755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount --bind -o ro "$share" srv/skep
mount -o remount,bind,ro "$root/srv/skep"
ip link set lo up
hostname "$3"
pivot_root . .
umount -l .
exec env -i container=skep-lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        chroot . /usr/lib/systemd/systemd
"""


def boot(root, share, hostname, log):
    """Start systemd of the tree @root as PID 1 of a host of its own.

    @share is shown inside at /srv/skep, read-only; the file @log takes what the booter has to say.
    Return: (process to kill, cgroup folder to remove)."""
    return _boot_by_hand(root, share, hostname, log)


def _boot_by_hand(root, share, hostname, log):
    cgroup = kernel.cgroup2_mount() / kernel.cgroup_of().lstrip("/")
    cgroup = cgroup / f"skep-lab-{os.getpid()}-{next(_counter)}"
    cgroup.mkdir()
    procs = str(cgroup / "cgroup.procs")

    def enter():
        kernel.die_with_parent()
        with open(procs, "w", encoding="ascii") as f:
            f.write("0")

    argv = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork",
            "--kill-child", "--", "sh", "-c", _STAGE, "sh", str(root), str(share), hostname]
    with open(log, "wb") as f:
        process = subprocess.Popen(argv, preexec_fn=enter, stdin=subprocess.DEVNULL, stdout=f,
                                   stderr=f)
    return process, cgroup
