# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk image of the pool as a unit: found by its name, started and stopped by systemd, within the devices that
the unit's policy allows."""

import shutil

import pytest

from skeplib import disks, trees

LAB_SUITES = ("bookworm", "trixie")

NAME = "disk"
UNIT = f"skep@{NAME}.service"


@pytest.fixture(scope="module")
def image(lab, tmp_path_factory):
    """A GPT image in the lab's pool whose init is busybox, with a partition for /home."""
    where = tmp_path_factory.mktemp("image")
    tree = where / "tree"
    shutil.copytree(trees.tree("busybox"), tree, symlinks=True)
    (tree / "home").mkdir(exist_ok=True)
    (tree / "etc/os-release").write_text("ID=test\nPRETTY_NAME=Disk\n")
    (tree / "etc/inittab").write_text("::sysinit:/bin/touch /home/booted\n::respawn:/bin/sleep 1000\n"
                                      "::shutdown:/bin/touch /home/ended\n")
    (tree / "bin/init").unlink(missing_ok=True)
    (tree / "bin/init").symlink_to("busybox")
    data = disks.file_system(where / "home", "ext4", size=8 * disks.MiB)
    made = disks.gpt(where / f"{NAME}.raw", (disks.HOME, data),
                     (disks.ROOT, disks.file_system(where / "root", "ext4", tree, 16 * disks.MiB)))
    lab.copy_in(made, f"/var/lib/machines/{NAME}.raw")
    # A host has these from its kernel.
    lab.run("for i in $(seq 0 63); do [ -e /dev/loop$i ] || mknod -m 600 /dev/loop$i b 7 $i; done")
    lab.write(f"/etc/systemd/nspawn/{NAME}.nspawn", "[Exec]\nKillSignal=SIGUSR2\n")  # power off, to busybox


@pytest.mark.usefixtures("image")
def test_start_and_stop(lab):
    lab.run(["skep", "start", NAME], timeout=60)
    assert NAME in lab.out("machinectl list --no-legend")
    leader = lab.out(["machinectl", "show", "--value", "-p", "Leader", NAME])
    lab.wait_for(f"test -e /proc/{leader}/root/home/booted")
    mounts = lab.out(["cat", f"/proc/{leader}/mountinfo"])
    assert " /home rw,nodev,relatime,idmapped " in mounts
    assert lab.out(f"systemctl show --value -p DevicePolicy {UNIT}") == "closed"
    assert len(loops(lab)) == 2

    lab.run(["systemctl", "stop", UNIT], timeout=60)
    lab.wait_for(f"! machinectl show {NAME}")
    lab.wait_for("! grep -qs /disk.raw /sys/block/loop*/loop/backing_file")
    assert loops(lab) == []


@pytest.mark.usefixtures("image")
def test_killed_and_started_again(lab):
    """After a kill of the whole unit the image is free at once."""
    for _ in range(2):
        lab.run(["systemctl", "start", UNIT], timeout=60)
        assert len(loops(lab)) == 2
        lab.run(["systemctl", "kill", "--signal=KILL", UNIT])
        lab.wait_for(f"! systemctl is-active {UNIT}")
        lab.run(["systemctl", "reset-failed", UNIT], check=False)
        lab.wait_for("! grep -qs /disk.raw /sys/block/loop*/loop/backing_file")


@pytest.mark.usefixtures("image")
def test_unit_that_may_not_use_loop_devices(lab):
    """It is told what it lacks."""
    folder = f"/etc/systemd/system/{UNIT}.d"
    lab.write(f"{folder}/devices.conf", "[Service]\nDeviceAllow=\nDeviceAllow=char-pts rw\n")
    lab.run("systemctl daemon-reload")
    done = lab.run(["systemctl", "start", UNIT], check=False, timeout=60)
    assert done.returncode != 0
    lab.wait_for(f"journalctl -q -b -u {UNIT} --no-pager", text="a unit needs DeviceAllow=/dev/loop-control rw")
    lab.run(f"rm -r {folder} && systemctl daemon-reload && systemctl reset-failed {UNIT}")


def loops(lab):
    """Loop devices over the image."""
    return lab.out("grep -ls /disk.raw /sys/block/loop*/loop/backing_file || true").split()


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("users", ["--private-users=no", "--private-users=pick"])
def test_in_a_scope(lab, users):
    """Whose device policy is for the machine: neither does it keep the image from us, nor may root inside
    get at the disk beside us."""
    script = ("cat /proc/self/cgroup; ls /home; grep -qs /home /proc/mounts && echo mounted;"
              "mknod /dev/q b 7 0 2>/dev/null; head -c1 /dev/q 2>/dev/null | wc -c")
    out = lab.out(["skep-spawn", "-q", users, "-i", f"/var/lib/machines/{NAME}.raw", "-M", "scoped",
                   "--console=pipe", "/bin/sh", "-c", script])
    assert "mounted" in out and out.split()[-1] == "0"
    lab.wait_for("! grep -qs /disk.raw /sys/block/loop*/loop/backing_file")
