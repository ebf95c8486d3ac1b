# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whose the files of binds and tmpfs are, inside and outside."""

import os
import pathlib
import shutil

import pytest

from skeplib import build, kernel
from skeplib.spawner import CHOWNED

USERS = {"no": [], "identity": ["--private-users=identity"],
         "map": [f"--private-users={CHOWNED}:65536", "--private-users-ownership=map"],
         "chown": ["--private-users=131072", "--private-users-ownership=chown"],
         "off": [f"--private-users={CHOWNED}:65536"],
         "ranges": [f"--private-users=0:{CHOWNED}:1000,1000:{CHOWNED + 0x100000}:64536",
                    "--private-users-ownership=map"]}
users = pytest.mark.parametrize("options", USERS.values(), ids=USERS)


@pytest.fixture
def source(scratch):
    """A folder of ann's, and in it files of root's, of ann's and of user 7's."""
    where = scratch / "source"
    where.mkdir()
    for name, owner in {"root": 0, "ann": 1000, "seven": 7, "many": 70000}.items():
        (where / name).write_text(name)
        os.chown(where / name, owner, owner + 1 if owner else 0)
    os.chown(where, 1000, 1001)
    return where


@pytest.fixture
def tree(busybox):
    """A tree with a mount point of user 33's, who is in group 34."""
    (busybox / "srv").mkdir()
    with open(busybox / "etc/passwd", "a", encoding="ascii") as f:
        f.write("web:x:33:34::/:/bin/sh\n")
    os.chown(busybox / "srv", 33, 34)
    return busybox


