# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network interfaces of machines: made as asked for, told of where they cannot be, and gone with the machine.
All of it in a network namespace of its own."""

import os
import re
import select
import signal
import subprocess

import pytest

from skeplib.faults import STRIDE
from skeplib.netns import interfaces, ip, kind, own_network
from skeplib.spawner import leader_of, wait_until

PLACE = "/run/systemd/nspawn"


@pytest.fixture(autouse=True)
def network(own_run):
    """An empty network and an empty /run for each test, with a link that stands for one to the world."""
    with own_network():
        ip("link add up0 type veth peer name up1")
        ip("link set up0 up")
        ip("link set up1 up")
        yield


def names():
    return set(interfaces()) - {"lo", "up0", "up1"}


@pytest.fixture
def held(spawn, new_tree):
    """held(OPTION...): a machine that stays until it is told a line, and what it has."""
    trees = {}

    def start(*options, name=None):
        trees[name] = trees.get(name) or new_tree()
        process = spawn.start(trees[name], *options, "--", "/bin/sh", "-c", "echo up; read x",
                              stdin=subprocess.PIPE, name=name)
        assert process.stdout.readline() == "up\n", process.stderr.read()
        return process, interfaces(leader_of(process))

    return start


def end(process):
    _, errors = process.communicate("\n", timeout=10)
    assert process.returncode == 0 and errors == "", errors


def inside(spawn, busybox, *options, **rest):
    """Names of the interfaces that a machine sees."""
    return set(spawn.sh(busybox, "ls /sys/class/net", *options, **rest).split()) - {"lo"}


# --- kinds ----------------------------------------------------------------------------------------

def test_zone(spawn, held):
    first, seen = held("--network-zone=web")
    assert set(seen) == {"lo", "host0"} and kind(seen["host0"]) == "veth"
    here = interfaces()
    assert kind(here["vz-web"]) == "bridge" and "UP" in here["vz-web"]["flags"]
    port = next(n for n in here if n.startswith("vb-"))
    assert here[port]["master"] == "vz-web" and "UP" in here[port]["flags"]

    second, _ = held("--network-zone=web", name=spawn.name + "-2")
    here = interfaces()
    assert len([n for n in here if here[n].get("master") == "vz-web"]) == 2
    mac = here["vz-web"]["address"]
    end(first)
    assert "vz-web" in names() and interfaces()["vz-web"]["address"] == mac
    end(second)
    assert names() == set()
    third, _ = held("--network-zone=web")
    assert interfaces()["vz-web"]["address"] == mac, "hosts on the bridge would have to look for it anew"
    end(third)


def test_new_bridge_has_no_carrier(held):
    """Not even for a moment before its first machine is on the network: the host's networkd chooses a subnet for it
    each time that it gains one."""
    with subprocess.Popen(["ip", "-o", "monitor", "link"], stdout=subprocess.PIPE, text=True) as monitor:
        while not select.select([monitor.stdout], [], [], 0.05)[0]:
            ip("link set up0 alias listening")
        process, _ = held("--network-zone=web")
        monitor.terminate()
        said = [line for line in monitor.stdout if ": vz-web: <" in line]
    assert said and not any(",UP" in line and "<NO-CARRIER," not in line for line in said), said
    end(process)


def test_zone_of_somebody_else_stays(spawn, busybox):
    """One that was there before is not ours to remove."""
    ip("link add vz-mine type bridge")
    assert inside(spawn, busybox, "--network-zone=mine") == {"host0"}
    assert names() == {"vz-mine"}
    ip("link add vz-odd type veth peer name vz-peer")
    assert "'vz-odd' exists and is no bridge" in spawn.refuse(busybox, "--network-zone=odd", "true")


def test_machines_of_a_zone_reach_each_other(spawn, held, busybox):
    first, _ = held("--network-zone=web")
    enter = ["nsenter", f"--net=/proc/{leader_of(first)}/ns/net", "ip"]
    subprocess.run([*enter, "address", "add", "10.99.0.1/24", "dev", "host0"], check=True)
    subprocess.run([*enter, "link", "set", "host0", "up"], check=True)
    spawn.sh(busybox, "ip addr add 10.99.0.2/24 dev host0; ip link set host0 up; ping -c1 -w5 10.99.0.1",
             "--network-zone=web", name=spawn.name + "-2")
    end(first)


def test_bridge(spawn, busybox, held):
    ip("link add br0 type bridge")
    ip("link property add dev br0 altname a-bridge-with-a-long-name")
    for bridge in ("br0", "a-bridge-with-a-long-name"):
        process, seen = held(f"--network-bridge={bridge}")
        assert set(seen) == {"lo", "host0"}
        port = next(n for n in names() if n.startswith("vb-"))
        assert interfaces()[port]["master"] == "br0" and "UP" in interfaces()[port]["flags"]
        end(process)
        assert names() == {"br0"}
    assert "the host has no bridge 'br1'" in spawn.refuse(busybox, "--network-bridge=br1", "true")
    line = spawn.refuse(busybox, "--network-bridge=up0", "true")
    assert "bridge 'up0'" in line and os.strerror(95) in line
    assert names() == {"br0"}


def test_extra_pairs(spawn, busybox, held):
    process, seen = held("--network-veth-extra=ex0:in0", "--network-veth-extra=ex1", "--network-zone=z")
    assert set(seen) == {"lo", "host0", "in0", "ex1"}
    here = interfaces()
    assert "master" not in here["ex0"] and "UP" in here["ex0"]["flags"] and "ex1" in here
    macs = [link["address"] for link in [*seen.values(), *here.values()] if kind(link) == "veth"]
    assert len(macs) == len(set(macs)) == 8
    end(process)
    again, seen_again = held("--network-veth-extra=other", "--network-veth-extra=ex0:in0")
    assert seen_again["in0"]["address"] == seen["in0"]["address"], "another option changed an address"
    assert interfaces()["ex0"]["address"] == here["ex0"]["address"]
    end(again)
    line = spawn.refuse(busybox, "--network-veth-extra=good", "--network-veth-extra=up0", "true")
    assert "'up0' exists already and is not ours" in line
    assert names() == set(), "what was made before the failure is left"


@pytest.mark.parametrize("users", ["no", "pick"])
def test_macvlan(spawn, busybox, held, users):
    process, seen = held("--network-macvlan=up0", "--network-macvlan=up1:wan", f"--private-users={users}")
    assert set(seen) == {"lo", "mv-up0", "wan"}
    info = seen["wan"]["linkinfo"]
    assert info["info_kind"] == "macvlan" and info["info_data"]["mode"] == "bridge"
    assert seen["wan"]["link_index"] == interfaces()["up1"]["ifindex"]
    # At one of its own name as well, which the host has too.
    assert inside(spawn, busybox, "--network-macvlan=up0:up0", name=spawn.name + "-2") == {"up0"}
    end(process)
    assert names() == set()
    line = spawn.refuse(busybox, "--network-macvlan=up0", "--network-macvlan=gone", "true")
    assert "the host has no network interface 'gone'" in line
    line = spawn.refuse(busybox, "--network-macvlan=up0:lo", "true")
    assert "'lo'" in line and os.strerror(17) in line


def test_ipvlan(spawn, busybox):
    """Not every kernel can make them; then it is said."""
    probe = subprocess.run("ip link add test0 link up0 type ipvlan".split(), stderr=subprocess.PIPE,
                           check=False)
    if probe.returncode == 0:
        ip("link delete test0")
        assert inside(spawn, busybox, "--network-ipvlan=up0") == {"iv-up0"}
    else:
        line = spawn.refuse(busybox, "--network-ipvlan=up0", "true")
        assert "cannot make an interface of the kind ipvlan on 'up0'" in line
    assert names() == set()


@pytest.fixture
def namespace(network, scratch):
    """A network namespace with a link "there" in it: the path of a file that is it."""
    with subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link add there type bridge; echo; cat"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        yield f"/proc/{holder.pid}/ns/net"
        holder.stdin.close()


@pytest.mark.parametrize("users", ["no", "pick"])
@pytest.mark.parametrize("own", [(), ("--private-network",)], ids=["lent", "own"])
def test_joined_namespace(spawn, busybox, namespace, users, own):
    options = (f"--network-namespace-path={namespace}", f"--private-users={users}", *own)
    script = "readlink /proc/self/ns/net; ls /sys/class/net; ip link set there up && echo changed; " \
             "grep CapBnd /proc/self/status"
    out = spawn.run(busybox, *options, "--", "/bin/sh", "-c", script).stdout.split()
    assert out[0] == os.readlink(namespace)
    assert {"lo", "there"} <= set(out) and "up0" not in out
    may_change = bool(int(out[-1], 16) & 1 << 12)
    assert may_change == bool(own)
    # The namespace belongs to the host's users; those of the machine are nobody there.
    assert ("changed" in out) == (bool(own) and users == "no")
    assert names() == set()


def test_what_is_no_network_namespace(spawn, busybox, scratch):
    os.mkfifo(scratch / "fifo")     # opening it would wait for ever
    for path in (scratch / "fifo", "/proc/self/ns/ipc", "/etc/passwd", "/dev/tty"):
        line = spawn.refuse(busybox, f"--network-namespace-path={path}", "true")
        assert f"'{path}' is not a network namespace" in line
    line = spawn.refuse(busybox, "--network-namespace-path=/nowhere", "true")
    assert "/nowhere" in line and os.strerror(2) in line


# --- names and addresses --------------------------------------------------------------------------

@pytest.mark.parametrize("options, prefix", [(("-n",), "ve-"), (("--network-zone=z",), "vb-")])
def test_long_names(spawn, held, options, prefix):
    name = spawn.name + "-with-a-name-that-fits-nowhere"
    process, _ = held(*options, name=name)
    here = interfaces()
    short = next(n for n in here if n.startswith(prefix))
    assert len(short) == 15 and here[short]["altnames"] == [prefix + name]
    end(process)
    assert names() == set()


def test_long_name_of_macvlan(held):
    ip("link property add dev up0 altname a-very-long-name-of-a-link")
    process, seen = held("--network-macvlan=a-very-long-name-of-a-link")
    (name,) = set(seen) - {"lo"}
    assert len(name) == 15 and seen[name]["altnames"] == ["mv-a-very-long-name-of-a-link"]
    end(process)


def test_mac_of_choice(spawn, busybox):
    script = "cat /sys/class/net/host0/address"
    env = {**os.environ, "SYSTEMD_NSPAWN_NETWORK_MAC": "02:00:00:00:00:17"}
    first = spawn.sh(busybox, script, "-n")
    assert first == spawn.sh(busybox, script, "-n") and first != "02:00:00:00:00:17"
    assert spawn.sh(busybox, script, "-n", env=env) == "02:00:00:00:00:17"
    assert spawn.sh(busybox, script, "--network-zone=z", "--network-mac=02:00:00:00:00:18",
                    env=env) == "02:00:00:00:00:18"
    assert spawn.sh(busybox, "echo fine", env=env) == "fine"
    line = spawn.refuse(busybox, "-n", "true", env={**env, "SYSTEMD_NSPAWN_NETWORK_MAC": "17"})
    assert "SYSTEMD_NSPAWN_NETWORK_MAC" in line and "'17' is not a MAC address" in line


# --- settings -------------------------------------------------------------------------------------

@pytest.fixture
def settings(spawn):
    where = f"{PLACE}/{spawn.name}.nspawn"

    def write(text):
        os.makedirs(PLACE, exist_ok=True)
        with open(where, "w", encoding="ascii") as f:
            f.write("[Network]\n" + text)

    yield write
    os.unlink(where)


@pytest.mark.parametrize("text, options, expected", [
    ("MACVLAN=up0 up1:wan\nVirtualEthernetExtra=ex0\n", (), {"mv-up0", "wan", "ex0"}),
    ("Zone=z\n", (), {"host0"}),
    ("Zone=z\nVirtualEthernet=no\n", (), {"host0"}),        # a zone without a link would be nothing
    ("Bridge=br0\n", ("--network-bridge=",), set()),
    ("", ("-n",), {"host0"}),                               # an empty file takes nothing away
    ("Private=yes\n", ("-n", "--settings=override"), {"host0"}),
    ("VirtualEthernet=no\n", ("-n", "--network-macvlan=up0", "--settings=override"), {"mv-up0"}),
    ("VirtualEthernet=no\n", ("-n", "--settings=override", "--private-network"), set()),
    ("MACVLAN=up0\n", ("--network-macvlan=", "--network-macvlan=up1"), {"mv-up1"}),
])
def test_keys(spawn, busybox, settings, text, options, expected):
    settings(text)
    out = spawn.sh(busybox, "ls /sys/class/net; grep CapBnd /proc/self/status", *options).split()
    may_change = bool(int(out[-1], 16) & 1 << 12)
    if out[:-2] == ["lo", "up0", "up1"]:        # the host's
        assert expected == set() and not may_change
    else:
        assert set(out[:-2]) - {"lo"} == expected and may_change
    assert names() == set()


def test_a_file_beside_the_image_reaches_no_network(spawn, busybox):
    path = busybox.parent / f"{spawn.name}.nspawn"
    path.write_text("[Network]\nZone=z\nBridge=br0\nMACVLAN=up0\nIPVLAN=up0\nVirtualEthernetExtra=ex0\n")
    done = spawn.run(busybox, "--", "/bin/sh", "-c", "ls /sys/class/net", quiet=False)
    assert set(done.stdout.split()) == {"lo", "up0", "up1"}, done.stdout
    assert done.stderr.count("untrusted") + done.stderr.count("trust") >= 5, done.stderr


# --- life and death -------------------------------------------------------------------------------

ALL = ("--network-zone=z", "--network-veth-extra=ex0", "--network-macvlan=up0")


def test_hundred_restarts(spawn, busybox):
    """What is made for one start is not in the way of the next, however soon that comes."""
    many = 100 // STRIDE
    script = "n=$(cat /n 2>/dev/null || echo 0); echo $((n+1)) >/n; " \
             "ip link show host0 >/dev/null && ip link show mv-up0 >/dev/null && " \
             f"[ $n -lt {many} ] || exit 7; kill -HUP $$; reboot -f"
    done = spawn.run(busybox, *ALL, "--", "/bin/sh", "-c", script, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (7, ""), done
    assert (busybox / "n").read_text() == f"{many + 1}\n"
    assert names() == set()


def test_killed_supervisor(spawn, busybox, held):
    """The next start clears away whatever the kernel has not yet, the bridge as well."""
    for _ in range(5):
        process, _ = held(*ALL)
        process.kill()
        process.communicate()
        assert "vz-z" in names()
        assert inside(spawn, busybox, *ALL) == {"host0", "ex0", "mv-up0"}
        assert names() == set()
    process, _ = held(*ALL)
    leader = leader_of(process)
    process.kill()
    process.communicate()
    os.waitpid(leader, 0)       # which is ours now
    spawn.sh(busybox, "true", name=spawn.name + "-2")
    # What is the kernel's to remove it may still be at; the bridge is nobody's but ours.
    wait_until(lambda: names() == set(), what="another machine's start to sweep")


def test_interface_vanishes(spawn, held):
    """What is deleted on the host, or by the machine, while it runs is no reason not to end well."""
    ip("link add br0 type bridge")
    process, _ = held("--network-bridge=br0", "--network-veth-extra=ex0", "--network-macvlan=up0")
    port = next(n for n in names() if n.startswith("vb-"))
    ip(f"link delete {port}")
    ip("link delete br0")
    ip("link delete up0")       # and with it what is on it
    assert set(interfaces(leader_of(process))) == {"lo", "ex0"}
    subprocess.run(["nsenter", f"--net=/proc/{leader_of(process)}/ns/net", "ip", "link", "delete", "ex0"],
                   check=True)
    end(process)
    ip("link add up0 type veth peer name up1")
    process, _ = held("--network-zone=z")
    ip("link delete vz-z")
    end(process)
    assert names() == set()


def test_zone_vanishes_while_we_join(spawn, busybox):
    """Somebody who does not heed the lock deletes the bridge over and over."""
    script = "while ip link show up0 >/dev/null; do ip link delete vz-z 2>/dev/null; done"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True) as other:
        try:
            for _ in range(20):
                done = spawn.run(busybox, "--network-zone=z", "--", "true", check=False)
                assert done.returncode == 0 or re.fullmatch("skep-spawn: [^\n]*vz-z[^\n]*\n", done.stderr)
        finally:
            os.killpg(other.pid, signal.SIGKILL)
    wait_until(lambda: names() <= {"vz-z"})
