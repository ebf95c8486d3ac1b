# SPDX-License-Identifier: LGPL-2.1-or-later
"""User namespaces, networks and capabilities of machines."""

import os
import re
import subprocess

import pytest

from skeplib.spawner import CHOWNED, DEFAULT_CAPS, leader_of, own_caps


# --- users ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("option, base", [
    (f"{CHOWNED}:65536", CHOWNED), (f"{CHOWNED}", CHOWNED), ("identity", 0),
])
def test_private_users(spawn, busybox, option, base):
    out = spawn.sh(busybox, "cat /proc/self/uid_map /proc/self/gid_map; stat -c '%u %g' /etc/passwd; "
                   "touch /new; stat -c %u /new; readlink /proc/self/ns/user",
                   f"--private-users={option}", "--private-users-ownership=map").splitlines()
    assert [x.split() for x in out[:2]] == [["0", str(base), "65536"]] * 2
    assert out[2:4] == ["0 0", "0"]
    assert out[4] != os.readlink("/proc/self/ns/user")


def test_unmapped_files_are_nobodys(spawn, busybox):
    out = spawn.sh(busybox, "stat -c '%u %g' /etc/passwd", f"--private-users={CHOWNED}:65536")
    assert out == "65534 65534"


def test_shifted_tree(spawn, busybox):
    """A tree whose files already are in a range of their own keeps them and gets that range."""
    subprocess.run(["chown", "-R", f"{CHOWNED << 4}:{CHOWNED << 4}", busybox], check=True)
    for option in ("yes", "pick"):
        out = spawn.sh(busybox, "cat /proc/self/uid_map; stat -c %u /etc/passwd",
                       f"--private-users={option}")
        assert out.split() == ["0", str(CHOWNED << 4), "65536", "0"]
    assert os.stat(busybox / "etc").st_uid == CHOWNED << 4


def test_private_users_pick(spawn, busybox):
    bases = set()
    for name in (spawn.name, spawn.name, spawn.name + "-other"):
        out = spawn.sh(busybox, "cat /proc/self/uid_map; stat -c %u /etc/passwd",
                       "--private-users=pick", name=name).splitlines()
        zero, base, length = (int(x) for x in out[0].split())
        assert zero == 0 and length == 65536 and out[1] == "0"
        assert 0x80000 <= base <= 0x6fff0000 and base % 65536 == 0
        bases.add(base)
    assert len(bases) == 2


def test_picked_ranges_are_not_shared(spawn, new_tree):
    first = spawn.start(new_tree(), "--private-users=pick", "/probe", "signal", name=spawn.name)
    assert first.stdout.readline() == "waiting\n"
    second = spawn.start(new_tree(), "--private-users=pick", "/bin/sh", "-c",
                         "cat /proc/self/uid_map; exec /probe signal", name=spawn.name + "-2")
    other = int(second.stdout.readline().split()[1])
    with open(f"/proc/{leader_of(first)}/uid_map", encoding="ascii") as f:
        assert int(f.read().split()[1]) != other
    for process in (first, second):
        process.terminate()
        process.communicate(timeout=5)


@pytest.mark.parametrize("kind", ["busybox", "bookworm-guest"])
def test_mapped_tree_keeps_its_owners(spawn, copied_tree, kind):
    tree = copied_tree(kind)
    tree.chmod(0o755)
    spawn.run(tree, "--private-users=pick", "/bin/sh", "-c", "echo x >/new; chown 5:6 /new")
    status = os.stat(tree / "new")
    assert (status.st_uid, status.st_gid) == (5, 6)
    assert os.stat(tree / "etc").st_uid == 0


def test_payload_is_nobody_on_the_host(spawn, busybox):
    process = spawn.start(busybox, f"--private-users={CHOWNED}:65536", "/probe", "signal")
    assert process.stdout.readline() == "waiting\n"
    with open(f"/proc/{leader_of(process)}/status", encoding="utf-8") as f:
        assert re.search(rf"^Uid:\s+{CHOWNED}\s+{CHOWNED}\s", f.read(), re.M)
    process.terminate()
    process.communicate(timeout=5)


