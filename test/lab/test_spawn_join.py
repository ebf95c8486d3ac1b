# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands in, and the console of, a Debian that is booted in a unit: by skep-spawn alone, whatever runs
inside or keeps a register outside."""

import re

import pytest

from skeplib.terminal import Terminal

JOIN = "skep-spawn --join=web --"


@pytest.fixture(scope="module")
def web(lab):
    lab.add_machine("web", copy=False)
    lab.run("skep start web")
    lab.wait_for(f"{JOIN} systemctl is-system-running --wait")
    return lab


def test_is_where_the_machine_is(web):
    group = web.out(f"{JOIN} cat /proc/self/cgroup").splitlines()[-1]
    assert group == "0::/init.scope"
    assert "/skep@web.service/" in web.out("systemctl show -P ControlGroup skep@web.service") + "/"
    leader = web.out("skep show web --property=Leader --value").strip()
    ours = web.out(f"{JOIN} sh -c 'readlink /proc/self/ns/*[a-z]'").split()
    theirs = web.out(f"readlink $(ls -d /proc/{leader}/ns/* | grep -v _for_)").split()
    assert set(theirs) <= set(ours)
    assert web.out(f"{JOIN} systemctl is-active dbus.service") == "active"
    for key in ("CapBnd", "Seccomp", "NoNewPrivs"):
        grep = f"grep -w {key}"
        assert web.out(f"{JOIN} {grep} /proc/self/status") == web.out(f"{grep} /proc/{leader}/status")


def test_status_streams_and_user(web):
    assert web.run(f"{JOIN} sh -c 'exit 9'", check=False).returncode == 9
    assert web.out(f"echo in | {JOIN} cat") == "in"
    assert web.out("skep-spawn --join=web --uid=nobody -- id -un") == "nobody"
    assert "container=" in web.out(f"{JOIN} env") and "NOTIFY_SOCKET" not in web.out(f"{JOIN} env")


def test_from_a_unit(web):
    """A service of the host's may be it who joins; what it runs is still in the machine's group."""
    out = web.out(f"systemd-run --wait --pipe -q -- {JOIN} sh -c 'cat /proc/self/cgroup; exit 0'")
    assert out.splitlines()[-1] == "0::/init.scope"


def test_with_a_terminal(web):
    with Terminal(web, "skep-spawn --join=web sh -c 'tty; stty size; exit 5'", rows=31, columns=99) as terminal:
        terminal.expect(r"/dev/pts/\d+")
        terminal.expect("31 99")
        assert terminal.end()[0] == 5


def test_console_of_a_unit(web):
    """A unit's console goes to the journal; whoever comes sees a login prompt, and the unit runs on."""
    for command in ("skep-spawn --attach=web", "skep attach web"):
        with Terminal(web, command) as terminal:
            terminal.expect("at the console")
            terminal.type("\n")
            terminal.expect(r"login:")
            terminal.type("\x1d\x1d\x1d")
            terminal.expect("runs on")
            assert terminal.end()[0] == 0
    assert web.out("systemctl is-active skep@web.service") == "active"
    assert re.search(r"\bskep-spawn\b", web.out("ps -o comm= -p $(systemctl show -P MainPID skep@web.service)"))
