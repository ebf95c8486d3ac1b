# SPDX-License-Identifier: LGPL-2.1-or-later
"""What skep says of itself in its help, the help of each command, its manual page and the completion of three
shells: the same commands and options everywhere, none more and none less."""

import re
import subprocess

import pytest

from skeplib import must_run


def printed(program, *arguments):
    return subprocess.run([program("skep"), *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def options_of(text):
    """Names and letters of the options in a help text."""
    found = set()
    for line in re.findall(r"^  (?:    )?(-.*?)(?:  |\n|$)", text, re.MULTILINE):
        found |= {re.sub(r"[=\[ ].*", "", word) for word in line.split(", ")}
    return found


@pytest.fixture(scope="module")
def known(program):
    """Commands, and options, that the help has."""
    text = printed(program, "--help")
    commands = set(re.findall(r"^  ([a-z][a-z-]+)(?: |$)", text, re.MULTILINE))
    options = options_of(text)
    assert len(commands) > 30 and len(options) > 40
    return commands, options


def test_commands(program, known):
    assert set(printed(program, "--print-commands").split()) == known[0]


def test_help_of_each_command(program, known):
    """Together they have all options, and what a command can be given is the same in both of its helps."""
    all_of_them = set()
    for command in known[0]:
        text = printed(program, "help", command)
        assert text == printed(program, command, "--help")
        assert text.startswith(f"Usage: skep [OPTION...] {command}")
        all_of_them |= options_of(text)
    assert all_of_them == known[1]


def test_unknown_commands_have_no_help(program):
    for line in (["help", "nosuch"], ["nosuch", "--help"]):
        done = subprocess.run([program("skep"), *line], stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "skep: unknown command 'nosuch'\n")


def test_volumes_are_refused(program, known):
    """What only a newer machinectl has says what to do instead, and is not offered."""
    for command in ("bind-volume", "unbind-volume"):
        done = subprocess.run([program("skep"), command, "web", "fs:data"], stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1 and "not supported" in done.stderr and command not in known[0]


def test_manual(program, known):
    page = program("skep").parents[2] / "man/skep.1"
    if not page.exists():
        must_run("manual pages are not built")
    text = re.sub(r"\\f[BIR]", "", page.read_text(encoding="utf-8")).replace("\\-", "-")
    lists = text.partition(".SH COMMANDS")[2].partition(".SH MACHINECTL")[0]
    entries = re.findall(r"^(\S.*)\n\.RS 4$", lists, re.MULTILINE)
    entries = [e.replace("\\&", "") for e in entries]
    commands = {re.split(r"[ ,]", e)[0] for e in entries if not e.startswith("-")}
    options = {re.sub(r"[=\[ ].*", "", word) for e in entries if e.startswith("-") for word in e.split(", ")}
    assert commands == known[0]
    assert options == known[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(program, known, shell):
    text = printed(program, f"--print-completion={shell}")
    for command in known[0]:
        assert re.search(rf"(?<![\w-]){re.escape(command)}(?![\w-])", text), command
    for option in known[1]:
        if shell == "fish":
            option = re.sub(r"^--", "-l ", option) if option.startswith("--") else "-s " + option[1:]
        elif shell == "bash" and len(option) == 2:
            continue    # offers the long ones
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text), option