@pytest.mark.parametrize("option", ["no", "identity", "pick", f"{CHOWNED}:65536"])
@pytest.mark.parametrize("network", [(), ("--private-network",)], ids=["host-net", "own-net"])
def test_every_view_with_every_user_mode(spawn, busybox, option, network):
    script = ("set -e; for d in null zero full random urandom tty; do [ -c /dev/$d ]; done; "
              "echo x >/dev/null; [ -w /tmp ]; touch /tmp/x /run/x /dev/shm/x; "
              "[ $(stat -c %u /run) = 0 ]; [ $(stat -c %u /dev) = 0 ]; "
              "mkdir /sys/fs/cgroup/x; ls /dev/pts /dev/mqueue >/dev/null; "
              "! touch /run/host/x 2>/dev/null; head -c1 /proc/kallsyms | wc -c; "
              "! echo 1 2>/dev/null >/proc/sys/kernel/panic; [ -d /sys/class ]; echo fine")
    out = spawn.sh(busybox, script, f"--private-users={option}", *network,
                   stderr=subprocess.DEVNULL)
    assert out == "0\nfine"


def test_private_users_keep_ports_of_the_host_closed(spawn, busybox):
    status = spawn.sh(busybox, "grep CapBnd /proc/self/status", "--private-users=identity")
    assert not int(status.split()[1], 16) >> 10 & 1


# --- network --------------------------------------------------------------------------------------

def test_private_network(spawn, busybox):
    out = spawn.sh(busybox, "ls /sys/class/net; cat /sys/class/net/lo/operstate; "
                   "ping -c1 127.0.0.1 >/dev/null && echo up; grep CapBnd /proc/self/status; "
                   "ls /sys", "--private-network").splitlines()
    assert out[0] == "lo" and out[2] == "up"
    assert int(out[3].split()[1], 16) >> 12 & 1
    assert not {"firmware", "module", "power", "hypervisor"} & set(out[4:])
    assert {"block", "bus", "class", "dev", "devices", "kernel"} <= set(out[4:])


def test_private_network_has_own_sysctls(spawn, busybox):
    assert spawn.sh(busybox, "echo 1 >/proc/sys/net/ipv4/ip_forward && "
                    "cat /proc/sys/net/ipv4/ip_forward", "--private-network") == "1"
    with open("/proc/sys/net/ipv4/conf/lo/forwarding", encoding="ascii") as f:
        assert f.read().strip() in "01"


def test_veth(spawn, busybox):
    process = spawn.start(busybox, "-n", "--", "/bin/sh", "-c",
                          "ls /sys/class/net; cat /sys/class/net/host0/address; echo end; "
                          "exec /probe signal")
    lines = []
    while (line := process.stdout.readline().strip()) != "end":
        assert line or process.poll() is None, process.stderr.read()
        lines.append(line)
    assert set(lines[:-1]) == {"host0", "lo"}
    first = lines[-1]
    links = subprocess.run(["ip", "-o", "link"], stdout=subprocess.PIPE, text=True,
                           check=True).stdout
    mine = [x for x in links.splitlines() if ("ve-" + spawn.name)[:11] in x]
    assert len(mine) == 1 and "host0" not in mine[0], links
    process.terminate()
    process.communicate(timeout=5)
    again = spawn.sh(busybox, "cat /sys/class/net/host0/address", "-n")
    assert again == first


