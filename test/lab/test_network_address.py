# SPDX-License-Identifier: LGPL-2.1-or-later
"""Addresses and names of machines on a host with systemd-networkd, and on one without: payloads that know no
DHCP, and booted systems that do."""

import re
import subprocess

import pytest

LAB_SUITES = ("bookworm", "trixie")

OUTSIDE = ("198.51.100.2", "2001:db8:1::2")
BUSYBOX = "/var/lib/machines/busybox"


@pytest.fixture(scope="module")
def world(lab):
    """A namespace behind a link of the host's, which knows the host's address and no other."""
    for words in ("netns add out", "link add up0 type veth peer name out0 netns out",
                  "addr add 198.51.100.1/24 dev up0", "addr add 2001:db8:1::1/64 dev up0 nodad",
                  "link set up0 up", "-n out addr add 198.51.100.2/24 dev out0",
                  "-n out addr add 2001:db8:1::2/64 dev out0 nodad", "-n out link set out0 up"):
        lab.run(["ip", *words.split()])
    lab.add_machine("busybox", "busybox")
    # There is no udev in a lab, and networkd waits for it where it could be.
    lab.run(["mount", "-o", "remount,bind,ro", "/sys"])
    return lab


@pytest.fixture(params=["networkd", "bare"])
def host(world, request):
    units = ["systemd-networkd.service", "systemd-networkd.socket"]
    world.run(["systemctl", "start" if request.param == "networkd" else "stop", *units])
    yield world, request.param == "networkd"
    world.run(["systemctl", "stop", *units])


@pytest.fixture
def start(world):
    """start(NAME, TREE, OPTION...): a machine in the background."""
    started = []

    def make(name, tree, *words):
        process = world.spawn(["skep-spawn", "-q", "-x", "-D", tree, "-M", name, "--console=passive"
                               if "--boot" in words else "--console=pipe", *words],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        started.append((name, process))
        world.wait_for(["machinectl", "show", name], timeout=10)
        return process

    yield make
    for name, process in started:
        world.run(["machinectl", "terminate", name], check=False)
        process.communicate(timeout=20)
    world.wait_for("! ls /sys/class/net | grep -E '^v[ebz]-'")
    world.wait_for("! ls /run/skep/network/machines/*")
    world.wait_for("! nft list table inet skep-nat")
    assert world.run("grep -l 1 /proc/sys/net/ipv6/conf/*/force_forwarding", check=False).stdout == ""


def leader(lab, name):
    return lab.out(["machinectl", "show", "-p", "Leader", "--value", name])


def inside(lab, name, command, **options):
    return lab.out(f"nsenter -t {leader(lab, name)} -n -m -p -u -- {command}", **options)


def answer(lab, enter, target):
    """Wait until @target answers who enters so. A single packet is lost while the host's networkd looks at a new link:
    it takes our addresses from it, and they are given again."""
    lab.wait_for(f"nsenter {enter} ping -c1 -W1 {target}", text="bytes from", timeout=15)


def reached(lab, name, targets):
    """All of the targets answer to a machine of busybox."""
    for target in targets:
        answer(lab, f"-t {leader(lab, name)} -a -- /bin/busybox", target)


ZONE = ("--network-zone=z", "--network-address=auto")
SLEEP = ("--", "/bin/sleep", "1000")


def test_busybox(host, start):
    """It reaches the host, a neighbour by name, and the world behind a translation, by both protocols; when the
    host's networkd is done with the links, and when it was restarted, too."""
    lab, networkd = host
    start("one", BUSYBOX, *ZONE, *SLEEP)
    start("two", BUSYBOX, *ZONE, *SLEEP)
    start("three", BUSYBOX, "--network-address=auto", *SLEEP)
    wanted = {"one": ("_gateway", "two", *OUTSIDE), "two": ("_gateway", "one", *OUTSIDE),
              "three": ("_gateway", *OUTSIDE)}
    for name, targets in wanted.items():
        reached(lab, name, targets)
    answer(lab, f"-t {leader(lab, 'one')} -a -- /bin/busybox", "-6 two")
    if not networkd:
        return
    for again in (False, True):
        if again:
            lab.run(["systemctl", "restart", "systemd-networkd"])
        for link in ("vz-z", "ve-three"):
            lab.wait_for(f"networkctl status {link}", text="(configured)", timeout=20)
        # What networkd gave its own end is there beside what was ours.
        lengths = set(re.findall(r"inet (?:10|192|172)\.[\d.]+(/\d+)", lab.out("ip -o -4 addr show dev ve-three")))
        assert lengths == {"/28", "/30"}
        for name, targets in wanted.items():
            reached(lab, name, targets)


@pytest.fixture(scope="module")
def debian(world):
    tree = world.add_machine("debian", f"{world.suite}-guest")
    world.run(f"ln -s /lib/systemd/system/systemd-networkd.service {tree}/etc/systemd/system/multi-user.target.wants/")
    return tree


@pytest.mark.parametrize("host", ["networkd"], indirect=True)
def test_booted_by_dhcp(host, start, debian):
    """As ever, where the host has somebody who answers."""
    lab, _ = host
    start("deb", debian, "--boot", "--network-veth")
    start("zoned", debian, "--boot", "--network-zone=z")
    found = lab.wait_for(f"nsenter -t {leader(lab, 'deb')} -n ip -o -4 addr show dev host0",
                         text="dynamic", timeout=30).stdout
    address = re.search(r"inet ([\d.]+)/28", found)[1]
    answer(lab, "-t 1 -n", address)
    enter = f"nsenter -t {leader(lab, 'zoned')} -n"
    found = lab.wait_for(f"{enter} ip -o -4 addr show dev host0", text="dynamic", timeout=30).stdout
    answer(lab, "-t 1 -n", re.search(r"inet ([\d.]+)/", found)[1])
    start("one", BUSYBOX, *ZONE, *SLEEP)
    # Its neighbours know the name of one who got its address so.
    lab.wait_for(f"grep -w zoned /proc/{leader(lab, 'one')}/root/etc/hosts", text="192.168.", timeout=30)
    reached(lab, "one", ["zoned"])


def test_booted_with_an_address(host, start, debian):
    """Its own networkd leaves what was set up, and makes nothing else of it."""
    lab, _ = host
    start("deb", debian, "--boot", "--network-address=auto")
    enter = f"nsenter -t {leader(lab, 'deb')} -n"
    lab.wait_for(f"nsenter -t {leader(lab, 'deb')} -a networkctl status host0", text="(configured)",
                 timeout=30)
    found = lab.out(f"{enter} ip -o addr show dev host0 scope global")
    assert re.search(r"inet 10\.\S+/30", found) and re.search(r"inet6 fd\S+/64", found)
    assert "dynamic" not in found
    for target in OUTSIDE:
        answer(lab, f"-t {leader(lab, 'deb')} -n", target)
