# SPDX-License-Identifier: LGPL-2.1-or-later
"""What weakens a machine by name: masks left out, namespaces shared; and the reference's environment."""

import os
import re

import pytest

COVERED = ("/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/sysrq-trigger", "/proc/timer_list",
           "/proc/acpi", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/scsi", "/proc/sys",
           "/proc/sys/kernel/random/boot_id", "/proc/kmsg")


def points(spawn, tree, *options):
    """What is mounted on or below /proc."""
    text = spawn.out(tree, *options, "--", "cat", "/proc/self/mountinfo")
    return {line.split()[4] for line in text.splitlines()
            if line.split()[4].startswith("/proc")}


@pytest.mark.parametrize("path", [p for p in COVERED if os.path.exists(p)])
def test_every_cover_can_be_left_out_alone(spawn, busybox, path):
    usual = points(spawn, busybox)
    assert path in usual
    assert usual - points(spawn, busybox, f"--unmask={path}") == {path}


def test_what_is_unmasked_is_seen(spawn, busybox):
    assert spawn.out(busybox, "stat", "-c", "%a", "/proc/kallsyms") == "0"
    assert spawn.out(busybox, "--unmask=/proc/kallsyms", "--", "stat", "-c", "%a",
                     "/proc/kallsyms") == f"{os.stat('/proc/kallsyms').st_mode & 0o7777:o}"


def test_all_covers_left_out(spawn, busybox):
    assert points(spawn, busybox, "--unmask=all") == {"/proc"}
    settings = busybox.parent / f"{spawn.name}.nspawn"
    settings.write_text("[Files]\nUnmask=all\n", encoding="ascii")
    assert points(spawn, busybox, "--settings=trusted") == {"/proc"}
    assert len(points(spawn, busybox)) > 5, "an untrusted file took the masks off"


def test_machines_inside_can_mount_proc(spawn, new_tree):
    """The kernel shows a user namespace no more of proc than its parent sees: masks are in the way."""
    tree = new_tree("bookworm-guest")
    script = "unshare --user --map-root-user --pid --fork --mount --mount-proc ls /proc/self/status"
    assert spawn.sh(tree, script, "--private-users=pick", "--unmask=all") == "/proc/self/status"
    done = spawn.run(tree, "--private-users=pick", "--", "/bin/sh", "-c", script, check=False)
    assert done.returncode and "mount" in done.stderr


def test_nothing_else_is_unmasked(spawn, busybox):
    assert "/proc/cpuinfo" in spawn.refuse(busybox, "--unmask=/proc/cpuinfo", "--", "true")
    assert "/proc/kcore" in spawn.run(None, "--unmask=help", name=False).stdout.split()


@pytest.mark.parametrize("kind, variable", [("ipc", "SYSTEMD_NSPAWN_SHARE_NS_IPC"),
                                            ("uts", "SYSTEMD_NSPAWN_SHARE_NS_UTS")])
def test_shared_namespace(spawn, busybox, kind, variable):
    def inside(*options, **rest):
        out = spawn.sh(busybox, "for n in ipc uts pid mnt; do readlink /proc/self/ns/$n; done",
                       *options, **rest)
        return {n for n in out.splitlines() if n == os.readlink(f"/proc/self/ns/{n[:3]}")}
    own = os.readlink(f"/proc/self/ns/{kind}")
    assert inside() == set()
    assert inside(f"--share-namespaces={kind}") == {own}
    assert inside(env={**os.environ, variable: "1"}) == {own}
    assert inside(env={**os.environ, variable: "0"}) == set()


def test_shared_host_name_stays(spawn, busybox):
    before = os.uname().nodename
    assert spawn.out(busybox, "--share-namespaces=uts", "--", "uname", "-n") == before
    assert os.uname().nodename == before
    assert "host's name" in spawn.refuse(busybox, "--share-namespaces=uts", "--hostname=other",
                                         "--", "true")


@pytest.mark.parametrize("variable, value", [
    ("SYSTEMD_NSPAWN_SHARE_NS_PID", "1"), ("SYSTEMD_NSPAWN_SHARE_SYSTEM", "yes"),
    ("SYSTEMD_NSPAWN_USE_CGNS", "0"), ("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "no"),
])
def test_variable_that_is_refused(spawn, busybox, variable, value):
    assert variable in spawn.refuse(busybox, "--", "true", env={**os.environ, variable: value})


@pytest.mark.parametrize("variable, value", [
    ("SYSTEMD_NSPAWN_SHARE_NS_PID", "0"), ("SYSTEMD_NSPAWN_USE_CGNS", "1"),
    ("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1"),
])
def test_variable_that_asks_for_what_is(spawn, busybox, variable, value):
    assert spawn.out(busybox, "echo", "up", env={**os.environ, variable: value}) == "up"


def test_tmp_of_the_image(spawn, busybox):
    (busybox / "tmp").mkdir(exist_ok=True)
    (busybox / "tmp/of-the-image").write_text("")
    assert spawn.out(busybox, "ls", "/tmp") == ""
    env = {**os.environ, "SYSTEMD_NSPAWN_TMPFS_TMP": "0"}
    assert spawn.out(busybox, "ls", "/tmp", env=env) == "of-the-image"
    assert spawn.out(busybox, "--tmpfs-tmp=yes", "--", "ls", "/tmp", env=env) == ""


def test_name_of_the_manager(spawn, busybox):
    script = "echo $container; cat /run/host/container-manager"
    assert spawn.sh(busybox, script).split() == ["systemd-nspawn"] * 2
    env = {**os.environ, "SYSTEMD_NSPAWN_CONTAINER_SERVICE": "my-engine"}
    assert spawn.sh(busybox, script, env=env).split() == ["my-engine"] * 2
    env["SYSTEMD_NSPAWN_CONTAINER_SERVICE"] = "a\nb"
    line = spawn.refuse(busybox, "--", "true", env=env)
    assert re.search("SYSTEMD_NSPAWN_CONTAINER_SERVICE", line)
