# SPDX-License-Identifier: LGPL-2.1-or-later
"""The supervisor is killed at every system call that it or a process of the machine makes until the
payload runs, and at every one when the machine has ended: no process stays, the next start of the
machine works, and after that nothing is left of either."""

import os
import socket
import subprocess

import pytest

from skeplib import disks, kernel
from skeplib.faults import CHANGES_NOTHING, STRIDE, TROUBLE, Faults, alone
from skeplib.netns import own_network
from skeplib.spawner import bind_source, mounts, wait_until


def stack_of(tree, folder):
    where = folder / "web.mstack"
    (where / "layer@2/etc").mkdir(parents=True)
    (where / "rw").mkdir()
    (where / "layer@1").symlink_to(tree)
    return where


# Shape of a machine: its options, by a tree and a folder to be used for this.
SHAPES = {
    "plain": lambda tree, folder: ("-D", tree),
    "users": lambda tree, folder: ("-D", tree, "--private-users=pick", "-x"),
    "stub": lambda tree, folder: ("-D", tree, "--private-users=pick", "-a",
                                  f"--bind={bind_source(folder)}:/mnt:rootidmap"),
    "network": lambda tree, folder: ("-D", tree, "-n"),
    "address": lambda tree, folder: ("-D", tree, "--network-zone=crash", "--network-address=auto"),
    "disk": lambda tree, folder: ("-D", tree, "--ephemeral=disk",
                                  f"--overlay={bind_source(folder)}::/mnt"),
    "unit": lambda tree, folder: ("-D", tree, "--keep-unit"),
    # A bus that is there and does not answer: the folders of registered machines are made.
    "joined": lambda tree, folder: ("-D", tree, "--private-users=pick", "--register=auto",
                                    "--set-credential=a:b"),
    "image": lambda tree, folder: ("-i", disks.file_system(folder / "it.raw", "ext4", tree)),
    "stack": lambda tree, folder: (f"--mstack={stack_of(tree, folder)}", "--private-users=pick"),
}


# Of the calls of other processes, every n-th is enough for these.
EVERY = {"users": 2, "stub": 2, "disk": 3, "joined": 3, "image": 5, "stack": 5, "unit": 10**6,
         "network": 10**6, "address": 10**6}


# Of the supervisor's own, as most of them are the same as for the others.
EVERY_OWN = {"address": 6}


@pytest.fixture(scope="module", autouse=True)
def _alone():
    with alone("skep-crash"), own_network():
        yield
        tables = subprocess.run(["nft", "list", "tables"], check=True, stdout=subprocess.PIPE, text=True)
        assert tables.stdout == ""


@pytest.fixture
def start(request, spawn, scratch, busybox, folder):
    """A start to be harmed: the Faults, the command line, and where it may leave something."""
    def make(shape):
        enter, places = None, [str(busybox.parent), str(folder)]
        if shape == "unit":
            group = request.getfixturevalue("unit")

            def enter():    # the service manager makes the group anew for each start of a unit
                for below in ("payload", "supervisor", "."):
                    if (group / below).is_dir():
                        os.rmdir(group / below)
                os.mkdir(group)
                (group / "cgroup.procs").write_text("0", encoding="ascii")
        else:
            places.append(str(kernel.cgroup2_mount() / kernel.cgroup_of().lstrip("/")))
        faults = Faults(scratch, enter)
        command = (None, *SHAPES[shape](busybox, folder), "--", "/bin/echo", "payload")
        return faults, spawn.argv(*command), spawn.argv(*command, name=spawn.name + "-b"), places

    return make


def look(places):
    found = {f"{p}/{name}" for p in places for name in (os.listdir(p) if os.path.isdir(p) else ())}
    for private in ("/run", "/var/lib/skep"):
        for folder, folders, files in os.walk(private):
            found.update(f"{folder}/{name}" for name in folders + files)
    return {"files": found, "links": {n for _, n in socket.if_nameindex()}, "mounts": set(mounts())}


def is_new(before, places):
    now = look(places)
    return {k: now[k] - before[k] for k in now if now[k] - before[k]}


@pytest.mark.parametrize("shape", SHAPES)
def test_killed_at_every_call(start, spawn, scratch, shape, monkeypatch):
    """What is left of one machine goes with the next start of it, or of another with its image."""
    if shape == "joined":
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    faults, argv, other, places = start(shape)
    calls, done = faults.calls(argv)
    assert (done.returncode, done.stdout, done.stderr) == (0, "payload\n", "")
    before = look(places)
    killed = 0
    for call in calls:
        # What is left is left by the supervisor. What the others do is the same for many shapes.
        every = EVERY.get(shape, 1) if call.process > 0 else EVERY_OWN.get(shape, 1)
        if call.name in CHANGES_NOTHING or call.number % (every * STRIDE):
            continue
        first = faults.kill(argv, call)
        assert first.returncode != TROUBLE, f"{call}: {first.stderr}"
        if not faults.hit():            # the order of processes is not the same every time
            continue
        killed += 1
        again = faults.plain(other if killed % 2 and shape != "network" else argv)
        assert (again.returncode, again.stdout, again.stderr) == (0, "payload\n", ""), call
        assert not is_new(before, places), call
    assert killed > 40 // STRIDE // EVERY_OWN.get(shape, 1)
    wait_until(lambda: not disks.loops(scratch), what="an end of its loop devices")
