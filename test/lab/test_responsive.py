# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever the registry is at work on, and whoever does not answer it, it answers others at once."""

import contextlib
import json
import os
import statistics
import subprocess

import pytest

from skeplib import machine1

LAB_SUITES = ("bookworm",)

# The median of many calls, in ms, on one connection.
ASK = """
import dbus, time
m = dbus.SystemBus().get_object("org.freedesktop.machine1", "/org/freedesktop/machine1",
                                introspect=False)
took = []
for _ in range(40):
    begin = time.monotonic()
    m.ListMachines(dbus_interface="org.freedesktop.machine1.Manager")
    took.append((time.monotonic() - begin) * 1000)
print(*took)
"""

# Mounts what will never answer.
MOUNT = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"hung", sys.argv[1].encode(), b"fuse", 0,
              f"fd={sys.argv[2]},rootmode=40000,user_id=0,group_id=0".encode()) != 0:
    raise OSError(ctypes.get_errno(), "mount")
"""


@pytest.fixture(scope="module", autouse=True)
def machines(lab):
    lab.add_machine("web", lab.suite + "-guest")
    lab.run("skep start web; skep wait web", timeout=90)
    lab.add_machine("box", "busybox")
    lab.run("systemd-run -q --unit=box-machine -p Type=notify -p Delegate=yes -p KillMode=mixed "
            "skep-spawn -q --keep-unit --register=yes -M box -a /bin/sleep 100000", timeout=30)


@contextlib.contextmanager
def silence(lab, where):
    """A file system whose server is there and says nothing."""
    fuse = os.open("/dev/fuse", os.O_RDWR)
    lab.run(["mkdir", "-p", where])
    mount = lab.spawn(["python3", "-c", MOUNT, where, fuse], pass_fds=(fuse,))
    try:
        assert mount.wait(timeout=20) == 0
        yield
    finally:
        # With its server gone, all who wait for it hear so.
        os.close(fuse)
        lab.run(f"umount -l {where}; rmdir {where}")


@pytest.fixture
def hung(lab):
    """An image that lies there."""
    with silence(lab, "/var/lib/machines/hung"):
        yield "hung"


def test_nobody_waits_for_others(lab, hung):
    leader = machine1.get(lab, "web", "Leader")
    lab.run("mkdir -p /var/lib/machines/big/usr; "
            "head -c 300M /dev/urandom >/var/lib/machines/big/usr/data; truncate -s 1G /root/gigabyte")
    # Somebody stops in the middle, so that all of it is under way for sure.
    lab.run(f"kill -STOP {leader}")
    busy = {
        "metadata": ["busctl", "call", machine1.NAME, machine1.PATH, machine1.MANAGER,
                     "GetImageOSRelease", "s", hung],
        "properties": ["busctl", "get-property", machine1.NAME,
                       "/org/freedesktop/machine1/image/hung", machine1.NAME + ".Image", "Usage"],
        "clone": ["busctl", "call", machine1.NAME, machine1.PATH, machine1.MANAGER, "CloneImage",
                  "ssb", hung, "clone", "false"],
        "images": ["skep", "list-images"],
        "removal": ["busctl", "call", machine1.NAME, machine1.PATH, machine1.SKEP, "RemoveImage",
                    "st", hung, "1"],
        "shell": ["skep", "shell", "web", "/bin/true"],
        "exec": ["skep", "exec", "web", "true"],
        "copy": ["skep", "copy-to", "box", "/root/gigabyte", "/gigabyte"],
        "real clone": ["skep", "clone", "big", "bigger"],
    }
    running = {what: lab.spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT) for what, command in busy.items()}
    try:
        lab.wait_for("skep operations", text="running a command")
        took = [float(word) for word in lab.out(["python3", "-c", ASK], timeout=60).split()]
        assert statistics.median(took) < 50, took
        for what in ("metadata", "properties", "clone", "removal", "images", "shell"):
            assert running[what].poll() is None, (what, running[what].stdout.read())
        assert json.loads(lab.out("skep operations --json=short"))
    finally:
        lab.run(f"kill -CONT {leader}")
        for what in ("shell", "copy", "real clone"):
            running[what].wait(timeout=60)
        lab.run("echo 1 >/sys/fs/fuse/connections/*/abort; true", check=False)
        for process in running.values():
            process.kill()
            process.wait()
    assert running["shell"].returncode == 0
    assert running["copy"].returncode == 0
    assert running["real clone"].returncode == 0


def test_who_looks_into_an_image_can_do_nothing_else(lab):
    """Seen while it waits for a file in there."""
    with silence(lab, "/var/lib/machines/slow/etc"):
        reader = lab.spawn(["busctl", "call", machine1.NAME, machine1.PATH, machine1.MANAGER, "GetImageHostname",
                            "s", "slow"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # CAP_DAC_READ_SEARCH is all there is; systemd's own filters are the daemon's, too.
        lab.wait_for("grep -h CapEff $(grep -lx skep-worker /proc/[0-9]*/comm | sed s/comm/status/)",
                     text=f"{1 << 2:016x}")
        filters = {comm: int(lab.out(f"grep -h Seccomp_filters $(grep -lx {comm} /proc/[0-9]*/comm | sed s/comm/status/)"
                                     " | sort -n -k2 | tail -1").split()[1]) for comm in ("skep-machined", "skep-worker")}
        assert filters["skep-worker"] == filters["skep-machined"] + 1
    reader.wait(timeout=60)
    lab.run("rmdir /var/lib/machines/slow")
