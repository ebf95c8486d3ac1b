# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine is held to the limits of its unit: memory, tasks and processor time."""

import json
import time

import pytest

UNIT = "skep@limited.service"
MEMORY = 128 << 20
TASKS = 60
CPU = 80        # per cent of one processor; the machine's two could do 200


@pytest.fixture(scope="module")
def cgroup(vm):
    """The control group of a machine that runs under a unit with limits in a drop-in."""
    vm.write(f"/etc/systemd/system/{UNIT}.d/limits.conf",
             f"[Service]\nMemoryMax={MEMORY}\nMemorySwapMax=0\nTasksMax={TASKS}\nCPUQuota={CPU}%\n")
    vm.run("mkdir -p /var/lib/machines/limited && mount --bind /srv/guest /var/lib/machines/limited")
    vm.run(f"systemctl daemon-reload && systemctl start {UNIT}", timeout=300)
    vm.run("until systemctl -M limited is-system-running | grep -qE 'running|degraded'; "
           "do sleep 1; done", timeout=300)
    yield "/sys/fs/cgroup" + vm.out(f"systemctl show -P ControlGroup {UNIT}")
    vm.run(f"systemctl stop {UNIT}", check=False, timeout=120)


def numbers(vm, path):
    """The NAME NUMBER lines of a control group's file."""
    return {k: int(v) for k, v in (line.split() for line in vm.out(["cat", path]).splitlines())}


def inside(vm, script, timeout=240):
    """Run a shell script in the machine, as one of its services."""
    return vm.run(["systemd-run", "-M", "limited", "--wait", "-q", "--collect", "/bin/sh", "-c",
                   script], check=False, timeout=timeout)


def test_machine_is_within_the_unit(vm, cgroup):
    leader = vm.out("busctl call org.freedesktop.machine1 /org/freedesktop/machine1 "
                    "org.freedesktop.machine1.Manager GetMachine s limited | cut -d'\"' -f2")
    pid = vm.out(f"busctl get-property org.freedesktop.machine1 {leader} "
                 "org.freedesktop.machine1.Machine Leader | cut -d' ' -f2")
    assert vm.out(f"grep ^0:: /proc/{pid}/cgroup")[3:].startswith(cgroup[len("/sys/fs/cgroup"):])


def test_statistics(vm, cgroup):
    """What the kernel counts for the machine is what skep stats shows."""
    row = json.loads(vm.out("skep stats --once --json=short limited"))[0]
    assert row["limit"] == MEMORY and 1 << 20 < row["memory"] <= MEMORY
    assert 5 < row["tasks"] <= TASKS
    assert row["cpu"] > 100_000_000 and row["read"] is not None and row["written"] is not None


def test_memory(vm, cgroup):
    assert vm.out(f"cat {cgroup}/memory.max") == str(MEMORY)
    before = numbers(vm, f"{cgroup}/memory.events")["oom_kill"]
    # tail keeps in memory what it is to print.
    inside(vm, f"head -c {MEMORY * 3 // 2} /dev/zero | tail -c {MEMORY * 3 // 2} >/dev/null")
    assert numbers(vm, f"{cgroup}/memory.events")["oom_kill"] > before
    # The kernel grants what cannot be refused, a page or two, and takes it back.
    assert int(vm.out(f"cat {cgroup}/memory.peak")) <= MEMORY + (1 << 20)
    assert vm.out(f"systemctl is-active {UNIT}") == "active"


def test_tasks(vm, cgroup):
    assert vm.out(f"cat {cgroup}/pids.max") == str(TASKS)
    done = inside(vm, f"i=0; while [ $i -lt {2 * TASKS} ]; do sleep 60 & i=$((i + 1)); done")
    assert done.returncode != 0
    assert vm.out(f"cat {cgroup}/pids.peak") == str(TASKS)


def test_processor_time(vm, cgroup):
    start, before = time.monotonic(), numbers(vm, f"{cgroup}/cpu.stat")
    inside(vm, "timeout 8 sh -c 'while :; do :; done' & timeout 8 sh -c 'while :; do :; done'; wait")
    took, after = time.monotonic() - start, numbers(vm, f"{cgroup}/cpu.stat")
    used = (after["usage_usec"] - before["usage_usec"]) / 1e6
    assert after["nr_throttled"] > before["nr_throttled"]
    assert used <= took * CPU / 100 * 1.3
    assert used >= 1, "the loops did not run"
