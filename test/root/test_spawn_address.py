# SPDX-License-Identifier: LGPL-2.1-or-later
"""Addresses of machines: what a payload without a network manager reaches, who is told what is in the way, and
that nothing of it stays. All of it in a network namespace of its own, with a second one as the world outside."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from skeplib.faults import STRIDE
from skeplib.netns import ip, own_network
from skeplib.spawner import leader_of, wait_until

RUN = pathlib.Path("/run/skep/network")
OUTSIDE = ("198.51.100.2", "2001:db8:1::2")


def sh(*words, check=True):
    return subprocess.run(words, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@contextlib.contextmanager
def outside():
    """A namespace that knows the host's addresses on up0, and nothing of what is behind those."""
    with subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up; echo; exec cat"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        ip(f"link add up0 type veth peer name out0 netns {holder.pid}")
        inside = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
        for link, enter, last in (("up0", [], 1), ("out0", inside, 2)):
            for words in (f"link set {link} up", f"addr add 198.51.100.{last}/24 dev {link}",
                          f"addr add 2001:db8:1::{last}/64 dev {link} nodad"):
                sh(*enter, "ip", *words.split())
        try:
            yield inside
        finally:
            holder.stdin.close()


def state():
    """What of the network is set: addresses, routes, rules of the packet filter, forwarding, our files."""
    forwarding = {str(p): p.read_text() for p in pathlib.Path("/proc/sys/net").glob("ipv?/conf/*/*")
                  if "forwarding" in p.name or p.name == "accept_ra"}
    files = sorted(str(p) for p in RUN.rglob("*") if p.is_file())
    tables = sh("nft", "list", "tables").stdout
    return {"links": sorted(n for _, n in socket.if_nameindex()), "addresses": ip("-o addr show scope global"),
            # (A bridge without a port is down now, or in a moment.)
            "routes": ip("route").replace(" linkdown", "") + ip("-6 route show proto static"), "tables": tables,
            "forwarding": forwarding, "files": files}


@pytest.fixture(autouse=True)
def network(own_run):
    """An empty network with a way out, and an empty /run. Afterwards both are as before."""
    with own_network(), outside() as enter:
        before = state()
        yield enter
        after = None

        def is_clean():
            nonlocal after
            after = state()
            return after == before

        with contextlib.suppress(pytest.fail.Exception):
            wait_until(is_clean, timeout=3)
        assert after == before


@pytest.fixture
def held(spawn, new_tree):
    """held(OPTION...): a machine that stays. Return: its process."""
    trees = {}

    def start(*options, name=None, tree=None):
        trees[name] = tree or trees.get(name) or new_tree()
        process = spawn.start(trees[name], *options, "--", "/bin/sh", "-c", "echo up; read x",
                              stdin=subprocess.PIPE, name=name)
        assert process.stdout.readline() == "up\n", process.stderr.read()
        return process

    return start


def end(process):
    _, errors = process.communicate("\n", timeout=10)
    assert process.returncode == 0 and errors == "", errors


def inside(process, *words, check=True):
    """Runs a program of the machine in all of its namespaces."""
    return sh("nsenter", "-t", str(leader_of(process)), "-a", *words, check=check).stdout


PING = "ping -c 1 -W 3 -q"


def reaches(spawn, tree, *options, targets=OUTSIDE):
    """The payload's own view, at once: whether each target answers it."""
    script = "".join(f"{PING} {t} >/dev/null 2>&1; echo $?\n" for t in targets)
    return [code == "0" for code in spawn.sh(tree, script, *options).splitlines()]


# --- auto -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("users", [(), ("--private-users=0x20000",)], ids=["root", "users"])
def test_auto(spawn, busybox, users):
    """The first thing that a payload does finds the host and the world outside, by both protocols."""
    assert reaches(spawn, busybox, "--network-address=auto", *users,
                   targets=("_gateway", *OUTSIDE)) == [True, True, True]


def test_address_is_stable(spawn, busybox):
    script = "ip -o addr show host0 scope global"
    first = spawn.sh(busybox, script, "-n", "--network-address=auto")
    assert first == spawn.sh(busybox, script, "-n", "--network-address=auto")
    assert len(first.splitlines()) == 2
    assert re.search(r"inet 10\.\d+\.\d+\.\d+/30 ", first) and re.search(r"inet6 fd\S+/64 ", first)
    assert "tentative" not in first


