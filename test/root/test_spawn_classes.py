# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ways in which container engines have been broken, tried on this one: those that test_spawn_hostile
and test_spawn_escape do not try."""

import ctypes
import os
import subprocess
import threading

import pytest

from skeplib import kernel
from skeplib.spawner import bind_source, mounts, wait_until

_libc = ctypes.CDLL(None, use_errno=True)
USERS = ["no", "pick"]


@pytest.fixture
def canary(scratch):
    """A folder on the host that nobody may touch."""
    where = scratch / "canary"
    (where / "sub").mkdir(parents=True)
    (where / "file").write_text("host\n")
    yield where
    assert sorted(os.listdir(where)) == ["file", "sub"] and not os.listdir(where / "sub")
    assert (where / "file").read_text() == "host\n"
    assert not [m for m in open("/proc/self/mountinfo", encoding="utf-8") if str(where) + "/" in m]


# --- what an image says about places where something is mounted or made -------------------------

class Swapper:
    """Exchanges two names as fast as it can, for as long as it is a context."""

    def __init__(self, a, b):
        self.names = [os.fsencode(a), os.fsencode(b)]
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._swap)

    def _swap(self):
        while not self.over.is_set():
            _libc.renameat2(-100, self.names[0], -100, self.names[1], 2)    # RENAME_EXCHANGE

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.mark.parametrize("place", ["mnt", "mnt/deep", "proc", "dev", "etc", "tmp"])
def test_mount_point_becomes_a_link_meanwhile(spawn, busybox, canary, folder, place):
    """Between any look and any mount: it lands in the image or is refused, never on the host."""
    (busybox / place).mkdir(parents=True, exist_ok=True)
    (busybox / "swapped").symlink_to(canary)
    options = (f"--bind={bind_source(folder)}:/mnt/deep/sub", "--tmpfs=/mnt/other",
               "--resolv-conf=copy-host")
    ran = 0
    with Swapper(busybox / place, busybox / "swapped"):
        for _ in range(12):
            done = spawn.run(busybox, *options, "--", "/bin/sh", "-c",
                             "echo x >/tmp/file; echo x >/dev/file; echo ran", check=False)
            assert done.returncode in (0, 125), done
            ran += "ran" in done.stdout
    assert ran or place in ("proc", "dev")


@pytest.mark.parametrize("target", ["/var", "var", "/", "../../..", "/proc/self/root"])
@pytest.mark.parametrize("name", ["dev", "proc", "sys", "run"])
def test_link_where_the_kernel_is_shown(spawn, busybox, name, target):
    """What is mounted there would be somewhere else (CVE-2019-19921, CVE-2026-41579)."""
    subprocess.run(["rm", "-rf", busybox / name], check=True)
    (busybox / name).symlink_to(target)
    assert f"mounting /{name}: this is a symlink in the image" in spawn.refuse(busybox, "true")


@pytest.mark.parametrize("users", USERS)
def test_nodes_of_the_image_mask_nothing_and_open_nothing(spawn, busybox, canary, users):
    """What hides files of /proc, and the console, is not looked up in the image."""
    for name in ("null", "console", "ptmx", "pts", "tty", "kmsg"):
        (busybox / "dev" / name).symlink_to(canary / "file")
    inaccessible = busybox / "run/host/inaccessible"
    inaccessible.mkdir(parents=True)
    for name in ("reg", "chr", "dir"):
        (inaccessible / name).symlink_to("/proc/kcore")
    script = ("wc -c </proc/kallsyms; stat -c %t:%T /dev/null; readlink /dev/console; "
              "echo x >/dev/null; echo x >/dev/console")
    done = spawn.run(busybox, f"--private-users={users}", "--console=read-only", "--", "/bin/sh",
                     "-c", script, console=None)
    assert done.stdout.replace("\r", "").split() == ["0", "1:3", "pts/0", "x"]


@pytest.mark.parametrize("users", USERS)
@pytest.mark.parametrize("option", ["--bind=/proc:/proc", "--tmpfs=/proc", "--tmpfs=/run",
                                    "--tmpfs=/run/host/inaccessible", "--inaccessible=/run/host",
                                    "--bind=/etc/hostname:/run/host/inaccessible/reg",
                                    "--bind=+/etc:/proc", "--overlay=+/etc::/proc"])
def test_masks_cannot_be_mounted_away_before_they_are_there(spawn, busybox, option, users):
    line = spawn.refuse(busybox, f"--private-users={users}", option, "--", "true")
    assert "/proc" in line


# --- what a payload inherits ----------------------------------------------------------------------

@pytest.mark.parametrize("options", [(), ("-u", "1000"), ("-a",), ("--private-users=pick",)])
def test_inheritable_and_ambient_capabilities_of_the_caller(spawn, busybox, options):
    """A payload gets none of them: with them, every program of the image that may inherit has them."""
    argv = ["setpriv", "--inh-caps=+net_admin,+sys_module", "--ambient-caps=+net_admin",
            *spawn.argv(busybox, *options, "--", "grep", "Cap", "/proc/self/status")]
    out = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                         timeout=10, check=True).stdout
    found = dict(line.split(":\t") for line in out.splitlines())
    assert int(found["CapInh"], 16) == 0 and int(found["CapAmb"], 16) == 0
    assert not int(found["CapBnd"], 16) & 1 << 16, "CAP_SYS_MODULE"


@pytest.mark.parametrize("users", USERS)
def test_login_session_of_the_caller(spawn, busybox, users):
    """What a machine does is not put down to the user who happened to start it."""
    def log_in():
        with open("/proc/self/loginuid", "w", encoding="ascii") as f:
            f.write("4242")

    if not os.path.exists("/proc/self/loginuid"):
        pytest.skip("this kernel keeps no account of logins")
    argv = spawn.argv(busybox, f"--private-users={users}", "--", "cat", "/proc/1/loginuid")
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          timeout=10, check=True, preexec_fn=log_in)
    assert done.stdout == "4294967295"


# --- what a payload reaches -----------------------------------------------------------------------

def test_no_version_1_control_groups(spawn, busybox):
    """Their release_agent is run by the host, as its root (CVE-2022-0492)."""
    script = ("mkdir /tmp/c; for t in memory cpu devices freezer pids blkio; do "
              "mount -t cgroup -o $t none /tmp/c 2>/dev/null || continue; "
              "echo /bin/true >/tmp/c/release_agent && echo written; "
              "echo 1 >/tmp/c/notify_on_release && echo written; umount /tmp/c; done; :")
    assert spawn.sh(busybox, "grep -c ' cgroup ' /proc/mounts; :") == "0"
    assert spawn.sh(busybox, script, "--private-users=pick", stderr=subprocess.DEVNULL) == ""


@pytest.mark.parametrize("users", USERS)
def test_control_group_ends_at_its_root(spawn, busybox, users):
    """The limits that the host sets are files of the group above; root of a delegated group has not got
    them to write."""
    script = ("cd /sys/fs/cgroup; for f in memory.max pids.max cpu.max cgroup.max.depth "
              "cgroup.max.descendants cgroup.freeze; do [ ! -e $f ] || "
              "(echo max >$f) 2>/dev/null && [ -e $f ] && echo $f; done; echo; "
              "cat /proc/1/cgroup | grep ^0; ls -d ../skep-* ../../skep-*; :")
    out = spawn.sh(busybox, script, f"--private-users={users}", stderr=subprocess.DEVNULL)
    assert out.split("\n")[-1] == "0::/", out
    if users == "pick":
        assert out.split("\n")[0] == "", out


@pytest.mark.parametrize("script", [
    "mknod /disk b 7 0", "mknod /kmsg c 1 11", "mknod /mem c 1 1",
    "mkdir /tmp/d && mount -t devtmpfs none /tmp/d", "mount -t debugfs none /mnt",
    "mount -t tracefs none /mnt", "mount -t securityfs none /mnt", "mount -t ext4 /dev/loop0 /mnt",
])
def test_devices_are_out_of_reach(spawn, busybox, script):
    """With users of its own, a machine makes no node and mounts nothing that has some."""
    (busybox / "mnt").mkdir(exist_ok=True)
    done = spawn.run(busybox, "--private-users=pick", "--capability=all", "--", "/bin/sh", "-c",
                     script, check=False)
    assert done.returncode not in (0, 125), done


def test_nodes_that_an_image_brings_along_cannot_be_opened(spawn, busybox):
    """A node on disk is the host's device, whoever owns it; through a mapped mount it is none."""
    os.mknod(busybox / "disk", 0o666 | 0o060000, os.makedev(7, 0))
    os.mknod(busybox / "kmsg", 0o666 | 0o020000, os.makedev(1, 11))
    done = spawn.run(busybox, "--private-users=pick", "--", "/bin/sh", "-c",
                     "for n in /disk /kmsg; do dd if=$n bs=1 count=1 && echo read; done; :", check=False)
    assert done.stdout == "" and done.stderr.count("can't open") == 2, done


