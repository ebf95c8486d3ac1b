# SPDX-License-Identifier: LGPL-2.1-or-later
"""The generated completions, in the shells that they are for: a line is typed, the key is pressed."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from skeplib import must_run

# Unfinished line, what it becomes; "skep" is a stand-in that knows one machine, one image.
LINES = [
    ("skep-spawn --direc", "skep-spawn --directory"),
    ("skep-spawn --console=pas", "skep-spawn --console=passive"),
    ("skep-spawn --register au", "skep-spawn --register auto"),
    ("skep-spawn -M ima", "skep-spawn -M image-one"),
    ("skep-spawn --directory=/usr/loca", "skep-spawn --directory=/usr/local/"),
    ("skep-oci upd", "skep-oci update"),
    ("skep poweroff mach", "skep poweroff machine-one"),
    ("skep stop mach", "skep stop machine-one"),
    ("skep termin", "skep terminate"),
    ("skep help termin", "skep help terminate"),
    ("skep edit ima", "skep edit image-one"),
    ("skep pause mach", "skep pause machine-one"),
    ("skep cancel 4", "skep cancel 42"),
    ("skep start --runner vm", "skep start --runner vmspawn"),
    ("skep --output=short kil", "skep --output=short kill"),
    ("importctl import-r", "importctl import-raw"),
    ("importctl --class=port", "importctl --class=portable"),
    ("importctl cancel-transfer 2", "importctl cancel-transfer 23"),
    ("importctl export-tar ima", "importctl export-tar image-one"),
    ("machinectl poweroff mach", "machinectl poweroff machine-one"),
]
STAND_IN = """#!/bin/sh
case $1 in
list) echo 'machine-one  container a b' ;;
--print-commands) echo terminate ;;
operations) echo '42 copying web' ;;
list-transfers) echo '23 50% pull-tar web' ;;
list-images) echo 'image-one  directory no' ;;
esac
"""


@pytest.fixture
def scripts(program, scratch):
    """A folder with the scripts of a shell and a stand-in for skep; and the environment for it."""
    def make(shell, name):
        (scratch / "bin").mkdir()
        (scratch / "bin/skep").write_text(STAND_IN)
        (scratch / "bin/skep").chmod(0o755)
        for p in ("skep", "skep-spawn", "skep-oci", "importctl", "machinectl"):
            goes_by = "skep" if p.endswith("ctl") else p
            text = subprocess.run([p, f"--print-completion={shell}"], check=True, stdout=subprocess.PIPE,
                                  executable=program(goes_by)).stdout
            (scratch / name.format(p)).write_bytes(text)
        return {"PATH": f"{scratch}/bin:/usr/bin:/bin", "HOME": str(scratch), "TERM": "dumb",
                "ZDOTDIR": str(scratch), "XDG_CONFIG_HOME": str(scratch),
                "XDG_DATA_HOME": str(scratch)}
    return make


class Typed:
    """A shell at a terminal; typed() gives the line that it has after the key was pressed."""

    def __init__(self, argv, env, prepare):
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.execvpe(argv[0], argv, env)
        self.pid = pid
        self.seen = ""
        self.type(prepare + "\n")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def expect(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return found
            assert time.monotonic() < end, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.seen += os.read(self.terminal, 65536).decode(errors="replace")

    def end(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def test_zsh(scripts, scratch):
    if not shutil.which("zsh"):
        must_run("zsh is not installed")
    env = scripts("zsh", "_{}")
    # Control-T tells the line as it is, Control-U empties it.
    shell = Typed(["zsh", "-f", "-i"], env,
                  f"PS1=; fpath=({scratch} $fpath); autoload -U compinit; compinit -u -D; "
                  "unsetopt zle_bracketed_paste prompt_sp; "
                  "tell() { print -r -- \"line<$BUFFER>\"; BUFFER=; }; "
                  "zle -N tell; bindkey '^T' tell; print rea''dy")
    try:
        shell.expect("ready")
        for typed, wanted in LINES:
            shell.type(typed + "\t\x14")
            assert shell.expect("line<(.*?)>")[1].rstrip(" =") == wanted
    finally:
        shell.end()


def test_bash(scripts, scratch):
    env = scripts("bash", "{}.bash")
    for typed, wanted in LINES:
        # As readline cuts the words.
        *before, last = re.findall(r"=|[^\s=]+", typed)
        words = " ".join([*before, last])
        name = before[0]
        script = (f"source {scratch}/{name}.bash; COMP_WORDS=({words}); "
                  f"COMP_CWORD={len(before)}; _{name.replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        done = subprocess.run(["bash", "-c", script], env=env, check=True, text=True,
                              stdout=subprocess.PIPE)
        assert done.stdout.strip().rstrip("/") == re.split(r"[ =]", wanted)[-1].rstrip("/"), typed


def test_fish(scripts, scratch):
    if not shutil.which("fish"):
        must_run("fish is not installed")
    env = scripts("fish", "{}.fish")
    for typed, wanted in LINES:
        script = f"source {scratch}/{typed.split()[0]}.fish; complete -C '{typed}'"
        done = subprocess.run(["fish", "--no-config", "-c", script], env=env, check=True, text=True,
                              stdout=subprocess.PIPE)
        offered = [line.split("\t")[0] for line in done.stdout.splitlines()]
        assert offered == [wanted.split()[-1]], typed
