# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benches: for each, the contenders and what one run of each is. A run returns its figure."""

import dataclasses
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from . import build
from . import disks
from . import kernel
from . import lab
from . import trees
from .taken import CannotRun, timed

_serial = itertools.count(1)


@dataclasses.dataclass
class Contender:
    """One of those compared. run() does the thing once and returns the figure; peak() once more, for the memory in kB."""
    name: str
    run: object
    peak: object = None


@dataclasses.dataclass
class Bench:
    """What is compared; contenders(folder) makes those who take part, ours first."""
    name: str
    why: str
    unit: str
    rounds: int
    contenders: object
    burst: int = 1      # runs of a contender in a row
    targets: dict = dataclasses.field(default_factory=dict)     # of whom ours may take which part at most
    peak: int = 0       # MB that ours may have; 0 = any


def _copied(folder, name):
    tree = folder / name
    tree.mkdir()
    subprocess.run(["tar", "-C", tree, "--numeric-owner", "-xpf", trees.tar(name)], check=True)
    return tree


def _oci_bundle(folder, tree, runtime):
    """A bundle as the runtime itself proposes it, but for the command."""
    bundle = folder / f"bundle-{runtime}"
    bundle.mkdir()
    if shutil.which(runtime):
        subprocess.run([runtime, "spec"], cwd=bundle, check=True)
        config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
        config["process"]["args"] = ["/bin/true"]
        config["process"]["terminal"] = False
        # A limit that this host cannot raise is no part of what is compared.
        config["process"].pop("rlimits", None)
        config["root"] = {"path": str(tree), "readonly": False}
        (bundle / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return bundle


def _spawn(folder):
    tree = _copied(folder, "bookworm-guest")
    skep = [build.program("skep-spawn"), "-q", "-D", tree, "--register=no"]
    nspawn = ["systemd-nspawn", "-q", "-D", tree, "--register=no", "--keep-unit"]
    bwrap = ["bwrap", "--unshare-all", "--bind", tree, "/", "--proc", "/proc", "--dev", "/dev"]
    unshare = ["unshare", "-m", "-p", "-u", "-i", "-n", "-C", "--fork", "chroot", tree]

    def oci(runtime, *options):
        bundle = _oci_bundle(folder, tree, runtime)
        return Contender(runtime, lambda: timed(
            [runtime, *options, "run", "-b", bundle, f"bench-{os.getpid()}-{next(_serial)}"])())

    return [
        Contender("skep-spawn", timed([*skep, "/bin/true"])),
        Contender("bwrap --unshare-all", timed([*bwrap, "/bin/true"])),
        # Its use of control groups needs CAP_SYS_RESOURCE, which containers rarely have: without,
        # it has less to do than the others.
        oci("crun", "--cgroup-manager=disabled"),
        oci("runc"),
        Contender("systemd-nspawn", timed([*nspawn, "/bin/true"])),
        Contender("unshare+chroot (no sandbox)", timed([*unshare, "/bin/true"])),
        Contender("/bin/true alone", timed(["/bin/true"])),
    ]


def _own_ids(folder):
    """Contenders that give the command user IDs and a network of its own as well."""
    tree = _copied(folder, "bookworm-guest")
    skep = [build.program("skep-spawn"), "-q", "-D", tree, "--register=no", "-U", "--private-network"]
    nspawn = ["systemd-nspawn", "-q", "-D", tree, "--register=no", "--keep-unit", "-U",
              "--private-network"]
    bwrap = ["bwrap", "--unshare-all", "--unshare-user", "--bind", tree, "/", "--proc", "/proc",
             "--dev", "/dev"]
    return [
        Contender("skep-spawn -U --private-network", timed([*skep, "/bin/true"])),
        Contender("bwrap --unshare-all --unshare-user", timed([*bwrap, "/bin/true"])),
        Contender("systemd-nspawn -U --private-network", timed([*nspawn, "/bin/true"])),
    ]


def on_ext4(folder, name=None):
    """A tree on a fresh ext4, which copies no file without its bytes; or nothing."""
    image = disks.file_system(folder / "disk", "ext4", trees.tree(name) if name else None, 6144 * disks.MiB)
    where = folder / "ext4"
    where.mkdir()
    subprocess.run(["mount", "-o", "loop", image, where], check=True)
    # What is too fresh to be on the disk is not what is measured.
    os.sync()
    return where


def _ephemeral(folder):
    tree = on_ext4(folder, "bookworm-lab")
    skep = [build.program("skep-spawn"), "-q", "-D", tree, "--register=no"]
    nspawn = ["systemd-nspawn", "-q", "-D", tree, "--register=no", "--keep-unit"]
    return [
        Contender("skep-spawn -x", timed([*skep, "-x", "/bin/true"])),
        Contender("skep-spawn --ephemeral=disk", timed([*skep, "--ephemeral=disk", "/bin/true"])),
        Contender("skep-spawn", timed([*skep, "/bin/true"])),
        Contender("systemd-nspawn -x", timed([*nspawn, "-x", "/bin/true"])),
    ]


CROWD = 200
CROWD_SLEEP = "86399"       # how the machines' processes are told from others


def _sleepers():
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            words = pathlib.Path(entry.path, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"/bin/sleep", CROWD_SLEEP.encode()]:
            found.append(int(entry.name))
    return found


def _available():
    text = pathlib.Path("/proc/meminfo").read_text(encoding="ascii")
    return int(re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)[1])


