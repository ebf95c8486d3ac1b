# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machines from disk images: what is mounted where, what may be written, what is refused and how, and that
no loop device outlives its machine."""

import hashlib
import os
import platform
import re
import shutil
import signal
import stat
import subprocess

import pytest

from skeplib import build, disks
from skeplib.disks import MiB, file_system, gpt, loops, mbr
from skeplib.spawner import wait_until

XFS_SIZE = 320 * MiB
SIZES = {"ext4": 32 * MiB, "btrfs": 128 * MiB, "xfs": XFS_SIZE}   # the least that they take, about


@pytest.fixture
def system(new_tree):
    """A tree for images, with mount points for their partitions."""
    where = new_tree()
    for name in ("home", "srv", "efi", "boot", "var/tmp"):
        (where / name).mkdir(parents=True, exist_ok=True)
    (where / "etc/os-release").write_text("ID=test\n")
    return where


@pytest.fixture
def no_loops(scratch):
    """After the test nothing of its images is left attached."""
    yield
    wait_until(lambda: not loops(scratch), 20, what=f"an end of {loops(scratch)}")


@pytest.fixture
def ext4(scratch, system):
    return file_system(scratch / "bare.raw", "ext4", system)


def sh(spawn, image, script, *options, **rest):
    return spawn.sh(None, script, "-i", image, *options, **rest)


def refuse(spawn, image, *options, **rest):
    return spawn.refuse(None, "-i", image, *options, "--", "/bin/true", **rest)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def inside(mountinfo):
    """{mount point: (options of the mount, type, options of the file system)}"""
    found = {}
    for line in mountinfo.splitlines():
        fields = line.split()
        dash = fields.index("-")
        assert fields[4] != "/" or "/" not in found, f"something is mounted over the root: {mountinfo}"
        found[fields[4]] = (fields[5].split(","), fields[dash + 1], fields[dash + 3].split(","))
    return found


def files_in(image, part, path):
    """Read a file of an ext4 partition from outside: the machine that wrote it is gone."""
    argv = ["debugfs", "-R", f"cat {path}", image] if part is None else \
        ["debugfs", "-R", f"cat {path}", f"{image}?offset={part * MiB}"]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=True).stdout


# Bare file systems

@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
@pytest.mark.parametrize("users", [(), ("-U",)], ids=["host", "private"])
def test_writable_file_systems(spawn, scratch, system, kind, users, no_loops):
    image = file_system(scratch / "bare.raw", kind, system, SIZES[kind])
    assert sh(spawn, image, "echo 1 >/mark; stat -c %u /mark; cat /etc/os-release", *users) == \
        "0\nID=test"
    mounts = inside(sh(spawn, image, "cat /mark >&2; cat /proc/self/mountinfo", *users))
    assert mounts["/"][1] == kind and "rw" in mounts["/"][0] and "nodev" in mounts["/"][0]


@pytest.mark.parametrize("kind", ["squashfs", "erofs"])
@pytest.mark.parametrize("options", [(), ("-U",), ("-x",), ("-x", "-U")], ids=" ".join)
def test_read_only_file_systems(spawn, scratch, system, kind, options, no_loops):
    image = file_system(scratch / "bare.raw", kind, system)
    out = sh(spawn, image, "echo 1 2>/dev/null >/mark && echo wrote; stat -c %u /etc; cat /etc/os-release",
             *options)
    assert out == ("wrote\n" if "-x" in options else "") + "0\nID=test"


def test_bare_erofs_takes_no_loop_device(spawn, system):
    if [int(n) for n in platform.release().split(".")[:2]] < [6, 12]:
        pytest.skip("erofs is mounted from a file since Linux 6.12")
    image = build.build_dir() / f"{spawn.name}.raw"  # not in memory, whose files it does not take
    file_system(image, "erofs", system)
    try:
        process = spawn.start(None, "-i", image, "--", "/bin/sh", "-c", "echo up; sleep 60")
        assert process.stdout.readline() == "up\n"
        assert loops(image) == []
        process.terminate()
        process.wait(10)
    finally:
        image.unlink()


# Partitions

def gpt_of(scratch, system, *more):
    return gpt(scratch / "disk.raw", *more, (disks.ROOT, file_system(scratch / "root", "ext4", system)))


@pytest.mark.parametrize("options", [(), ("-U",), ("-x",), ("-x", "-U"), ("--ephemeral=disk",),
                                     ("--volatile=overlay",)], ids=lambda o: " ".join(o) or "plain")
def test_partitions(spawn, scratch, system, options, no_loops):
    """Each partition is on its place, is root's, can be written; only without -x that stays."""
    data = file_system(scratch / "data", "ext4", size=8 * MiB)
    image = gpt_of(scratch, system, *((kind, data) for kind in
                                      (disks.HOME, disks.SRV, disks.VAR, disks.TMP)),
                   (disks.SWAP, None, {"size": MiB}), ("21686148-6449-6e6f-744e-656564454649", None))
    places = "/home /srv /var /var/tmp"
    before = digest(image)
    out = sh(spawn, image, f"for i in / {places}; do echo $i >$i/mark && stat -c '%n %u' $i/mark; done;"
             "cat /proc/self/mountinfo", *options)
    assert out.splitlines()[:5] == ["//mark 0"] + [f"{p}/mark 0" for p in places.split()]
    mounts = inside("\n".join(out.splitlines()[5:]))
    for place in places.split():
        assert "nodev" in mounts[place][0] and "rw" in mounts[place][0]
    if options in ((), ("-U",)):
        assert [files_in(image, at, "mark") for at in (1, 9, 17, 25)] == \
            [f"{p}\n" for p in places.split()]
    else:
        assert digest(image) == before


