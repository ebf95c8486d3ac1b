# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ports of the host that lead into machines. The host of each test is a network namespace of its own; one
more is somebody elsewhere who has it as router. What answers in a machine is started by us in its network."""

import errno
import os
import signal
import socket
import subprocess
import time

import pytest

from skeplib.faults import CANNOT_FAIL, CHANGES_NOTHING, TROUBLE, Faults, alone
from skeplib.netns import ip, own_network
from skeplib.spawner import leader_of, wait_until

ANSWER = """
import socket, sys, threading
def serve(kind, family, port):
    s = socket.socket(family, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    if kind == socket.SOCK_STREAM:
        s.listen(9)
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    while True:
        if kind == socket.SOCK_STREAM:
            c, peer = s.accept()
            c.sendall(f"{sys.argv[1]} {port} {peer[0]}".encode())
            c.close()
        else:
            _, peer = s.recvfrom(99)
            s.sendto(f"{sys.argv[1]} {port} {peer[0]}".encode(), peer)
for port in sys.argv[2:]:
    kind, port = (socket.SOCK_DGRAM, port[1:]) if port[0] == "u" else (socket.SOCK_STREAM, port)
    for family in (socket.AF_INET, socket.AF_INET6):
        threading.Thread(target=serve, args=(kind, family, int(port))).start()
"""
ASK = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[3] == "udp" else socket.SOCK_STREAM
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
try:
    s = socket.socket(family, kind)
    s.settimeout(float(sys.argv[4]))
    s.connect((sys.argv[1], int(sys.argv[2])))
    if kind == socket.SOCK_DGRAM:
        s.send(b"?")
    print(s.recv(99).decode())
except OSError as problem:
    print("-", type(problem).__name__)
"""
PYTHON = "/usr/bin/python3"
TABLE = "skep-ports"


def enter(pid):
    return ["nsenter", "-n", "-t", str(pid)] if pid else []


def run_in(pid, words):
    return subprocess.run([*enter(pid), *words.split()], check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def ask(address, port, pid=None, kind="tcp", patience=2.0):
    """What answers at a port: (who, at which port inside, whom it sees), or what went wrong.
    @pid: in whose network we are, None = the host's."""
    out = subprocess.run([*enter(pid), PYTHON, "-c", ASK, address, str(port), kind, str(patience)],
                         check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return out[1] if out[0] == "-" else tuple(out)


def run_script(pid, script):
    return subprocess.run([*enter(pid), PYTHON, "-c", script], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def ruleset():
    return subprocess.run([PYTHON, "-c", LIST], check=True, stdout=subprocess.PIPE, text=True).stdout


# Debian's nft(8) is not needed: its library is there with skep-nft.
LIST = """
import ctypes, sys
lib = ctypes.CDLL("libnftables.so.1")
lib.nft_ctx_new.restype = ctypes.c_void_p
lib.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
ctx = ctypes.c_void_p(lib.nft_ctx_new(0))
lib.nft_ctx_buffer_output(ctx)
assert lib.nft_run_cmd_from_buffer(ctx, (sys.argv[1] if len(sys.argv) > 1 else "list ruleset").encode()) == 0
sys.stdout.write(lib.nft_ctx_get_output_buffer(ctx).decode())
"""


def nft(commands):
    subprocess.run([PYTHON, "-c", LIST, commands], check=True)


def setting(path, value=None):
    if value is not None:
        with open(f"/proc/sys/net/{path}", "w", encoding="ascii") as f:
            f.write(value)
    with open(f"/proc/sys/net/{path}", encoding="ascii") as f:
        return f.read().strip()


class Net:
    """The host of a test, and somebody elsewhere."""

    def __init__(self, spawn, tree):
        self.spawn, self.tree = spawn, tree
        spawn.name = f"p{os.getpid() % 100000}"     # whole in the names of links
        self.helpers = []
        self.elsewhere = self.helper(["unshare", "-n", "sleep", "600"]).pid
        own = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(f"/proc/{self.elsewhere}/ns/net") != own)
        setting("ipv4/ip_forward", "1")
        setting("ipv6/conf/all/forwarding", "1")
        ip(f"link add up0 type veth peer name eth0 netns {self.elsewhere}")
        for words in ("addr add 198.51.100.1/24 dev up0", "addr add 2001:db8:1::1/64 dev up0 nodad",
                      "link set up0 up"):
            ip(words)
        for words in ("ip link set lo up", "ip addr add 198.51.100.9/24 dev eth0",
                      "ip addr add 2001:db8:1::9/64 dev eth0 nodad", "ip link set eth0 up",
                      "ip route add 10.0.0.0/8 via 198.51.100.1"):
            run_in(self.elsewhere, words)

    def helper(self, argv, **options):
        process = subprocess.Popen(argv, **options)
        self.helpers.append(process)
        return process

    def machine(self, *options, number=1, name=None, address=True, link=("--network-veth",), **rest):
        """Starts one; with @address it gets those of its number. Returns its process."""
        name = name or self.spawn.name
        process = self.spawn.start(self.tree, "-x", *link, *options, "--", "/bin/sh", "-c", "read x; true",
                                   stdin=subprocess.PIPE, name=name, **rest)
        process.inside = leader_of(process)
        wait_until(lambda: self.link(process) or process.poll() is not None)
        if process.poll() is not None:
            return process
        if address:
            self.give_host(f"ve-{name}", number)
            self.give(process, number)
        return process

    @staticmethod
    def link(process):
        return "host0" in run_in(process.inside, "ip -o link")

    @staticmethod
    def give_host(link, number):
        ip(f"addr add 10.0.{number}.1/24 dev {link}")
        ip(f"addr add fd00:{number}::1/64 dev {link} nodad")

    @staticmethod
    def give(process, number, last=2):
        for words in (f"ip addr add 10.0.{number}.{last}/24 dev host0",
                      f"ip addr add fd00:{number}::{last}/64 dev host0 nodad", "ip link set host0 up",
                      f"ip route replace default via 10.0.{number}.1",
                      f"ip -6 route replace default via fd00:{number}::1"):
            run_in(process.inside, words)

    def serve(self, process, who, *ports):
        server = self.helper([*enter(process.inside), PYTHON, "-c", ANSWER, who, *map(str, ports)],
                             stdout=subprocess.PIPE, text=True)
        for _ in range(2 * len(ports)):
            assert server.stdout.readline() == "ready\n"

    @staticmethod
    def stop(process):
        process.stdin.close()
        assert process.wait(10) == 0, process.stderr.read()

    def done(self):
        for process in self.helpers:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


@pytest.fixture
def net(spawn, busybox):
    with own_network():
        where = Net(spawn, busybox)
        yield where
        where.done()
        spawn.stop_all()


def goes_to(text):
    """Condition: the packet filter sends packets there."""
    return lambda: text in ruleset()


LOOPBACK = [("127.0.0.1", "10.0.1.1"), ("127.7.7.7", "10.0.1.1"), ("::1", "fd00:1::1")]
OWN = [("198.51.100.1", "10.0.1.1"), ("2001:db8:1::1", "fd00:1::1"), ("10.0.1.1", "10.0.1.1")]


def test_everywhere(net):
    """From loopback, from the host's addresses, from elsewhere, and from the machine itself; both families."""
    process = net.machine("-p", "8080:80")
    net.serve(process, "web", 80)
    wait_until(goes_to("fd00:1::2 . 80"))
    for address, seen in LOOPBACK + OWN:
        assert ask(address, 8080) == ("web", "80", seen), address
    # Whoever is elsewhere is seen as who it is.
    assert ask("198.51.100.1", 8080, net.elsewhere) == ("web", "80", "198.51.100.9")
    assert ask("2001:db8:1::1", 8080, net.elsewhere) == ("web", "80", "2001:db8:1::9")
    for address in ("198.51.100.1", "10.0.1.1", "2001:db8:1::1"):
        assert ask(address, 8080, process.inside)[:2] == ("web", "80"), address
    net.stop(process)
    assert ruleset() == ""
    assert ask("127.0.0.1", 8080) == "ConnectionRefusedError"


def test_ranges_protocols_and_addresses(net):
    process = net.machine("-p", "8000-8002:80-82", "-p", "udp:53", "-p", "127.0.0.1:9000:90", "-p",
                          "[2001:db8:1::1]:9000:91", "--port=198.51.100.1:9000:92")
    net.serve(process, "m", 80, 82, "u53", 90, 91, 92)
    wait_until(goes_to("fd00:1::2 . 80"))
    assert ask("127.0.0.1", 8000)[1] == "80"
    assert ask("::1", 8002)[1] == "82"
    assert ask("127.0.0.1", 8003) == "ConnectionRefusedError"
    assert ask("127.0.0.1", 53, kind="udp")[1] == "53"
    assert ask("198.51.100.1", 53, net.elsewhere, kind="udp") == ("m", "53", "198.51.100.9")
    assert ask("127.0.0.1", 9000)[1] == "90"
    assert ask("::1", 9000) == "ConnectionRefusedError"
    assert ask("2001:db8:1::1", 9000, net.elsewhere)[1] == "91"
    assert ask("198.51.100.1", 9000, net.elsewhere)[1] == "92"
    assert ask("127.0.0.2", 9000) == "ConnectionRefusedError"
    net.stop(process)


def test_it_follows_the_address(net):
    """Given late, changed, taken away and given back."""
    process = net.machine("-p", "8080:80", address=False)
    net.serve(process, "m", 80)
    assert "10.0.1" not in ruleset()
    net.give_host(f"ve-{net.spawn.name}", 1)
    net.give(process, 1)
    wait_until(goes_to("10.0.1.2 . 80"))
    assert ask("127.0.0.1", 8080)[0] == "m"
    run_in(process.inside, "ip addr add 10.0.1.7/24 dev host0")
    run_in(process.inside, "ip addr del 10.0.1.2/24 dev host0")
    wait_until(lambda: "10.0.1.2" not in ruleset())
    run_in(process.inside, "ip addr replace 10.0.1.7/24 dev host0")
    run_in(process.inside, "ip route replace default via 10.0.1.1")
    wait_until(goes_to("10.0.1.7 . 80"))
    assert ask("127.0.0.1", 8080)[0] == "m"
    # It stays where it is as long as that is there.
    run_in(process.inside, "ip addr add 10.0.1.3/24 dev host0")
    time.sleep(1.3)
    assert "10.0.1.7 . 80" in ruleset()
    net.stop(process)


def test_an_address_that_is_not_the_machines(net):
    """Its root cannot have its port lead to somebody whom the host reaches another way."""
    ip("addr add 10.0.1.1/24 dev up0")          # as if that subnet were elsewhere
    process = net.machine("-p", "8080:80", address=False)
    run_in(process.inside, "ip link set host0 up")
    run_in(process.inside, "ip addr add 198.51.100.9/24 dev host0")
    run_in(process.inside, "ip addr add 10.0.1.2/24 dev host0")
    run_in(process.inside, "ip addr add 198.51.100.1/32 dev host0")     # the host itself
    time.sleep(1.5)
    assert " . 80" not in ruleset()
    net.stop(process)


def test_the_hosts_loopback_stays_its_own(net):
    """A machine whose port is reached from 127.0.0.1 cannot send to it, nor pretend to be it."""
    process = net.machine("-p", "8080:80")
    wait_until(goes_to("10.0.1.2 . 80"))
    assert setting(f"ipv4/conf/ve-{net.spawn.name}/route_localnet") == "1"
    secret = socket.create_server(("127.0.0.1", 7777))
    secret.settimeout(1)
    run_in(process.inside, "ip route add 127.0.0.1/32 via 10.0.1.1 table 77")
    run_in(process.inside, "ip rule add to 127.0.0.1 pref 0 lookup 77")
    run_in(process.inside, "ip rule add pref 5 lookup local")
    run_in(process.inside, "ip rule del pref 0 lookup local")
    run_in(process.inside, "ip addr del 127.0.0.1/8 dev lo")
    subprocess.run([*enter(process.inside), "sh", "-c",
                    "echo 1 >/proc/sys/net/ipv4/conf/host0/route_localnet"], check=True)
    assert ask("127.0.0.1", 7777, process.inside, patience=1) in ("TimeoutError", "timeout")
    # What stops it is ours: without it, they would talk.
    nft(f"flush chain inet {TABLE} guard")
    ask("127.0.0.1", 7777, process.inside, patience=1)
    client, _ = secret.accept()
    client.close()
    secret.close()
    net.stop(process)


def test_refusals(net):
    refuse, tree = net.spawn.refuse, net.tree
    assert "--network-veth" in refuse(tree, "-p", "80", "/bin/true")
    assert "no link" in refuse(tree, "--private-network", "-p", "80", "/bin/true")
    assert "11 ports of the host cannot lead to 12" in refuse(
        tree, "-n", "-p", "8000-8010:80-91", "/bin/true")
    line = refuse(tree, "-n", "-p", "80", "-p", "127.0.0.1:80", "/bin/true")
    assert line == "skep-spawn: -p: '127.0.0.1:80' is taken already by 'tcp:80' of this machine" or \
        "taken by this machine" in line


@pytest.mark.parametrize("mine, taken, said", [
    ("8080:80", ("0.0.0.0", 8080), "tcp:8080:80"),
    ("8080:80", ("::1", 8080), "tcp:8080:80"),
    ("127.0.0.1:8000-8010", ("127.0.0.1", 8010), "tcp:127.0.0.1:8000-8010"),
])
def test_a_program_has_it(net, mine, taken, said):
    family = socket.AF_INET6 if ":" in taken[0] else socket.AF_INET
    with socket.create_server(taken, family=family):
        line = net.spawn.refuse(net.tree, "-n", "-p", mine, "/bin/true")
        assert line == f"skep-spawn: ports: '{said}' is in use by a program of this host"
    assert ruleset() == ""


def test_another_machine_has_it(net):
    """Who, is said; a program of the host does not get it either; and each at its own address is fine."""
    process = net.machine("-p", "8080:80", "-p", "127.0.0.1:9000:90")
    line = net.spawn.refuse(net.tree, "-x", "-n", "-p", "127.0.0.1:8080", "/bin/true",
                            name=net.spawn.name + "b")
    assert line == (f"skep-spawn: ports: 'tcp:127.0.0.1:8080' is in use by machine"
                    f" '{net.spawn.name}'")
    with pytest.raises(OSError):
        socket.create_server(("127.0.0.1", 8080))
    other = net.machine("-p", "198.51.100.1:9000:90", name=net.spawn.name + "c", number=2)
    net.serve(process, "one", 90)
    net.serve(other, "two", 90)
    wait_until(goes_to("10.0.2.2 . 90"))
    assert ask("127.0.0.1", 9000)[0] == "one"
    assert ask("198.51.100.1", 9000)[0] == "two"
    net.stop(process)
    assert "10.0.2.2 . 90" in ruleset() and "10.0.1.2" not in ruleset()
    assert ask("198.51.100.1", 9000)[0] == "two"
    net.stop(other)
    assert ruleset() == ""


def test_one_that_was_used_a_moment_ago(net):
    """Connections that a program left behind are not in the way."""
    with socket.create_server(("127.0.0.1", 8080)) as server:
        with socket.create_connection(("127.0.0.1", 8080)) as client:
            served, _ = server.accept()
            served.close()
            assert client.recv(1) == b""
    process = net.machine("-p", "8080:80")
    net.stop(process)


def test_killed(net):
    """What the supervisor could not take back, the next start does; its port is free at once."""
    process = net.machine("-p", "8080:80")
    wait_until(goes_to("10.0.1.2 . 80"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "10.0.1.2 . 80" in ruleset()
    name = net.spawn.name + "b"
    wait_until(lambda: f"ve-{net.spawn.name}" not in ip("-o link"))
    other = net.machine("-p", "8080:81", name=name, number=2)
    net.serve(other, "two", 81)
    wait_until(goes_to("10.0.2.2 . 81"))
    assert "10.0.1.2" not in ruleset()
    assert ask("127.0.0.1", 8080)[:2] == ("two", "81")
    net.stop(other)
    assert ruleset() == ""


def test_killed_and_nobody_wants_its_port(net):
    process = net.machine("-p", "8080:80")
    wait_until(goes_to("10.0.1.2 . 80"))
    process.kill()
    process.wait()
    net.spawn.run(net.tree, "/bin/true", name=net.spawn.name + "b")
    assert ruleset() == ""
    assert not os.path.exists(f"/run/skep/ports/{net.spawn.name}")


def test_flushed(net):
    """An administrator empties the packet filter: nothing fails, and the next change brings all back."""
    process = net.machine("-p", "8080:80")
    net.serve(process, "m", 80)
    wait_until(goes_to("10.0.1.2 . 80"))
    nft("flush ruleset")
    run_in(process.inside, "ip addr del 10.0.1.2/24 dev host0")
    run_in(process.inside, "ip addr add 10.0.1.5/24 dev host0")
    wait_until(goes_to("10.0.1.5 . 80"))
    run_in(process.inside, "ip route replace default via 10.0.1.1")
    assert ask("127.0.0.1", 8080)[0] == "m"
    nft("flush ruleset")
    net.stop(process)
    assert ruleset() == ""


def test_a_rule_of_somebody_else(net):
    nft("add table ip mine; add chain ip mine c { type filter hook input priority 0; }")
    before = ruleset()
    process = net.machine("-p", "8080:80")
    assert before in ruleset()
    net.stop(process)
    assert ruleset() == before


def test_firewall(net):
    """Who may drop what comes from elsewhere, is told."""
    nft("add table inet fw; add chain inet fw forward { type filter hook forward priority 0;"
        " policy drop; }")
    done = net.spawn.run(net.tree, "-n", "-p", "8080:80", "/bin/true", quiet=False)
    assert "the chain 'forward' of 'inet fw' must let it pass" in done.stderr
    done = net.spawn.run(net.tree, "-n", "-p", "127.0.0.1:8080:80", "/bin/true", quiet=False)
    assert "firewall" not in done.stderr
    setting("ipv4/ip_forward", "0")
    done = net.spawn.run(net.tree, "-n", "-p", "8080:80", "/bin/true", quiet=False)
    assert "net.ipv4.ip_forward=0" in done.stderr


def test_an_address_that_is_not_there_yet(net):
    process = net.machine("-p", "198.51.100.77:8080:80", quiet=False)
    net.serve(process, "m", 80)
    wait_until(goes_to("198.51.100.77 . 8080"))
    ip("addr add 198.51.100.77/24 dev up0")
    assert ask("198.51.100.77", 8080)[0] == "m"
    assert "'198.51.100.77' is not an address of this host now" in process.communicate()[1]


@pytest.fixture
def bridge(net):
    ip("link add br7 type bridge")
    ip("link set br7 up")
    net.give_host("br7", 7)
    return "br7"


def test_bridge(net, bridge):
    """Neighbours reach each other's ports by the host; the bridge is as before once the last one is gone."""
    if os.path.exists("/proc/sys/net/bridge"):
        setting("bridge/bridge-nf-call-ip6tables", "0")
        setting("bridge/bridge-nf-call-iptables", "0")
    link = (f"--network-bridge={bridge}",)
    one = net.machine("-p", "8080:80", link=link, address=False)
    two = net.machine("-p", "8081:80", link=link, address=False, name=net.spawn.name + "b")
    net.give(one, 7, 2)
    net.give(two, 7, 3)
    net.serve(one, "one", 80)
    net.serve(two, "two", 80)
    wait_until(goes_to("10.0.7.2 . 80"))
    wait_until(goes_to("10.0.7.3 . 80"))
    wait_until(goes_to("fd00:7::2 . 80"))
    wait_until(goes_to("fd00:7::3 . 80"))
    for address in ("127.0.0.1", "::1", "198.51.100.1", "2001:db8:1::1"):
        assert ask(address, 8080)[0] == "one", address
        assert ask(address, 8081)[0] == "two", address
    assert ask("198.51.100.1", 8081, one.inside)[0] == "two"
    assert ask("2001:db8:1::1", 8080, two.inside)[0] == "one"
    assert ask("198.51.100.1", 8080, one.inside)[0] == "one"
    assert ask("198.51.100.1", 8080, net.elsewhere) == ("one", "80", "198.51.100.9")
    net.stop(one)
    assert setting("ipv4/conf/br7/route_localnet") == "1"
    assert ask("::1", 8081)[0] == "two"
    assert ask("127.0.0.1", 8081)[0] == "two"
    net.stop(two)
    assert setting("ipv4/conf/br7/route_localnet") == "0"
    assert "br7" not in ip("-6 route show table local type local ::1")
    assert ruleset() == ""


def test_bridge_that_is_filtered(net, bridge):
    """Where the kernel drops what would come back to ::1, that is said; nothing else suffers."""
    if not os.path.exists("/proc/sys/net/bridge"):
        return
    process = net.machine("-p", "8080:80", link=(f"--network-bridge={bridge}",), address=False,
                          quiet=False)
    net.give(process, 7)
    net.serve(process, "m", 80)
    wait_until(goes_to("fd00:7::2 . 80"))
    for address in ("127.0.0.1", "198.51.100.1", "2001:db8:1::1"):
        assert ask(address, 8080)[0] == "m", address
    assert "cannot be reached at ::1" in process.communicate("")[1]


def test_reboot(net):
    """The payload ends as if it rebooted: the same ports, and what it had before is gone."""
    tree = net.tree
    script = ("ip link set host0 up; ip addr add 10.0.1.2/24 dev host0;"
              "[ -e /second ] && { read x; exit 0; }; touch /second; read x; reboot -f")
    process = net.spawn.start(tree, "-n", "-p", "8080:80", "--", "/bin/sh", "-c", script,
                              stdin=subprocess.PIPE)
    wait_until(lambda: f"ve-{net.spawn.name}" in ip("-o link"))
    net.give_host(f"ve-{net.spawn.name}", 1)
    wait_until(goes_to("10.0.1.2 . 80"))
    process.stdin.write("\n")
    process.stdin.flush()
    wait_until(lambda: "10.0.1.2" not in ruleset(), what="the first end")
    wait_until(goes_to(f"ve-{net.spawn.name}"))
    net.give_host(f"ve-{net.spawn.name}", 1)
    wait_until(goes_to("10.0.1.2 . 80"))
    process.stdin.close()
    assert process.wait(10) == 0
    assert ruleset() == ""


def test_in_a_file(net, scratch):
    """One at a time or in a list; beside an image it takes trust."""
    settings = scratch / f"{net.spawn.name}.nspawn"
    settings.write_text("[Network]\nVirtualEthernet=yes\nPort=tcp:8080:80\nPort=127.0.0.1:9000:90\n")
    process = net.machine("--settings=trusted", link=())
    wait_until(goes_to("10.0.1.2 . 90"))
    net.stop(process)


SEND = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.3)
s.bind(("198.51.100.9", 40404))
s.connect(("198.51.100.1", 5300))
try:
    s.send(b"?")
    print(s.recv(99).decode())
except OSError:
    print("nobody")
"""


def test_datagrams_without_end(net):
    """Somebody who never stops sending is heard by the machine that has the port now."""
    def heard():
        return run_script(net.elsewhere, SEND)

    # Somebody else's rule has the kernel remember connections all the time.
    nft("add table ip mine; add chain ip mine c { type filter hook input priority 0; };"
        " add rule ip mine c ct state established accept")
    assert heard() == "nobody"
    for number, who in enumerate(("one", "two"), 2):
        process = net.machine("-p", "udp:5300:53", address=False)
        net.give_host(f"ve-{net.spawn.name}", 1)
        net.give(process, 1, last=number)
        net.serve(process, who, "u53")
        wait_until(goes_to(f"10.0.1.{number} . 53"))
        assert heard() == f"{who} 53 198.51.100.9"
        net.stop(process)
        assert heard() == "nobody"


def test_many_ports(net):
    """Ten thousand, such as telephones want, in a moment."""
    process = net.machine("-p", "udp:10000-19999", address=False)
    net.give_host(f"ve-{net.spawn.name}", 1)
    net.give(process, 1)
    net.serve(process, "m", "u19999")
    wait_until(lambda: ask("127.0.0.1", 19999, kind="udp", patience=0.3)[0] == "m", timeout=15)
    wait_until(lambda: ask("::1", 19999, kind="udp", patience=0.3)[0] == "m", timeout=15)
    assert len(os.listdir(f"/proc/{process.pid}/fd")) < 40
    net.stop(process)
    assert ruleset() == ""


def test_restarts(net):
    """Again and again, and nothing exists already."""
    for _ in range(20):
        net.spawn.run(net.tree, "-n", "-p", "8080:80", "-p", "[::1]:9:9", "/bin/true")
    assert ruleset() == ""


def test_dry_run(net):
    out = net.spawn.out(net.tree, "--dry-run", "-n", "-p", "8080:80", "-p", "[::1]:53/udp", "/bin/true")
    assert "  port tcp:8080:80\n  port udp:[::1]:53\n" in out
    assert ruleset() == ""


def test_without_the_aide(net, monkeypatch, scratch):
    (scratch / "empty").mkdir()
    monkeypatch.setenv("SKEP_LIBEXECDIR", str(scratch / "empty"))
    line = net.spawn.refuse(net.tree, "-n", "-p", "8080:80", "/bin/true")
    assert "skep-nft' is not there" in line


if not os.environ.get("SKEP_SANITIZED"):     # which makes calls of its own, and would trace the program itself
    def of_ports(calls):
        """Calls that change something, from where ports are taken on."""
        start = next(i for i, call in enumerate(calls) if call.name == "listen")
        return [call for call in calls[start:] if call.name not in CHANGES_NOTHING]

    @pytest.fixture
    def faults(net, scratch):
        with alone("skep-ports"):
            argv = net.spawn.argv(net.tree, "-n", "-p", "8080:80", "-p", "[::1]:90", "--", "/bin/echo",
                                  "payload")
            where = Faults(scratch)
            yield where, argv, of_ports(where.calls(argv)[0])

    def test_killed_at_every_step(net, faults):
        """The supervisor, be it that its aide was just at work: the next start has the same ports."""
        where, argv, calls = faults
        again = net.spawn.argv(net.tree, "-n", "-p", "8080:80", "--", "/bin/echo", "payload",
                               name=net.spawn.name + "b")
        killed = 0
        for number, call in enumerate(calls):
            if number % (9 if call.process == 0 else 41):
                continue
            assert where.kill(argv, call).returncode != TROUBLE
            killed += bool(where.hit())
            done = where.plain(again if number % 2 else argv)
            assert (done.returncode, done.stdout) == (0, "payload\n"), f"{call}: {done.stderr}"
            assert ruleset() == "", call
            assert not os.listdir("/run/skep/ports"), call
        assert killed > 10

    def test_calls_that_fail(net, faults):
        """One line says why, and nothing is left; or it did not matter."""
        where, argv, calls = faults
        refused = 0
        for number, call in enumerate(calls):
            if call.name in CANNOT_FAIL or number % (3 if call.process == 0 else 13):
                continue
            done = where.fail(argv, call, errno.ENOMEM)
            if not where.hit().endswith(f" {call.name}"):
                continue
            if done.returncode:
                refused += 1
                assert done.returncode in (125, 126), f"{call}: {done}"
                assert done.stderr.count("\n") == 1 and done.stdout == "", f"{call}: {done}"
            # What could not be taken back at once, the next start does.
            net.spawn.run(net.tree, "/bin/true", name=net.spawn.name + "b")
            assert ruleset() == "", f"{call}: {done}"
        assert refused > 3