def _crowd(name, loop, figure):
    """A run: start many machines by one shell loop, wait until all of them run, take the figure."""
    def run():
        if shutil.which(name) is None:
            raise CannotRun(f"{name} is not installed")
        before, start = _available(), time.perf_counter()
        with subprocess.Popen(["bash", "-c", loop + "; wait"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              preexec_fn=kernel.die_with_parent) as process:
            try:
                while len(_sleepers()) < CROWD:
                    if time.perf_counter() - start > 60:
                        raise CannotRun(f"only {len(_sleepers())} of {CROWD} came up")
                    time.sleep(0.02)
                took = (time.perf_counter() - start) * 1000
                time.sleep(4)
                return took if figure == "time" else (before - _available()) / CROWD
            finally:
                for pid in _sleepers():
                    os.kill(pid, signal.SIGKILL)
                process.communicate(timeout=60)
                time.sleep(2)

    return run


def _crowds(figure):
    def contenders(folder):
        tree = trees.tree("busybox")
        skep = build.program("skep-spawn")
        bundle = _oci_bundle(folder, tree, "crun")
        config = bundle / "config.json"
        if config.exists():
            data = json.loads(config.read_text(encoding="utf-8"))
            data["process"]["args"] = ["/bin/sleep", CROWD_SLEEP]
            data["root"]["readonly"] = True
            config.write_text(json.dumps(data), encoding="utf-8")
        machines = (f"for i in $(seq {CROWD}); do {skep} -q --read-only -D {tree} -M bench-$i"
                    f" --register=no --console=pipe /bin/sleep {CROWD_SLEEP} & done")
        containers = (f"for i in $(seq {CROWD}); do crun --cgroup-manager=disabled run -b {bundle}"
                      f" bench-{os.getpid()}-$i & done")
        return [Contender("skep-spawn", _crowd(str(skep), machines, figure)),
                Contender("crun", _crowd("crun", containers, figure))]

    return contenders


def _resident(folder, name, argv, env=None):
    """A run: kB (PSS) of all processes of ours for a booted machine that are outside of it."""
    def run():
        where = folder / f"{name}-{next(_serial)}"
        where.mkdir()
        tree = trees.overlay(where, trees.tree("bookworm-guest"))
        (tree / "etc/machine-id").write_text(os.urandom(16).hex() + "\n", encoding="ascii")
        process = subprocess.Popen([str(a) for a in argv(tree)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env={**os.environ, **(env or {})},
                                   preexec_fn=kernel.die_with_parent)
        try:
            leader = _booted(process, tree)
            time.sleep(8)       # the boot is over, nothing happens any more
            outside = [p for p in [process.pid, *kernel.descendants(process.pid)]
                       if not _inside(p, leader)]
            return sum(pss(p) for p in outside)
        finally:
            _end(process)
            kernel.umount(tree)

    return run


def _booted(process, tree):
    """Wait until the machine's systemd has come up. Return: its PID 1."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if process.poll() is not None:
            raise CannotRun(process.stderr.read().decode(errors="replace"))
        leader = next((p for p in kernel.descendants(process.pid) if kernel.is_init(p)), None)
        if leader and os.path.exists(f"/proc/{leader}/root/run/dbus/system_bus_socket"):
            return leader
        time.sleep(0.05)
    raise CannotRun(f"the machine on {tree} did not come up")


def _inside(pid, leader):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{leader}/ns/pid")
    except OSError:
        return True


def pss(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1])


def _end(process):
    for leader in [p for p in kernel.descendants(process.pid) if kernel.is_init(p)]:
        os.kill(leader, signal.SIGKILL)
        break
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stderr.close()


def _memory(folder):
    return [
        Contender("skep-spawn", _resident(folder, "skep", lambda tree: [
            build.program("skep-spawn"), "-q", "-b", "-D", tree, "--register=no",
            "-M", f"bench-{os.getpid()}", "--console=read-only"])),
        Contender("systemd-nspawn", _resident(folder, "nspawn", lambda tree: [
            "systemd-nspawn", "-q", "-b", "-D", tree, "--register=no", "--keep-unit",
            "-M", f"bench-{os.getpid()}", "--console=read-only"],
            env={"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})),
    ]


def _started(install, command, unit):
    """A run: how long @command takes to start a machine that boots, on a test host of its own; then the
    machine is ended. The host goes with this process."""
    script = (f"s=$(date +%s%N); {command} >/dev/null || exit 1; e=$(date +%s%N); "
              f"systemctl kill -s KILL {unit}; while systemctl -q is-active {unit}; do sleep 0.05; done; "
              f"systemctl reset-failed {unit}; echo $((e - s))")
    hosts = []

    def run():
        if not hosts:
            hosts.append(lab.Lab("bookworm", replace_systemd=False, install=install).boot())
            hosts[0].add_machine("web")
        try:
            return int(hosts[0].out(script, timeout=60)) / 1e6
        except lab.CommandFailed as problem:
            raise CannotRun(str(problem)) from None

    return run


def _start(_folder):
    return [
        Contender("skep start", _started(True, "skep start web", "skep@web")),
        Contender("machinectl start (Debian 12)",
                  _started(False, "machinectl start web", "systemd-nspawn@web")),
    ]


BENCHES = (
    Bench("spawn", "a trivial command with the full default confinement", "ms", 25, _spawn, 4),
    Bench("spawn-own", "the same with user IDs and a network of its own", "ms", 25, _own_ids, 4),
    Bench("ephemeral", "the same on a throw-away view of a tree on ext4", "ms", 5, _ephemeral),
    Bench("crowd", f"{CROWD} machines that sleep, started at once, until all run", "ms", 3,
          _crowds("time")),
    Bench("crowd-memory", "and what each of them takes of the host's memory", "kB", 3,
          _crowds("memory")),
    Bench("memory", "what stays resident for one booted machine, PSS", "kB", 3, _memory),
    Bench("start", "a unit that boots a machine, until it is registered", "ms", 10, _start),
)
