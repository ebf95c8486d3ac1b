# SPDX-License-Identifier: LGPL-2.1-or-later
"""Users of machines for programs of the host: Debian's userdbctl, and getent by Debian's nss-systemd, ask the registry's
part of the user database."""

import json

import pytest

from skeplib.machine1 import call

LAB_SUITES = ("trixie",)

FIRST, COUNT = 600000000, 65536      # within what systemd has for containers


@pytest.fixture(scope="module")
def mapped(lab):
    """A machine with a real tree and IDs of its own."""
    assert "systemd" in lab.out("sed -n s/^passwd://p /etc/nsswitch.conf").split()
    lab.add_machine("box", "trixie-guest")
    lab.write("/etc/systemd/nspawn/box.nspawn", f"[Exec]\nPrivateUsers={FIRST}:{COUNT}\n")
    lab.run("skep start box", timeout=60)
    assert lab.out("machinectl show -P Class box") == "container"
    return lab


def test_userdbctl_user(mapped):
    record = json.loads(mapped.out("userdbctl user vu-box-33 --output=json"))
    assert record["userName"] == "vu-box-33" and record["uid"] == FIRST + 33
    assert record["service"] == "io.systemd.Machine" and record["disposition"] == "container"
    # By number as well; what is shown is a name, the owner, and that nobody logs in by it.
    text = mapped.out(f"userdbctl user {FIRST + 33}")
    for part in ("User name: vu-box-33", "Disposition: container", "io.systemd.Machine"):
        assert part in text, text
    assert mapped.out("userdbctl user vu-box-0 --output=classic").split(":")[:4] == \
        ["vu-box-0", "x", str(FIRST), "65534"]


def test_userdbctl_group(mapped):
    record = json.loads(mapped.out("userdbctl group vg-box-5 --output=json"))
    assert (record["groupName"], record["gid"], record["service"]) == ("vg-box-5", FIRST + 5, "io.systemd.Machine")
    assert "Group name: vg-box-5" in mapped.out(f"userdbctl group {FIRST + 5}")
    assert "io.systemd.Machine" in mapped.out("userdbctl services")


def test_names_for_every_program(mapped):
    """For anybody, not just root."""
    for user in ("root", "nobody"):
        run = ["setpriv", f"--reuid={user}", "--clear-groups"]
        assert mapped.out([*run, "getent", "passwd", "vu-box-0"]).split(":")[2] == str(FIRST)
        assert mapped.out([*run, "getent", "passwd", str(FIRST + 1)]).startswith("vu-box-1:")
        assert mapped.out([*run, "getent", "group", "vg-box-0"]).split(":")[2] == str(FIRST)
        assert mapped.out([*run, "getent", "group", str(FIRST + 7)]).startswith("vg-box-7:")
    leader = mapped.out("machinectl show -P Leader box")
    assert mapped.out(f"ps -o user:30= -p {leader}") == "vu-box-0"
    assert mapped.out(f"stat -c %U:%G /proc/{leader}/root/proc/1/comm") == "vu-box-0:vg-box-0"


def test_names_that_are_none(mapped):
    for name in ("vu-box-65536", "vu-box-00", "vu-box-", "vu-none-0", "vg-box-0", f"{FIRST + COUNT}"):
        assert mapped.run(["getent", "passwd", name], check=False).returncode == 2, name
        assert mapped.run(["userdbctl", "user", name], check=False).returncode == 1, name
    assert mapped.run(["getent", "group", "vu-box-0"], check=False).returncode == 2
    # The list of all users is not the place for a machine's.
    assert "vu-box" not in mapped.out("userdbctl user --output=classic; getent passwd")


def test_nobody_waits_for_the_registry(mapped):
    """Names of machines are gone with them, and other names are found while the registry is not there."""
    mapped.run("skep terminate --wait box", timeout=60)
    assert mapped.run("getent passwd vu-box-0", check=False).returncode == 2
    mapped.run("systemctl stop skep-machined.socket systemd-machined")
    try:
        assert mapped.out("getent passwd root").startswith("root:")
        assert mapped.run("getent passwd nosuchuser", check=False).returncode == 2
        assert mapped.run("userdbctl user nosuchuser", check=False).returncode == 1
    finally:
        mapped.run("systemctl start skep-machined.socket")
        call(mapped, "ListMachines")