def test_usr_of_its_own(spawn, scratch, system, no_loops):
    shutil.move(system / "bin", system / "usr/real-bin")
    for link in ("bin", "sbin"):
        if (system / link).is_symlink():
            (system / link).unlink()
        (system / link).symlink_to("usr/real-bin")
    usr = file_system(scratch / "usr.sq", "squashfs", system / "usr")
    shutil.rmtree(system / "usr")
    (system / "usr").mkdir()
    image = gpt_of(scratch, system, (disks.USR, usr))
    for options in ((), ("-x", "-U"), ("--volatile=yes",), ("--volatile=yes", "-U"), ("--read-only",)):
        mounts = inside(sh(spawn, image, "cat /proc/self/mountinfo", *options))
        assert mounts["/"][1] == ("tmpfs" if "--volatile=yes" in options else
                                  "overlay" if "-x" in options else "ext4")
        assert mounts["/usr"][1] in ("squashfs", "overlay")


@pytest.mark.parametrize("options", [(), ("--volatile=state",)], ids=["plain", "volatile"])
def test_without_state(spawn, scratch, system, options, no_loops):
    data = file_system(scratch / "data", "ext4", size=8 * MiB)
    image = gpt_of(scratch, system, (disks.VAR, data))
    mounts = inside(sh(spawn, image, "cat /proc/self/mountinfo", *options))
    assert mounts["/var"][1] == ("tmpfs" if options else "ext4")


def test_flags_of_partitions(spawn, scratch, system, no_loops):
    data = file_system(scratch / "data", "ext4", size=8 * MiB)
    image = gpt_of(scratch, system, (disks.HOME, data, {"bits": [disks.READ_ONLY], "name": "my home"}),
                   (disks.SRV, data, {"bits": [disks.NO_AUTO]}))
    mounts = inside(sh(spawn, image, "cat /proc/self/mountinfo"))
    assert "ro" in mounts["/home"][0] and "ro" in mounts["/home"][2]
    assert "/srv" not in mounts


def test_file_system_grows_with_its_partition(spawn, scratch, system, no_loops):
    data = file_system(scratch / "data", "xfs", size=XFS_SIZE)
    root = file_system(scratch / "root", "ext4", system)
    for bits, grown in ([], False), ([disks.GROWFS], True):
        image = gpt(scratch / "disk.raw", (disks.ROOT, root),
                    (disks.SRV, data, {"size": 2 * XFS_SIZE, "bits": bits}))
        size = int(sh(spawn, image, "stat -fc '%b' /srv")) * 4096
        assert (size > 1.5 * XFS_SIZE) == grown
        image.unlink()


