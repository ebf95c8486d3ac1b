# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which IDs of the host a machine gets, and how its files come to belong to them."""

import fcntl
import os
import pathlib
import shutil
import signal
import stat
import struct
import subprocess
import time

import pytest

from skeplib import kernel, must_run, trees
from skeplib.spawner import CHOWNED, leader_of

BASE = 0x30000000           # may be picked
FOREIGN = 0x7FFE0000
INTERRUPTED = 0xFFFE0000
LOCKS = pathlib.Path("/run/systemd/nspawn-uid")
NET_RAW = 1 << 13


@pytest.fixture(params=["tmpfs", "ext4", "btrfs"])
def disk(request, scratch):
    """A file system of every kind, mounted."""
    where = scratch / "disk"
    where.mkdir()
    if request.param == "tmpfs":
        kernel.mount("disk", where, "tmpfs", 0, "mode=0755")
        return where
    image = scratch / "image"
    with open(image, "wb") as f:
        f.truncate(256 << 20)
    subprocess.run([f"mkfs.{request.param}", "-q", image], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mount", "-o", "loop", image, where], check=True)
    return where


@pytest.fixture
def on_disk(disk):
    """on_disk() is a writable busybox tree there; on_disk("bookworm-guest") one of Debian, small."""
    def make(kind="busybox"):
        where = disk / kind
        parts = {"bookworm-guest": ["usr/bin", "usr/lib/x86_64-linux-gnu", "usr/lib64", "etc", "bin", "lib", "lib64",
                                    "sbin", "var"]}.get(kind)
        if parts:
            where.mkdir()
            source = trees.tree(kind)
            subprocess.run(["cp", "-a", "--parents", *[p for p in parts if (source / p).exists()],
                            where], cwd=source, check=True)
        else:
            shutil.copytree(trees.tree(kind), where, symlinks=True)
        where.chmod(0o755)
        return where

    return make


def owners(tree):
    """Every file's owner and group, by name."""
    found = {}
    for folder, names, files in os.walk(tree):
        for name in [".", *names, *files]:
            status = os.lstat(os.path.join(folder, name))
            found[os.path.relpath(os.path.join(folder, name), tree)] = (status.st_uid, status.st_gid)
    return found


def chown_tree(tree, base):
    subprocess.run(["chown", "-hR", f"{base}:{base}", tree], check=True)


# --- ranges ---------------------------------------------------------------------------------------

def test_several_ranges(spawn, busybox):
    ranges = f"0:{CHOWNED}:65536,65536:{CHOWNED + 0x100000}:1000"
    out = spawn.sh(busybox, "cat /proc/self/uid_map /proc/self/gid_map; touch /new; "
                   "chown 65537:66000 /new; stat -c '%u %g' /new /etc/passwd; "
                   "chown 66536 /new 2>/dev/null || echo none",
                   f"--private-users={ranges}", "--private-users-ownership=map").splitlines()
    lines = [["0", str(CHOWNED), "65536"], ["65536", str(CHOWNED + 0x100000), "1000"]]
    assert [x.split() for x in out[:4]] == lines * 2
    assert out[4:] == ["65537 66000", "0 0", "none"]
    status = os.stat(busybox / "new")
    assert (status.st_uid, status.st_gid) == (65537, 66000)


def test_several_ranges_in_ephemeral_and_bound_trees(spawn, busybox, scratch):
    ranges = f"0:{CHOWNED}:1,1:{CHOWNED + 0x100000}:65535"
    folder = scratch / "folder"
    folder.mkdir(0o700)
    (folder / "file").write_text("x")
    os.chown(folder / "file", 7, 8)
    out = spawn.sh(busybox, "stat -c '%u %g' /mnt/file /etc/passwd /tmp; echo x >/etc/new; "
                   "stat -c %u /etc/new", f"--private-users={ranges}",
                   "--private-users-ownership=map", "-x", f"--bind={folder}:/mnt:idmap")
    assert out.splitlines() == ["7 8", "0 0", "0 0", "0"]
    assert not (busybox / "etc/new").exists()


@pytest.mark.parametrize("value, word", [
    ("0:1:2,1:9:1", "overlap"), ("0:100:10,10:105:1", "overlap"), ("1:100000:65536", "root"),
    ("0:100000", "root"), ("0:4294967295:1", "range"), ("0:1:x", "INSIDE:OUTSIDE:COUNT"),
    (",".join(f"{i}:{100000 + 2 * i}:1" for i in range(40)), "more than 32"),
    ("managed", "nsresourced"),
])
def test_ranges_that_make_no_sense(spawn, busybox, value, word):
    if value == "0:100000":
        assert "uid_map" not in spawn.out(busybox, f"--private-users={value}", "--dry-run", "true")
        return
    assert word in spawn.refuse(busybox, f"--private-users={value}", "true")


def test_delegating_is_refused(spawn, busybox):
    assert "managed" in spawn.refuse(busybox, "--private-users-delegate=3", "true")
    assert spawn.run(busybox, "--private-users-delegate=0", "true").returncode == 0


# --- who has which range --------------------------------------------------------------------------

def picked(spawn, tree, *options, name=None):
    """Start a machine that waits. Return: the process, and the base of its IDs."""
    process = spawn.start(tree, *options, "/bin/sh", "-c",
                          "cat /proc/self/uid_map; exec sleep 100", name=name)
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return process, int(line.split()[1])


def end(*processes):
    for process in processes:
        process.terminate()
        process.communicate(timeout=10)


def test_twenty_machines_at_once_share_no_id(spawn, new_tree):
    tree = new_tree()
    chown_tree(tree, BASE)          # all of them would like to have this one
    processes = [spawn.start(tree, "--read-only", "-U", "/bin/sh", "-c",
                             "cat /proc/self/uid_map; read x", name=f"{spawn.name}-{i}",
                             stdin=subprocess.PIPE) for i in range(20)]
    bases = []
    for process in processes:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        bases.append(int(line.split()[1]))
    assert len(set(b >> 16 for b in bases)) == 20 and BASE in bases
    assert {int(p.name) for p in LOCKS.iterdir()} >= set(bases)
    for process in processes:
        process.communicate("x\n", timeout=10)
        assert process.returncode == 0
    assert not {int(p.name) for p in LOCKS.iterdir()} & set(bases)


def test_a_machine_that_picks_avoids_one_that_was_told(spawn, new_tree):
    first = new_tree()
    chown_tree(first, BASE)
    other = new_tree()
    told, base = picked(spawn, other, f"--private-users=0:{BASE + 0x8000}:10", name=spawn.name + "-1")
    assert base == BASE + 0x8000
    picks, base = picked(spawn, first, "-U", name=spawn.name + "-2")
    assert base != BASE
    end(told, picks)
    last, base = picked(spawn, first, "-U", name=spawn.name + "-3")
    assert base == BASE
    end(last)


def test_a_machine_that_was_told_is_kept_from_one_that_picked(spawn, new_tree):
    tree = new_tree()
    chown_tree(tree, BASE)
    first, base = picked(spawn, tree, "-U", name=spawn.name + "-1")
    assert base == BASE
    line = spawn.refuse(new_tree(), f"--private-users={BASE}", "true", name=spawn.name + "-2")
    assert str(BASE) in line and "picked" in line
    end(first)


def test_machines_that_were_told_may_share(spawn, new_tree):
    first, _ = picked(spawn, new_tree(), f"--private-users={BASE}", name=spawn.name + "-1")
    second, _ = picked(spawn, new_tree(), f"--private-users={BASE}", name=spawn.name + "-2")
    end(first, second)


def test_the_lock_of_others_is_respected(spawn, busybox):
    """systemd-nspawn marks a range by a lock on a file that bears its number."""
    chown_tree(busybox, BASE)
    LOCKS.mkdir(parents=True, exist_ok=True)
    with open(LOCKS / str(BASE), "w", encoding="ascii") as f:
        fcntl.fcntl(f, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))     # F_OFD_SETLK
        process, base = picked(spawn, busybox, "-U")
        assert base != BASE
        end(process)
    os.unlink(LOCKS / str(BASE))


