# SPDX-License-Identifier: LGPL-2.1-or-later
"""What docs/install.md says, done: beside systemd's own services, in their place, and back."""

import subprocess

from skeplib import machine1

LAB_SUITES = ("bookworm", "trixie")
LAB_REPLACE = False

MACHINE1 = "org.freedesktop.machine1"
IMPORT1 = "org.freedesktop.import1"


def owner(lab, name):
    """Program behind a bus name."""
    lab.run(["busctl", "call", name, "/", "org.freedesktop.DBus.Peer", "Ping"])
    pid = lab.out(["busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                   "GetConnectionUnixProcessID", "s", name]).split()[1]
    return lab.out(["readlink", f"/proc/{pid}/exe"]).rsplit("/", 1)[1]


def unit_of(lab, name):
    return lab.out(["systemctl", "show", "--value", "-p", "Id", name])


def take_over(lab):
    lab.run("systemctl stop systemd-machined systemd-importd")
    lab.run("systemctl enable skep-machined skep-importd")


def go_back(lab):
    lab.run("systemctl disable skep-machined skep-importd")
    lab.run("systemctl stop skep-machined skep-importd")


def test_no_file_is_a_packages(lab):
    """What meson installs with prefix /usr, dpkg does not know."""
    ours = lab.out("find / -xdev -newermt '2000-01-01' "
                   r"\( -path '*skep*' -o -path '/usr/lib/dbus-1/*' \) -type f "
                   "-not -path '/srv/*' -not -path '/proc/*'").splitlines()
    assert any(p.endswith("/skep-machined.service") for p in ours)
    for path in ours:
        done = lab.run(["dpkg", "-S", path], check=False)
        assert done.returncode != 0, done.stdout


def test_installed_beside_nothing_changes(lab):
    assert owner(lab, MACHINE1) == "systemd-machined"
    assert owner(lab, IMPORT1) == "systemd-importd"
    assert lab.out("systemctl is-enabled skep-machined skep-importd || :").split() == \
        ["disabled", "disabled"]
    assert "No machines" in lab.out("machinectl list")


def test_take_over_and_back(lab):
    take_over(lab)
    assert owner(lab, MACHINE1) == "skep-machined"
    assert owner(lab, IMPORT1) == "skep-importd"
    if lab.suite == "trixie":   # where systemd has a socket unit for the same path
        for where in ("io.systemd.Import", "machine/io.systemd.Machine"):
            said = lab.out(f"varlinkctl call /run/systemd/{where} org.varlink.service.GetInfo '{{}}'", timeout=10)
            assert '"skep-' in said
    for name in ("systemd-machined.service", "dbus-org.freedesktop.machine1.service"):
        assert unit_of(lab, name) == "skep-machined.service"
    for name in ("systemd-importd.service", "dbus-org.freedesktop.import1.service"):
        assert unit_of(lab, name) == "skep-importd.service"
    assert "No machines" in lab.out("machinectl list")

    # The old name works for whoever writes it.
    lab.run("systemctl restart systemd-machined")
    assert owner(lab, MACHINE1) == "skep-machined"

    go_back(lab)
    assert owner(lab, MACHINE1) == "systemd-machined"
    assert owner(lab, IMPORT1) == "systemd-importd"
    assert unit_of(lab, "systemd-machined.service") == "systemd-machined.service"
    assert lab.out("find /etc/systemd/system -name '*machined*' -o -name '*importd*' "
                   "-o -name 'dbus-org.freedesktop.machine1*'") == ""


def test_users_get_a_registry_of_their_own(lab):
    """And only by the administrator's word, as there is one of systemd's for them one day."""
    name = "dbus-org.freedesktop.machine1.service"
    assert lab.run(f"ls /etc/systemd/user/{name}", check=False).returncode != 0
    lab.run("systemctl --global enable skep-machined")
    assert lab.out(f"readlink /etc/systemd/user/{name}") == "/usr/lib/systemd/user/skep-machined.service"
    lab.run("systemctl --global disable skep-machined")
    assert lab.out("find /etc/systemd/user -name '*machine*'") == ""


def test_machine_outlives_the_change(lab):
    """A machine of Debian's systemd-nspawn stays when skep-machined comes, and when it goes."""
    lab.add_machine("old", lab.suite + "-guest")
    nspawn = lab.spawn(["systemd-nspawn", "-q", "-b", "-M", "old", "--register=yes",
                        "--console=pipe"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        lab.wait_for("machinectl show old", text="Class=container")
        take_over(lab)
        assert owner(lab, MACHINE1) == "skep-machined"
        assert "old" in lab.out("machinectl list --no-legend")
        assert "Leader=" in lab.out("machinectl show old")
        go_back(lab)
        assert owner(lab, MACHINE1) == "systemd-machined"
        assert "old" in lab.out("machinectl list --no-legend")
    finally:
        lab.run("machinectl terminate old", check=False)
        nspawn.wait(timeout=20)


def test_debians_own_unit_with_our_registry(lab):
    """systemd-nspawn@.service as its package has it."""
    lab.add_machine("stock", lab.suite + "-guest")
    take_over(lab)
    try:
        lab.run("machinectl start stock", timeout=60)
        assert unit_of(lab, "systemd-nspawn@stock.service") == "systemd-nspawn@stock.service"
        assert owner(lab, MACHINE1) == "skep-machined"
        assert lab.out("machinectl list --no-legend").split()[:3] == ["stock", "container", "systemd-nspawn"]
        told = dict(line.split("=", 1) for line in lab.out("skep show stock").splitlines())
        assert told["Unit"] == "systemd-nspawn@stock.service" and told["RootDirectory"] == "/var/lib/machines/stock"
        assert lab.out(f"readlink /proc/{told['Supervisor']}/exe") == "/usr/bin/systemd-nspawn"
        assert machine1.get(lab, "stock", "NetworkInterfaces")
        lab.wait_for("systemctl -M stock is-system-running | grep -E 'running|degraded'", timeout=60)
        assert lab.out("skep exec stock /bin/sh -c 'echo $$ >/tmp/x; echo in'") == "in"
        lab.run("machinectl poweroff stock")
        lab.wait_for("! systemctl is-active systemd-nspawn@stock", timeout=60)
        assert lab.out("systemctl is-failed systemd-nspawn@stock || :") == "inactive"
        assert "stock" not in lab.out("machinectl list --no-legend") + lab.out("ls /run/systemd/machines")
    finally:
        lab.run("systemctl kill -s KILL systemd-nspawn@stock", check=False)
        go_back(lab)


def test_skep_spawn_beside_systemds_registry(lab):
    lab.add_machine("web", lab.suite + "-guest")
    lab.run("systemctl start skep@web", timeout=60)
    try:
        assert lab.out("systemctl is-active skep@web") == "active"
        assert "Class=container" in lab.out("machinectl show web")
        assert "skep@web.service" in lab.out("machinectl show -p Unit web")
        # Both templates at once: the image is in use.
        assert lab.run("systemctl start systemd-nspawn@web", check=False).returncode != 0
    finally:
        lab.run("systemctl stop skep@web", timeout=60)
    assert "web" not in lab.out("machinectl list --no-legend")


def test_machinectl_start_for_one_machine(lab):
    lab.add_machine("linked", lab.suite + "-guest")
    lab.run("ln -s /usr/lib/systemd/system/skep@.service "
            "/etc/systemd/system/systemd-nspawn@linked.service && systemctl daemon-reload")
    lab.run("machinectl start linked", timeout=60)
    pid = lab.out("systemctl show --value -p MainPID systemd-nspawn@linked")
    assert lab.out(["readlink", f"/proc/{pid}/exe"]).endswith("/skep-spawn")
    lab.run("machinectl poweroff linked", timeout=60)
    lab.wait_for("! systemctl is-active systemd-nspawn@linked", timeout=60)
    assert lab.out("systemctl is-failed systemd-nspawn@linked || :") == "inactive"


def test_enable_and_disable(lab):
    lab.run("systemctl enable skep@web machines.target")
    assert lab.out("readlink /etc/systemd/system/machines.target.wants/skep@web.service") \
        .endswith("/lib/systemd/system/skep@.service")
    lab.run("systemctl disable skep@web")
    assert lab.run("test -e /etc/systemd/system/machines.target.wants/skep@web.service",
                   check=False).returncode != 0