@pytest.mark.parametrize("family,other", [("4", "inet6"), ("6", "inet ")])
def test_one_family(spawn, busybox, family, other):
    out = spawn.sh(busybox, "ip -o addr show host0 scope global", "-n", f"--network-address=auto{family}")
    assert other not in out and len(out.splitlines()) == 1


def test_no_translation(spawn, busybox, network):
    """Without it the world outside must know the way back, and then does."""
    option = "--network-address=10.9.0.2/24,nat=no"
    assert reaches(spawn, busybox, option, targets=OUTSIDE[:1]) == [False]
    sh(*network, "ip", "route", "add", "10.9.0.0/24", "via", "198.51.100.1")
    assert reaches(spawn, busybox, option, targets=OUTSIDE[:1]) == [True]


def test_host_does_not_become_a_router(held, network):
    """Of what comes from outside nothing is passed on but answers, also not to the machine itself."""
    process = held("--network-address=10.9.0.2/24", "--network-address=fd00:9::2/64")
    sh(*network, "ip", "route", "add", "10.9.0.0/24", "via", "198.51.100.1")
    sh(*network, "ip", "route", "add", "fd00:9::/64", "via", "2001:db8:1::1")
    for target in ("10.9.0.2", "fd00:9::2"):
        assert sh("busybox", "ping", "-c", "1", "-W", "2", target).returncode == 0
        assert sh(*network, "busybox", "ping", "-c", "1", "-W", "1", target, check=False).returncode != 0
    ip("link add up1 type veth peer name up2")
    end(process)
    ip("link del up1")


# --- given ----------------------------------------------------------------------------------------

def test_given(spawn, busybox):
    out = spawn.sh(busybox, "ip -o addr show host0 scope global; ip route; ip -6 route; cat /etc/resolv.conf",
                   "--network-address=10.9.0.2/24,10.9.0.1,192.0.2.53",
                   "--network-address=fd00:9::2/64,fd00:9::1,2001:db8::53")
    for words in ("inet 10.9.0.2/24", "inet6 fd00:9::2/64", "default via 10.9.0.1 dev host0",
                  "default via fd00:9::1 dev host0", "nameserver 192.0.2.53", "nameserver 2001:db8::53"):
        assert words in out, out


@pytest.mark.parametrize("address,gateway", [("10.9.0.2/32", "10.8.0.1"), ("fd00:9::2/128", "fd00:8::1"),
                                             ("10.9.0.2/31", "10.9.0.3"), ("fd00:9::2/64", "fd00:9::ff")])
def test_gateway_anywhere(spawn, busybox, address, gateway):
    target = OUTSIDE[":" in address]
    assert reaches(spawn, busybox, f"--network-address={address},{gateway}",
                   targets=(gateway, target)) == [True, True]


def test_no_gateway(spawn, busybox):
    out = spawn.sh(busybox, "ip route; ip -o addr show host0 scope global",
                   "--network-address=10.9.0.2/24,gateway=none")
    assert "default" not in out and "inet 10.9.0.2/24" in out


def test_own_bridge(spawn, busybox, network):
    """A bridge of the administrator's: the machine gets an address of its subnet, the host is left alone."""
    ip("link add br0 type bridge")
    ip("link set br0 up")
    ip("addr add 203.0.113.1/24 dev br0")
    out = spawn.sh(busybox, f"ip -o -4 addr show host0; {PING} 203.0.113.1 >/dev/null && echo there",
                   "--network-bridge=br0", "--network-address=auto")
    assert re.search(r"inet 203\.0\.113\.\d+/24", out) and out.endswith("there")
    assert "203.0.113.1/24" in ip("addr show br0")
    ip("link del br0")


def test_other_link(spawn, busybox):
    """Two links with a subnet each, and one way out."""
    out = spawn.sh(busybox, f"ip -o -4 addr show x0; ip route; {PING} {OUTSIDE[0]} >/dev/null && echo there",
                   "-n", "--network-veth-extra=x0", "--network-address=auto",
                   "--network-address=auto4,link=x0")
    assert len(re.findall(r"^default", out, re.M)) == 1 and out.endswith("there")
    assert re.search(r"x0 +inet 10\.", out)


