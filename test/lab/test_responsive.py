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

# How long calls take, in ms, on one connection, while a copy is under way: from when its first bytes are written to
# when it is no longer listed. And how many bytes it had written at the end.
ASK = """
import dbus, time
bus = dbus.SystemBus()
o = bus.get_object("org.freedesktop.machine1", "/org/freedesktop/machine1", introspect=False)
def done():
    rows = o.ListOperations(dbus_interface="org.skep.Manager1")
    return next((int(r[6]) for r in rows if r[2] == "box"), None)
took, copied, end = [], 0, time.monotonic() + 30
done()
print("ready", flush=True)
while time.monotonic() < end:
    now = done()
    if now is None and copied:
        break
    copied = max(copied, now or 0)
    if copied < 1 << 20:
        continue
    begin = time.monotonic()
    o.ListMachines(dbus_interface="org.freedesktop.machine1.Manager")
    took.append((time.monotonic() - begin) * 1000)
print(copied, *took)
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
            "yes | head -c 300M >/var/lib/machines/big/usr/data; yes | head -c 1G >/root/gigabyte")
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
        "real clone": ["skep", "clone", "big", "bigger"],
    }
    copy = ["skep", "copy-to", "box", "/root/gigabyte", "/gigabyte"]

    def start(command):
        return lab.spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    running = {what: start(command) for what, command in busy.items()}
    try:
        lab.wait_for("skep operations", text="running a command")
        asking = lab.spawn(["python3", "-c", ASK], stdout=subprocess.PIPE, text=True)
        assert asking.stdout.readline() == "ready\n"
        running["copy"] = start(copy)
        copied, *took = (float(word) for word in asking.communicate(timeout=60)[0].split())
        assert len(took) > 10 and copied > 100 << 20, (copied, took)
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
    lab.run("test $(du -m /var/lib/machines/box/gigabyte | cut -f1) -ge 1024; "
            "rm /root/gigabyte /var/lib/machines/box/gigabyte")


def test_importer_waits_for_no_image(lab, hung):
    """Who lists images waits for all of them, and nobody for who does."""
    manager = "org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager"
    listing = lab.spawn(["busctl", "call", *manager.split(), "ListImages", "st", "machine", "0"],
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lab.wait_for("ps --no-headers -o wchan:30,comm -A", text="fuse")
    assert lab.out(f"busctl --timeout=5 call {manager} ListTransfers") == "a(usssdo) 0"
    lab.run("cd /root && mkdir t && touch t/x && tar -cf t.tar t && "
            f"busctl --timeout=5 call {manager} ImportTar hsbb 3 other false false 3<t.tar; rm -r t t.tar")
    assert listing.poll() is None, listing.stdout.read()
    lab.run("echo 1 >/sys/fs/fuse/connections/*/abort")
    assert '"box"' in listing.communicate(timeout=60)[0]
    assert lab.out("systemctl show -P NRestarts skep-importd") == "0"


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