@pytest.fixture
def shared_mounts():
    """Mounts as systemd leaves them on a host: what is mounted in one namespace comes in all."""
    kernel.mount(None, "/", None, kernel.MS_REC | 1 << 20)      # MS_SHARED
    yield
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)


@pytest.mark.parametrize("options", [
    (), ("--private-users=pick",), ("-x",), ("--ephemeral=disk",), ("--volatile=overlay",),
    ("--volatile=state",), ("--overlay=+/etc::/srv",), ("--tmpfs=/srv", "--inaccessible=/var"),
    ("--ephemeral=disk", "--private-users=pick", "--bind=:/srv"),
])
def test_mounts_do_not_come_back_to_a_host_whose_mounts_are_shared(spawn, busybox, folder,
                                                                   shared_mounts, options):
    for name in ("mnt", "srv"):
        (busybox / name).mkdir(exist_ok=True)
    before = mounts()
    process = spawn.start(busybox, *options, f"--bind={bind_source(folder)}:/mnt", "/bin/sh", "-c",
                          "mount -t tmpfs inner /tmp; mount -t tmpfs inner /mnt/sub; echo up; sleep 100")
    assert process.stdout.readline() == "up\n", process.stderr.read()
    assert mounts() == before
    process.terminate()
    process.wait(5)
    assert mounts() == before