def test_boot_partitions(spawn, scratch, system, no_loops):
    """The ESP goes where it is expected, nothing in it can be executed; without vfat it is left out."""
    esp = file_system(scratch / "esp", "vfat", size=33 * MiB)
    image = gpt_of(scratch, system, (disks.ESP, esp))
    done = spawn.run(None, "-i", image, "--", "/bin/cat", "/proc/self/mountinfo", quiet=False)
    mounts = inside(done.stdout)
    if disks.can_mount("vfat"):
        assert {"nodev", "nosuid", "noexec"} <= set(mounts["/efi"][0])
    else:
        assert "/efi" not in mounts and "/boot" not in mounts
        assert "partition 1 (esp) is not mounted: this kernel has no vfat" in done.stderr
    plan = spawn.out(None, "-i", image, "--dry-run")
    assert "partition 1 (esp): vfat on /efi or /boot if empty" in plan


def test_boot_partitions_need_an_empty_place(spawn, scratch, system, no_loops):
    """A directory with files in it is not hidden under the boot loader's. (ext4: there may be no vfat.)"""
    esp = file_system(scratch / "esp", "ext4", size=8 * MiB)
    image = gpt_of(scratch, system, (disks.ESP, esp))
    assert "/efi" in inside(sh(spawn, image, "cat /proc/self/mountinfo"))
    (system / "efi/file").touch()
    (scratch / "root").unlink()
    image = gpt_of(scratch, system, (disks.ESP, esp))
    mounts = inside(sh(spawn, image, "cat /proc/self/mountinfo"))
    assert "/efi" not in mounts and "noexec" in mounts["/boot"][0]
    (system / "boot/file").touch()
    (scratch / "root").unlink()
    image = gpt_of(scratch, system, (disks.ESP, esp))
    mounts = inside(sh(spawn, image, "cat /proc/self/mountinfo"))
    assert "/efi" not in mounts and "/boot" not in mounts


@pytest.mark.parametrize("make", [
    lambda w, fs: gpt(w, (disks.LINUX, fs), (disks.SWAP, None)),
    lambda w, fs: gpt(w, (disks.ROOT_ARM64, None), (disks.LINUX, fs)),
    lambda w, fs: gpt(w, (disks.ROOT_X86, fs)),
    lambda w, fs: gpt(w, (disks.ROOT, fs), (disks.LINUX, None), (disks.LINUX, None)),
    lambda w, fs: mbr(w, ("82", None, False), ("83", fs, True), ("83", None, False)),
], ids=["generic", "foreign", "secondary", "typed-wins", "mbr"])
def test_the_root_is_found(spawn, scratch, ext4, make, no_loops):
    assert sh(spawn, make(scratch / "disk.raw", ext4), "cat /etc/os-release") == "ID=test"


@pytest.mark.parametrize("make, why", [
    (lambda w, fs: gpt(w, (disks.ROOT, fs), (disks.ROOT, fs)),
     "partitions 1 and 2 are both of the type 'root'"),
    (lambda w, fs: gpt(w, (disks.LINUX, fs), (disks.LINUX, fs)), "partitions 1 and 2 are both of the type"),
    (lambda w, fs: gpt(w, (disks.ROOT, fs), (disks.HOME, fs), (disks.HOME, fs)), "partitions 2 and 3"),
    (lambda w, fs: gpt(w, (disks.ROOT_ARM64, fs)), "no partition that could be the root"),
    (lambda w, fs: gpt(w, (disks.ROOT, fs, {"bits": [disks.NO_AUTO]})), "no partition that could be"),
    (lambda w, fs: mbr(w, ("83", fs, False)), "no partition that could be the root"),
    (lambda w, fs: mbr(w, ("83", fs, True), ("83", fs, True)), "both of the type"),
    (lambda w, fs: gpt(w, (disks.ROOT, None)), "it holds no file system that we know"),
    (lambda w, fs: gpt(w, (disks.ROOT, file_system(w.parent / "fat", "vfat", size=8 * MiB))),
     "no file system of the type 'vfat'"),
], ids=["two-roots", "two-generic", "two-homes", "foreign", "no-auto", "mbr-not-bootable", "mbr-two",
        "no-file-system", "vfat-root"])
