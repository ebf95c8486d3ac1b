# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bed itself: a kernel of its own, with the controllers that no container can lend."""


def test_host_is_up(vm):
    assert vm.out("systemctl is-system-running") == "running"


def test_controllers(vm):
    have = vm.out("cat /sys/fs/cgroup/cgroup.controllers").split()
    assert {"cpu", "memory", "pids", "io"} <= set(have)


def test_streams_and_status_are_apart(vm):
    done = vm.run("cat; echo err >&2; exit 3", check=False, input=b"in")
    assert (done.stdout, done.stderr, done.returncode) == ("in", "err\n", 3)


def test_memory_limit_holds(vm):
    """The bed's own proof that limits bite here: what a unit's test then asks of a machine."""
    done = vm.run("systemd-run --wait -q -p MemoryMax=32M -p MemorySwapMax=0 "
                  "python3 -c 'x = bytearray(128 << 20)'", check=False)
    assert done.returncode != 0