def abstract_sockets():
    with open("/proc/net/unix", encoding="utf-8") as f:
        return {line.split()[-1] for line in f if "@" in line.split()[-1]}


def test_no_socket_is_for_everybody_in_the_network_namespace(spawn, busybox):
    """Names that no folder protects can be reached by every machine on the host's network."""
    before = abstract_sockets()
    process = spawn.start(busybox, "-a", "/bin/sh", "-c", "echo up; sleep 100")
    assert process.stdout.readline() == "up\n"
    assert not {name for name in abstract_sockets() - before if "skep" in name or spawn.name in name}
    process.terminate()
    process.wait(5)


def test_supervisor_cannot_be_looked_into(spawn, busybox):
    """By nobody but root: no user of the host traces it or takes its descriptors."""
    process = spawn.start(busybox, "/bin/sh", "-c", "echo up; sleep 100")
    assert process.stdout.readline() == "up\n"
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "ls",
                           f"/proc/{process.pid}/fd"], stderr=subprocess.PIPE, text=True, check=False)
    assert "ermission denied" in done.stderr
    process.terminate()
    process.wait(5)


# --- a machine beside another ---------------------------------------------------------------------

def test_machine_sees_nothing_of_another(spawn, new_tree):
    """Neither processes nor mounts, nor by a control group, nor by signals."""
    first = spawn.start(new_tree(), "/bin/sh", "-c", "echo up; exec sleep 4242", name=spawn.name + "-1")
    assert first.stdout.readline() == "up\n"
    out = spawn.sh(new_tree(), "ps | grep -c '[4]242'; grep -c 'name-1' /proc/mounts; "
                   "find /sys/fs/cgroup -name 'skep-*' | wc -l; kill -9 -1; :")
    assert out.split() == ["0", "0", "0"]
    assert first.poll() is None
    first.terminate()
    first.wait(5)
    wait_until(lambda: not kernel.is_init(first.pid))


