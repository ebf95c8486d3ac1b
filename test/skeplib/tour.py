# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/try: the steps by which a Debian tree becomes a machine, typed as a person would, with what
they really print. A step that fails ends it with status 1."""

import argparse
import os
import subprocess
import sys
import threading
import time

from . import build
from . import trees
from .lab import CommandFailed, Lab


class StepFailed(Exception):
    """A step did not do what it is there to show."""


class Tour:
    """Runs the steps in a lab and shows them."""

    def __init__(self, lab):
        self.lab = lab
        self.start = time.monotonic()
        self.color = sys.stdout.isatty()

    def say(self, text):
        """A line to the reader."""
        print(f"\n\033[1m# {text}\033[0m" if self.color else f"\n# {text}", flush=True)

    def step(self, command, wants=None, timeout=60):
        """Run a command and show it with its output, which must have @wants in it."""
        print(f"root@{self.lab.suite}:~# {command}", flush=True)
        done = self.lab.run(command, check=False, timeout=timeout)
        print(done.stdout + done.stderr, end="", flush=True)
        if done.returncode:
            raise StepFailed(f"status {done.returncode}: {command}")
        if wants is not None and wants not in done.stdout + done.stderr:
            raise StepFailed(f"'{wants}' is not in what it printed: {command}")

    def quietly(self, command, timeout=30):
        """Wait until a command succeeds, without showing it."""
        self.lab.wait_for(command, timeout=timeout)


def walk(tour):
    """The steps."""
    lab, suite = tour.lab, tour.lab.suite
    lab.run(["ln", "-sf", lab.shared(trees.tar(suite + "-guest", "gz")), "/root/debian.tar.gz"])
    leader = "busctl get-property org.freedesktop.machine1 /org/freedesktop/machine1/machine/web " \
             "org.freedesktop.machine1.Machine Leader"

    tour.say("An archive of a Debian tree becomes an image in the pool, over D-Bus.")
    tour.step("skep import-tar debian.tar.gz web")
    tour.step("skep list-images", "web")

    tour.say("It starts as an instance of a unit, and is registered.")
    tour.step("skep start web")
    tour.quietly("systemctl -M web is-system-running | grep -qE 'running|degraded'")
    tour.step("skep list", "web")
    tour.step("skep status web | head -n 20", "web")
    tour.step("systemctl status 'skep@web.service' --no-pager -n 0 | head -n 6", "running")

    tour.say("A command in it, with its output and exit status.")
    tour.step("skep shell web /bin/cat /etc/os-release", "Debian")
    tour.step("skep shell web /bin/sh -c 'exit 3' || echo \"the status is $?\"", "the status is 3")

    tour.say("Debian's own tools see it too.")
    tour.step("machinectl list", "web")
    tour.step("systemctl -M web list-units --type=service --no-pager --no-legend | head -n 4",
              ".service")

    tour.say("It reboots: the same machine, another PID 1.")
    before = lab.out(leader)
    tour.step("skep show web --property=Leader", "Leader=")
    tour.step("skep reboot web")
    tour.quietly(f"test \"$({leader})\" != '{before}' && "
                 "systemctl -M web is-system-running | grep -qE 'running|degraded'", timeout=60)
    tour.step("skep show web --property=Leader", "Leader=")

    tour.say("It powers off. A command in a throw-away view of its image is on the network at once, and its port is "
             "the host's.")
    tour.step("skep poweroff web")
    tour.quietly("! skep list --no-legend | grep -q web", timeout=60)
    lab.run("systemd-run --quiet --unit=hello -- skep-spawn -x -M hello -D /var/lib/machines/web --network-address=auto "
            "-p 127.0.0.1:8080:80 -- /usr/bin/perl -MIO::Socket::INET -e "
            "'$$s = IO::Socket::INET->new(LocalPort => 80, Listen => 1, ReuseAddr => 1); "
            "while ($$c = $$s->accept) { print $$c \"hello from the machine\\n\"; close $$c }'")
    tour.quietly("skep list --no-legend | grep -q 8080")
    tour.step("skep list", "127.0.0.1:8080")
    tour.step("skep-spawn --join=hello -- cat /etc/hosts", "_gateway")
    tour.step("cat </dev/tcp/127.0.0.1/8080", "hello from the machine")
    lab.run("systemctl stop hello")

    tour.say("Its image goes, and the list is empty.")
    tour.step("skep remove web")
    tour.step("skep list", "No machines")


def prepare(suite):
    """Make the trees and the build that the lab needs, at the same time."""
    problems = []

    def make(name):
        try:
            if name == "lab":
                trees.tree(suite + "-lab")
            else:
                trees.tar(suite + "-guest", "gz")
        except subprocess.CalledProcessError:
            problems.append(f"cannot make the {suite} {name} tree")

    makers = [threading.Thread(target=make, args=(n,)) for n in ("lab", "guest")]
    for maker in makers:
        maker.start()
    build.installed()
    for maker in makers:
        maker.join()
    if problems:
        raise StepFailed("; ".join(problems))


def main():
    parser = argparse.ArgumentParser(prog="tools/try", description="Show what skep does, in a "
                                     "test host that is gone afterwards.")
    parser.add_argument("--suite", default="bookworm", choices=["bookworm", "trixie"],
                        help="Debian release of the test host and of the machine")
    parser.add_argument("--shell", action="store_true", help="end with a shell on the test host")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("tools/try: needs root, for namespaces and mounts")

    start = time.monotonic()
    print("Building skep, and the Debian trees if this is the first time ...", flush=True)
    prepare(args.suite)
    print(f"... ready in {time.monotonic() - start:.0f} s; booting a {args.suite} test host.",
          flush=True)
    with Lab(args.suite) as lab:
        tour = Tour(lab)
        try:
            walk(tour)
        except (StepFailed, CommandFailed, TimeoutError, RuntimeError) as problem:
            print(f"\ntools/try: {problem}\n\nThe end of the test host's journal:\n"
                  + lab.journal("-n", "40", "-o", "short"), file=sys.stderr)
            return 1
        print(f"\nAll of it took {time.monotonic() - start:.0f} s. tools/lab gives you a shell on "
              "such a host; docs/install.md tells how to install skep for good.")
        if args.shell:
            lab.spawn(["bash", "-l"]).wait()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (StepFailed, RuntimeError, subprocess.CalledProcessError) as problem:
        sys.exit(f"tools/try: {problem}")
