# SPDX-License-Identifier: LGPL-2.1-or-later
"""--device=: nodes of the host in a machine's /dev, whose they are, and what is said when they cannot be
used. What the policies of a service manager do is in test/lab."""

import grp
import os
import stat

import pytest

ZERO = os.makedev(1, 5)
USERS = ["--private-users=no", "--private-users=pick"]


@pytest.fixture
def nodes(scratch):
    """A folder with devices of the host."""
    where = scratch / "host-dev"
    (where / "sub").mkdir(parents=True)
    for name, kind, number in [("z0", stat.S_IFCHR, ZERO), ("z1", stat.S_IFCHR, ZERO),
                               ("b0", stat.S_IFBLK, os.makedev(7, 0)),
                               ("sub/z2", stat.S_IFCHR, ZERO),
                               # Opened by anybody, it does nothing.
                               ("autofs", stat.S_IFCHR, os.makedev(10, 235))]:
        os.mknod(where / name, kind, number)
        (where / name).chmod(0o660)
    (where / "notes").write_text("no device")
    (where / "z9").symlink_to("z0")
    os.chown(where / "z0", 0, grp.getgrnam("audio").gr_gid)
    return where


@pytest.mark.parametrize("users", USERS)
def test_node_its_owner_and_its_links(spawn, busybox, nodes, users):
    with open(busybox / "etc/group", "a", encoding="ascii") as f:
        f.write("audio:x:77:\n")
    out = spawn.sh(busybox, "cd /dev; stat -c '%n %F %a %u:%g %t:%T' my/zero b0; readlink char/1:5; "
                   "readlink block/7:0; head -c 3 my/zero | wc -c", users,
                   f"--device={nodes}/z0:/dev/my/zero:rw", f"--device={nodes}/b0:/dev/b0")
    assert out.splitlines() == ["my/zero character special file 660 0:77 1:5",
                                "b0 block special file 660 0:0 7:0", "../my/zero", "../b0", "3"]


def test_group_of_the_image_out_of_the_range(spawn, busybox, nodes):
    """What an image calls a group gives nothing to whoever has that ID on the host."""
    with open(busybox / "etc/group", "a", encoding="ascii") as f:
        f.write("audio:x:99999:\n")
    out = spawn.sh(busybox, "stat -c %g /dev/z", "--private-users=pick", f"--device={nodes}/z0:/dev/z")
    assert out == "0"


@pytest.mark.parametrize("users", USERS)
def test_folder_and_pattern(spawn, busybox, nodes, users):
    look = "cd /dev; find one two -type c -o -type b | sort"
    out = spawn.sh(busybox, look, users, f"--device={nodes}:/dev/one", f"--device={nodes}/z*:/dev/two:rw")
    assert out.split() == ["one/autofs", "one/b0", "one/sub/z2", "one/z0", "one/z1", "two/z0", "two/z1"]


def test_standard_node_stays_as_it_is(spawn, busybox):
    assert spawn.sh(busybox, "stat -c %a /dev/null", "--device=/dev/null") == "666"


# Opens the device both ways; a failed redirection of exec would end the shell.
LOOK = "for way in '<' '>'; do (eval \"exec 3$way/dev/mine\") 2>/dev/null && echo \"$way\"; done; "


@pytest.mark.parametrize("users", USERS)
@pytest.mark.parametrize("access, ways", [("", "<>"), (":rw", "<>"), (":r", "<"), (":w", ">")])
def test_policy_of_our_own(spawn, busybox, nodes, users, access, ways):
    """Without a service manager: what was given can be used as was said, and nothing beside it."""
    script = LOOK + ("mknod /tmp/kmsg c 1 11 2>/dev/null && echo made; echo x >/dev/null; "
                     "head -c 1 /dev/urandom | wc -c; [ ! -e /dev/fuse ] || exec 4<>/dev/fuse; "
                     "mknod /tmp/whiteout c 0 0; head -c 3 /dev/bound | wc -c")
    (nodes / "z1").chmod(0o666)
    out = spawn.sh(busybox, script, users, f"--device={nodes}/autofs:/dev/mine{access}",
                   f"--bind={nodes}/z1:/dev/bound")
    assert out.split() == [*ways, "1", "3"]