def test_files_of_killed_keepers_are_swept(spawn, busybox, new_tree):
    chown_tree(busybox, BASE)
    first, base = picked(spawn, busybox, "-U")
    assert base == BASE
    leader = leader_of(first)
    first.send_signal(signal.SIGKILL)
    first.wait(5)
    os.waitpid(leader, 0)
    assert (LOCKS / str(BASE)).exists()
    spawn.run(new_tree(), "true", name=spawn.name + "-2")
    assert not (LOCKS / str(BASE)).exists()


@pytest.mark.parametrize("file, line", [
    ("passwd", f"somebody:x:{BASE + 5}:5::/:/bin/sh"), ("group", f"somebody:x:{BASE + 0xffff}:"),
    ("subuid", f"somebody:{BASE - 10}:11"), ("subgid", f"somebody:{BASE + 100}:1"),
])
def test_ranges_of_users_of_the_host_are_not_picked(spawn, busybox, scratch, file, line):
    chown_tree(busybox, BASE)
    copy = scratch / file
    old = pathlib.Path("/etc", file)
    copy.write_text((old.read_text(encoding="utf-8") if old.exists() else "") + line + "\n",
                    encoding="utf-8")
    if not old.exists():
        must_run(f"no {old} to put another one over")
    kernel.mount(copy, old, None, kernel.MS_BIND, None)
    try:
        assert int(spawn.sh(busybox, "cat /proc/self/uid_map", "-U").split()[1]) != BASE
    finally:
        kernel.umount(old)
    assert int(spawn.sh(busybox, "cat /proc/self/uid_map", "-U").split()[1]) == BASE


