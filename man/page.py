# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a manual page: puts the lists that a program prints of its own tables in the place of the lines
@OPTIONS@ and @KEYS@, and has scdoc format the whole.

Usage: page.py SCDOC INPUT OUTPUT [PROGRAM]"""

import subprocess
import sys


def printed(program, what):
    """What a program prints of its tables."""
    done = subprocess.run([program, what], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          check=True, text=True, encoding="utf-8")
    if not done.stdout.strip():
        sys.exit(f"{program} {what} printed nothing")
    return done.stdout.rstrip("\n")


def main(scdoc, source, target, program=None):
    """Format one page."""
    with open(source, encoding="utf-8") as f:
        text = f.read()
    for mark, what in (("@OPTIONS@", "--print-man-options"), ("@KEYS@", "--print-man-keys")):
        if mark in text:
            if not program:
                sys.exit(f"{source}: {mark}, but no program to ask")
            text = text.replace(mark, printed(program, what))
    # The licence is for the source alone.
    text = "".join(line + "\n" for line in text.splitlines() if not line.startswith("; "))
    with open(target, "w", encoding="utf-8") as out:
        done = subprocess.run([scdoc], input=text, stdout=out, text=True, encoding="utf-8",
                              check=False)
    if done.returncode:
        sys.exit(f"{source}: scdoc refuses it")


main(*sys.argv[1:])
