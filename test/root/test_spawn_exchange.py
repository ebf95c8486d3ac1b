# SPDX-License-Identifier: LGPL-2.1-or-later
"""The folders in which a host and its registered machines exchange mounts and sockets, and what becomes of
them when a supervisor is killed."""

import os
import pathlib
import signal
import time

import pytest

from skeplib import kernel
from skeplib.spawner import CHOWNED, leader_of, wait_until

MS_SHARED, MS_REMOUNT, MS_RDONLY = 1 << 20, 0x20, 1
TOP = pathlib.Path("/run/systemd/nspawn")
# A bus that is there and does not answer: the machine is not registered, and goes on.
ENV = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent/bus")


@pytest.fixture
def top(spawn):
    """/run/systemd/nspawn of a host whose mounts are shared."""
    TOP.mkdir(parents=True, exist_ok=True)
    kernel.mount("skep-test", TOP, "tmpfs", 0, "mode=0755")
    kernel.mount(None, TOP, None, MS_SHARED)
    yield TOP
    kernel.umount(TOP)


def start(spawn, tree, *args):
    process = spawn.start(tree, *args, "sleep", "60", env=ENV, register="auto")
    first = leader_of(process)
    wait_until(lambda: (pathlib.Path(f"/proc/{first}/comm").read_text() == "sleep\n"), what="sleep")
    return process, pathlib.Path(f"/proc/{first}/root")


def end(process):
    process.terminate()
    process.wait(10)


@pytest.mark.parametrize("options", [[], [f"--private-users={CHOWNED}:65536"], ["-x"]])
def test_a_mount_on_the_host_appears_inside(spawn, busybox, top, folder, options):
    process, root = start(spawn, busybox, *options)
    place = top / "propagate" / spawn.name / "new"
    place.mkdir()
    kernel.mount(folder, place, None, kernel.MS_BIND)
    assert (root / "run/host/incoming/new/file").read_text() == "content\n"
    kernel.umount(place)
    assert not (root / "run/host/incoming/new/file").exists()
    place.rmdir()
    with pytest.raises(OSError):
        (root / "run/host/incoming/other").mkdir()
    end(process)
    assert not place.parent.exists()


@pytest.mark.parametrize("options", [[], [f"--private-users={CHOWNED}:65536"]])
def test_what_the_machine_exports_is_seen_on_the_host(spawn, busybox, top, options):
    before = kernel_mounts()
    process, root = start(spawn, busybox, *options)
    inside, outside = root / "run/host/unix-export", top / "unix-export" / spawn.name
    owner = CHOWNED if options else 0
    assert inside.stat().st_uid == owner
    (inside / "file").write_text("x\n")
    (inside / "link").symlink_to("/etc/passwd")
    assert (outside / "file").read_text() == "x\n"
    with pytest.raises(OSError):
        (outside / "link").read_text()
    assert kernel_mounts() == before            # nothing of it is a mount of the host
    with pytest.raises(OSError):
        for i in range(100):
            (inside / f"many{i}").write_text("")
    end(process)
    assert not os.path.lexists(outside)


def test_the_machine_cannot_change_how_the_host_sees_it(spawn, busybox, top):
    """Even a root that may mount: the host's view follows no link, and nothing is written through it."""
    process = spawn.start(busybox, "/bin/sh", "-c", "cd /run/host/unix-export; "
                          "mount -o remount,bind . && ln -s /etc/passwd link && cat link >here; sleep 60",
                          env=ENV, register="auto")
    outside = top / "unix-export" / spawn.name
    wait_until(lambda: os.path.lexists(outside) and (outside / "here").exists(), what="a link")
    with pytest.raises(OSError):
        (outside / "link").read_text()
    with pytest.raises(OSError):
        (outside / "new").write_text("")
    end(process)


def kernel_mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return len(f.readlines())


