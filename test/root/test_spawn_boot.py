# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole systems on the host, without any systemd around them: they boot, reboot and power off, from
whatever kind of image, with users of their own and with the host's."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from skeplib import trees
from skeplib.spawner import leader_of, wait_until

OWN_USERS = "-U"
HOST_USERS = "--private-users=no"


def _directory(tree, where):
    return ["-D", trees.overlay(where, tree)]


def _copy(tree, where):
    copy = where / "copy"
    subprocess.run(["cp", "-a", "--reflink=auto", tree, copy], check=True)
    return ["-D", copy]


def _gpt(tree, where):
    """One root partition between others that are none of ours."""
    root, image = where / "root.ext4", where / "disk.raw"
    subprocess.run(["mkfs.ext4", "-q", "-d", tree, "-E", "root_owner=0:0", root, "400M"], check=True)
    with open(image, "wb") as f:
        f.truncate(416 << 20)
    layout = ("label: gpt\nsize=4M, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F\n"
              "size=400M, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n")
    subprocess.run(["sfdisk", "-q", image], input=layout, text=True, check=True)
    subprocess.run(["dd", "bs=1M", f"if={root}", f"of={image}", "seek=5", "conv=notrunc,sparse",
                    "status=none"], check=True)
    root.unlink()
    return ["-i", image]


def _squashfs(tree, where):
    subprocess.run(["mksquashfs", tree, where / "root.squashfs", "-quiet", "-no-progress", "-comp",
                    "zstd", "-Xcompression-level", "1"], check=True, stdout=subprocess.DEVNULL)
    return ["-i", where / "root.squashfs"]


def _erofs(tree, where):
    subprocess.run(["mkfs.erofs", "-d0", where / "root.erofs", tree], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return ["-i", where / "root.erofs"]


def _mstack(tree, where):
    """The system as the lower layer, what it writes in another."""
    stack = where / "system.mstack"
    subprocess.run(["cp", "-a", tree, where / "layer"], check=True)
    for part in ("layer@base", "rw/data", "rw/work"):
        (stack / part).mkdir(parents=True)
    (stack / "layer@base").rmdir()
    (where / "layer").rename(stack / "layer@base")
    return [f"--mstack={stack}"]


SYSTEMS = [
    pytest.param("bookworm-guest", _directory, HOST_USERS, id="12"),
    pytest.param("bookworm-guest", _copy, OWN_USERS, id="12-own-users"),
    pytest.param("trixie-guest", _directory, HOST_USERS, id="13"),
    pytest.param("trixie-guest", _copy, OWN_USERS, id="13-own-users"),
    pytest.param("bookworm-guest", _gpt, HOST_USERS, id="12-gpt"),
    pytest.param("trixie-guest", _gpt, OWN_USERS, id="13-gpt-own-users"),
    pytest.param("bookworm-guest", _squashfs, HOST_USERS, id="12-squashfs"),
    pytest.param("bookworm-guest", _erofs, OWN_USERS, id="12-erofs-own-users"),
    pytest.param("bookworm-guest", _mstack, OWN_USERS, id="12-mstack-own-users"),
]


def _has_booted(leader):
    """Its bus answers, and its service manager has nothing left to start."""
    root = pathlib.Path(f"/proc/{leader}/root")
    return (root / "run/dbus/system_bus_socket").exists() and (root / "run/systemd/private").exists()


def _boot_id(leader):
    done = subprocess.run(["nsenter", "-t", str(leader), "-m", "-p", "cat",
                           "/proc/sys/kernel/random/boot_id"], stdout=subprocess.PIPE, text=True,
                          check=True)
    return done.stdout.strip()


def _is_shifted(leader):
    text = pathlib.Path(f"/proc/{leader}/uid_map").read_text(encoding="ascii")
    return int(text.split()[1]) > 0


@pytest.mark.parametrize("name, image, users", SYSTEMS)
def test_a_system_boots_reboots_and_powers_off(spawn, scratch, name, image, users):
    where = scratch / "image"
    where.mkdir()
    options = image(trees.tree(name), where)
    before = set(os.listdir("/sys/block"))
    machine = spawn.start(None, *options, users, "-b", console="read-only")

    leader = leader_of(machine)
    wait_until(lambda: _has_booted(leader), 30, "the boot")
    first = _boot_id(leader)
    assert _is_shifted(leader) == (users == OWN_USERS)

    os.kill(leader, signal.SIGINT)          # what Ctrl-Alt-Del is to a PID 1: reboot
    wait_until(lambda: machine.poll() is not None or not os.path.exists(f"/proc/{leader}/root/run/dbus"),
               30, "the way down")
    assert machine.poll() is None, machine.stderr.read()
    again = leader_of(machine)
    wait_until(lambda: again != leader or leader_of(machine) != leader, 10, "a new PID 1")
    again = leader_of(machine)
    wait_until(lambda: _has_booted(again), 30, "the second boot")
    assert _boot_id(again) != first

    machine.send_signal(signal.SIGTERM)     # asks it to power off
    assert machine.wait(60) == 0, machine.stderr.read()
    shutil.rmtree(where / "copy", ignore_errors=True)
    used = {b for b in set(os.listdir("/sys/block")) - before
            if os.path.exists(f"/sys/block/{b}/loop/backing_file")}
    assert not used, "loop devices are left"