def test_veth_of_a_long_name(spawn, busybox):
    name = spawn.name + "-with-a-name-that-is-long"
    process = spawn.start(busybox, "-n", "--", "/probe", "signal", name=name)
    assert process.stdout.readline() == "waiting\n", process.stderr.read()
    out = subprocess.run(["ip", "-o", "link", "show", f"ve-{name}"], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    short = out.split()[1].split("@")[0]
    assert len(short) == 15 and short.startswith(f"ve-{name}"[:11]) and f"altname ve-{name}" in out
    process.terminate()
    process.communicate(timeout=5)


@pytest.fixture
def link(spawn):
    """link(alias) is a veth pair in the way of the machine's own."""
    spawn.name = f"t{os.getpid()}"
    name = f"ve-{spawn.name}"

    def make(alias):
        subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", "vt-other"],
                       check=True)
        if alias:
            subprocess.run(["ip", "link", "set", name, "alias", alias], check=True)
        return name

    yield make
    subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)


def test_link_of_a_dead_keeper_is_replaced(spawn, busybox, link):
    link("skep 4194303 1")
    assert spawn.sh(busybox, "ls /sys/class/net", "-n").split() == ["host0", "lo"]


def test_link_of_a_keeper_that_died_making_it_is_replaced(spawn, busybox, link):
    """It is not signed yet, but has the address that only we derive from the name."""
    name = link(None)
    planned = spawn.out(busybox, "-n", "--dry-run", "true")
    mac = re.search(rf"veth {name} (\S+)", planned)[1]
    subprocess.run(["ip", "link", "set", name, "address", mac], check=True)
    assert spawn.sh(busybox, "ls /sys/class/net", "-n").split() == ["host0", "lo"]


@pytest.mark.parametrize("alias", [None, "something else", f"skep {os.getpid()} 1 more"])
def test_link_of_somebody_else_is_left_alone(spawn, busybox, link, alias):
    name = link(alias)
    assert name in spawn.refuse(busybox, "-n", "true")
    subprocess.run(["ip", "link", "show", name], stdout=subprocess.DEVNULL, check=True)


# --- capabilities ---------------------------------------------------------------------------------

def bounding(spawn, tree, *options):
    return int(spawn.sh(tree, "grep CapBnd /proc/self/status", *options).split()[1], 16)


@pytest.mark.parametrize("options, added, gone", [
    (["--capability=CAP_SYS_TIME"], 1 << 25, 0),
    (["--capability=CAP_SYS_TIME,CAP_SYSLOG"], 1 << 25 | 1 << 34, 0),
    (["--drop-capability=CAP_SYS_ADMIN,CAP_CHOWN"], 0, 1 << 21 | 1),
    (["--capability=CAP_SYS_TIME", "--drop-capability=CAP_SYS_TIME"], 0, 0),
    (["--capability=CAP_SYSLOG", "--capability=CAP_SYS_TIME"], 1 << 25 | 1 << 34, 0),
])
def test_capability(spawn, busybox, options, added, gone):
    assert bounding(spawn, busybox, *options) == (DEFAULT_CAPS | added) & ~gone & own_caps()


def test_all_capabilities(spawn, busybox):
    assert bounding(spawn, busybox, "--capability=all") == own_caps()
    assert bounding(spawn, busybox, "--drop-capability=all") == 0


@pytest.mark.parametrize("cap, call, without", [
    ("CAP_SYS_TIME", "clock_settime", "EPERM"), ("CAP_SYSLOG", "syslog", "EPERM"),
    ("CAP_IPC_LOCK", "mlock", "EPERM"), ("CAP_SYS_PACCT", "acct", "EPERM"),
    ("CAP_BPF", "bpf", "EPERM"),
])
def test_capability_opens_the_filter(spawn, busybox, cap, call, without):
    assert spawn.ask(busybox, "filter")[call] == without
    assert spawn.ask(busybox, "filter", options=[f"--capability={cap}"])[call] != without


def test_no_new_privileges(spawn, busybox):
    for value, want in (("yes", "1"), ("no", "0")):
        out = spawn.sh(busybox, "grep NoNewPrivs /proc/self/status", f"--no-new-privileges={value}")
        assert out.split()[1] == want


def test_short_form_of_picking_users(spawn, busybox):
    assert spawn.sh(busybox, "cat /proc/self/uid_map", "-U") == \
        spawn.sh(busybox, "cat /proc/self/uid_map", "--private-users=pick")
