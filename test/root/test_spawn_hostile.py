# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images and payloads that mean harm: nothing an image says is ever followed on the host."""

import os
import pty
import select
import shutil
import stat
import subprocess

import pytest

from skeplib import kernel
from skeplib.spawner import CHOWNED, DEFAULT_CAPS, leader_of, own_caps, wait_until


@pytest.fixture
def canary(scratch):
    """A folder on the host that an image tries to reach."""
    where = scratch / "canary"
    where.mkdir()
    (where / "file").write_text("host\n")
    (where / "etc").mkdir()
    (where / "etc/passwd").write_text("root:x:0:0:host:/root:/bin/false\nann:x:0:0::/:/bin/sh\n")
    return where


def snapshot(folder):
    """Everything about a folder that a stranger could have changed."""
    found = []
    for top, folders, files in os.walk(folder):
        for name in sorted(folders + files) + ["."]:
            path = os.path.join(top, name)
            status = os.lstat(path)
            found.append((path, status.st_mode, status.st_uid, status.st_gid, status.st_size,
                          status.st_mtime_ns, status.st_dev))
    return sorted(found)


def replace(path, target):
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    path.symlink_to(target)


def escapes(canary):
    """The same place, said in the ways that a careless reader would follow."""
    return [str(canary), "../" * 20 + str(canary).lstrip("/"), f"/proc/1/root{canary}",
            f"/proc/self/root{canary}"]


@pytest.mark.parametrize("name", ["dev", "proc", "sys", "run", "tmp", "etc", "var", "root", "mnt"])
@pytest.mark.parametrize("how", range(4))
def test_folder_of_the_image_is_a_link_out(spawn, busybox, canary, name, how):
    replace(busybox / name, escapes(canary)[how])
    before = snapshot(canary)
    spawn.run(busybox, "-n", "--tmpfs=/mnt/x", "--chdir=/root", "--bind-ro=/usr/share:/var/y",
              "/bin/sh", "-c", "touch /tmp/x /run/x /dev/x; :", check=False)
    assert snapshot(canary) == before


@pytest.mark.parametrize("name", ["dev", "proc", "sys", "run", "tmp"])
def test_folder_of_the_image_is_something_else(spawn, busybox, name):
    """A file or a device where a folder is needed is an error with the name in it, or replaced by
    nothing of the host's."""
    shutil.rmtree(busybox / name)
    (busybox / name).write_text("")
    done = spawn.run(busybox, "true", check=False)
    assert done.returncode in (0, 125)
    if done.returncode:
        assert f"/{name}" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["passwd", "group", "machine-id", "os-release"])