# --- in the way -----------------------------------------------------------------------------------

@pytest.mark.parametrize("options,words", [
    (["--network-address=198.51.100.7/24,198.51.100.9"], "route already, on 'up0'"),
    (["--network-address=198.51.100.1/32,10.9.0.1"], "the host's own address, on 'up0'"),
    (["--network-address=10.9.0.2/24,198.51.100.1"], "does not lie in the subnet"),
    (["--network-address=10.9.0.2/24", "--network-address=10.9.0.2/25"], "10.9.0.2 is given twice"),
    (["--network-address=auto", "--network-address=auto4"], "both pick an IPv4"),
    (["--network-address=10.9.0.2/24,link=eth7"], "no link 'eth7'"),
    (["--network-address=auto,10.0.0.1"], "picks the gateway too"),
    (["--network-address=10.9.0.2"], "neither auto"),
])
def test_refused(spawn, busybox, options, words):
    assert words in spawn.refuse(busybox, *options)


def test_other_machine(spawn, busybox, held):
    process = held("--network-address=10.9.0.2/24", name=f"{spawn.name}-a")
    for option, words in (("10.9.0.2/24", "is the address of machine"),
                          ("10.9.0.3/24", "lies in the subnet of machine"),
                          ("10.8.0.2/16,gateway=none", None)):
        if words is None:
            spawn.run(busybox, f"--network-address={option}", "--", "/bin/true")
            continue
        line = spawn.refuse(busybox, f"--network-address={option}")
        assert words in line and f"'{spawn.name}-a'" in line
    end(process)


def test_firewall_is_told_of(spawn, busybox):
    """A host whose own rules drop what is forwarded: the user learns which."""
    sh("nft", "add table ip mine; add chain ip mine fw { type filter hook forward priority 0; policy drop; }")
    done = spawn.run(busybox, "--network-address=auto", "--", "/bin/true", quiet=False)
    sh("nft", "delete table ip mine")
    assert "firewall" in done.stderr and "'fw'" in done.stderr, done.stderr
    assert spawn.run(busybox, "--network-address=auto", "--", "/bin/true", quiet=False).stderr == ""


# --- what stays -----------------------------------------------------------------------------------

def test_host_was_a_router_already(spawn, busybox):
    """What was switched on by somebody else stays on."""
    for path in ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"):
        pathlib.Path(path).write_text("1")
    before = state()
    assert reaches(spawn, busybox, "--network-address=auto") == [True, True]
    assert state() == before
    for path in ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"):
        pathlib.Path(path).write_text("0")


def test_host_becomes_a_router_meanwhile(spawn, held, busybox):
    """As its networkd makes it one: the end of a machine takes nothing of that back."""
    process = held("--network-address=auto")
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    end(process)
    assert reaches(spawn, busybox, "--network-address=auto") == [True, True]
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("0")


def test_killed(spawn, held, busybox):
    """What a killed supervisor leaves goes with the next start of any machine; what others have stays."""
    stays = held("--network-address=auto", name=f"{spawn.name}-a")
    killed = held("--network-address=auto", name=f"{spawn.name}-b")
    with_both = state()
    killed.send_signal(signal.SIGKILL)
    killed.wait(5)
    spawn.run(busybox, "--network-address=auto", "--", "/bin/true")
    wait_until(lambda: len(state()["files"]) < len(with_both["files"]))
    assert [f for f in state()["files"] if f.endswith("-b")] == []
    assert "there" in inside(stays, "/bin/sh", "-c", f"{PING} {OUTSIDE[0]} >/dev/null && echo there")
    end(stays)


def test_killed_all(spawn, held, busybox):
    """The last of them gone by a kill, a start that has nothing to do with addresses cleans up."""
    held("--network-address=auto").send_signal(signal.SIGKILL)
    wait_until(lambda: not any(n.startswith("ve-") for _, n in socket.if_nameindex()))
    spawn.run(busybox, "--", "/bin/true", name=f"{spawn.name}-c")


