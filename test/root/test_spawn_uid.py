# SPDX-License-Identifier: LGPL-2.1-or-later
"""Running as a user of the image, whom passwd and group of the image tell of, whatever they hold."""

import os

import pytest

from skeplib.spawner import CHOWNED


def passwd(tree, text, name="passwd"):
    path = tree / "etc" / name
    path.unlink(missing_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


ANN = "root:x:0:0::/root:/bin/sh\nann:x:1000:1001:Ann:/home/ann:/bin/sh\n"


@pytest.mark.parametrize("option", [["--uid=ann"], ["-u", "ann"], ["--user=ann"], ["--user", "ann"],
                                    ["--uid=1000"]])
def test_spellings(spawn, busybox, option):
    passwd(busybox, ANN)
    passwd(busybox, "root:x:0:\nann:x:1001:\nadm:x:4:bob,ann\nnot:x:9:anna\n", "group")
    assert spawn.sh(busybox, "id -u; id -g; id -G; echo $HOME", *option).splitlines() == \
        ["1000", "1001", "1001 4", "/home/ann"]


def test_settings_file(spawn, busybox):
    passwd(busybox, ANN)
    (busybox.parent / f"{spawn.name}.nspawn").write_text("[Exec]\nUser=ann\n", encoding="ascii")
    assert spawn.out(busybox, "id", "-u") == "1000"
    assert spawn.out(busybox, "--uid=0", "id", "-u") == "0"


@pytest.mark.parametrize("argv", [["--user", "--read-only", "true"], ["--user=", "true"]])
def test_instance_for_each_user_is_refused(spawn, busybox, argv):
    assert "--uid" in spawn.refuse(busybox, *argv)


@pytest.mark.parametrize("users", [[], [f"--private-users={CHOWNED}", "--private-users-ownership=map"]])
@pytest.mark.parametrize("home", ["/home/ann", "/a/b/c/d", "/srv/link/ann", "/escape/ann"])
def test_home_is_made_with_what_is_above_it(spawn, busybox, users, home):
    passwd(busybox, ANN.replace("/home/ann", home))
    (busybox / "srv/real").mkdir(parents=True)
    (busybox / "srv/link").symlink_to("/srv/real")
    (busybox / "escape").symlink_to("../../../../../../srv/real")
    out = spawn.sh(busybox, f"stat -c '%u:%g:%a' {home} {os.path.dirname(home)}/.", *users, "--uid=ann")
    assert out.split() == ["1000:1001:755", "0:0:755"]
    where = {"/srv/link/ann": "/srv/real/ann", "/escape/ann": "/srv/real/ann"}.get(home, home)
    assert os.stat(str(busybox) + where).st_uid == 1000


def test_home_that_is_there_stays_as_it_is(spawn, busybox):
    passwd(busybox, ANN)
    (busybox / "home/ann").mkdir(parents=True)
    (busybox / "home/ann").chmod(0o711)
    spawn.run(busybox, "--uid=ann", "true")
    status = os.stat(busybox / "home/ann")
    assert (status.st_uid, status.st_mode & 0o777) == (0, 0o711)


def test_home_on_a_read_only_image_is_not_made(spawn, busybox):
    passwd(busybox, ANN)
    assert spawn.out(busybox, "--read-only", "--uid=ann", "id", "-u") == "1000"
    assert not (busybox / "home").exists()


def test_home_that_something_is_in_the_way_of(spawn, busybox):
    passwd(busybox, ANN)
    (busybox / "home").write_text("in the way")
    assert spawn.sh(busybox, "id -u; pwd", "--uid=ann").splitlines() == ["1000", "/"]


@pytest.mark.parametrize("text, word", [
    ("ann:x:4294967295:0::/:/bin/sh\n", "IDs"), ("ann:x:4294967296:0::/:/bin/sh\n", "IDs"),
    ("ann:x:99999999999999999999999:0::/:/bin/sh\n", "IDs"), ("ann:x:-5:0::/:/bin/sh\n", "IDs"),
    ("ann:x:65535:0::/:/bin/sh\n", "IDs"), ("ann:x:5:0x::/:/bin/sh\n", "IDs"), ("ann:x:5\n", "IDs"),
    ("ann\n", "IDs"), ("bob:x:5:5::/:/bin/sh\n" * 1000, "no user 'ann'"), ("", "no user 'ann'"),
    (b"x:x:1:1::/:\0\nann:x:5:5::/:/bin/sh\n", "NUL"), ("\n" * ((4 << 20) + 1), "larger"),
    ("x" * ((4 << 20) - 10) + "\n", "no user 'ann'"),
], ids=lambda v: None if len(v) < 40 else "long")
def test_passwd_that_makes_no_sense(spawn, busybox, text, word):
    passwd(busybox, text)
    line = spawn.refuse(busybox, "--uid=ann", "true")
    assert word in line and len(line) < 300


def test_lines_that_are_long_hide_none(spawn, busybox):
    passwd(busybox, "x" * (1 << 20) + ":" * 100000 + "\n" + ANN)
    passwd(busybox, "g:x:7:" + "bob," * 100000 + "ann\n", "group")
    assert spawn.sh(busybox, "id -u; id -G", "--uid=ann").splitlines() == ["1000", "1001 7"]


@pytest.mark.parametrize("name", ["passwd", "group"])
@pytest.mark.parametrize("kind, word", [("fifo", "regular"), ("folder", "directory"), ("null", "regular"),
                                        ("loop", "symbolic links")])
def test_what_is_no_file(spawn, busybox, name, kind, word):
    passwd(busybox, ANN)
    path = busybox / "etc" / name
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "null":
        path.symlink_to("/dev/null")
    else:
        path.symlink_to(name)
    line = spawn.refuse(busybox, "--uid=ann", "true")
    assert f"/etc/{name} of the image" in line and word in line


def test_passwd_that_links_out_of_the_image(spawn, busybox, scratch):
    (scratch / "outside").write_text("ann:x:5:5::/:/bin/sh\n", encoding="ascii")
    (busybox / "etc/passwd").unlink()
    (busybox / "etc/passwd").symlink_to("../../outside")
    assert "no user 'ann'" in spawn.refuse(busybox, "--uid=ann", "true")
    (busybox / "etc/passwd").unlink()
    (busybox / "etc/passwd").symlink_to(scratch / "outside")
    assert "no user 'ann'" in spawn.refuse(busybox, "--uid=ann", "true")


def test_more_groups_than_anybody_is_in(spawn, busybox):
    passwd(busybox, ANN)
    passwd(busybox, "".join(f"g:x:{i}:ann\n" for i in range(100000, 110000)), "group")
    assert "groups of user 'ann'" in spawn.refuse(busybox, "--uid=ann", "true")


def test_users_beyond_the_range_of_the_machine(spawn, busybox):
    passwd(busybox, ANN)
    passwd(busybox, "far:x:70000:ann\n", "group")
    assert "no user 70000" in spawn.refuse(busybox, "-U", "--uid=70000", "true")
    assert "no group 70000" in spawn.refuse(busybox, "-U", "--uid=ann", "true")
    assert spawn.out(busybox, f"--private-users=0:{CHOWNED}:65536,70000:{CHOWNED + 65536}:1",
                     "--private-users-ownership=map", "--uid=ann", "id", "-G") == "1001 70000"
