# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers of skep-oci as scopes of a service manager: their limits are properties, and change with an update."""

import json

import pytest

from skeplib import trees

LIMITS = {"memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 64 << 20}, "pids": {"limit": 50},
          "cpu": {"shares": 512, "quota": 30000, "period": 100000},
          "devices": [{"allow": False, "access": "rwm"},
                      {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"}]}


@pytest.fixture
def scope(lab):
    """A container that waits, in a scope of its own."""
    lab.run("rm -rf /tmp/box && mkdir -p /tmp/box && cd /tmp/box && skep-oci spec")
    lab.copy_in(trees.tree("busybox"), "/tmp/box/rootfs")
    config = json.loads(lab.read("/tmp/box/config.json"))
    config["process"].update(terminal=False, args=["/bin/sleep", "1000"])
    config["linux"].update(resources=LIMITS, cgroupsPath="machine.slice:skep:box")
    lab.write("/tmp/box/config.json", json.dumps(config))
    lab.run("skep-oci --systemd-cgroup run -d -b /tmp/box box </dev/null >/tmp/box.log 2>&1")
    yield "skep-box.scope"
    lab.run("skep-oci delete -f box; rm -rf /tmp/box", check=False)


def shown(lab, unit, *names):
    return [lab.out(["systemctl", "show", "-P", name, unit]).strip() for name in names]


def test_limits_are_properties(lab, scope):
    # The policy for devices is a program of ours: the manager's would not have what the document allows.
    assert shown(lab, scope, "DevicePolicy", "DeviceAllow") == ["auto", ""]
    assert shown(lab, scope, "MemoryMax", "MemoryLow", "MemorySwapMax", "TasksMax", "CPUWeight",
                 "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "Slice") == [
        str(64 << 20), str(32 << 20), "0", "50", "20", "300ms", "100ms", "machine.slice"]
    lab.run("skep-oci --systemd-cgroup update --memory 33554432 --memory-swap -1 --cpu-quota 70000"
            " --cpu-period 100000 --pids-limit -1 box")
    assert shown(lab, scope, "MemoryMax", "MemorySwapMax", "TasksMax", "CPUQuotaPerSecUSec", "CPUWeight") == [
        str(32 << 20), "infinity", "infinity", "700ms", "20"]


def test_pause_without_controllers(lab, scope):
    group = "/sys/fs/cgroup" + shown(lab, scope, "ControlGroup")[0]
    lab.run("skep-oci pause box")
    assert "frozen 1" in lab.read(f"{group}/cgroup.events")
    assert json.loads(lab.out("skep-oci state box"))["status"] == "paused"
    lab.run("skep-oci resume box")
    assert "frozen 0" in lab.read(f"{group}/cgroup.events")
