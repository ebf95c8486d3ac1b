# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of machines for programs of a real host, with systemd's machine manager and then with ours."""

import pytest

from skeplib import build

LAB_SUITES = ("trixie",)
# systemd's own machine manager is there at first.
LAB_REPLACE = False

LIBRARY = "usr/lib/x86_64-linux-gnu/libnss_mymachines.so.2"


@pytest.fixture(scope="module")
def web(lab):
    """A machine with an address of each protocol, known to nsswitch.conf."""
    lab.copy_in(str(build.installed() / LIBRARY), "/usr/lib/x86_64-linux-gnu/libnss_mymachines.so.2")
    lab.run("sed -i 's/^hosts:.*/hosts: files mymachines dns/' /etc/nsswitch.conf")
    lab.add_machine("web", "trixie-guest")
    lab.write("/etc/systemd/nspawn/web.nspawn", "[Network]\nAddress=auto\n")
    lab.run("systemctl start skep@web", timeout=60)
    yield addresses(lab)
    lab.run("systemctl stop skep@web", timeout=60)


def addresses(lab):
    """What the machine has, as its own side sees it."""
    leader = lab.out("machinectl show --value -p Leader web")
    lines = lab.out(["nsenter", f"--net=/proc/{leader}/ns/net", "ip", "-o", "address", "show",
                     "scope", "global"]).splitlines()
    found = [line.split()[3].split("/")[0] for line in lines]
    assert any(":" in a for a in found) and any("." in a for a in found)
    return found


def names(lab, own):
    """Forward and back, for root and for anybody."""
    for user in ("root", "nobody"):
        run = ["setpriv", f"--reuid={user}", "--clear-groups", "getent"]
        told = {line.split()[0] for line in lab.out([*run, "ahosts", "web"]).splitlines()}
        assert set(own) <= told
        for address in own:
            assert lab.out([*run, "hosts", address]).split() == [address, "web"]
        for key in ("other", "web.example", "192.0.2.77"):
            assert lab.run([*run, "hosts", key], check=False).returncode == 2
    assert "is alive" in lab.out("ping -c1 -W5 web >/dev/null && echo web is alive")


def test_with_systemds_machine_manager(lab, web):
    names(lab, web)


def test_the_daemon_is_off_the_path_of_all_other_names(lab, web):
    lab.run("systemctl stop systemd-machined")
    assert lab.run("getent hosts other", check=False).returncode == 2
    assert lab.out("systemctl is-active systemd-machined || :") == "inactive"


def test_with_our_machine_manager(lab, web):
    """The same machine, after ours has taken over; it answers on the socket of the resolver, to all."""
    lab.run("systemctl stop systemd-machined; systemctl enable skep-machined && "
            "systemctl start skep-machined")
    names(lab, web)
    # What another user's machine is called is nobody else's name.
    lab.run("systemd-run -q -p User=nobody --unit=theirs sleep 10000")
    pid = lab.out("systemctl show -P MainPID theirs")
    lab.write("/etc/polkit-1/rules.d/50-test.rules",
              'polkit.addRule(function(action, subject) { return "yes"; });\n')
    lab.run("systemctl restart polkit")
    lab.run(["setpriv", "--reuid=nobody", "--clear-groups", "busctl", "call", "org.freedesktop.machine1",
             "/org/freedesktop/machine1", "org.freedesktop.machine1.Manager", "RegisterMachine",
             "sayssus", "bank", "0", "test", "container", pid, ""])
    assert "bank" in lab.out("skep list --no-legend")
    assert lab.run("getent ahosts bank", check=False).returncode == 2
