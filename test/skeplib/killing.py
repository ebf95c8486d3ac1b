# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills the registry at random moments while machines and images come, change and go, and compares what it
says when it is back with what it had promised. It runs inside a lab as a script of its own.

    killing.py ROUNDS SEED

What was answered has to be so. What was under way may have happened or not, but wholly."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

try:
    import dbus
except ImportError:     # where it is only read, to be copied
    dbus = None

NAME, PATH, MANAGER = ("org.freedesktop.machine1", "/org/freedesktop/machine1",
                       "org.freedesktop.machine1.Manager")
STATE, POOL = "/run/systemd/machines", "/var/lib/machines"
FILES = 40

# What a caller hears when the service goes away under it.
LOST = ("NoReply", "ServiceUnknown", "Disconnected", "NameHasNoOwner", "Spawn")

YES, NO, MAYBE = "there", "gone", "unknown"


class Wrong(Exception):
    """What the registry says and what is differ."""


class Round:
    """All that is known of machines and images, and what is done to them."""

    def __init__(self, chance):
        self.chance = chance
        self.bus = dbus.SystemBus()
        self.machines = {}      # name: [state, PID of the leader, whether it has a scope]
        self.images = {}        # name: state
        self.renamed = []       # (from, to): one of the two is there
        self.serial = 0
        self.done = 0

    def call(self, method, types, *args):
        """Return: whether it was answered; what is refused is raised."""
        m = self.bus.get_object(NAME, PATH, introspect=False)
        try:
            m.get_dbus_method(method, MANAGER)(*args, signature=types, timeout=20)
        except dbus.DBusException as problem:
            if any(word in problem.get_dbus_name() for word in LOST):
                return False
            raise Wrong(f"{method}{args}: {problem}") from problem
        self.done += 1
        return True

    def new_name(self, kind):
        self.serial += 1
        return f"{kind}{self.serial}"

    def some(self, things):
        there = [n for n, s in things.items() if (s[0] if isinstance(s, list) else s) == YES]
        return self.chance.choice(there) if there else None

    # What may happen. Each returns whether it was answered.

    def register(self, create=False):
        name = self.new_name("c" if create else "r")
        pid = subprocess.Popen(["setsid", "sleep", "1000"], stdout=-3, stderr=-3).pid
        self.machines[name] = [MAYBE, pid, create]
        args = (name, dbus.ByteArray(b""), "killing", "container", pid, "")
        answered = self.call("CreateMachine", "sayssusa(sv)", *args, []) if create else \
            self.call("RegisterMachine", "sayssus", *args)
        if answered:
            self.machines[name][0] = YES
        return answered

    def create(self):
        return self.register(create=True)

    def unregister(self):
        name = self.some({n: m for n, m in self.machines.items() if not m[2]})
        return name is None or self.end(name, "UnregisterMachine", "s")

    def end(self, name, method, types, *args):
        self.machines[name][0] = MAYBE
        answered = self.call(method, types, name, *args)
        if answered:
            self.machines[name][0] = NO
        return answered

    def terminate(self):
        name = self.some({n: m for n, m in self.machines.items() if m[2]})
        return name is None or self.end(name, "TerminateMachine", "s")

    def kill(self):
        name = self.some(self.machines)
        return name is None or self.end(name, "KillMachine", "ssi", "leader", 9)

    def die(self):
        name = self.some(self.machines)
        if name is not None:
            self.machines[name][0] = NO
            os.kill(self.machines[name][1], signal.SIGKILL)
        return True

    def clone(self):
        name = self.new_name("i")
        self.images[name] = MAYBE
        answered = self.call("CloneImage", "ssb", "seed", name, False)
        if answered:
            self.images[name] = YES
        return answered

    def remove(self):
        name = self.some(self.images)
        if name is None:
            return True
        self.images[name] = MAYBE
        answered = self.call("RemoveImage", "s", name)
        if answered:
            self.images[name] = NO
        return answered

    def rename(self):
        old, new = self.some(self.images), self.new_name("i")
        if old is None:
            return True
        self.images[old] = self.images[new] = MAYBE
        answered = self.call("RenameImage", "ss", old, new)
        if answered:
            self.images[old], self.images[new] = NO, YES
        else:
            self.renamed.append((old, new))
        return answered

    def run(self, killer):
        """Do things until the service is killed, be it under one of them or between two."""
        ways = [self.register] * 4 + [self.create] * 3 + [self.unregister, self.terminate, self.kill,
                                                         self.die, self.clone, self.clone,
                                                         self.remove, self.rename]
        while self.chance.choice(ways)() and killer.is_alive():
            pass

    # What has to be true once it is back.

    def check_machines(self):
        m = self.bus.get_object(NAME, PATH, introspect=False)
        listed = {str(r[0]): str(r[3]) for r in m.ListMachines(dbus_interface=MANAGER) if r[0] != ".host"}
        files = set(os.listdir(STATE))
        links = {f for f in files if f.startswith("unit:")}
        if files - links != set(listed):
            raise Wrong(f"files {sorted((files - links) ^ set(listed))} and the bus differ")
        for link in links:
            if os.readlink(f"{STATE}/{link}") not in listed:
                raise Wrong(f"{link} leads nowhere")
        if set(listed) - set(self.machines):
            raise Wrong(f"{set(listed) - set(self.machines)} was never registered")
        for name, known in self.machines.items():
            state, pid, scoped = known
            alive = os.path.exists(f"/proc/{pid}")
            if name in listed:
                leader = self.bus.get_object(NAME, listed[name], introspect=False).Get(
                    NAME + ".Machine", "Leader", dbus_interface="org.freedesktop.DBus.Properties")
                if state == NO or not alive or leader != pid:
                    raise Wrong(f"{name}: {state}, alive {alive}, and listed with leader {leader}")
                if scoped and not os.path.exists(f"{STATE}/unit:machine-{name}.scope"):
                    raise Wrong(f"{name} has lost its scope")
                known[0] = YES
            elif state == YES:
                raise Wrong(f"{name} is lost, its leader alive {alive}")
            else:
                known[0] = NO

    def check_images(self):
        m = self.bus.get_object(NAME, PATH, introspect=False)
        listed = {str(r[0]) for r in m.ListImages(dbus_interface=MANAGER)} - {".host", "seed"}
        if listed - set(self.images):
            raise Wrong(f"images {listed - set(self.images)} are nobody's")
        for old, new in self.renamed:
            if (old in listed) == (new in listed):
                raise Wrong(f"{old} was to be {new}: {old in listed} {new in listed}")
        for name, state in self.images.items():
            if state != MAYBE and (name in listed) != (state == YES):
                raise Wrong(f"image {name}: {state}, listed {name in listed}")
            if name in listed and len(os.listdir(f"{POOL}/{name}/files")) != FILES:
                raise Wrong(f"image {name} is not whole")
            self.images[name] = YES if name in listed else NO
        self.renamed = []

    def check(self, patience=8):
        """Some of it takes a moment."""
        end = time.monotonic() + patience
        while True:
            try:
                self.check_machines()
                self.check_images()
                return
            except Wrong:
                if time.monotonic() > end:
                    raise
            except dbus.DBusException:
                if time.monotonic() > end:
                    raise
            time.sleep(0.02)

    def clear(self):
        """Leaders that are in no machine any more are nobody's to end but ours."""
        for state, pid, _ in self.machines.values():
            if state == NO:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass


