# SPDX-License-Identifier: LGPL-2.1-or-later
"""Options about the tree and what is mounted in it."""

import os
import subprocess

import pytest

from skeplib import kernel
from skeplib.spawner import CHOWNED, bind_source


def test_read_only(spawn, busybox):
    out = spawn.sh(busybox, "touch /new || echo refused; touch /tmp/a /run/a /dev/shm/a && echo ok",
                   "--read-only", stderr=subprocess.DEVNULL)
    assert out == "refused\nok"
    assert not (busybox / "new").exists()


def test_without_read_only_the_tree_is_written(spawn, busybox):
    spawn.run(busybox, "touch", "/new")
    assert (busybox / "new").exists()


@pytest.mark.parametrize("kind", ["busybox", "bookworm-guest"])
def test_ephemeral(spawn, new_tree, copied_tree, kind):
    tree = copied_tree(kind)
    before = sorted(os.listdir(tree))
    assert spawn.sh(tree, "echo new >/etc/hostname && rm -r /usr/lib/os-release && cat /etc/hostname",
                    "-x") == "new"
    assert (tree / "usr/lib/os-release").exists()
    assert sorted(os.listdir(tree)) == before
    assert not [n for n in os.listdir(tree.parent) if n.startswith(".#")]


def test_ephemeral_machines_run_side_by_side(spawn, busybox):
    first = spawn.start(busybox, "-x", "--", "/probe", "signal", name=spawn.name + "-1")
    assert first.stdout.readline() == "waiting\n"
    assert spawn.sh(busybox, "echo second", "-x", name=spawn.name + "-2") == "second"
    first.terminate()
    first.communicate(timeout=5)


def test_one_tree_runs_once(spawn, busybox):
    first = spawn.start(busybox, "--", "/probe", "signal", name=spawn.name + "-1")
    assert first.stdout.readline() == "waiting\n"
    assert str(busybox) in spawn.refuse(busybox, "true", name=spawn.name + "-2")
    first.terminate()
    first.communicate(timeout=5)
    assert spawn.run(busybox, "true", name=spawn.name + "-2").returncode == 0


def test_read_only_trees_can_be_shared(spawn, busybox):
    first = spawn.start(busybox, "--read-only", "--", "/probe", "signal", name=spawn.name + "-1")
    assert first.stdout.readline() == "waiting\n"
    assert spawn.run(busybox, "--read-only", "true", name=spawn.name + "-2").returncode == 0
    first.terminate()
    first.communicate(timeout=5)


def test_bind(spawn, busybox, folder):
    assert spawn.sh(busybox, "cat /mnt/x/file; echo new >/mnt/x/new",
                    f"--bind={bind_source(folder)}:/mnt/x") == "content"
    assert (folder / "new").read_text() == "new\n"


def test_bind_read_only(spawn, busybox, folder):
    out = spawn.sh(busybox, "cat /mnt/x/file; echo new 2>/dev/null >/mnt/x/new || echo refused",
                   f"--bind-ro={bind_source(folder)}:/mnt/x", stderr=subprocess.DEVNULL)
    assert out == "content\nrefused"
    assert not (folder / "new").exists()


def test_bind_without_destination_is_the_same_path(spawn, busybox, scratch):
    where = scratch / "same"
    where.mkdir()
    (where / "file").write_text("x\n")
    assert spawn.out(busybox, f"--bind-ro={where}", "cat", str(where / "file")) == "x"


def test_bind_of_a_file(spawn, busybox, folder):
    assert spawn.sh(busybox, "cat /etc/new/name; cat /etc/passwd",
                    f"--bind-ro={bind_source(folder)}/file:/etc/new/name",
                    f"--bind-ro={bind_source(folder)}/file:/etc/passwd") == "content\ncontent"
    assert (busybox / "etc/passwd").read_text().startswith("root:")


def test_bind_from_the_image(spawn, busybox):
    assert spawn.out(busybox, "--bind-ro=+/etc:/mnt", "cat", "/mnt/os-release").startswith("ID=")


def test_bind_carries_submounts_unless_told(spawn, busybox, folder, scratch):
    kernel.mount("inner", folder / "sub", "tmpfs")
    (folder / "sub/inner").write_text("x")
    source = bind_source(folder)
    assert spawn.sh(busybox, "ls /mnt/sub", f"--bind={source}:/mnt") == "inner"
    assert spawn.sh(busybox, "ls /mnt/sub", f"--bind={source}:/mnt:norbind") == ""
    script = "touch /mnt/sub/new 2>/dev/null || echo refused"
    assert spawn.sh(busybox, script, f"--bind-ro={source}:/mnt") == "refused"


def test_bind_of_what_is_missing(spawn, busybox):
    assert "/nowhere" in spawn.refuse(busybox, "--bind=/nowhere", "true")


def test_binds_over_one_another_are_sorted(spawn, busybox, folder):
    source = bind_source(folder)
    assert spawn.sh(busybox, "ls /mnt/sub", f"--bind={source}:/mnt/sub", "--tmpfs=/mnt") == \
        "file\nsub"