def test_hundred_times(spawn, busybox):
    seen = {spawn.sh(busybox, "ip -o -4 addr show host0 | grep -o 'inet [^ ]*'", "--network-address=auto",
                     "-p", "8080:80") for _ in range(100 // STRIDE)}
    assert len(seen) == 1
    assert subprocess.run(["nft", "list", "tables"], check=True, stdout=subprocess.PIPE).stdout == b""


# --- names ----------------------------------------------------------------------------------------

def names(process):
    """Names that the machine knows, with how many addresses each."""
    found = {}
    for line in hosts_file(process).read_text(encoding="ascii").splitlines():
        for name in line.partition("#")[0].split()[1:]:
            found[name] = found.get(name, 0) + 1
    return found


def hosts_file(process):
    return pathlib.Path(f"/proc/{leader_of(process)}/root/etc/hosts")


ZONE = ("--network-zone=skeptest", "--network-address=auto")


def test_neighbours(spawn, held):
    """Machines of a zone find each other by name, those outside of it are not told."""
    a, b, c = (f"{spawn.name}-{x}" for x in "abc")
    first, second = held(*ZONE, name=a), held(*ZONE, "--hostname=other", name=b)
    alone = held("--network-address=auto", name=c)
    for process, neighbour in ((first, b), (first, "other"), (second, a)):
        assert "bytes from" in inside(process, "ping", "-c1", "-W3", neighbour)
        assert "bytes from" in inside(process, "ping", "-6", "-c1", "-W3", neighbour)
    assert "bytes from" in inside(first, "ping", "-c1", "-W3", OUTSIDE[0])
    assert c not in names(first) and a not in names(alone)
    assert names(first)[b] == names(first)["other"] == names(second)[a] == 2
    end(second)
    assert b not in names(first)
    end(first)
    end(alone)


def test_neighbour_with_addresses_of_its_own(spawn, held):
    """One that gets its address elsewhere, by DHCP or by hand, is known by name as soon as it has it."""
    a, b = f"{spawn.name}-a", f"{spawn.name}-b"
    first, second = held(*ZONE, name=a), held("--network-zone=skeptest", name=b)
    assert b not in names(first)
    inside(second, "ip", "link", "set", "host0", "up")
    inside(second, "ip", "addr", "add", "10.77.0.9/24", "dev", "host0")
    wait_until(lambda: names(first).get(b) == 1)
    assert "10.77.0.9 " + b in hosts_file(first).read_text(encoding="ascii")
    inside(second, "ip", "addr", "del", "10.77.0.9/24", "dev", "host0")
    wait_until(lambda: b not in names(first))
    inside(second, "ip", "addr", "add", "10.77.0.10/24", "dev", "host0")
    wait_until(lambda: names(first).get(b) == 1)
    end(second)
    assert b not in names(first)
    end(first)


def test_neighbours_at_a_bridge(spawn, held):
    ip("link add br0 type bridge")
    ip("link set br0 up")
    a, b = (held("--network-bridge=br0", f"--network-address=10.7.0.{i}/24", name=f"{spawn.name}-{i}")
            for i in (2, 3))
    assert "bytes from" in inside(a, "ping", "-c1", "-W3", f"{spawn.name}-3")
    end(a)
    end(b)
    ip("link del br0")


def test_neighbour_is_killed(spawn, held):
    """It stays in the others' files until somebody comes or goes, and no longer; nobody else is harmed."""
    a, b, c = (f"{spawn.name}-{x}" for x in "abc")
    first, second = held(*ZONE, name=a), held(*ZONE, name=b)
    second.send_signal(signal.SIGKILL)
    second.wait(5)
    third = held(*ZONE, name=c)
    assert b not in names(first) and names(first)[c] == 2 and names(third)[a] == 2
    assert "bytes from" in inside(first, "ping", "-c1", "-W3", c)
    end(third)
    end(first)


def test_reader_sees_whole_lines(spawn, held):
    """Whoever reads while others come and go sees every line as it was or as it is."""
    watch = held(*ZONE, name=f"{spawn.name}-a")
    stays = held(*ZONE, name=f"{spawn.name}-b")
    file, seen = hosts_file(watch), set()
    for _ in range(3):
        comes = held(*ZONE, name=f"{spawn.name}-c")
        comes.stdin.close()
        while comes.poll() is None:
            text = file.read_text(encoding="ascii")
            seen.update(text.split("to date by skep.")[1].split("\n"))
            assert text.count(f" {spawn.name}-b ") == 2
        comes.stderr.close()
    line = re.compile(rf"(10\.[\d.]+|fd[0-9a-f:]+) ({re.escape(spawn.name)}-[abc]|_gateway [\w.-]+)")
    assert all(line.fullmatch(s.strip()) for s in seen if s.strip())
    end(stays)
    end(watch)


HOSTS = "127.0.0.1 localhost\n192.0.2.77 printer\n"


@pytest.mark.parametrize("what,known", [("file", True), ("none", False), ("link", True), ("away", False),
                                        ("fifo", False), ("folder", False), ("huge", False),
                                        ("binary", False), ("loop", False)])
def test_hosts_of_the_image(spawn, busybox, what, known, scratch):
    """The image's lines are kept, whatever else it has there stops nothing and reaches nothing."""
    path, before = busybox / "etc/hosts", None
    path.unlink(missing_ok=True)
    (scratch / "secret").write_text("192.0.2.77 printer\n", encoding="ascii")
    if what == "file":
        path.write_text(HOSTS, encoding="ascii")
    elif what == "link":
        (busybox / "etc/hosts.real").write_text(HOSTS, encoding="ascii")
        path.symlink_to("/etc/hosts.real")
    elif what == "away":
        path.symlink_to(scratch / "secret")
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "huge":
        path.write_text("192.0.2.77 printer\n" * 100000, encoding="ascii")
    elif what == "binary":
        path.write_bytes(b"192.0.2.77 printer\n\0")
    elif what == "loop":
        path.symlink_to("hosts")
    if path.is_file():
        before = path.read_bytes()
    done = spawn.run(busybox, "--network-address=auto", "--", "/bin/sh", "-c",
                     "cat /etc/hosts 2>/dev/null; (echo x >>/etc/hosts) 2>/dev/null && echo WRITTEN; true", quiet=False)
    mounted = what not in ("away", "folder", "loop")
    assert ("printer" in done.stdout) == known
    assert (f" {spawn.name}" in done.stdout) == mounted
    assert "WRITTEN" not in done.stdout or not mounted
    assert bool(done.stderr) == (what not in ("file", "none", "link", "binary")), done.stderr
    assert before is None or path.read_bytes() == before
    assert (scratch / "secret").read_text(encoding="ascii") == "192.0.2.77 printer\n"


def test_reboot(spawn, busybox):
    """A machine that reboots in place has the same address again, and its neighbours' names."""
    out = spawn.sh(busybox, "ip -o addr show host0 scope global | grep -o 'inet6* [^ ]*'; grep -c _gateway /etc/hosts;"
                   f"{PING} {OUTSIDE[0]} >/dev/null && echo there;"
                   "[ -e /again ] || { touch /again; reboot -f; sleep 9; }", *ZONE)
    lines = out.splitlines()
    assert len(lines) == 8 and lines[:4] == lines[4:] and lines[3] == "there", out


def test_taken_away(spawn, held):
    """Addresses that somebody takes from the host's end are there again; a link that is gone harms nobody."""
    process = held("--network-address=10.9.0.2/24", "--network-address=fd00:9::2/64")
    link = next(n for _, n in socket.if_nameindex() if n.startswith("ve-"))
    # Not by flush, which starts over as long as there is one.
    for address in ("10.9.0.1/24", "fd00:9::1/64"):
        ip(f"addr del {address} dev {link}")
    wait_until(lambda: "10.9.0.1/24" in ip(f"addr show dev {link}") and
               "fd00:9::1/64" in ip(f"addr show dev {link}"))
    assert "bytes from" in inside(process, "ping", "-c1", "-W3", OUTSIDE[0])
    ip(f"link del {link}")
    end(process)


def test_no_packet_filter(spawn, busybox, monkeypatch, scratch):
    """Without the aide nothing is half set up, and who needs no way out starts."""
    monkeypatch.setenv("SKEP_LIBEXECDIR", str(scratch))
    assert "skep-nft" in spawn.refuse(busybox, "--network-address=auto")
    spawn.run(busybox, "--network-address=10.9.0.2/24,gateway=none", "--", "/bin/true")