# --- owners of files ------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["busybox", "bookworm-guest"])
def test_files_are_given_and_taken_back(spawn, on_disk, kind):
    tree = on_disk(kind)
    (tree / "mine").write_text("x")
    os.lchown(tree / "mine", 5, 6)
    before = owners(tree)
    script = "stat -c '%u %g' /mine /etc; cat /proc/self/uid_map"
    for _ in range(2):                          # the second time there is nothing to do
        out = spawn.sh(tree, script, f"--private-users={BASE}", "--private-users-ownership=chown")
        assert out.splitlines()[:2] == ["5 6", "0 0"]
    assert os.lstat(tree / "mine").st_uid == BASE + 5
    after = owners(tree)
    assert {n: after[n] for n in before} == {n: (u + BASE, g + BASE) for n, (u, g) in before.items()}

    assert spawn.sh(tree, script, "--private-users=yes").splitlines()[0] == "5 6"
    spawn.run(tree, "--private-users=0", "--private-users-ownership=chown", "true")
    after = owners(tree)
    assert {n: after[n] for n in before} == before


def test_what_goes_along_with_owners(spawn, on_disk):
    """Mode bits and file capabilities, which chown(2) takes away, and IDs in access lists."""
    tree = on_disk()
    (tree / "setuid").write_text("x")
    (tree / "setuid").chmod(0o6755)
    (tree / "caps").write_text("x")
    os.setxattr(tree / "caps", "security.capability",
                struct.pack("<IIIII", 0x02000001, NET_RAW, 0, 0, 0))
    (tree / "listed").mkdir()
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *e) for e in ((1, 7, 0xffffffff), (2, 6, 1000), (4, 5, 0xffffffff),
                                          (8, 4, 50), (16, 7, 0xffffffff), (32, 0, 0xffffffff)))
    os.setxattr(tree / "listed", "system.posix_acl_access", acl)
    os.setxattr(tree / "listed", "system.posix_acl_default", acl)
    os.symlink("/etc/shadow", tree / "link")
    os.mkfifo(tree / "fifo")
    os.mknod(tree / "node", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.link(tree / "setuid", tree / "again")
    shadow = os.stat("/etc/shadow").st_uid

    spawn.run(tree, f"--private-users={BASE}", "--private-users-ownership=chown", "true")
    for name in ("setuid", "caps", "listed", "link", "fifo", "node", "again"):
        assert os.lstat(tree / name).st_uid == BASE, name
    assert stat.S_IMODE(os.stat(tree / "setuid").st_mode) == 0o6755
    assert os.getxattr(tree / "caps", "security.capability") == \
        struct.pack("<IIIIII", 0x03000001, NET_RAW, 0, 0, 0, BASE)
    for name in ("access", "default"):
        moved = os.getxattr(tree / "listed", f"system.posix_acl_{name}")
        assert struct.pack("<HHI", 2, 6, BASE + 1000) in moved
        assert struct.pack("<HHI", 8, 4, BASE + 50) in moved
    assert os.stat("/etc/shadow").st_uid == shadow

    spawn.run(tree, "--private-users=0", "--private-users-ownership=chown", "true")
    assert os.getxattr(tree / "caps", "security.capability") == \
        struct.pack("<IIIII", 0x02000001, NET_RAW, 0, 0, 0)
    assert os.getxattr(tree / "listed", "system.posix_acl_access") == acl
    assert stat.S_IMODE(os.stat(tree / "setuid").st_mode) == 0o6755


def test_old_words_for_changing_owners(spawn, busybox, scratch):
    spawn.run(busybox, f"--private-users={BASE}", "--private-users-chown", "true")
    assert os.stat(busybox / "etc").st_uid == BASE
    settings = busybox.parent / f"{spawn.name}.nspawn"
    settings.write_text("[Files]\nPrivateUsersChown=yes\n", encoding="ascii")
    spawn.run(busybox, "--settings=trusted", "--private-users=0", "true")
    assert os.stat(busybox / "etc").st_uid == 0


def test_changing_owners_that_was_interrupted_is_finished(spawn, on_disk):
    tree = on_disk()
    before = owners(tree)
    half = sorted(before)[::2]
    for name in half:
        os.lchown(tree / name, BASE, BASE)
    os.chown(tree, INTERRUPTED, INTERRUPTED)
    for option in (["--private-users=yes"], [f"--private-users={BASE}"],
                   [f"--private-users={BASE}", "--private-users-ownership=map"]):
        assert "interrupted" in spawn.refuse(tree, *option, "true")
    spawn.run(tree, f"--private-users={BASE}", "--private-users-ownership=chown", "true")
    after = owners(tree)
    assert {after[n] for n in before} == {(BASE, BASE)}


def test_being_killed_while_owners_change(spawn, on_disk):
    tree = on_disk()
    for folder in range(30):
        (tree / f"d{folder}").mkdir()
        for file in range(100):
            (tree / f"d{folder}/{file}").touch()
    process = spawn.start(tree, f"--private-users={BASE}", "--private-users-ownership=chown", "true")
    until = time.monotonic() + 5
    while os.stat(tree).st_uid == 0 and time.monotonic() < until:
        pass
    process.kill()
    process.wait(5)
    assert os.stat(tree).st_uid in (INTERRUPTED, BASE)
    spawn.run(tree, f"--private-users={BASE}", "--private-users-ownership=chown", "true")
    assert {u for u, _ in owners(tree).values()} == {BASE}


def nest(tree, depth):
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    return fd


def test_trees_that_are_deep(spawn, busybox):
    fd = nest(busybox, 3000)
    spawn.run(busybox, f"--private-users={BASE}", "--private-users-ownership=chown", "true")
    assert os.fstat(fd).st_uid == BASE
    os.close(nest(busybox / "usr", 5000))
    line = spawn.refuse(busybox, "--private-users=0", "--private-users-ownership=chown", "true")
    assert "deep" in line and str(busybox) in line


@pytest.mark.parametrize("options, word", [
    (["--read-only"], "read-only"), (["-x"], "ephemeral"), (["--private-users=0:5:10"], "65536"),
    (["--private-users=5"], "65536"),
])
def test_owners_that_cannot_be_changed(spawn, busybox, options, word):
    line = spawn.refuse(busybox, f"--private-users={BASE}", "--private-users-ownership=chown",
                        *options, "true")
    assert word in line
    assert os.stat(busybox / "etc").st_uid == 0


def test_without_a_user_namespace_there_is_nothing_to_map_to(spawn, busybox):
    for how in ("map", "chown", "foreign"):
        assert "--private-users" in spawn.refuse(busybox, f"--private-users-ownership={how}", "true")
    assert spawn.run(busybox, "--private-users-ownership=off", "true").returncode == 0


def test_foreign_image(spawn, on_disk):
    tree = on_disk()
    chown_tree(tree, FOREIGN)
    os.lchown(tree / "etc/os-release", FOREIGN + 7, FOREIGN + 8)
    for options in (["-U"], ["-U", "--private-users-ownership=foreign"],
                    ["--private-users=identity", "--private-users-ownership=foreign"]):
        out = spawn.sh(tree, "stat -c '%u %g' /etc/os-release; touch /new; stat -c %u /new; rm /new",
                       *options)
        assert out.splitlines() == ["7 8", "0"]
    spawn.run(tree, "-U", "touch", "/kept")
    assert os.stat(tree / "kept").st_uid == FOREIGN
    assert spawn.sh(tree, "stat -c '%u %g' /etc/os-release; touch /other && stat -c %u /other", "-U",
                    "-x").splitlines() == ["7 8", "0"]


def test_image_that_is_not_foreign(spawn, busybox):
    assert "foreign" in spawn.refuse(busybox, "-U", "--private-users-ownership=foreign", "true")


def test_shifted_image_whose_range_is_taken_is_mapped_from_there(spawn, on_disk):
    tree = on_disk()
    chown_tree(tree, BASE)
    os.lchown(tree / "etc/os-release", BASE + 7, BASE + 8)
    holder, _ = picked(spawn, trees.tree("busybox"), f"--private-users={BASE}", "--read-only",
                       name=spawn.name + "-1")
    out = spawn.sh(tree, "cat /proc/self/uid_map; stat -c '%u %g' /etc /etc/os-release; touch /new", "-U",
                   name=spawn.name + "-2").splitlines()
    assert int(out[0].split()[1]) != BASE and out[1:] == ["0 0", "7 8"]
    assert os.stat(tree / "new").st_uid == BASE
    end(holder)


def test_file_systems_that_cannot_map(spawn, fresh_tree, scratch):
    """An overlay is one: its files are given to the machine, unless that is not to be."""
    tree = fresh_tree("busybox")
    line = spawn.refuse(tree, "-U", "--private-users-ownership=map", "true")
    assert str(tree) in line and "cannot map" in line
    assert os.stat(tree / "etc").st_uid == 0
    base = int(spawn.sh(tree, "cat /proc/self/uid_map; test $(stat -c %u /etc) = 0", "-U").split()[1])
    assert os.stat(tree / "etc").st_uid == base
    assert spawn.sh(tree, "cat /proc/self/uid_map; test $(stat -c %u /etc) = 0",
                    "-U").split()[1] == str(base)


def test_payload_stays_in_the_range_it_was_given(spawn, busybox):
    """The host's IDs of a machine's processes and files are in its range, whatever it does."""
    process = spawn.start(busybox, f"--private-users=0:{BASE}:10,10:{BASE + 0x100000}:10",
                          "--private-users-ownership=map", "/bin/sh", "-c",
                          "echo up; exec /probe signal")
    assert process.stdout.readline() == "up\n"
    with open(f"/proc/{leader_of(process)}/status", encoding="utf-8") as f:
        assert f"Uid:\t{BASE}\t{BASE}\t{BASE}\t{BASE}" in f.read()
    process.terminate()
    process.communicate(timeout=5)
