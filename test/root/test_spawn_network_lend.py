# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interfaces of the host that a machine is lent come home as they were, however the machine ends and whatever
it did to them; and what harm done to a start at any of its system calls leaves of its network. In a network
namespace of its own."""

import errno
import os
import re
import signal
import subprocess

import pytest

from skeplib.faults import TROUBLE, Faults, alone
from skeplib.netns import interfaces, ip, own_network
from skeplib.spawner import leader_of, wait_until

# The settings of an interface that a machine can change.
KEPT = ("address", "mtu", "ifalias", "altnames", "ifindex")


@pytest.fixture(autouse=True)
def network(own_run):
    """An empty network and an empty /run, with a link to lend and its other end."""
    with own_network():
        ip("link add up0 type veth peer name up1")
        ip("link set up0 up alias uplink mtu 1400")
        ip("link property add dev up0 altname a-name-that-is-longer")
        ip("link set up1 up")
        yield


def state():
    links = interfaces()
    return {name: [link.get(key) for key in KEPT] + ["UP" in link["flags"], "PROMISC" in link["flags"]]
            for name, link in links.items() if name not in ("lo", "up1")}


HARM = "ip link set in0 down; ip link set in0 address 02:00:00:00:00:66; ip link set in0 mtu 600; " \
       "ip link set in0 promisc on; ip link set in0 up; ip link set in0 name evil 2>/dev/null; "


def held(spawn, tree, *options, script=""):
    process = spawn.start(tree, *options, "--", "/bin/sh", "-c", f"{script} echo up; read x",
                          stdin=subprocess.PIPE)
    assert process.stdout.readline() == "up\n", process.stderr.read()
    return process


def end(process):
    _, errors = process.communicate("\n", timeout=10)
    assert process.returncode == 0
    return errors


@pytest.mark.parametrize("users", ["no", "pick"])
@pytest.mark.parametrize("how", ["exit", "killed", "term"])
def test_comes_home(spawn, busybox, users, how):
    before = state()
    process = held(spawn, busybox, "--network-interface=up0:in0", f"--private-users={users}", script=HARM)
    seen = interfaces(leader_of(process))
    assert state() == {} and {"lo", "in0"} == set(seen) or "evil" in seen
    if how == "exit":
        assert end(process) == ""
    else:
        (process.kill if how == "killed" else process.terminate)()
        process.communicate()
        wait_until(lambda: "up0" in state(), what="coming home")
    wait_until(lambda: state() == before, timeout=2, what=f"being as before: {state()}, {before}")
    spawn.run(busybox, "true")      # takes away what else a killed one leaves


def test_names_that_a_machine_gives_it(spawn, busybox, scratch):
    """What would keep it there, as the host has one of that name, or make it another there."""
    ip("link add taken type bridge")
    ip("link property add dev taken altname taken-too")
    ip("link property add dev up1 altname other-end")
    before = state()
    process = held(spawn, busybox, "--network-interface=up0")
    enter = ["nsenter", f"--net=/proc/{leader_of(process)}/ns/net", "ip", "link"]
    for words in ("set up0 down", "set up0 name taken", "property del dev taken altname a-name-that-is-longer",
                  "property add dev taken altname taken-too", "property add dev taken altname other-end",
                  "property add dev taken altname trusted0", "set taken alias lie"):
        subprocess.run([*enter, *words.split()], check=True)
    assert end(process) == ""
    assert state() == before


def test_name_is_taken_meanwhile(spawn, busybox):
    process = held(spawn, busybox, "--network-interface=up0")
    ip("link add up0 type bridge")
    ip("link add up0-0 type bridge")
    errors = end(process)
    assert errors == "skep-spawn: warning: network interface 'up0' is called 'up0-1' now, for another has its name\n"
    assert interfaces()["up0-1"]["altnames"] == ["a-name-that-is-longer"]
    process = held(spawn, busybox, "--network-interface=up0-1:in0")
    process.kill()
    process.communicate()
    wait_until(lambda: "up0-1" in state(), what="coming home")
    process = held(spawn, busybox, "--network-interface=up0-1:in0")
    ip("link property add dev up0 altname a-name-that-is-longer")
    assert end(process) == ""
    assert "up0-1" in state()


def test_one_that_the_machine_destroys(spawn, busybox):
    process = held(spawn, busybox, "--network-interface=up0:in0", script="ip link delete in0;")
    assert end(process) == "skep-spawn: warning: network interface 'up0' did not come home: it is no longer in the machine\n"
    assert state() == {}


def test_swapped(spawn, busybox):
    """Two at once, each by the name of the other."""
    before = interfaces()
    process = held(spawn, busybox, "--network-interface=up0:up1", "--network-interface=up1:up0")
    seen = interfaces(leader_of(process))
    assert seen["up1"]["address"] == before["up0"]["address"]
    assert set(interfaces()) == {"lo"}
    assert end(process) == ""
    assert {n: k["address"] for n, k in interfaces().items()} == {n: k["address"] for n, k in before.items()}


@pytest.mark.parametrize("options, word", [
    (("--network-interface=lo",), "has a network interface 'lo' already"),
    (("--network-interface=lo:lo1",), "cannot lend network interface 'lo'"),
    (("--network-interface=up0:lo",), "has a network interface 'lo' already"),
    (("--network-interface=up0", "--network-interface=up1:up0"), "the same name"),
    (("--network-interface=up0", "--network-interface=gone"), "the host has no network interface 'gone'"),
    (("--network-interface=up0:in0", "--network-veth-extra=x:in0"), "the same name"),
])
def test_refused(spawn, busybox, options, word):
    before = state()
    assert word in spawn.refuse(busybox, *options, "true")
    assert state() == before


def test_reboots(spawn, busybox):
    before = state()
    script = "n=$(cat /n 2>/dev/null || echo 0); echo $((n+1)) >/n; ip link set in0 name in$n 2>/dev/null; " \
             "[ $n -lt 10 ] || exit 7; kill -HUP $$; reboot -f"
    done = spawn.run(busybox, "--network-interface=up0:in0", "--", "/bin/sh", "-c", script, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    assert state() == before


def test_next_start_waits_for_it(spawn, busybox):
    """A supervisor is killed, and the unit started anew at once."""
    for _ in range(10):
        process = held(spawn, busybox, "--network-interface=up0:in0")
        process.kill()
        process.communicate()
        assert end(held(spawn, busybox, "--network-interface=up0:in0")) == ""


# --- harm at every call ---------------------------------------------------------------------------

# To be killed at any other is to be killed at the next of these.
CHANGES = {"clone3", "openat", "sendmsg", "sendto", "unlink", "unlinkat", "write"}
CAN_FAIL = CHANGES | {"fcntl", "mmap", "recvfrom", "socket", "socketpair"} - {"unlink", "unlinkat"}

ALL = ("--network-zone=z", "--network-veth-extra=ex0", "--network-macvlan=up1", "--network-interface=up0:in0")


def attach_calls(faults, argv):
    """Calls of the supervisor from the first to the network until the end."""
    calls, done = faults.calls(argv)
    assert (done.returncode, done.stdout, done.stderr) == (0, "payload\n", "")
    mine = [call for call in calls if call.process == 0]
    first = next(i for i, call in enumerate(mine) if call.name == "socket" and
                 any(c.name == "sendto" for c in mine[i:i + 4]))
    return mine[first:]


if not os.environ.get("SKEP_SANITIZED"):     # which makes calls of its own
    def test_killed_at_every_call(spawn, busybox, scratch):
        with alone("skep-crash-net"):
            faults = Faults(scratch)
            argv = spawn.argv(busybox, *ALL, "--", "/bin/echo", "payload")
            calls, before, killed = attach_calls(faults, argv), state(), 0
            for call in calls:
                if call.name not in CHANGES or call.number % 2:
                    continue
                first = faults.kill(argv, call)
                assert first.returncode != TROUBLE, f"{call}: {first.stderr}"
                if not faults.hit():
                    continue
                killed += 1
                again = faults.plain(argv)
                assert (again.returncode, again.stdout, again.stderr) == (0, "payload\n", ""), call
                wait_until(lambda: state() == before, what=f"after {call}, {state()} to be {before}")
            assert killed > 10

    def test_failing_at_every_call(spawn, busybox, scratch):
        """The kernel says no: one line names the interface or what it was about, and nothing stays."""
        with alone("skep-inject-net"):
            faults, refused = Faults(scratch), 0
            argv = spawn.argv(busybox, *ALL, "--", "/bin/echo", "payload")
            calls, before = attach_calls(faults, argv), state()
            for call in calls:
                if call.name not in CAN_FAIL or call.number % (3 if call.name == "recvfrom" else 2):
                    continue
                done = faults.fail(argv, call, errno.ENOMEM)
                if not faults.hit():
                    continue
                where = f"{faults.hit()}: {done.returncode} {done.stderr}"
                # A bridge that could not be removed goes with the next machine of its zone.
                if done.returncode == 0 and "vz-z" in state():
                    assert faults.plain(argv).returncode == 0
                wait_until(lambda: state() == before, timeout=2, what=f"after {where}, {state()} to be {before}")
                if done.returncode == 0:
                    continue
                refused += 1
                assert re.fullmatch(r"(skep-spawn: [^\n]+\n)+", done.stderr), where
            assert refused > 5
            assert faults.plain(argv).returncode == 0
            assert state() == before


def watcher_of(process):
    return int(subprocess.run(["pgrep", "-P", str(process.pid), "skep-lent"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout)


def test_watcher_is_killed(spawn, busybox):
    """Then the supervisor does it, as ever."""
    before = state()
    process = held(spawn, busybox, "--network-interface=up0:in0")
    os.kill(watcher_of(process), signal.SIGKILL)
    assert end(process) == ""
    assert state() == before


def test_signals_to_all(spawn, busybox):
    """As from a terminal: the watcher is there until the supervisor is not."""
    before = state()
    process = held(spawn, busybox, "--network-interface=up0:in0")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        os.kill(watcher_of(process), number)
    process.kill()
    process.communicate()
    wait_until(lambda: state() == before, what="coming home")
    spawn.run(busybox, "true")      # takes away what else a killed one leaves
