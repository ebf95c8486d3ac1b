# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container is held to linux.resources of its document, where the controllers are, and to what update makes of
them."""

import json

import pytest

MEMORY = 64 << 20
GROUP = "/sys/fs/cgroup/skep-test/box"
RESOURCES = {
    "memory": {"limit": MEMORY, "reservation": MEMORY // 2, "swap": MEMORY},
    "pids": {"limit": 20},
    "cpu": {"shares": 512, "quota": 30000, "period": 100000, "cpus": "0", "mems": "0"},
    "blockIO": {"weight": 500},
    "unified": {"memory.high": str(MEMORY * 4), "pids.max": "30"},
}


@pytest.fixture(scope="module")
def box(vm):
    """A container that waits, made from a tree of the machine."""
    vm.run("mkdir -p /run/box && cd /run/box && rm -f config.json && skep-oci spec")
    config = json.loads(vm.out("cat /run/box/config.json"))
    config["process"].update(terminal=False, args=["/bin/sleep", "100000"])
    config["root"] = {"path": "/srv/guest", "readonly": True}
    config["linux"].update(resources=RESOURCES, cgroupsPath="/skep-test/box")
    vm.write("/run/box/config.json", json.dumps(config))
    vm.run("skep-oci run -d -b /run/box box </dev/null >/run/box/log 2>&1 || { cat /run/box/log >&2; exit 1; }",
           timeout=120)
    yield "box"
    vm.run("skep-oci delete -f box; rmdir /sys/fs/cgroup/skep-test", check=False, timeout=60)


def values(vm, *files):
    return [vm.out(f"cat {GROUP}/{f}") for f in files]


def test_files(vm, box):
    assert values(vm, "memory.max", "memory.low", "memory.high", "memory.swap.max", "pids.max", "cpu.weight",
                  "cpu.max", "cpuset.cpus", "cpuset.mems") == [
        str(MEMORY), str(MEMORY // 2), str(MEMORY * 4), "0", "30", "20", "30000 100000", "0", "0"]


def test_limits_hold(vm, box):
    # tail keeps in memory what it is to print.
    vm.run(f"skep-oci exec box /bin/sh -c 'head -c {MEMORY * 2} /dev/zero | tail -c {MEMORY * 2} >/dev/null'",
           check=False, timeout=120)
    assert int(vm.out(f"grep '^oom_kill ' {GROUP}/memory.events | cut -d' ' -f2")) > 0
    done = vm.run("skep-oci exec box /bin/sh -c 'i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i + 1)); done'",
                  check=False, timeout=120)
    assert "fork" in (done.stdout + done.stderr).lower()
    assert int(vm.out(f"grep '^max ' {GROUP}/pids.events | cut -d' ' -f2")) > 0


def test_update(vm, box):
    vm.run(f"skep-oci update --memory {2 * MEMORY} --memory-swap -1 --pids-limit -1 --cpu-quota -1 --cpu-share 1024 box",
           timeout=60)
    assert values(vm, "memory.max", "memory.swap.max", "pids.max", "cpu.max", "cpu.weight", "memory.low") == [
        str(2 * MEMORY), "max", "max", "max 100000", "39", str(MEMORY // 2)]
    stats = json.loads(vm.out("skep-oci events --stats box"))["data"]
    assert stats["memory"]["usage"]["limit"] == 2 * MEMORY and stats["cpu"]["usage"]["total"] > 0