def test_machines_that_are_not_registered_have_neither(spawn, busybox, top):
    assert spawn.sh(busybox, "ls -d /run/host/unix-export 2>/dev/null; ls -A /run/host/incoming; "
                    "grep -c host/incoming /proc/self/mountinfo; :") == "0"
    assert not (top / "propagate").exists()


def kill(spawn, busybox, top):
    """A machine whose supervisor is killed with mounts in its folder."""
    process, _ = start(spawn, busybox)
    place = top / "propagate" / spawn.name
    (place / "new").mkdir()
    kernel.mount("skep-test", place / "new", "tmpfs")
    (place / "file").write_text("")
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert (place / "new").is_dir()
    return place


def test_what_a_killed_supervisor_left_is_no_hindrance(spawn, busybox, top):
    place = kill(spawn, busybox, top)
    spawn.run(busybox, "true", env=ENV, register="auto")
    assert not place.exists() and not os.path.lexists(top / "unix-export" / spawn.name)


def test_cleanup(spawn, busybox, top):
    place = kill(spawn, busybox, top)
    spawn.run(None, "--cleanup", console=None, register=None)
    assert not place.exists() and not os.path.lexists(top / "unix-export" / spawn.name)
    spawn.run(None, "--cleanup", console=None, register=None)


def test_a_mount_that_another_supervisor_left_there(spawn, busybox, top):
    where = top / "unix-export" / spawn.name
    for args in (["--cleanup"], [busybox]):
        where.mkdir(parents=True)
        kernel.mount("skep-test", where, "tmpfs")
        kernel.mount("skep-test", where, "tmpfs")
        if args[0] == "--cleanup":
            spawn.run(None, "--cleanup", console=None, register=None)
        else:
            spawn.run(busybox, "true", env=ENV, register="auto")
        assert not os.path.lexists(where)


def test_cleanup_of_a_running_machine(spawn, busybox, top):
    process, root = start(spawn, busybox)
    assert "running already" in spawn.refuse(None, "--cleanup", console=None, register=None)
    assert (top / "propagate" / spawn.name).is_dir()
    end(process)


def test_cleanup_needs_a_machine(spawn, busybox, top):
    for args in ([], ["-D", busybox, "-x"], ["-D", busybox, "true"]):
        line = spawn.refuse(None, "--cleanup", *args, console=None, register=None, name=False)
        assert "--cleanup" in line


def test_no_link_of_the_folder_is_followed(spawn, busybox, top, scratch):
    """Only root can put one there; still it is the name that is removed."""
    (scratch / "outside/kept").mkdir(parents=True)
    (top / "propagate").mkdir()
    (top / "propagate" / spawn.name).symlink_to(scratch / "outside")
    spawn.run(None, "--cleanup", console=None, register=None)
    assert (scratch / "outside/kept").is_dir()
    (top / "propagate" / spawn.name).unlink()


def test_reboot_makes_them_anew(spawn, new_tree, top):
    """The payload's reboot is a new start: it finds the folders again."""
    tree = new_tree()
    process = spawn.start(tree, "--as-pid2", "--", "/bin/sh", "-c",
                          "if [ -e /once ]; then exec sleep 60; fi; touch /once; kill -HUP 1; "
                          "sleep 1; reboot -f", env=ENV, register="auto")
    wait_until(lambda: (tree / "once").exists(), what="the first start")
    place = top / "propagate" / spawn.name
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            root = pathlib.Path(f"/proc/{leader_of(process)}/root")
            (place / "new").mkdir(exist_ok=True)
            if (root / "run/host/incoming/new").is_dir() and (root / "once").exists() \
                    and "sleep\0" in sleeping(process):
                break
        except OSError:
            pass
        time.sleep(0.05)
    else:
        pytest.fail("not there after the reboot")
    end(process)
    assert not place.exists()


def sleeping(process):
    found = ""
    for pid in kernel.descendants(process.pid):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="ascii") as f:
                found += f.read()
        except OSError:
            pass
    return found
