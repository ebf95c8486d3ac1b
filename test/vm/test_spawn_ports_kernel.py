# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ports that lead into machines on Debian's own kernel: what the host's loopback addresses take is not written
down in any manual."""

import pytest

SERVE = """
import socket, threading
def serve(family, any):
    s = socket.socket(family)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((any, 80))
    s.listen(9)
    while True:
        s.accept()[0].sendall(b"answer")
threading.Thread(target=serve, args=(socket.AF_INET, "0.0.0.0")).start()
serve(socket.AF_INET6, "::")
"""
ASK = """
import socket, sys, time
for i in range(100):
    try:
        sys.exit(socket.create_connection((sys.argv[1], 8080), timeout=5).recv(99) != b"answer")
    except OSError as problem:
        said = str(problem)
    time.sleep(0.1)
sys.exit(said)
"""


@pytest.fixture(scope="module")
def machine(vm):
    vm.write("/root/serve.py", SERVE)
    vm.write("/root/ask.py", ASK)
    vm.run("ip link set lo up; systemd-run --quiet --unit=ports skep-spawn -q --register=no --console=pipe"
           " -M ports -D /srv/guest -x --network-address=auto -p 8080:80 /bin/sleep 777; "
           "for i in $(seq 100); do p=$(pgrep -x -f '/bin/sleep 777') && break; sleep 0.1; done; "
           "systemd-run --quiet --unit=server nsenter -n -t $p python3 /root/serve.py")
    yield vm
    vm.run("systemctl stop server.service ports.service")
    assert "skep-ports" not in vm.out("nft list ruleset")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::1"])
def test_loopback(machine, address):
    done = machine.run(f"python3 /root/ask.py {address}", timeout=120, check=False)
    assert done.returncode == 0, done.stderr + machine.out("journalctl -u ports -u server -n 20; ip addr")