def test_policy_is_there_again_after_a_reboot(spawn, busybox, nodes):
    script = ("[ -e /booted ] && { " + LOOK + "exit 0; }; touch /booted; exec /probe reboot again")
    assert spawn.sh(busybox, script, f"--device={nodes}/autofs:/dev/mine:r").split() == ["<"]


def test_bound_device_belongs_to_nobody(spawn, busybox, nodes):
    done = spawn.run(busybox, "--private-users=pick", f"--bind={nodes}/z1:/dev/z", "true", quiet=False)
    assert f"'{nodes}/z1' keeps its owner" in done.stderr and "--device=" in done.stderr


def test_from_a_file(spawn, busybox, nodes):
    place = busybox.parent / f"{spawn.name}.nspawn"
    place.write_text(f"[Files]\nDevice={nodes}/z0:/dev/z\n")
    look = "[ -c /dev/z ] && echo yes || echo no"
    assert spawn.sh(busybox, look, "--settings=trusted") == "yes"
    assert spawn.sh(busybox, look) == "no", "a file beside the image gives no devices"


@pytest.mark.parametrize("value, words", [
    ("{}/none:/dev/x", "cannot find the device"),
    ("{}/none*:/dev/x", "there is no device"),
    ("{}/notes:/dev/x", "is not a device"),
    ("{}/z0", "has to be below /dev"),
    ("{}/z0:/mnt/x", "has to be below /dev"),
    ("{}/z0:/dev/../x", "/dev/../x"),
    ("{}/z0:/dev/x:x", "letters r, w and m"),
    ("{}/z0:/dev/x:m", "letters r, w and m"),
    ("{}/z0:/dev/x:rr", "letters r, w and m"),
    ("{}/z0:/dev/x:rw:more", "PATH[:TARGET][:ACCESS]"),
    ("{}/z0:/dev/null", "'/dev/null': File exists"),
    ("{}/z0:/dev/null/x", "'/dev/null/x': "),
])
def test_what_cannot_be(spawn, busybox, nodes, value, words):
    assert words in spawn.refuse(busybox, "--device=" + value.format(nodes), "true")


if not os.environ.get("SKEP_SANITIZED"):     # then it is not static, and runs in no machine
    @pytest.mark.parametrize("outer, inner", [("", ""), ("--private-network", ""),
                                              ("--private-network", "--private-network")])
    def test_machine_in_a_machine_of_users(spawn, busybox, program, copied_tree, outer, inner):
        """Where mknod(2) is forbidden, the outer machine's own nodes are bound; they stay as they were. Its
        sysfs is shown, too, if no other may be mounted, and what is to be read-only is that."""
        tree = copied_tree("busybox")
        look = ("head -c 3 /dev/zero | wc -c; echo x >/dev/null; stat -c %t:%T:%a:%u /dev/null /dev/my; "
                "ls /sys/class/net; mkdir /sys/fs/cgroup/sub && echo group; "
                "(echo 1 >/sys/kernel/uevent_helper) 2>/dev/null || echo read-only")
        out = spawn.sh(
            busybox, f"/mnt/skep-spawn -q --register=no {inner} --device=/dev/full:/dev/my -M inner -D /srv"
            f" /bin/sh -c '{look}'; stat -c %a:%u /dev/null /dev/full",
            "--private-users=pick", *outer.split(),
            f"--bind-ro={program('skep-spawn')}:/mnt/skep-spawn", f"--bind={tree}:/srv:idmap")
        lines = out.split()
        links = sorted(os.listdir("/sys/class/net")) if not outer else ["lo"]
        assert lines[:3] == ["3", "1:3:666:0", "1:7:666:0"]
        assert sorted(lines[3:3 + len(links)]) == links
        assert lines[3 + len(links):] == ["group", "read-only", "666:0", "666:0"]