def service_pid(bus):
    d = bus.get_object("org.freedesktop.DBus", "/", introspect=False)
    return int(d.GetConnectionUnixProcessID(NAME, dbus_interface="org.freedesktop.DBus"))


def seed():
    shutil.rmtree(f"{POOL}/seed", ignore_errors=True)
    os.makedirs(f"{POOL}/seed/files")
    os.makedirs(f"{POOL}/seed/usr/lib")
    for path in ["usr/lib/os-release"] + [f"files/{i}" for i in range(FILES)]:
        with open(f"{POOL}/seed/{path}", "w", encoding="ascii") as f:
            f.write("ID=seed\n" * 100)


def main(rounds, number):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    chance = random.Random(number)
    seed()
    r = Round(chance)
    r.check()
    for i in range(rounds):
        victim = service_pid(r.bus)
        # Early moments are those of the start, when it takes up what was there.
        timer = threading.Timer(chance.choice((0.01, 0.1, 0.3)) * chance.random(), os.kill, (victim, 9))
        timer.start()
        try:
            r.run(timer)
            timer.join()
            r.check()
        except Wrong as problem:
            raise SystemExit(f"kill {i + 1} with seed {number}: {problem}") from problem
        r.clear()
    print(f"{rounds} kills, {r.done} answers, {len(r.machines)} machines, {len(r.images)} images")
    for _, pid, _ in r.machines.values():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
