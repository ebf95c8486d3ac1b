# SPDX-License-Identifier: LGPL-2.1-or-later
"""A shell, or a command, in a booted Debian test host that has skep installed.

It starts from nothing in about a second, touches nothing of this host, and is gone when the shell
ends. In it: /var/lib/machines/NAME for each --machine, the cache of trees at /srv/skep."""

import argparse
import os
import subprocess
import sys

from .lab import Lab


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/lab", description=__doc__.split("\n", maxsplit=1)[0],
        usage="tools/lab [options] [bookworm|trixie] [-- COMMAND...]")
    parser.add_argument("suite", nargs="?", default="bookworm", choices=["bookworm", "trixie"])
    parser.add_argument("--beside", action="store_true",
                        help="install skep beside systemd's own machined and units, not over them")
    parser.add_argument("--plain", action="store_true", help="do not install skep")
    parser.add_argument("--engines", action="store_true",
                        help="a host with podman, containerd, crun and runc")
    parser.add_argument("--machine", metavar="NAME[=TREE]", action="append", default=[],
                        help="put a guest into the pool (TREE as in tools/tree, default "
                        "SUITE-guest; may be repeated)")
    argv = sys.argv[1:]
    command = []
    if "--" in argv:
        at = argv.index("--")
        argv, command = argv[:at], argv[at + 1:]
    return parser.parse_args(argv), command


def main():
    args, command = arguments()
    if os.geteuid() != 0:
        sys.exit("tools/lab: needs root")
    with Lab(args.suite, replace_systemd=not args.beside, install=not args.plain,
             kind="engines" if args.engines else "lab") as lab:
        for machine in args.machine:
            name, _, tree = machine.partition("=")
            lab.add_machine(name, tree or args.suite + "-guest")
        if command:
            return lab.spawn(command).wait()
        print(f"A {args.suite} lab. It is gone when this shell ends.", file=sys.stderr)
        return lab.spawn(["bash", "-l"]).wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, TimeoutError, subprocess.CalledProcessError) as problem:
        sys.exit(f"tools/lab: {problem}")