@pytest.mark.parametrize("how", range(4))
def test_file_of_the_image_is_a_link_out(spawn, busybox, canary, name, how):
    (canary / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    replace(busybox / "etc" / name, escapes(canary / "etc" / name)[how])
    out = spawn.run(busybox, "/bin/sh", "-c", "echo $container_uuid", check=False).stdout
    assert "01234567-89ab" not in out
    spawn.run(busybox, "--uid=ann", "true", check=False)
    assert spawn.run(busybox, "--uid=ann", "true", check=False).returncode != 0 or name != "passwd"


@pytest.mark.parametrize("name", ["passwd", "group", "machine-id", "os-release"])
def test_file_of_the_image_never_ends(spawn, busybox, name):
    """A FIFO, a device or a huge file in the place of a small one does not hang or fill memory."""
    path = busybox / "etc" / name
    for make in (os.mkfifo, lambda p: os.mknod(p, 0o644 | stat.S_IFCHR, os.makedev(1, 5)),
                 lambda p: os.truncate(os.open(p, os.O_CREAT | os.O_WRONLY), 1 << 34)):
        path.unlink(missing_ok=True)
        make(path)
        done = spawn.run(busybox, "--uid=0", "true", check=False, timeout=5)
        assert done.returncode in (0, 125)


@pytest.mark.parametrize("name", ["machine-id", "passwd", "group"])
def test_device_of_the_image_is_not_opened(spawn, busybox, name):
    """Opening alone makes some devices act: a watchdog begins to count."""
    path = busybox / "etc" / name
    path.unlink(missing_ok=True)
    os.mknod(path, 0o644 | stat.S_IFCHR, os.makedev(1, 3))
    done = subprocess.run(["strace", "-f", "-qq", "-e", "trace=open,openat,openat2",
                           *spawn.argv(busybox, "--uid=0", "true")], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20,
                          check=False)
    seen = [line for line in done.stderr.splitlines() if f"etc/{name}\"" in line]
    assert seen and all("O_PATH" in line for line in seen), seen


@pytest.mark.parametrize("how", range(4))
def test_mount_point_behind_a_link_out(spawn, busybox, canary, how, scratch):
    source = scratch / "source"
    source.mkdir()
    (busybox / "mnt").mkdir(exist_ok=True)
    replace(busybox / "mnt/out", escapes(canary)[how])
    before = snapshot(canary)
    spawn.run(busybox, f"--bind={source}:/mnt/out/new", "--tmpfs=/mnt/out/other", "true", check=False)
    spawn.run(busybox, f"--bind={source}:/mnt/out", "true", check=False)
    assert snapshot(canary) == before


def test_link_inside_the_image_is_followed_inside(spawn, busybox):
    (busybox / "real").mkdir()
    replace(busybox / "mnt", "/real")
    assert spawn.sh(busybox, "touch /real/x && ls /mnt", "--tmpfs=/mnt") == "x"


@pytest.mark.parametrize("how", range(4))
def test_init_and_shell_behind_links_out(spawn, busybox, canary, how):
    (canary / "sh").write_text("#!/bin/sh\necho host\n")
    (canary / "sh").chmod(0o755)
    replace(busybox / "sbin/init", escapes(canary / "sh")[how])
    assert "host" not in spawn.run(busybox, "-b", check=False).stdout


def test_home_of_a_user_behind_a_link_out(spawn, busybox, canary):
    with open(busybox / "etc/passwd", "a", encoding="ascii") as f:
        f.write("ann:x:1234:1234::/home/ann:/bin/sh\nbob:x:1235:1235::/../../../../tmp/x:/bin/sh\n")
    replace(busybox / "home", str(canary))
    before = snapshot(canary)
    spawn.run(busybox, "--uid=ann", "true", check=False)
    spawn.run(busybox, "--uid=bob", "true", check=False)
    assert snapshot(canary) == before


def test_ownership_of_the_host_stays(spawn, busybox, canary):
    """Mapping a tree's owners does not touch what its links point to, nor other names of its files."""
    outside = canary / "hard"
    os.link(busybox / "etc/os-release", outside)
    (busybox / "link").symlink_to(canary)
    before = snapshot(canary)
    spawn.run(busybox, f"--private-users={CHOWNED}:65536", "--private-users-ownership=map", "true")
    assert snapshot(canary) == before


def test_settings_beside_the_image_are_not_trusted(spawn, busybox, canary):
    (busybox.parent / f"{spawn.name}.nspawn").write_text(
        f"[Exec]\nEphemeral=yes\nPrivateUsers=no\nCapability=all\n[Files]\nBind={canary}:/mnt\n"
        "[Network]\nPrivate=no\n")
    out = spawn.sh(busybox, "ls /mnt; grep CapBnd /proc/self/status; touch /new")
    assert int(out.split()[1], 16) == DEFAULT_CAPS & own_caps() and out.startswith("CapBnd:")
    assert (busybox / "new").exists()


def test_set_user_id_program_does_not_work_on_the_host(spawn, busybox):
    """While a machine with an own user namespace runs, what it made set-user-ID is an ordinary
    user's on the host."""
    process = spawn.start(busybox, f"--private-users={CHOWNED}:65536", "/bin/sh", "-c",
                          "cp /bin/busybox /tmp/su && chmod 4755 /tmp/su && exec /probe signal")
    assert process.stdout.readline() == "waiting\n"
    status = os.stat(f"/proc/{leader_of(process)}/root/tmp/su")
    assert status.st_uid == CHOWNED
    process.terminate()
    process.communicate(timeout=5)


# --- what a payload tries ----------------------------------------------------------------------

@pytest.mark.parametrize("script", [
    "umount /run/host/os-release", "mount -o remount,rw /run/host/os-release",
])
def test_what_was_mounted_for_a_machine_is_locked(spawn, busybox, script):
    """What the host mounted before the machine got its own user namespace cannot come off."""
    done = spawn.run(busybox, "--private-users=pick", "/bin/sh", "-c", script, check=False)
    assert done.returncode != 0, done


@pytest.mark.parametrize("script", [
    "umount /proc/kallsyms; grep -cv '^0* ' /proc/kallsyms",
    "umount /proc/sysrq-trigger; echo h >/proc/sysrq-trigger && echo bad",
    "umount /proc/sys; mount -o remount,rw,bind /proc/sys; echo 1 >/proc/sys/kernel/panic && echo bad",
    "umount /proc/sys; mount -o remount,rw,bind /proc/sys; "
    "echo x >/proc/sys/kernel/core_pattern && echo bad",
    "umount /proc/kcore; head -c1 /proc/kcore", "umount /proc/timer_list; cat /proc/timer_list",
    "umount /sys; mount -t sysfs x /sys; echo 1 >/sys/kernel/profiling && echo bad",
])
def test_behind_the_masks_is_nothing_for_an_own_user_namespace(spawn, busybox, script):
    """Its root can take masks off, and finds that the kernel itself keeps them shut."""
    done = spawn.run(busybox, "--private-users=pick", "/bin/sh", "-c", script, check=False)
    assert done.stdout in ("", "0\n"), done


@pytest.mark.parametrize("mode", ["no", "pick"])
def test_devices_cannot_be_made(spawn, busybox, mode):
    """Of the disk that the host runs from, and in no place where something may be made."""
    disk = os.stat("/").st_dev
    for place in ("/tmp", "/dev", "/var"):
        script = (f"mknod {place}/disk b {os.major(disk)} {os.minor(disk)} 2>/dev/null;"
                  f"dd if={place}/disk bs=1 count=1 2>/dev/null")
        done = spawn.run(busybox, f"--private-users={mode}", "/bin/sh", "-c", script, check=False)
        assert done.returncode != 0 and done.stdout == ""


def test_devices_of_others_can_be_made_where_they_are_wanted(spawn, busybox):
    script = "mknod /dev/kmsg c 1 11 && test -c /dev/kmsg"
    spawn.run(busybox, "--api-vfs-writable=yes", "/bin/sh", "-c", script)
    assert spawn.run(busybox, "/bin/sh", "-c", script, check=False).returncode != 0


@pytest.mark.parametrize("mode", ["no", "pick"])
def test_keeper_cannot_be_seen_or_traced(spawn, busybox, mode):
    script = "ls -d /proc/[0-9]*; cat /proc/1/environ | tr '\\0' '\\n'"
    out = spawn.sh(busybox, script, f"--private-users={mode}", env={**os.environ, "SECRET": "s3"})
    assert "s3" not in out and "skep-spawn" not in out


@pytest.mark.parametrize("mode", ["no", "pick"])
def test_mounts_of_the_payload_stay_inside(spawn, busybox, scratch, mode):
    kernel.mount(None, scratch, None, 1 << 20)      # MS_SHARED, as a host's mounts are
    process = spawn.start(busybox, f"--private-users={mode}", "/bin/sh", "-c",
                          "mount -t tmpfs inner /var && exec /probe signal")
    assert process.stdout.readline() == "waiting\n"
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        assert "inner" not in f.read()
    with open("/proc/1/mountinfo", encoding="utf-8") as f:
        text = f.read()
        assert "inner" not in text and str(busybox) not in text
    process.terminate()
    process.communicate(timeout=5)


def test_chroot_does_not_lead_out(spawn, busybox, canary):
    script = "mkdir -p /tmp/j; cd /; chroot /tmp/j true 2>/dev/null; ls /../../../ | tr '\\n' ' '"
    assert canary.name not in spawn.sh(busybox, script)


def test_proc_fds_do_not_lead_out(spawn, busybox, canary):
    """No descriptor of any process inside is a folder of the host."""
    script = ("for p in /proc/[0-9]*; do for f in $p/fd/* $p/cwd $p/root; do "
              f"ls $f{canary} 2>/dev/null; ls $f/../../../..{canary} 2>/dev/null; done; done; :")
    assert spawn.sh(busybox, script) == ""
    assert spawn.sh(busybox, script, "-a") == ""


def test_terminal_cannot_be_stuffed(spawn, busybox):
    """TIOCSTI into the keeper's terminal: the payload's controlling terminal is another one."""
    master, slave = pty.openpty()
    process = subprocess.Popen(spawn.argv(busybox, "/probe", "tty"), stdin=slave, stdout=slave,
                               stderr=slave, start_new_session=True)
    process.wait(5)
    os.close(slave)
    text = b""
    while select.select([master], [], [], 0.1)[0]:
        try:
            text += os.read(master, 4096)
        except OSError:
            break
    os.close(master)
    assert b"controlling ENXIO" in text, text


def test_cgroup_of_the_host_cannot_be_reached(spawn, busybox):
    script = ("echo $$ >/sys/fs/cgroup/../cgroup.procs; cat /proc/self/cgroup; "
              "ls -d /sys/fs/cgroup/../*/ 2>/dev/null | wc -l")
    assert "0::/\n" in spawn.sh(busybox, script, stderr=subprocess.DEVNULL) + "\n"


def test_notify_socket_takes_only_messages(spawn, busybox, scratch):
    """Descriptors sent along are not kept by the keeper."""
    process = spawn.start(busybox, "/bin/sh", "-c", "/probe notify FDSTORE=1 X=1; exec /probe signal")
    assert process.stdout.readline() == "FDSTORE=1 ok\n"
    assert process.stdout.readline() == "X=1 ok\n"
    assert process.stdout.readline() == "waiting\n"
    before = len(os.listdir(f"/proc/{process.pid}/fd"))
    wait_until(lambda: len(os.listdir(f"/proc/{process.pid}/fd")) <= before, what="a close")
    process.terminate()
    process.communicate(timeout=5)


def test_payload_floods_its_manager(spawn, busybox):
    script = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo STATUS=$i; done | xargs /probe notify"
    assert spawn.run(busybox, "/bin/sh", "-c", script + " >/dev/null; exit 0").returncode == 0
