# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a payload finds around it when nothing is asked for."""

import os
import re
import stat
import subprocess
import uuid

import pytest

from skeplib.spawner import DEFAULT_CAPS, own_caps


def mounts_of(text):
    """mountinfo as {mount point: (file system type, options of mount, options of superblock)}."""
    found = {}
    for line in text.splitlines():
        left, right = line.split(" - ")
        fields, (fstype, _, super_options) = left.split(), right.split(" ", 2)
        found[fields[4]] = (fstype, set(fields[5].split(",")), set(super_options.split(",")))
    return found


@pytest.fixture
def mounts(spawn, busybox):
    return mounts_of(spawn.out(busybox, "cat", "/proc/self/mountinfo"))


@pytest.mark.parametrize("where, fstype, has, lacks", [
    ("/proc", "proc", "nosuid noexec nodev", "ro"),
    ("/proc/sys", "proc", "ro nosuid noexec nodev", ""),
    ("/sys", "sysfs", "ro nosuid noexec nodev", ""),
    ("/sys/fs/cgroup", "cgroup2", "rw nosuid noexec nodev", ""),
    ("/dev", "tmpfs", "nosuid", "nodev"),
    ("/dev/shm", "tmpfs", "nosuid nodev", "ro"),
    ("/dev/mqueue", "mqueue", "nosuid noexec nodev", "ro"),
    ("/dev/pts", "devpts", "nosuid noexec", "ro"),
    ("/run", "tmpfs", "nosuid nodev", "ro"),
    ("/run/host", "tmpfs", "ro nosuid noexec nodev", ""),
    ("/tmp", "tmpfs", "nosuid nodev", "ro"),
])
def test_mount(mounts, where, fstype, has, lacks):
    assert where in mounts
    got, options, _ = mounts[where]
    assert got == fstype
    assert set(has.split()) <= options
    assert not set(lacks.split()) & options


def test_mounts_show_nothing_of_the_host(spawn, busybox):
    out = spawn.out(busybox, "cat", "/proc/self/mountinfo")
    points = set(mounts_of(out))
    assert not [p for p in points if not p.startswith(("/proc", "/sys", "/dev", "/run", "/tmp"))
                and p != "/"], points
    assert "/sys/fs/cgroup/memory" not in points and "/sys/fs/cgroup/unified" not in points


@pytest.mark.parametrize("where, mode", [
    ("/tmp", 0o1777), ("/run", 0o755), ("/dev", 0o755), ("/dev/shm", 0o1777), ("/", 0o755),
])
def test_mode_of_mounts(spawn, busybox, where, mode):
    assert spawn.out(busybox, "stat", "-c", "%a %u %g", where) == f"{mode:o} 0 0"


def test_root_is_shared_inside(spawn, busybox):
    assert "shared:" in spawn.sh(busybox, "awk '$5 == \"/\"' /proc/self/mountinfo")


def test_sizes_of_tmpfs_are_bounded(mounts):
    for where in ("/tmp", "/run", "/dev", "/dev/shm"):
        options = mounts[where][2]
        assert any(o.startswith("size=") for o in options), where
        assert any(o.startswith("nr_inodes=") for o in options), where


@pytest.mark.parametrize("name, major, minor", [
    ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
    ("tty", 5, 0),
])
def test_device(spawn, busybox, name, major, minor):
    out = spawn.out(busybox, "stat", "-c", "%F|%t|%T|%a|%u|%g", f"/dev/{name}")
    assert out == f"character special file|{major:x}|{minor:x}|666|0|0"


def test_devices_work(spawn, busybox):
    assert spawn.sh(busybox, "echo lost >/dev/null && head -c4 /dev/zero | od -An -tx1 && "
                    "head -c8 /dev/urandom | wc -c") == " 00 00 00 00\n8"
    assert spawn.run(busybox, "/bin/sh", "-c", "echo x >/dev/full", check=False).returncode == 1


@pytest.mark.parametrize("name, target", [
    ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx"),
])
def test_device_link(spawn, busybox, name, target):
    assert spawn.out(busybox, "readlink", f"/dev/{name}") == target


def test_no_other_devices(spawn, busybox):
    names = set(spawn.sh(busybox, "cd /dev; find . -type b -o -type c").split())
    wanted = {f"./{n}" for n in ("null", "zero", "full", "random", "urandom", "tty", "pts/ptmx")}
    assert wanted <= names
    assert names - wanted <= {"./fuse", "./net/tun"}


