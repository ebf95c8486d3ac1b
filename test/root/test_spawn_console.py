# SPDX-License-Identifier: LGPL-2.1-or-later
"""The console of a machine."""

import os
import signal

import pytest

from skeplib.terminal import HostTerminal as Terminal


def test_console_pipe_keeps_streams_apart(spawn, busybox):
    done = spawn.run(busybox, "/bin/sh", "-c", "echo out; echo err >&2; [ -e /dev/console ]; echo $?")
    assert (done.stdout, done.stderr) == ("out\n1\n", "err\n")


def test_console_pipe_is_binary_safe(spawn, busybox, scratch):
    data = os.urandom(1 << 20)
    (scratch / "in").write_bytes(data)
    with open(scratch / "in", "rb") as stdin, open(scratch / "out", "wb") as stdout:
        spawn.run(busybox, "cat", stdin=stdin, stdout=stdout)
    assert (scratch / "out").read_bytes() == data


def test_short_form_of_pipe(spawn, busybox):
    assert spawn.out(busybox, "-P", "echo", "x", console=None) == "x"


def test_console_read_only(spawn, busybox):
    out = spawn.out(busybox, "/probe", "tty", console="read-only")
    facts = dict(line.split() for line in out.replace("\r", "").splitlines())
    assert (facts["0"], facts["1"], facts["2"]) == ("tty", "tty", "tty")
    assert facts["controlling"] == "ok"


def test_console_default_without_a_terminal(spawn, busybox):
    assert "tty" in spawn.out(busybox, "/probe", "tty", console=None)


def test_console_passive(spawn, busybox):
    assert spawn.out(busybox, "echo", "unseen", console="passive") == ""


def test_console_autopipe(spawn, busybox):
    assert spawn.out(busybox, "/probe", "tty", console="autopipe").splitlines()[1] == "1 other"


def test_console_interactive(spawn, busybox):
    terminal = Terminal(spawn, busybox, "/bin/sh", "-c",
                        "/probe tty; read -r line; echo got-$line; exit 4")
    terminal.expect("rows 33")
    terminal.expect("columns 101")
    terminal.send(b"hello\n")
    terminal.expect("got-hello")
    assert terminal.end() == 4


def test_console_resize(spawn, busybox):
    terminal = Terminal(spawn, busybox, "/bin/sh", "-c",
                        "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done")
    terminal.expect("ready")
    terminal.resize(20, 70)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.expect("20 70")
    assert terminal.end() == 0


def test_three_escapes_end_the_machine(spawn, busybox):
    terminal = Terminal(spawn, busybox, "/probe", "signal")
    terminal.expect("waiting")
    terminal.send(b"\x1d\x1d\x1d")
    assert terminal.end() != 0


def test_control_c_goes_to_the_payload(spawn, busybox):
    terminal = Terminal(spawn, busybox, "-a", "/bin/sh", "-c",
                        "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done")
    terminal.expect("ready")
    terminal.send(b"\x03")
    terminal.expect("caught")
    assert terminal.end() == 5


@pytest.mark.parametrize("key, number", [(b"p", 4), (b"r", 5)])
def test_hotkeys_ask_the_first_process(spawn, busybox, key, number):
    terminal = Terminal(spawn, busybox, "/probe", "signal")
    terminal.expect("waiting")
    terminal.send(b"\x1d\x1d" + key)
    terminal.expect(f"{signal.SIGRTMIN + number}")
    terminal.end()


def test_background(spawn, busybox, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    script = "printf 'a\\033[0mb\\033[1mc\\n'; read -r x"
    terminal = Terminal(spawn, busybox, "--background=48;5;17", "/bin/sh", "-c", script)
    terminal.expect("a\x1b[0m\x1b[48;5;17mb\x1b[1mc")
    assert "\x1b[48;5;17m" in terminal.text.split("a")[0]
    terminal.send(b"\n")
    terminal.expect("\x1b[0m\x1b[K")
    assert terminal.end() == 0
    for option, name, value in ((None, "TERM", "xterm"), ("--background=", "TERM", "xterm"),
                                ("--background=44", "TERM", "dumb"),
                                ("--background=44", "SYSTEMD_TINT_BACKGROUND", "0")):
        monkeypatch.setenv(name, value)
        terminal = Terminal(spawn, busybox, *filter(None, [option]), "/bin/sh", "-c", script)
        terminal.expect("a\x1b[0mb\x1b[1mc")
        assert "\x1b[4" not in terminal.text
        terminal.send(b"\n")
        assert terminal.end() == 0
        monkeypatch.setenv("TERM", "xterm")


def test_background_is_a_colour(spawn, busybox):
    assert "'blue' is not a colour" in spawn.refuse(busybox, "--background=blue", "true")


def test_everything_written_is_shown(spawn, busybox):
    """Also what the payload wrote in its last moment."""
    out = spawn.out(busybox, "/bin/sh", "-c", "seq 1 30000", console="read-only")
    assert out == "\n".join(str(i) for i in range(1, 30001))


def test_input_from_a_pipe_ends(spawn, busybox):
    out = spawn.out(busybox, "/bin/sh", "-c", "cat; echo end", console="interactive",
                    input="one\ntwo")
    assert out.endswith("twoend"), out


def test_reader_that_goes_away_does_not_stop_the_payload(spawn, busybox):
    process = spawn.start(busybox, "/bin/sh", "-c", "seq 1 30000; echo $? >/done",
                          console="read-only")
    assert process.stdout.readline() == "1\n"
    process.stdout.close()
    assert process.wait(10) == 0
    assert (busybox / "done").read_text() == "0\n"


def test_console_outlives_those_who_have_it_open(spawn, busybox):
    """Nobody inside has the terminal open for a moment, as when a getty is restarted."""
    out = spawn.out(busybox, "-a", "/bin/sh", "-c",
                    "exec </dev/null >/dev/null 2>&1; sleep 0.2; echo again >/dev/console",
                    console="read-only")
    assert out == "again"


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_debian_at_a_terminal(spawn, new_tree, suite):
    """Boots to a login prompt, which init hangs up on before it hands it to getty, and powers off by
    the hotkey."""
    terminal = Terminal(spawn, new_tree(f"{suite}-guest"), "-x", "-b")
    terminal.expect("login:", timeout=40)
    terminal.send(b"\x1d\x1dp")
    terminal.expect("Power", timeout=40)
    assert terminal.end(40) == 0
