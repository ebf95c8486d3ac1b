# SPDX-License-Identifier: LGPL-2.1-or-later
"""Links that only a kernel of one's own can make: on the oldest that we support, and of hardware."""

import pytest

_SPAWN = "skep-spawn -q --register=no --console=pipe -M links -D /srv/guest"

_UNTIL = "for i in $(seq 100); do {}  >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1"


@pytest.fixture(scope="module")
def links(vm):
    """Name of an interface that is hardware."""
    vm.run("modprobe -a virtio_net ipvlan macvlan bridge veth dummy")
    vm.run("for l in base other; do ip link add $l type dummy && ip link set $l up; done")
    return vm.out("ls /sys/bus/virtio/drivers/virtio_net/virtio*/net")


def test_kinds(vm, links):
    options = "--network-ipvlan=other --network-macvlan=base:base --network-zone=z --network-veth-extra=ex:in"
    before = vm.out("ip -br link")
    out = vm.out(f"{_SPAWN} {options} --private-users=pick /bin/sh -c 'ip -d link; cat /sys/class/net/*/address'")
    assert all(word in out for word in ("iv-other", "ipvlan", "base@", "macvlan", "host0", "in@")), out
    assert vm.out("ip -br link") == before


def test_hardware_comes_home(vm, links):
    """By its name also if everybody who could see to that is killed at once."""
    before = vm.out(f"ip -br link show {links}")
    for name in (links, "in0"):
        vm.run(f"{_SPAWN} --network-interface={links}:{name} /bin/sh -c "
               f"'ip link set {name} up; ip link set {name} down; ip link set {name} name mine'")
        assert vm.out(f"ip -br link show {links}") == before
    # Given away to a namespace of the machine's own, which ends with it.
    done = vm.run(f"{_SPAWN} --network-interface={links} /bin/sh -c 'unshare -n sleep 100 & sleep 1; "
                  f"ip link set {links} name mine; ip link set mine netns $!; ! ip link show mine'")
    assert not done.stderr.strip().endswith("in the machine"), done.stderr
    assert vm.out(f"ip -br link show {links}") == before
    vm.run("systemd-run -q --unit=links -p Delegate=yes -p KillMode=control-group "
           f"{_SPAWN} --keep-unit --network-interface={links} /bin/sh -c "
           f"'ip link set {links} name mine; sleep 1000'")
    vm.run(_UNTIL.format("pgrep -x skep-lent && pgrep -x sleep"))
    vm.run("pkill -STOP -x skep-lent && systemctl kill -s KILL links")
    vm.run(_UNTIL.format("ip link show mine"))
    vm.run(f"{_SPAWN} true")
    assert vm.out(f"ip -br link show {links}") == before