@pytest.fixture
def telling(busybox):
    """A tree whose init tells what it is asked by its arguments, a script."""
    (busybox / "etc").mkdir(exist_ok=True)
    (busybox / "etc/os-release").write_text("ID=test\n", encoding="ascii")
    (busybox / "sbin").mkdir(exist_ok=True)
    init = busybox / "sbin/init"
    init.unlink(missing_ok=True)
    init.write_text('#!/bin/sh\neval "$*"\n', encoding="ascii")
    init.chmod(0o755)
    return busybox


def test_device_numbers_have_links_for_a_system(spawn, telling):
    assert spawn.out(telling, "-b", "readlink", "/dev/char/1:3") in ("../null", "/dev/null")


def of_this_kernel(*names):
    """Those of the names that /proc has here: not every kernel is built with all."""
    return [n for n in names if os.path.exists(f"/proc/{n}")]


@pytest.mark.parametrize("name", of_this_kernel("kallsyms", "kcore", "keys", "sysrq-trigger",
                                                "timer_list"))
def test_secret_of_proc_is_masked(spawn, busybox, name):
    path = f"/proc/{name}"
    assert spawn.ask(busybox, "read", path)[path] in ("0", "EACCES", "EPERM")
    assert spawn.ask(busybox, "write", path)[path] in ("EROFS", "EACCES", "EPERM")
    assert spawn.out(busybox, "stat", "-c", "%a %s", path) == "0 0"


@pytest.mark.parametrize("name", of_this_kernel("acpi", "bus", "fs", "irq", "scsi", "asound", "sys"))
def test_part_of_proc_is_read_only(spawn, busybox, name):
    options = mounts_of(spawn.out(busybox, "cat", "/proc/self/mountinfo"))[f"/proc/{name}"][1]
    assert "ro" in options


def test_sysctls_cannot_be_changed(spawn, busybox):
    asked = ("/proc/sys/kernel/panic", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness",
             "/proc/sys/net/ipv4/ip_forward")
    for path, got in spawn.ask(busybox, "write", *asked).items():
        assert got in ("EROFS", "ENOENT"), path


def test_sysfs_cannot_be_changed(spawn, busybox):
    done = spawn.run(busybox, "/bin/sh", "-c", "echo mem >/sys/power/state", check=False)
    assert done.returncode and "Read-only" in done.stderr + done.stdout


def test_boot_id_is_its_own(spawn, busybox):
    first, second = (spawn.out(busybox, "cat", "/proc/sys/kernel/random/boot_id") for _ in "12")
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        assert len({first, second, f.read().strip()}) == 3
    assert uuid.UUID(first).version == 4


def test_kmsg_is_not_the_hosts(spawn, busybox):
    assert spawn.ask(busybox, "read", "/proc/kmsg", "/dev/kmsg") in (
        {"/proc/kmsg": "EAGAIN", "/dev/kmsg": "ENOENT"}, {"/proc/kmsg": "0", "/dev/kmsg": "ENOENT"})


def test_capabilities(spawn, busybox):
    status = dict(re.findall(r"^(Cap\w+):\s+(\w+)$", spawn.out(busybox, "cat", "/proc/self/status"),
                             re.M))
    caps = {k: int(v, 16) for k, v in status.items()}
    assert caps["CapBnd"] == caps["CapPrm"] == caps["CapEff"] == DEFAULT_CAPS & own_caps()
    assert caps["CapAmb"] == 0


def test_process_state(spawn, busybox):
    status = spawn.out(busybox, "cat", "/proc/self/status")
    facts = dict(re.findall(r"^(\w+):[ \t]*(.*)$", status, re.M))
    assert facts["NoNewPrivs"] == "0"
    assert facts["Seccomp"] == "2"
    assert facts["Seccomp_filters"] == str(1 + own_filters())
    assert facts["Umask"] == "0022"
    assert facts["Groups"].split() in ([], ["0"])
    assert facts["NSpid"] == "1"
    state = spawn.ask(busybox, "state")
    assert {k: state[k] for k in ("blocked", "ignored", "pid", "ppid", "uid", "gid")} == {
        "blocked": "0", "ignored": "0", "pid": "1", "ppid": "0", "uid": "0", "gid": "0"}


def own_filters():
    with open("/proc/self/status", encoding="utf-8") as f:
        found = re.search(r"^Seccomp_filters:\s+(\d+)", f.read(), re.M)
    return int(found[1]) if found else 0