def shift(tree, options):
    """Files that are to stay as they are belong to the machine from the start."""
    if options != USERS["off"]:
        return
    for folder, names, files in os.walk(tree):
        for name in [".", *names, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if status.st_uid < CHOWNED:
                os.lchown(path, status.st_uid + CHOWNED, status.st_gid + CHOWNED)


@users
def test_idmap(spawn, tree, source, options):
    shift(tree, options)
    out = spawn.sh(tree, "for f in . root ann seven many; do stat -c '%u:%g' /srv/$f; done; "
                   "touch /srv/new; chown 5:6 /srv/new", *options, f"--bind={source}:/srv:idmap").split()
    assert out == ["1000:1001", "0:0", "1000:1001", "7:8", "65534:65534"]
    status = os.stat(source / "new")
    assert (status.st_uid, status.st_gid) == (5, 6)


@users
def test_rootidmap(spawn, tree, source, options):
    shift(tree, options)
    out = spawn.sh(tree, "for f in . root ann seven many; do stat -c '%u:%g' /srv/$f; done; "
                   "touch /srv/new; chown 5 /srv/new 2>/dev/null || echo none", *options,
                   f"--bind={source}:/srv:rootidmap").split()
    if options in (USERS["no"], USERS["identity"]):
        assert out.pop() == "none"
    else:
        assert os.stat(source / "new").st_uid == CHOWNED + 5
        os.chown(source / "new", 1000, -1)
    assert out == ["0:0", "65534:65534", "0:0", "65534:65534", "65534:65534"]
    status = os.stat(source / "new")
    assert (status.st_uid, status.st_gid) == (1000, 1001)


@users
def test_owneridmap(spawn, tree, source, options):
    shift(tree, options)
    (source).chmod(0o777)
    script = "for f in . root ann seven many; do stat -c '%u:%g' /srv/$f; done"
    out = spawn.sh(tree, script, *options, f"--bind={source}:/srv:owneridmap").split()
    assert out == ["33:34", "65534:65534", "33:34", "65534:65534", "65534:65534"]
    spawn.run(tree, *options, f"--bind={source}:/srv:owneridmap", "--uid=web",
              "touch", "/srv/new")
    assert os.stat(source / "new").st_uid == 1000


@pytest.mark.parametrize("option", ["rootidmap", "owneridmap"])
@pytest.mark.parametrize("options", [v for k, v in USERS.items() if k not in ("no", "identity")])
def test_other_users_of_the_machine_keep_their_ids(spawn, tree, source, option, options):
    """They are not kept from making files, which belong to them inside and to nobody else outside; files of
    the host's other users stay nobody's."""
    shift(tree, options)
    source.chmod(0o777)
    bind = f"--bind={source}:/srv:{option}"
    spawn.run(tree, *options, bind, "--uid=1500", "touch", "/srv/new")
    outside = CHOWNED + 1500 if options != USERS["ranges"] else CHOWNED + 0x100000 + 500
    status = os.stat(source / "new")
    assert (status.st_uid, status.st_gid) == (outside, outside)
    out = spawn.sh(tree, "stat -c %u:%g /srv/new /srv/root; echo x >>/srv/root || echo refused", *options,
                   bind, stderr=-3)
    assert out.split() == ["1500:1500", "65534:65534", "refused"]


@pytest.mark.parametrize("option, owner", [("idmap", "1000:1001"), ("rootidmap", "0:0"),
                                           ("owneridmap", "33:34")])
@users
def test_maps_of_a_file(spawn, tree, source, options, option, owner):
    (tree / "srv/file").touch()
    os.chown(tree / "srv/file", 33, 34)
    shift(tree, options)
    out = spawn.sh(tree, "stat -c %u:%g /srv/file; cat /srv/file", *options,
                   f"--bind-ro={source}/ann:/srv/file:{option}")
    assert out.split() == [owner, "ann"]


@users
def test_owner_of_a_target_on_a_file_system_of_ours(spawn, tree, source, options):
    """The mount point is looked at where it will be, not in the image below it."""
    shift(tree, options)
    assert spawn.sh(tree, "stat -c %u:%g /srv /srv/ann", *options, "--tmpfs=/srv:uid=5,gid=6",
                    f"--bind={source}:/srv:owneridmap").split() == ["5:6", "5:6"]


@users
def test_missing_target_is_made_for_root(spawn, tree, source, options):
    shift(tree, options)
    out = spawn.sh(tree, "stat -c %u:%g:%a /new /new/x /new/file; stat -c %u:%g /new/x/ann", *options,
                   f"--bind={source}:/new/x/y:owneridmap", f"--bind={source}/ann:/new/file:noidmap",
                   f"--bind={source}:/new/x:owneridmap").split()
    assert out[0] == "0:0:755" and out[3] == "0:0"
    expected = 131072 if options in (USERS["off"], USERS["chown"]) else 0
    assert os.stat(tree / "new").st_uid == expected


def test_maps_reach_what_is_mounted_in_a_source(spawn, tree, source, scratch):
    (source / "sub").mkdir()
    kernel.mount("inner", source / "sub", "tmpfs")
    (source / "sub/file").touch()
    os.chown(source / "sub/file", 7, 7)
    assert spawn.sh(tree, "stat -c %u /srv/sub/file", *USERS["map"],
                    f"--bind={source}:/srv:idmap") == "7"


def test_source_that_cannot_be_mapped(spawn, tree, source, scratch):
    """proc has no owners that could be mapped, neither has what holds one."""
    for where in ("/proc/sys", source):
        if where == source:
            (source / "proc").mkdir()
            kernel.mount("proc", source / "proc", "proc")
        line = spawn.refuse(tree, *USERS["map"], f"--bind={where}:/srv:idmap", "true")
        assert str(where) in line and "cannot map" in line
    assert spawn.run(tree, *USERS["map"], f"--bind={source}:/srv:idmap,norbind", "true")


def test_maps_below_kernel_file_systems_are_refused(spawn, tree, source):
    assert "/proc or /sys" in spawn.refuse(tree, f"--bind={source}/ann:/proc/version:idmap", "true")


def test_device_of_the_host(spawn, tree):
    """It is bound as it is: who may use it is the host's affair."""
    for options in (USERS["no"], USERS["map"]):
        assert spawn.sh(tree, "echo x >/dev/extra; stat -c %t:%T /dev/extra", *options,
                        "--bind=/dev/null:/dev/extra") == "1:3"


# --- setuid ---------------------------------------------------------------------------------------

@pytest.fixture
def who(source):
    """A program that tells as whom it runs, setuid to the owner of the folder."""
    program = source / "probe"
    shutil.copy(build.build_dir() / "test/root/spawn-probe", program)
    os.chown(program, 1000, 1001)
    program.chmod(0o4755)
    return program


@pytest.mark.parametrize("option, effective", [
    ("idmap", "5"), ("rootidmap", "5"), ("owneridmap", "5"), ("rootidmap,suid", "0"),
    ("owneridmap,suid", "33"), ("noidmap,nosuid", "5"),
])
def test_setuid_of_the_host_is_none_inside(spawn, tree, who, option, effective):
    """ann could make anything in her folder setuid, and it would run inside as whom she is there."""
    out = spawn.sh(tree, "/srv/probe ids", *USERS["map"], "--uid=5",
                   f"--bind={who.parent}:/srv:{option}")
    assert dict(line.split() for line in out.splitlines())["euid"] == effective


@pytest.fixture
def open_folder():
    """A folder that every user of the host can enter."""
    where = pathlib.Path(f"/var/tmp/skep-test-{os.getpid()}")
    where.mkdir()
    where.chmod(0o755)
    yield where
    where.rmdir()


def test_setuid_made_inside_is_told_of(spawn, tree, open_folder):
    """What root of the machine makes setuid on a mapped bind is root's outside: nobody else must be able to
    get at it."""
    source = open_folder

    def told(options, bind):
        done = spawn.run(tree, *options, bind, "true", quiet=False)
        return str(source) in done.stderr and "setuid" in done.stderr

    assert told(USERS["map"], f"--bind={source}:/srv:idmap")
    assert told(USERS["map"], f"--bind={source}:/srv:rootidmap")
    assert not told(USERS["map"], f"--bind-ro={source}:/srv:idmap")
    assert not told(USERS["map"], f"--bind={source}:/srv")
    assert not told(USERS["no"], f"--bind={source}:/srv:idmap")
    source.chmod(0o700)
    assert not told(USERS["map"], f"--bind={source}:/srv:idmap")
    source.chmod(0o755)
    os.chown(source, 1000, 1000)
    assert not told(USERS["map"], f"--bind={source}:/srv:rootidmap")


# --- tmpfs ----------------------------------------------------------------------------------------

@users
def test_tmpfs_owner(spawn, tree, options):
    shift(tree, options)
    out = spawn.sh(tree, "stat -c %u:%g:%a /srv /mnt /opt; grep -o 'nr_inodes=[0-9]*' /proc/self/mountinfo "
                   "| grep -c '=77$'", *options, "--tmpfs=/srv:uid=5,gid=6,mode=0711,nr_inodes=77",
                   "--tmpfs=/mnt", "--tmpfs=/opt:uid=1001")
    assert out.split() == ["5:6:711", "0:0:755", "1001:0:1777", "1"]


@pytest.mark.parametrize("option, word", [
    ("uid=70000", "no such ID"), ("gid=70000", "no such ID"), ("uid=ann", "number"), ("uid=-1", "number"),
    ("uid=", "number"), ("gid=4294967296", "number"), ("sizze=5", "sizze"),
])
def test_tmpfs_owner_that_is_none(spawn, tree, option, word):
    assert word in spawn.refuse(tree, *USERS["map"], f"--tmpfs=/srv:{option}", "true")