def test_no_root_or_too_many(spawn, scratch, ext4, make, why, no_loops):
    image = make(scratch / "disk.raw", ext4)
    assert why in refuse(spawn, image)


@pytest.fixture
def attached():
    """attached(path, options…) is a block device with a file in it."""
    made = []

    def make(path, *options):
        made.append(subprocess.run(["losetup", "-f", "--show", *options, path], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.strip())
        return made[-1]

    yield make
    for device in made:
        subprocess.run(["losetup", "-d", device], check=True)


def test_block_devices(spawn, scratch, system, ext4, attached):
    """One file system on a device is mounted from it; of several, each gets a device of its own."""
    bare = attached(ext4)
    mounts = sh(spawn, bare, "cat /proc/self/mountinfo; echo 1 >/mark")
    assert f" - ext4 {bare} " in mounts
    data = file_system(scratch / "data", "ext4", size=8 * MiB)
    disk = attached(gpt_of(scratch, system, (disks.HOME, data)))
    for options in (), ("-x", "-U"):
        assert sh(spawn, disk, "echo 1 >/home/mark; cat /etc/os-release", *options) == "ID=test"
    assert "is in use" not in spawn.run(None, "-i", bare, "--dry-run").stderr
    assert files_in(ext4, None, "mark") == "1\n"


def test_large_sectors(spawn, scratch, system, attached):
    """A table that was made for sectors of 4 KiB is found in a file, too."""
    image = scratch / "large.raw"
    with open(image, "wb") as f:
        f.truncate(80 * MiB)
    disks.run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", attached(image, "-b", "4096"),
              input=f"label: gpt\nstart=256, size=16384, type={disks.ROOT}\n")
    root = scratch / "root"
    disks.run("mkfs.ext4", "-q", "-b", "4096", "-d", system, root, "64M")
    disks.run("dd", f"if={root}", f"of={image}", "bs=1M", "seek=1", "conv=notrunc,sparse")
    assert sh(spawn, image, "cat /etc/os-release") == "ID=test"


def test_image_made_by_systemd_repart(spawn, scratch, system, no_loops):
    definitions = scratch / "repart.d"
    definitions.mkdir()
    (definitions / "10-root.conf").write_text("[Partition]\nType=root\nFormat=squashfs\nCopyFiles=/:/\n"
                                           "SizeMinBytes=32M\n")
    (definitions / "20-home.conf").write_text("[Partition]\nType=home\nFormat=ext4\nSizeMinBytes=16M\n")
    (definitions / "30-swap.conf").write_text("[Partition]\nType=swap\nSizeMinBytes=8M\n")
    image = scratch / "disk.raw"
    disks.run("systemd-repart", "--empty=create", "--size=auto", f"--definitions={definitions}",
              f"--root={system}", "--dry-run=no", image)
    mounts = inside(sh(spawn, image, "echo 1 >/home/mark; cat /proc/self/mountinfo"))
    assert (mounts["/"][1], mounts["/home"][1]) == ("squashfs", "ext4")


# What stays as it was

@pytest.mark.parametrize("kind, options", [
    ("ext4", ("--read-only",)), ("ext4", ("-x",)), ("ext4", ("--volatile=overlay",)),
    ("ext4", ("--dry-run",)),
    ("xfs", ("-x",)), ("btrfs", ("-x",)), ("btrfs", ("--read-only",))])
def test_image_is_not_written_to(spawn, scratch, system, kind, options, no_loops):
    """Not even where a journal would have to be replayed: its last user was killed."""
    image = file_system(scratch / "bare.raw", kind, system, SIZES[kind])
    dirty = scratch / "dirty.raw"
    process = spawn.start(None, "-i", image, "--", "/bin/sh", "-c",
                          "echo 1 >/mark; sync; echo 2 >/mark2; sync /; echo up; sleep 60")
    assert process.stdout.readline() == "up\n"
    disks.run("cp", "--sparse=always", image, dirty)
    process.terminate()
    process.wait(10)

    before = digest(dirty)
    os.chmod(dirty, 0o644)
    spawn.run(None, "-i", dirty, *options, "--", "/bin/true")
    assert digest(dirty) == before


