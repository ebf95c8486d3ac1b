# SPDX-License-Identifier: LGPL-2.1-or-later
"""Links of machines where the host's network is systemd-networkd's: it finds them by their names, and what it
does for those of systemd-nspawn it does for ours."""

import json
import re

import pytest

START = "systemd-run -q --unit={name} --slice=machine --property=KillMode=mixed --property=Delegate=yes " \
        "--property=RestartForceExitStatus=133 skep-spawn -q --keep-unit -b -M {name} {options}"


@pytest.fixture(scope="module")
def host(lab):
    """Nobody waits for udev where /sys is read-only."""
    lab.run("mount -o remount,bind,ro /sys && systemctl start systemd-networkd")
    for name in ("one", "two"):
        tree = lab.add_machine(name, copy=False)
        lab.run(f"mkdir -p {tree}/etc/systemd/system/multi-user.target.wants && "
                f"ln -sf /lib/systemd/system/systemd-networkd.service "
                f"{tree}/etc/systemd/system/multi-user.target.wants/")
    return lab


def start(lab, name, *options):
    lab.run(START.format(name=name, options=" ".join(options)))
    return lab.wait_for(f"machinectl show {name} --property=Leader --value").stdout.strip()


def inside(leader, command):
    return f"nsenter -t {leader} -n {command}"


def address(lab, leader):
    """What a machine was given by DHCP."""
    found = lab.wait_for(inside(leader, "ip -4 -br address show dev host0 scope global"), text="/", timeout=30)
    return re.search(r"(\d+\.\d+\.\d+\.\d+)/(\d+)", found.stdout)


def stop(lab, *names):
    for name in names:
        lab.run(f"systemctl stop {name}")
    lab.wait_for("! ip -br link | grep -E '^(ve|vb|vz)-'")


def test_own_link(host):
    leader = start(host, "one", "-n")
    found = address(host, leader)
    assert found[2] == "28"
    gateway = host.out(inside(leader, "ip -4 route show default")).split()[2]
    host.run(inside(leader, f"ping -c1 -w5 {gateway}"))
    index = json.loads(host.out("ip -json link show ve-one"))[0]["ifindex"]
    assert host.out("busctl get-property org.freedesktop.machine1 /org/freedesktop/machine1/machine/one "
                    "org.freedesktop.machine1.Machine NetworkInterfaces") == f"ai 1 {index}"
    assert found[1] in host.out("machinectl list --no-legend")
    stop(host, "one")


def test_zone(host):
    """Both get addresses of one network, from the bridge, and see each other."""
    first, second = start(host, "one", "--network-zone=lan"), start(host, "two", "--network-zone=lan")
    found, other = address(host, first), address(host, second)
    assert found[2] == other[2] == "24" and found[1] != other[1]
    host.run(inside(first, f"ping -c1 -w5 {other[1]}"))
    links = {link["ifname"]: link for link in json.loads(host.out("ip -json link"))}
    assert links["vb-one"]["master"] == links["vb-two"]["master"] == "vz-lan"
    # It reboots, with the link that it had and the address it had.
    host.run("machinectl reboot one")
    host.wait_for(f"test $(machinectl show one --property=Leader --value) != {first}", timeout=20)
    again = address(host, host.out("machinectl show one --property=Leader --value"))
    assert again[1] == found[1]
    stop(host, "one", "two")
