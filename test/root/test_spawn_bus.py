# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system bus dies, hangs or talks nonsense while a machine starts, runs or ends."""

import os
import time

import pytest

from skeplib import kernel
from skeplib.badbus import BadBus
from skeplib.spawner import wait_until

REGISTER = "RegisterMachineWithNetwork"


@pytest.fixture
def bus(scratch):
    """bus({"Hello": "close"}) is a bus that fails there, and the environment to find it by."""
    made = []

    def make(script):
        made.append(BadBus(scratch / f"bus-{len(made)}", script))
        return made[-1], {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": made[-1].address}

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("place", ["accept", "auth", "Hello", REGISTER])
@pytest.mark.parametrize("how", ["close", "garbage", "error"])
def test_bus_dies_while_a_machine_is_registered(spawn, busybox, bus, place, how):
    """A machine that must be registered does not start; one that may be runs, and says what it is not."""
    if how == "error" and place in ("accept", "auth"):
        how = "close"
    there, env = bus({place: how})
    line = spawn.refuse(busybox, "/bin/echo", "payload", register="yes", env=env)
    assert "registration: " in line and place in there.seen
    done = spawn.run(busybox, "/bin/echo", "payload", register="auto", env=env, quiet=False)
    assert done.stdout == "payload\n" and "not registered" in done.stderr


def test_no_bus_where_one_should_be(spawn, busybox, scratch):
    env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={scratch}/none"}
    line = spawn.refuse(busybox, "/bin/echo", "payload", register="yes", env=env)
    assert "No such file" in line


def test_bus_hangs_when_the_machine_has_ended(spawn, busybox, bus):
    there, env = bus({"UnregisterMachine": "hang"})
    before = time.monotonic()
    spawn.run(busybox, "true", register="yes", env=env)
    assert "UnregisterMachine" in there.seen and 4 < time.monotonic() - before < 8


def test_supervisor_killed_while_the_bus_hangs(spawn, busybox, bus):
    """Neither the aide nor the machine that waits for it stays."""
    there, env = bus({REGISTER: "hang"})
    process = spawn.start(busybox, "-n", "/bin/echo", "payload", register="yes", env=env)
    wait_until(lambda: REGISTER in there.seen, what="a call")
    process.kill()
    out, _ = process.communicate(timeout=5)
    assert out == ""
    assert spawn.out(busybox, "-n", "/bin/echo", "payload") == "payload"


# --- scopes ------------------------------------------------------------------------------------

@pytest.fixture
def manager(scratch):
    """manager({...}) is the same as the bus of a host that a service manager runs."""
    made = []
    kernel.mount("run", "/run", "tmpfs", 0, "mode=0755")
    os.makedirs("/run/systemd/system")
    os.makedirs("/run/dbus")
    with kernel.own_cgroup("skep-bus"):
        top = kernel.cgroup2_mount() / kernel.cgroup_of().lstrip("/")

        def make(script):
            if made:
                made.pop().close()
                os.unlink("/run/dbus/system_bus_socket")
            made.append(BadBus("/run/dbus/system_bus_socket", script))
            return made[-1]

        yield make
        made.pop().close()
        for name in ("supervisor", "payload"):      # the manager's, with the scope
            if (top / name).is_dir():
                os.rmdir(top / name)
    kernel.umount("/run")


@pytest.mark.parametrize("place", ["accept", "auth", "Hello", "AddMatch", "GetNameOwner",
                                   "StartTransientUnit", "JobRemoved"])
def test_bus_dies_while_a_scope_is_made(spawn, busybox, manager, place):
    """Nobody can tell whether there is a scope now, so there is no machine."""
    there = manager({place: "close"})
    line = spawn.refuse(busybox, "/bin/echo", "payload", register="yes")
    assert "scope: " in line and place in there.seen
    manager({})
    assert spawn.out(busybox, "/bin/echo", "payload", register="yes") == "payload"


def test_bus_dies_while_the_machine_runs(spawn, busybox, manager):
    """The keeper, which listens on it, goes on without, and ends when the machine does."""
    there = manager({})
    process = spawn.start(busybox, "/probe", "signal", register="yes")
    assert process.stdout.readline() == "waiting\n", process.stderr.read()
    there.close()
    time.sleep(0.05)
    assert process.poll() is None
    ticks = cpu_ticks(process.pid)
    time.sleep(0.3)
    assert cpu_ticks(process.pid) - ticks < 10, "the keeper spins on a dead connection"
    process.terminate()
    process.wait(5)


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return sum(int(n) for n in f.read().rsplit(")", 1)[1].split()[11:13])
