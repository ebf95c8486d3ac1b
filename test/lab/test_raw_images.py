# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk image in the pool is a machine like any other: listed, shown, started as a unit, written to,
cloned, and let go of."""

import json

import pytest

from skeplib import trees

NAME = "disk"
UNIT = f"skep@{NAME}.service"


@pytest.fixture(scope="module")
def pool(lab):
    """A lab with the file system of a Debian as /var/lib/machines/disk.raw."""
    image = lab.shared(trees.ext4(f"{lab.suite}-guest"))
    # The lab's /dev is its own, with no nodes for these; the unit must not make any.
    lab.run("for i in $(seq 0 63); do mknod -m 660 /dev/loop$i b 7 $i; done")
    lab.run(["cp", "--sparse=always", image, f"/var/lib/machines/{NAME}.raw"], timeout=120)
    return lab


def loops(lab):
    return lab.out(f"cat /sys/block/loop*/loop/backing_file | grep /{NAME}.raw || true").split()


def start(lab):
    lab.run(["skep", "start", NAME], timeout=120)
    lab.wait_for(["systemctl", "-M", NAME, "is-system-running"], timeout=60, text="running")


def stop(lab):
    lab.run(["skep", "poweroff", NAME])
    lab.wait_for(f"! systemctl is-active -q {UNIT}", timeout=60)
    lab.wait_for(f"! cat /sys/block/loop*/loop/backing_file | grep -q /{NAME}.raw", timeout=10)


def test_listed(pool):
    rows = json.loads(pool.out("skep list-images -o json"))
    assert [(r["name"], r["type"]) for r in rows] == [(NAME, "raw")]
    status = pool.out(["skep", "image-status", NAME])
    assert "Type: raw" in status and f"Path: /var/lib/machines/{NAME}.raw" in status
    assert "OS: Debian GNU/Linux 12 (bookworm)" in status and "Hostname: localhost" in status
    assert not loops(pool)
    shown = pool.out(["skep", "show-image", NAME]).splitlines()
    assert {"Type=raw", "ReadOnly=no"} <= set(shown)


@pytest.mark.parametrize("content, why", [
    ("head -c 1M /dev/zero", "neither a partition table nor a file system"),
    ("printf 'LUKS\\272\\276\\0\\1'; head -c 1M /dev/zero", "its root is encrypted"),
])
def test_not_to_be_looked_into(pool, content, why):
    """Somebody's bytes: the state of the image is told, what is in it is not."""
    pool.run(f"({content}) >/var/lib/machines/odd.raw")
    status = pool.out(["skep", "image-status", "odd"])
    assert "Type: raw" in status and "OS:" not in status
    done = pool.run("busctl call org.freedesktop.machine1 /org/freedesktop/machine1 "
                    "org.freedesktop.machine1.Manager GetImageOSRelease s odd", check=False)
    assert done.returncode != 0 and why in done.stderr
    pool.run("rm /var/lib/machines/odd.raw")


def test_runs_as_a_unit(pool):
    start(pool)
    leader = pool.out(["skep", "show", "--value", "-p", "Leader", NAME])
    mapped = pool.out(["cat", f"/proc/{leader}/uid_map"]).split()
    assert int(mapped[1]) >= 0x10000 and mapped[2] == "65536"
    root = pool.out(f"grep ' / / ' /proc/{leader}/mountinfo")
    assert " - ext4 /dev/loop" in root
    assert "exit-status" not in pool.out(["skep", "status", NAME])
    pool.run(["skep", "shell", NAME, "/bin/sh", "-c", "echo kept >/root/note; chown 1000 /root/note"])
    again = pool.run(["skep-spawn", "-q", "--register=no", "-M", "again", "-i", f"/var/lib/machines/{NAME}.raw",
                      "/bin/true"], check=False)
    assert again.returncode == 125 and "is in use" in again.stderr
    stop(pool)


def test_what_it_wrote_is_in_the_image(pool):
    read = ["skep-spawn", "-q", "--register=no", "--read-only", "-M", "reader",
            "-i", f"/var/lib/machines/{NAME}.raw", "/bin/sh", "-c", "cat /root/note; stat -c %u /root/note"]
    assert pool.out(read).split() == ["kept", "1000"]
    assert not loops(pool)


def test_cloned_and_renamed(pool):
    """Files that go with an image go with it; a changed image is a machine of its own."""
    hash_file = "/var/lib/machines/{}.roothash"
    pool.run(["sh", "-c", f"echo 00 >{hash_file.format(NAME)}"])
    pool.run(["skep", "clone", NAME, "copy"], timeout=60)
    pool.run(["skep", "rename", "copy", "other"])
    assert pool.out(["cat", hash_file.format("other")]) == "00"
    # It is no root hash, and nothing that can be passed over.
    done = pool.run("skep start other", check=False, timeout=60)
    assert done.returncode != 0
    assert "holds no root hash" in pool.out("journalctl -q -b -u skep@other --no-pager")
    pool.run(["skep", "remove", "other"])
    pool.run(f"test ! -e {hash_file.format('other')} && rm {hash_file.format(NAME)}")


def test_settings_beside_the_image(pool):
    """They count as far as their place allows."""
    pool.write(f"/var/lib/machines/{NAME}.nspawn", "[Files]\nReadOnly=yes\nBind=/etc\n")
    start(pool)
    assert pool.run(["skep", "shell", NAME, "/bin/touch", "/root/new"], check=False).returncode != 0
    assert "Bind=" in pool.out(f"journalctl -q -b -u {UNIT} --no-pager | grep -i trust")
    stop(pool)
    pool.run(["rm", f"/var/lib/machines/{NAME}.nspawn"])