# --- images that lack, or have otherwise, what a machine needs ---------------------------------------

ODD = {
    "link to nowhere": lambda p: p.symlink_to("/nowhere"),
    "link to itself": lambda p: p.symlink_to(p.name),
    "link up": lambda p: p.symlink_to("../../../.."),
    "file": lambda p: p.write_text(""),
    "fifo": os.mkfifo,
    "device": lambda p: os.mknod(p, 0o020666, os.makedev(1, 5)),
    "closed folder": lambda p: p.mkdir(mode=0),
    "missing": lambda p: None,
}


@pytest.mark.parametrize("read_only", [False, True], ids=["writable", "read-only"])
@pytest.mark.parametrize("name", ["dev", "proc", "sys", "run", "tmp", "etc", "usr"])
def test_odd_layout(spawn, busybox, name, read_only):
    """One line that names the place, or a machine that has nothing less than any other."""
    options = ["--private-users=pick"] + (["--read-only"] if read_only else [])
    for kind, make in ODD.items():
        tree = busybox.parent / "odd"
        subprocess.run(["cp", "-a", busybox, tree], check=True)
        subprocess.run(["rm", "-rf", tree / name], check=True)
        make(tree / name)
        if read_only:
            kernel.mount(tree, tree, None, kernel.MS_BIND)
            kernel.mount(None, tree, None, kernel.MS_BIND | 0x20 | 1)       # MS_REMOUNT, MS_RDONLY
        done = spawn.run(tree, *options, "--", "/bin/busybox", "sh", "-c",
                         "wc -c </proc/kallsyms; grep -c ' /proc/sys .*ro,' /proc/mounts",
                         check=False, timeout=10)
        if done.returncode == 0:
            assert done.stdout.split() == ["0", "1"], f"{kind}: {done}"
        else:
            assert done.returncode == 125 and done.stderr.count("\n") == 1, f"{kind}: {done}"
            assert f"/{name}" in done.stderr or str(tree) in done.stderr, f"{kind}: {done}"
        if read_only:
            kernel.umount(tree)
        subprocess.run(["rm", "-rf", tree], check=True)


@pytest.mark.parametrize("name", ["passwd", "group", "machine-id", "os-release", "resolv.conf",
                                  "localtime", "hostname"])
@pytest.mark.parametrize("kind", [k for k in ODD if k not in ("file", "missing")] + ["huge"])
def test_odd_file(spawn, busybox, name, kind):
    """Whatever is in the place of a small file: no hang, no memory without end, nothing of the host."""
    path = busybox / "etc" / name
    path.unlink(missing_ok=True)
    if kind == "huge":
        with open(path, "wb") as f:
            f.truncate(1 << 40)
    else:
        ODD[kind](path)
    # A sanitizer takes more address space than that for itself.
    limited = [] if os.environ.get("SKEP_SANITIZED") else ["prlimit", f"--as={256 << 20}", "--"]
    done = subprocess.run([*limited, *spawn.argv(busybox, "--uid=1000", "--", "/bin/echo", "payload")],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=10, check=False)
    assert done.returncode in (0, 125), done
    assert done.stdout == ("" if done.returncode else "payload\n")
    assert done.returncode == 0 or (done.stderr.count("\n") == 1 and name in done.stderr), done
