# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ports of a host with systemd that lead into machines: a booted one that gets its address by DHCP after it
runs, and one that is given it; what is listed of them, and what is left."""

import json
import subprocess

import pytest

LAB_SUITES = ("bookworm", "trixie")

SERVE = """
import socket, threading
def serve(family, any):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((any, 80))
    s.listen(9)
    while True:
        c, peer = s.accept()
        c.sendall(b"answer to " + peer[0].encode())
        c.close()
threading.Thread(target=serve, args=(socket.AF_INET, "0.0.0.0")).start()
serve(socket.AF_INET6, "::")
"""
ASK = """
import socket, sys
print(socket.create_connection((sys.argv[1], 8080), timeout=3).recv(99).decode())
"""


@pytest.fixture(scope="module")
def host(lab):
    """With systemd-networkd, somebody elsewhere, and an image that asks for an address when it is booted."""
    for words in ("netns add out", "link add up0 type veth peer name out0 netns out",
                  "addr add 198.51.100.1/24 dev up0", "addr add 2001:db8:1::1/64 dev up0 nodad",
                  "link set up0 up", "-n out addr add 198.51.100.2/24 dev out0",
                  "-n out addr add 2001:db8:1::2/64 dev out0 nodad", "-n out link set out0 up"):
        lab.run(["ip", *words.split()])
    lab.add_machine("web", f"{lab.suite}-guest")
    lab.run("ln -sf /lib/systemd/system/systemd-networkd.service"
            " /var/lib/machines/web/etc/systemd/system/multi-user.target.wants/")
    # There is no udev in a lab, and networkd waits for it where it could be.
    lab.run(["mount", "-o", "remount,bind,ro", "/sys"])
    lab.run(["systemctl", "start", "systemd-networkd.service"])
    return lab


@pytest.fixture
def serve(host):
    servers = []

    def start(name):
        leader = host.out(["machinectl", "show", "-p", "Leader", "--value", name])
        servers.append(host.spawn(["nsenter", "-t", leader, "-n", "python3", "-c", SERVE],
                                  stdin=subprocess.DEVNULL))

    yield start
    for server in servers:
        server.kill()
        server.wait()


def ask(address, elsewhere=False):
    enter = "ip netns exec out " if elsewhere else ""
    return f"{enter}python3 -c '{ASK}' {address}"


def test_by_dhcp(host, serve):
    """The port leads on as soon as there is an address, and is listed."""
    host.write("/etc/systemd/nspawn/web.nspawn", "[Network]\nPort=8080:80\nPort=udp:127.0.0.1:53\n")
    host.run(["skep", "start", "web"])
    serve("web")
    host.wait_for(ask("127.0.0.1"), text="answer", timeout=30)
    assert host.out(ask("198.51.100.1", elsewhere=True)) == "answer to 198.51.100.2"

    assert "tcp:8080:80" in host.out("skep list --no-legend")
    listed = json.loads(host.out("skep list -o json"))
    assert listed[0]["ports"] == "tcp:8080:80\nudp:127.0.0.1:53"
    assert "Ports: tcp:8080:80" in host.out("skep status web")
    assert host.out("skep show -p Ports --value web") == "tcp:8080:80 udp:127.0.0.1:53"
    assert json.loads(host.out("skep show -o json web"))[0]["Ports"].startswith("tcp:")
    # Everybody may know.
    assert "tcp:8080:80" in host.out("setpriv --reuid=65534 --clear-groups skep list --no-legend")

    # The unit is restarted by whatever means: nothing exists already, nothing is left twice.
    host.run(["systemctl", "kill", "--kill-whom=main", "-s", "KILL", "skep@web.service"])
    host.wait_for("! systemctl is-active skep@web.service")
    host.run(["skep", "start", "web"])
    serve("web")
    host.wait_for(ask("127.0.0.1"), text="answer", timeout=30)
    host.run(["skep", "poweroff", "web"])
    host.wait_for("! systemctl is-active skep@web.service", timeout=30)
    assert "skep-ports" not in host.out("nft list ruleset")
    assert host.out("ls /run/skep/ports") == ""
    assert "PORTS" not in host.out("skep list")


def test_with_an_address(host, serve):
    """At once, by both protocols."""
    process = host.spawn(["skep-spawn", "-q", "-x", "-D", "/var/lib/machines/web", "-M", "given",
                          "--console=pipe", "--network-address=auto", "-p", "8080:80", "sleep",
                          "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    host.wait_for(["machinectl", "show", "given"])
    assert host.out("grep -c inside /run/skep/ports/given") == "2"
    serve("given")
    for address in ("127.0.0.1", "::1", "198.51.100.1", "2001:db8:1::1"):
        host.wait_for(ask(address), text="answer", timeout=10)
    assert host.out(ask("198.51.100.1", elsewhere=True)) == "answer to 198.51.100.2"
    assert host.out(ask("2001:db8:1::1", elsewhere=True)) == "answer to 2001:db8:1::2"
    host.run(["machinectl", "terminate", "given"])
    process.communicate(timeout=20)
    assert "skep-ports" not in host.out("nft list ruleset")