def test_tmpfs(spawn, busybox):
    out = spawn.sh(busybox, "touch /etc/new && ls -A /etc && grep ' /etc ' /proc/self/mountinfo; "
                   "stat -c '%a %u' /etc", "--tmpfs=/etc", "--resolv-conf=off",
                   "--timezone=off").splitlines()
    assert out[0] == "new" and "nodev" in out[1] and " tmpfs " in out[1] and out[2] == "755 0"
    assert not (busybox / "etc/new").exists()


def test_tmpfs_options(spawn, busybox):
    out = spawn.sh(busybox, "stat -c %a /var/x; grep ' /var/x ' /proc/self/mountinfo",
                   "--tmpfs=/var/x:mode=0711,size=64k")
    assert out.startswith("711\n") and "size=64k" in out


def test_bind_onto_a_read_only_tree_needs_its_target(spawn, busybox, folder):
    source = bind_source(folder)
    assert spawn.sh(busybox, "cat /usr/file", "--read-only", f"--bind-ro={source}:/usr") == "content"
    assert "/new/place" in spawn.refuse(busybox, "--read-only", f"--bind-ro={source}:/new/place", "true")
    assert not (busybox / "new").exists()


@pytest.mark.parametrize("option, seen, written", [
    ("noidmap", "65534 65534", None),
    ("idmap", "0 7", (0, 0)),
    ("rootidmap", "0 65534", (1000, 0)),
    ("owneridmap", "0 65534", (1000, 0)),
])
def test_owners_of_a_bind(spawn, busybox, folder, option, seen, written):
    """Who files belong to inside a machine with its own users, and outside what it writes."""
    if option == "idmap":
        os.chown(folder / "file", 7, 7)
    else:
        os.chown(folder, 1000, 1000)
        os.chown(folder / "file", 2000, 2000)
    folder.chmod(0o777 if option == "noidmap" else 0o755)
    out = spawn.sh(busybox, "mkdir -p /x; stat -c %u /mnt /mnt/file | tr '\n' ' '; touch /mnt/new; :",
                   f"--private-users={CHOWNED}:65536", "--private-users-ownership=map",
                   f"--bind={bind_source(folder)}:/mnt:{option}", stderr=subprocess.DEVNULL)
    assert out.strip() == seen
    if written is None:
        assert os.stat(folder / "new").st_uid == CHOWNED
    else:
        assert os.stat(folder / "new").st_uid == written[0]


@pytest.mark.parametrize("users", ["no", "identity", "pick"])
def test_ephemeral_with_users(spawn, busybox, users):
    before = sorted((p, os.lstat(p).st_uid) for p in busybox.rglob("*"))
    out = spawn.sh(busybox, "echo new >/etc/passwd; mkdir /new; rm -r /usr/lib; chown 5:5 /etc/group; "
                   "stat -c %u / /etc /new /etc/group; cat /etc/passwd", "-x",
                   f"--private-users={users}")
    assert out.splitlines() == ["0", "0", "0", "5", "new"]
    assert sorted((p, os.lstat(p).st_uid) for p in busybox.rglob("*")) == before


def test_ephemeral_and_read_only(spawn, busybox):
    assert spawn.sh(busybox, "touch /new || echo refused; touch /tmp/x && echo ok", "-x", "--read-only",
                    stderr=subprocess.DEVNULL) == "refused\nok"


def test_ephemeral_changes_outlive_a_reboot(spawn, busybox):
    script = "echo run >>/count; [ $(wc -l </count) -ge 3 ] && exit 9; exec /probe reboot again"
    assert spawn.run(busybox, "-x", "/bin/sh", "-c", script, check=False).returncode == 9
    assert not (busybox / "count").exists()


def test_ephemeral_root_of_the_host(spawn):
    """The running host as a throw-away machine."""
    assert spawn.sh("/", "touch /skep-was-here && id -u", "-x", name=spawn.name) == "0"
    assert not os.path.exists("/skep-was-here")


@pytest.mark.parametrize("mode, sysctl, sysfs, net", [
    ("no", False, False, False), ("yes", True, True, True), ("network", False, False, True),
])
def test_api_vfs_writable(spawn, busybox, mode, sysctl, sysfs, net):
    out = spawn.sh(busybox, "for f in /proc/sys/kernel/panic /proc/sys/net/ipv4/ip_forward; do "
                   "(: >>$f) && echo True || echo False; done; "
                   "awk '$5 == \"/sys\"' /proc/self/mountinfo", f"--api-vfs-writable={mode}",
                   stderr=subprocess.DEVNULL).splitlines()
    assert out[:2] == [str(sysctl), str(net)]
    assert ("rw" in out[2].split()[5].split(",")) == sysfs


@pytest.mark.parametrize("users, owner", [
    ("no", 0), ("identity", 0), ("pick", 0), (f"{CHOWNED}:65536", CHOWNED),
])
def test_missing_mount_points_belong_to_the_machine(spawn, busybox, folder, users, owner):
    source = bind_source(folder)
    out = spawn.sh(busybox, "stat -c %u /new /new/dir /other; ls /new/dir /new/file",
                   f"--private-users={users}", f"--bind-ro={source}:/new/dir/bound",
                   f"--bind-ro={source}/file:/new/file", "--tmpfs=/other/tmp")
    assert out.splitlines() == ["0", "0", "0", "/new/file", "", "/new/dir:", "bound"]
    assert {os.stat(busybox / p).st_uid for p in ("new", "new/dir/bound", "new/file")} == {owner}