def test_read_only_file_is_a_read_only_image(spawn, ext4, no_loops):
    ext4.chmod(0o444)
    mounts = inside(sh(spawn, ext4, "cat /proc/self/mountinfo"))
    assert "ro" in mounts["/"][0]


def test_devices_of_an_image_are_none(spawn, scratch, system, no_loops):
    """A node in the image, made where nobody asked us, opens nothing; not below an upper layer either."""
    os.mknod(system / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    image = file_system(scratch / "bare.raw", "ext4", system)
    for options in (), ("-U",), ("-x",), ("-x", "-U"), ("--volatile=overlay",):
        assert sh(spawn, image, "cat /null 2>&1 && echo opened; cat /dev/null", *options).endswith(
            "Permission denied"), options


@pytest.mark.parametrize("options", [(), ("-U",), ("-x",)], ids=lambda o: " ".join(o) or "plain")
def test_places_stay_in_the_image(spawn, scratch, system, options, no_loops):
    """Where a partition goes is looked up in the image: a link to somewhere leads to there in it."""
    outside = scratch / "outside"
    outside.mkdir()
    for name, target in (("home", outside), ("srv", "../../../../proc/1/root"), ("efi", "/dev")):
        shutil.rmtree(system / name)
        (system / name).symlink_to(target)
    (system / "proc/1/root").mkdir(parents=True)
    (system / str(outside).lstrip("/")).mkdir(parents=True)
    data = file_system(scratch / "data", "ext4", size=8 * MiB)
    image = gpt_of(scratch, system, (disks.HOME, data), (disks.SRV, data), (disks.ESP, data))
    out = sh(spawn, image, f"echo 1 >{outside}/mark && echo wrote; cat /proc/self/mountinfo; echo >/dev/null",
             *options)
    assert out.startswith("wrote\n") and str(outside) in inside(out[6:])
    assert list(outside.iterdir()) == []


def test_journal_of_an_image(spawn, ext4, no_loops):
    assert "the host sees no files in a disk image" in refuse(spawn, ext4, "--link-journal=guest")
    assert sh(spawn, ext4, "echo up", "--link-journal=try-guest") == "up"


@pytest.mark.parametrize("options", [(), ("--read-only",), ("-x",)], ids=lambda o: " ".join(o) or "plain")
def test_a_damaged_file_system_does_not_halt_the_host(spawn, scratch, ext4, options, no_loops):
    """An image can ask for that."""
    disks.run("tune2fs", "-e", "panic", ext4)
    image = gpt(scratch / "disk.raw", (disks.ROOT, ext4), (disks.HOME, ext4))
    mounts = sh(spawn, image, "cat /proc/self/mountinfo", *options)
    places = [line.split() for line in mounts.splitlines() if " - ext4 " in line]
    ours = [fields for fields in places if fields[4] in ("/", "/home")]
    assert len(ours) == (1 if "-x" in options else 2)
    assert all("errors=remount-ro" in fields[-1].split(",") for fields in ours)


# Names, locks, what is said

def test_pool(spawn, ext4, scratch, no_loops):
    pool = scratch / "pool"
    pool.mkdir()
    ext4.rename(pool / f"{spawn.name}.raw")
    env = {**os.environ, "SKEP_POOL": str(pool)}
    assert spawn.sh(None, "cat /etc/os-release; hostname", env=env) == f"ID=test\n{spawn.name}"


def test_name_and_settings_come_from_the_file_name(spawn, ext4, scratch, no_loops):
    image = scratch / f"{spawn.name}.raw"
    ext4.rename(image)
    (scratch / f"{spawn.name}.nspawn").write_text("[Exec]\nEnvironment=FROM=file\nCapability=all\n")
    done = spawn.run(None, "-i", image, "--", "/bin/sh", "-c", "hostname; echo $FROM", name=False,
                     quiet=False)
    assert done.stdout == f"{spawn.name}\nfile\n"
    assert "needs trust" in done.stderr or "not trusted" in done.stderr


def test_writers_exclude_each_other(spawn, ext4, no_loops):
    process = spawn.start(None, "-i", ext4, "--", "/bin/sh", "-c", "echo up; sleep 60")
    assert process.stdout.readline() == "up\n"
    for options in (), ("--read-only",), ("-x",):
        assert "is in use by somebody else" in refuse(spawn, ext4, *options, name=f"{spawn.name}2")
    process.terminate()
    process.wait(10)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_readers_share(spawn, scratch, system, kind, no_loops):
    image = file_system(scratch / "bare.raw", kind, system, SIZES[kind])
    process = spawn.start(None, "-i", image, "--read-only", "--", "/bin/sh", "-c", "echo up; sleep 60")
    assert process.stdout.readline() == "up\n"
    assert sh(spawn, image, "cat /etc/os-release", "-x", name=f"{spawn.name}2") == "ID=test"
    assert "is in use" in refuse(spawn, image, name=f"{spawn.name}3")
    process.terminate()
    process.wait(10)


def test_what_an_image_cannot_be(spawn, scratch, system):
    fifo = scratch / "fifo"
    os.mkfifo(fifo)
    for path, why in ((system, "--directory= is for directories"), (fifo, "neither a file nor a block"),
                      (scratch / "none", "No such file"), ("/dev/null", "neither a file nor a block")):
        assert why in refuse(spawn, path)
    line = spawn.refuse(None, "-i", fifo, "-D", system, "--", "/bin/true")
    assert "neither a file" in line or "not both" in line


def test_dry_run_tells_the_partitions(spawn, scratch, system, no_loops):
    data = file_system(scratch / "data", "ext4", size=8 * MiB)
    image = gpt_of(scratch, system, (disks.HOME, data, {"bits": [disks.GROWFS], "name": "my home"}))
    before = digest(image)
    out = spawn.out(None, "-i", image, "--dry-run")
    assert f"image: {image}" in out
    assert re.search(r"partition 2 \(root\): ext4 on /, ro,errors=remount-ro,norecovery, \d+ bytes at \d+\n",
                     out)
    assert re.search(r"partition 1 \(home\): ext4 on /home, .*, 'my home'", out)
    assert digest(image) == before


# What is broken

def overwrite(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def damaged_images(scratch, ext4):
    whole = gpt(scratch / "whole.raw", (disks.ROOT, ext4), (disks.HOME, ext4))

    def copy(name, source=whole):
        shutil.copy(source, scratch / name)
        return scratch / name

    (scratch / "empty").touch()
    yield scratch / "empty", "the image is empty"
    (scratch / "zeros").write_bytes(bytes(MiB))
    yield scratch / "zeros", "neither a partition table nor a file system"
    (scratch / "noise").write_bytes(hashlib.shake_256(b"noise").digest(MiB))
    yield scratch / "noise", "neither a partition table nor a file system"
    for size in (1024, 1536, 40 * MiB, 70 * MiB):
        os.truncate(copy(f"cut-{size}"), size)
        yield scratch / f"cut-{size}", "cut short"
    overwrite(copy("entries"), 1024 + 40, b"\xff" * 8)
    overwrite(scratch / "entries", os.path.getsize(whole) - 33 * 512, b"\xff" * 8)
    yield scratch / "entries", ""
    overwrite(copy("superblock", ext4), 1024 + 0x18, b"\xff" * 4)
    yield scratch / "superblock", ""
    overwrite(copy("groups", ext4), 2048, b"\xff" * 4096)
    yield scratch / "groups", "damaged"
    overwrite(copy("magic"), MiB + 1024, bytes(1024))
    yield scratch / "magic", "partition 1"
    os.truncate(copy("short", ext4), 8 * MiB)
    yield scratch / "short", ""


def test_damaged_images(spawn, scratch, ext4, no_loops):
    for image, why in damaged_images(scratch, ext4):
        line = refuse(spawn, image)
        assert why in line and str(image) in line, line


def test_without_the_aide(spawn, ext4, scratch, no_loops):
    line = refuse(spawn, ext4, env={**os.environ, "SKEP_LIBEXECDIR": str(scratch)})
    assert "skep-dissect' is not there" in line


if not os.environ.get("SKEP_SANITIZED"):     # which makes calls of its own
    def test_the_aide_has_no_rights(spawn, ext4, scratch, no_loops):
        """Before it reads the first byte of the image it is nobody and behind a filter; after it, it opens
        nothing. Everything else that it tries fails."""
        trace = scratch / "trace"
        argv = spawn.argv(None, "-i", ext4, "--", "/bin/true")
        subprocess.run(["strace", "-f", "-qq", "-o", trace, *argv], check=True, stdin=subprocess.DEVNULL)
        lines = trace.read_text().splitlines()
        pid = next(line.split()[0] for line in lines if "skep-dissect" in line and "execve" in line)
        mine = [line.split(None, 1)[1] for line in lines if line.split()[0] == pid]
        calls = mine[next(i for i, line in enumerate(mine) if "execve" in line):]
        confined = next(i for i, line in enumerate(calls) if "SECCOMP_MODE_FILTER" in line)
        assert calls[confined].endswith("= 0")
        before = re.sub(" +", " ", "\n".join(calls[:confined]))
        assert "setresuid(65534, 65534, 65534) = 0" in before
        assert "landlock_restrict_self" in before
        assert not re.search(r"pread64\(4,|read\(4,|mmap\([^)]*, 4, ", before)
        after = calls[confined + 1:]
        assert any(line.startswith("pread64(4,") or line.startswith("read(4,") for line in after)
        allowed = ("read", "pread64", "pwrite64", "lseek", "close", "sendmsg", "munmap", "mmap", "mremap",
                   "madvise", "brk", "getrandom", "exit_group", "mprotect", "fstat", "newfstatat", "statx",
                   "fadvise64", "ioctl", "+++", "<...")
        for line in after:
            assert line.split("(")[0].split(" ")[0] in allowed or line.endswith("EPERM (Operation not permitted)"), \
                line


# What is left behind

def test_kill_leaves_no_loop_device(spawn, scratch, system, no_loops):
    """The supervisor is killed while the machine runs: its devices go, and the image can be used at once."""
    data = file_system(scratch / "data", "ext4", size=8 * MiB)
    image = gpt_of(scratch, system, (disks.HOME, data))
    for options in (), ("-U",), ("-x",):
        process = spawn.start(None, "-i", image, *options, "--", "/bin/sh", "-c", "echo up; sleep 60")
        assert process.stdout.readline() == "up\n"
        assert len(loops(image)) == 2
        process.send_signal(signal.SIGKILL)
        process.wait(5)
        wait_until(lambda: not loops(image), 20, what="an end of the loop devices")
        assert sh(spawn, image, "cat /etc/os-release") == "ID=test"
        wait_until(lambda: not loops(image), 20, what="an end of the loop devices")


@pytest.mark.parametrize("options", [(), ("-U",), ("-x",)], ids=lambda o: " ".join(o) or "plain")
def test_reboot(spawn, scratch, system, options, no_loops):
    """What was written before a reboot is there after it, and the image has no more than one user."""
    data = file_system(scratch / "data", "ext4", size=8 * MiB)
    image = gpt_of(scratch, system, (disks.HOME, data))
    script = ("if [ -e /home/mark ]; then cat /mark /home/mark; else echo one >/mark; echo two >/home/mark;"
              " exec reboot -f; fi")
    assert sh(spawn, image, script, *options) == "one\ntwo"


def test_many_at_once(spawn, scratch, ext4, no_loops):
    """Machines that start at the same moment do not take each other's loop devices."""
    started = [spawn.start(None, "-i", ext4, "-x", "--", "/bin/cat", "/etc/os-release",
                           name=f"{spawn.name}-{i}") for i in range(12)]
    for process in started:
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, "ID=test\n"), err


def test_without_device_nodes(spawn, ext4, no_loops):
    """Where nobody makes nodes in /dev for loop devices, machines start all the same."""
    script = ("mount -t tmpfs none /dev && mknod /dev/loop-control c 10 237 && mknod -m 666 /dev/null c 1 3"
              " && exec \"$@\"")
    argv = spawn.argv(None, "-i", ext4, "--", "/bin/cat", "/etc/os-release")
    done = subprocess.run(["unshare", "-m", "sh", "-c", f"exec 3<&-; {script}", "sh", *argv],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "ID=test\n"), done.stderr


def test_program_is_built():
    """The aide lies where skep-spawn looks for it."""
    assert (build.build_dir() / "libexec/skep-dissect").exists()