def test_ignored_signals_of_the_caller_do_not_stay(spawn, busybox):
    script = f"trap '' TERM USR1; exec {' '.join(spawn.argv(busybox, '/probe', 'state'))}"
    out = subprocess.run(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    assert "ignored 0\n" in out.stdout


def test_filter(spawn, busybox):
    assert spawn.ask(busybox, "filter") == {
        "unknown": "ENOSYS", "swapon": "EPERM", "perf_event_open": "EPERM",
        "open_by_handle_at": "EPERM", "kexec_load": "EPERM", "bpf": "EPERM",
        "init_module": "EPERM", "finit_module": "EPERM", "clock_settime": "EPERM",
        "syslog": "EPERM", "acct": "EPERM", "mlock": "EPERM", "openat2": "EINVAL",
        "audit": "EAFNOSUPPORT", "route": "ok"}


def test_environment(spawn, any_tree):
    machine_id = uuid.uuid4()
    out = spawn.out(any_tree, f"--uuid={machine_id}", "--console=pipe", "--", "/usr/bin/env"
                    if (any_tree / "usr/bin/env").exists() else "/bin/env")
    env = dict(line.split("=", 1) for line in out.splitlines())
    assert env["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert env["container"] == "systemd-nspawn"
    assert env["container_uuid"] == str(machine_id)
    assert env["HOME"] == "/root" and env["USER"] == env["LOGNAME"] == "root"
    assert env["LANG"] == "C.UTF-8"
    assert env["NOTIFY_SOCKET"] == "/run/host/notify"
    assert set(env) <= {"PATH", "container", "container_uuid", "HOME", "USER", "LOGNAME", "LANG",
                        "NOTIFY_SOCKET", "TERM", "COLORTERM", "NO_COLOR", "container_host_id",
                        "container_host_version_id", "container_host_build_id",
                        "container_host_variant_id"}


def test_callers_environment_does_not_leak(spawn, busybox):
    env = {**os.environ, "SECRET": "of-the-host", "LD_PRELOAD": ""}
    assert "of-the-host" not in spawn.out(busybox, "/bin/env", env=env)


def test_run_host(spawn, busybox):
    machine_id = uuid.uuid4()
    out = spawn.sh(busybox, "cd /run/host; cat container-manager container-uuid; "
                   "stat -c '%n %a' container-manager container-uuid; head -n1 os-release",
                   f"--uuid={machine_id}").splitlines()
    assert out[0] == "systemd-nspawn" or out[0] == "skep"
    assert out[1] == str(machine_id)
    assert out[2:4] == ["container-manager 444", "container-uuid 444"]
    with open("/etc/os-release", encoding="utf-8") as f:
        assert out[4] == f.readline().rstrip("\n")


def test_run_host_cannot_be_written(spawn, busybox):
    script = "for f in container-uuid os-release new; do echo x >/run/host/$f && echo bad; done; :"
    assert "bad" not in spawn.sh(busybox, script)
    assert not os.path.exists("/run/host/new")


@pytest.mark.parametrize("name, kind", [
    ("reg", stat.S_IFREG), ("dir", stat.S_IFDIR), ("fifo", stat.S_IFIFO), ("sock", stat.S_IFSOCK),
    ("chr", stat.S_IFCHR), ("blk", stat.S_IFBLK),
])
def test_inaccessible_nodes_for_a_system(spawn, telling, name, kind):
    assert spawn.out(telling, "-b", "stat", "-c", "%f", f"/run/host/inaccessible/{name}") == f"{kind:x}"


def test_namespaces(spawn, busybox):
    kinds = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    out = spawn.sh(busybox, "for n in %s; do readlink /proc/self/ns/$n; done" % " ".join(kinds))
    inside = dict(zip(kinds, out.splitlines()))
    same = {k for k in kinds if os.readlink(f"/proc/self/ns/{k}") == inside[k]}
    assert same == {"net", "user"}


def test_cgroup(spawn, busybox):
    assert spawn.sh(busybox, "grep ^0:: /proc/self/cgroup") == "0::/"
    assert spawn.sh(busybox, "mkdir /sys/fs/cgroup/sub && echo $$ >/sys/fs/cgroup/sub/cgroup.procs "
                    "&& grep ^0:: /proc/self/cgroup") == "0::/sub"


def test_processes_of_the_host_are_not_seen(spawn, busybox):
    assert spawn.sh(busybox, "ls /proc | grep -c '^[0-9]'") <= "5"


def test_host_name_and_id(spawn, any_tree):
    assert spawn.out(any_tree, "/bin/cat", "/proc/sys/kernel/hostname") == spawn.name


def test_every_tree_runs(spawn, any_tree):
    wanted = (any_tree / "usr/lib/os-release").read_text()
    assert spawn.sh(any_tree, "cat /usr/lib/os-release && id -u") == wanted + "0"


def test_fds_are_only_stdio(spawn, busybox, scratch):
    extra = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(extra, True)
    try:
        fds = spawn.ask(busybox, "fds", pass_fds=(extra,))
    finally:
        os.close(extra)
    assert set(fds) == {"0", "1", "2"}
