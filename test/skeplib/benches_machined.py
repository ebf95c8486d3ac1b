# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benches of the registry: ours and systemd's own take turns on the same host and the same thousand
machines, which each takes over from the other."""

import pathlib
import subprocess
import time

from . import benches
from . import lab

MACHINES = 1000
MORE = 200      # that are registered and forgotten again
UNITS = 20      # besides, machines that have a unit

SUITE = "bookworm"
OURS, THEIRS = "skep-machined.service", "systemd-machined.service"
LOAD = "/run/busload.py"


class _Host:
    """A lab with both registries and what they know of."""

    def __init__(self):
        self.lab = lab.Lab(SUITE, replace_systemd=False).boot()
        self.lab.write(LOAD, pathlib.Path(__file__).with_name("busload.py").read_bytes())
        self.lab.run(["systemctl", "mask", "--now", "systemd-machined.socket"], check=False)
        self.lab.run(f"python3 {LOAD} sleep {MACHINES} >/run/pids")
        self.lab.run(f"python3 {LOAD} sleep {MORE} >/run/more-pids")
        self.now = None
        self.switch(OURS)
        self.load("register box </run/pids")
        self.units()

    def units(self):
        """Machines in units of their own, each with a process that is not its leader."""
        child = "sleep 100000 & exec sleep 100000"
        self.lab.run(f"for i in $(seq {UNITS}); do systemd-run -q --unit=inner-$i sh -c '{child}'; done; "
                     f"for i in $(seq {UNITS}); do systemctl show -PMainPID inner-$i; done >/run/leaders; "
                     f"for i in $(seq {UNITS}); do p=$(systemctl show -PMainPID inner-$i); "
                     "ps -o pid= --ppid $p; done >/run/inner; "
                     f"for i in $(seq {1000 // UNITS}); do cat /run/inner; done >/run/inner-pids")
        self.load("register unit </run/leaders")

    def switch(self, to, again=False):
        """Have another one serve the name. Return: ms from its start until it has answered."""
        if to == self.now and not again:
            return 0
        self.lab.run(["systemctl", "stop", OURS, THEIRS])
        self.lab.run(["systemctl", "reset-failed", OURS, THEIRS], check=False)
        start = time.perf_counter()
        self.lab.run(f"systemctl start {to} && python3 {LOAD} list 1")
        took = (time.perf_counter() - start) * 1000
        self.now = to
        # Caller, bus and service on one processor: else what is measured is where they happen to be.
        self.lab.run(f"for p in $(systemctl show -PMainPID {to} dbus); do taskset -a -p -c 0 $p; done")
        return took

    def load(self, what):
        """Run the load. Return: (median in µs of what a caller waits, µs of the processor that the service
        took for one)."""
        before = self.processor()
        median, _, number = self.lab.out(f"taskset -c 0 python3 {LOAD} {what}", timeout=120).split()
        return float(median), (self.processor() - before) / 1000 / float(number)

    def pid(self):
        return self.lab.out(["systemctl", "show", "-PMainPID", self.now])

    def processor(self):
        """ns that the service has run."""
        return int(self.lab.read(f"/proc/{self.pid()}/schedstat").split()[0])

    def memory(self):
        """kB resident, after a list was asked for."""
        self.load("list 3")
        return float(self.lab.out(["awk", "/^VmRSS/ { print $2 }", f"/proc/{self.pid()}/status"]))

    def register(self):
        """Register some more, and have them forgotten."""
        took = self.load("register more </run/more-pids")
        self.load(f"unregister more {MORE}")
        return took


_hosts = []


def _host():
    if not _hosts:
        try:
            _hosts.append(_Host())
        except (lab.CommandFailed, RuntimeError, OSError, subprocess.SubprocessError) as problem:
            raise benches.CannotRun(str(problem)) from problem
    return _hosts[0]


def _pair(run):
    def contender(name, unit):
        def once():
            _host().switch(unit)
            return run(_host(), unit)

        return benches.Contender(name, once)

    return lambda _: [contender("skep-machined", OURS),
                      contender(f"systemd-machined of {SUITE}", THEIRS)]


def _bench(name, why, unit, rounds, run):
    return benches.Bench("machined-" + name, why, unit, rounds, _pair(run))


def _calls(name, why, run):
    """Two benches of one load: what a caller waits, most of which is the bus, and what the service does."""
    return (_bench(name, why, "µs", 5, lambda host, _: run(host)[0]),
            _bench(name + "-own", "what the service takes of the processor for one of these", "µs", 5,
                   lambda host, _: run(host)[1]))


BENCHES = (
    *_calls("register", f"RegisterMachine() with {MACHINES} machines there", _Host.register),
    *_calls("list", f"ListMachines() of {MACHINES}", lambda host: host.load("list 50")),
    *_calls("ping", "Ping(): what the bus and the library take for any of these, whoever answers",
            lambda host: host.load(f"ping {MACHINES}")),
    *_calls("by-pid", "GetMachineByPID() of each leader", lambda host: host.load("by-pid </run/pids")),
    *_calls("by-inner-pid", "GetMachineByPID() of a process that is not the leader",
            lambda host: host.load("by-pid </run/inner-pids")),
    *_calls("get", "GetMachine() of each", lambda host: host.load(f"get box {MACHINES}")),
    *_calls("get-all", "GetMachine() and GetAll() of each",
            lambda host: host.load(f"get-all box {MACHINES}")),
    _bench("restart", f"start of the service until it lists {MACHINES} machines", "ms", 3,
           lambda host, unit: host.switch(unit, again=True)),
    _bench("memory", f"resident with {MACHINES} machines", "kB", 3, lambda host, _: host.memory()),
)
