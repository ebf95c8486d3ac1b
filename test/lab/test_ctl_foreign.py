# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep with systemd's own daemons behind it: the wire is the same, so all works but what they have not."""

import json
import re

import pytest

from skeplib import build
from skeplib.lab import Lab
from skeplib.terminal import Terminal

UNIT = """[Service]
Type=notify
ExecStart=systemd-nspawn --quiet --keep-unit --boot --network-veth -U --settings=override --machine=%i
KillMode=mixed
Delegate=yes
Slice=machine.slice
RestartForceExitStatus=133
SuccessExitStatus=133
"""


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def debian(request):
    """A lab without skep but for the client."""
    if request.config.getoption("--suite") and request.param not in request.config.getoption("--suite"):
        pytest.skip("not asked for")
    with Lab(request.param, install=False) as lab:
        lab.copy_in(build.installed() / "usr/bin/skep", "/usr/bin/skep")
        lab.write("/etc/systemd/system/skep@.service", UNIT)
        lab.run("systemctl daemon-reload")
        lab.add_machine("web", request.param + "-guest")
        lab.run("skep start web", timeout=60)
        lab.wait_for("systemctl -M web is-system-running | grep -E 'running|degraded'", timeout=30)
        yield lab


def test_same_tables(debian):
    for line in ("list", "list-images -a", "list -o json-pretty", "show web", "show-image web"):
        assert debian.out(f"skep {line}") == debian.out(f"machinectl {line}")
    debian.run("mkdir /run/ours && ln -s /usr/bin/skep /run/ours/machinectl")
    assert debian.out("/run/ours/machinectl list -a") == debian.out("machinectl list -a")
    row = next(m for m in json.loads(debian.out("skep list -a -j")) if m["machine"] == "web")
    assert (row["state"], row["enabled"], row["image"]) == ("running", False, "web")


def test_start_and_end(debian):
    debian.add_machine("other", "bookworm-guest", copy=False)
    debian.run("skep start other", timeout=60)
    debian.wait_for("systemctl -M other is-system-running | grep -E 'running|degraded'", timeout=30)
    debian.run("skep terminate --wait other", timeout=30)
    assert [m["machine"] for m in json.loads(debian.out("skep list -j"))] == ["web"]


def test_shell_without_a_status_says_so(debian):
    done = debian.run("skep shell web /bin/sh -c 'echo out; exit 3'", check=False)
    assert done.returncode == 0
    assert "out" in done.stdout
    assert re.fullmatch(r"skep: [^\n]*does not tell exit statuses[^\n]*\n", done.stderr)
    assert debian.run("skep -q shell web /bin/true").stderr == ""


def test_shell_at_a_terminal(debian):
    with Terminal(debian, "skep shell web /bin/sh", rows=33, columns=99) as terminal:
        terminal.expect(r"[#$] ")
        terminal.type("stty size\r")
        terminal.expect(r"33 99\r\n")
        terminal.type("exit\r")
        assert terminal.end()[0] == 0


def test_import(debian):
    debian.run("mkdir -p /tmp/t/etc && echo x >/tmp/t/etc/x && head -c 20000 /dev/urandom >/tmp/t/big && "
               "tar -C /tmp/t -cf /tmp/tiny.tar . && head -c 10000 /tmp/tiny.tar >/tmp/cut.tar")
    debian.run("skep -q import-tar /tmp/tiny.tar")
    assert debian.read("/var/lib/machines/tiny/etc/x") == "x\n"
    debian.run("skep -q import-tar --force /tmp/tiny.tar && skep clone tiny tiny2 && "
               "skep rename tiny2 tiny3 && skep remove tiny tiny3")
    done = debian.run("skep -q import-tar /tmp/cut.tar", check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"skep: cannot import 'cut': the transfer failed: [^\n]+\n", done.stderr)
