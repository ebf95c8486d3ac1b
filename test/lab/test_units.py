# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machines as units, through Debian's own clients: machinectl starts, reboots and stops skep-spawn, and
whatever has a -M looks inside."""

import json
import time

import pytest

LAB_SUITES = ("bookworm", "trixie")


def guest(lab, name, kind="guest"):
    """A machine of the test's own in the pool; @kind lab is a tree with D-Bus."""
    lab.add_machine(name, f"{lab.suite}-{kind}")
    return name


@pytest.fixture(scope="module")
def up(lab):
    """A machine with D-Bus that machinectl started and that is up."""
    name = guest(lab, "up", "lab")
    lab.run(["machinectl", "start", name], timeout=60)
    booted(lab, name)
    yield name
    lab.run(["machinectl", "terminate", name], check=False)


def leader(lab, name):
    return int(lab.out(["machinectl", "show", "--value", "-p", "Leader", name]))


def booted(lab, name):
    """Wait until the guest has come up. (Its console is no place to look: a getty may flush it.)"""
    lab.wait_for(["systemctl", "-M", name, "is-system-running"], timeout=60, text="running")


def gone(lab, name):
    lab.wait_for(f"! machinectl show {name}", timeout=60)


def test_start_is_ours(lab, up):
    pid = lab.out(f"systemctl show --value -p MainPID systemd-nspawn@{up}")
    assert lab.out(["readlink", f"/proc/{pid}/exe"]) == "/usr/bin/skep-spawn"
    shown = dict(line.split("=", 1) for line in lab.out(["machinectl", "show", up]).splitlines())
    assert shown["Unit"] == f"systemd-nspawn@{up}.service"
    assert shown["Class"] == "container" and shown["State"] == "running"
    assert shown["RootDirectory"] == f"/var/lib/machines/{up}"
    rows = json.loads(lab.out("machinectl list -o json"))
    assert any(row["machine"] == up and row["class"] == "container" for row in rows)


def test_confinement_of_the_unit(lab, up):
    """What the template promises: users and network of its own, devices closed."""
    first = leader(lab, up)
    mapped = lab.out(["cat", f"/proc/{first}/uid_map"]).split()
    assert mapped[0] == "0" and int(mapped[1]) >= 0x10000 and mapped[2] == "65536"
    assert lab.out(["readlink", f"/proc/{first}/ns/net"]) != lab.out("readlink /proc/self/ns/net")
    lab.run(["ip", "link", "show", f"ve-{up}"])
    unit = f"systemd-nspawn@{up}.service"
    shown = lab.out(["systemctl", "show", "-p", "DevicePolicy,Slice,Delegate,KillMode,TasksMax", unit])
    assert set(shown.splitlines()) == {"DevicePolicy=closed", "Slice=machine.slice", "Delegate=yes",
                                       "KillMode=mixed", "TasksMax=16384"}


def test_systemctl_inside(lab, up):
    assert lab.out(["systemctl", "-M", up, "is-active", "dbus.service"]) == "active"
    lab.run(["systemctl", "-M", up, "restart", "systemd-journald"])
    assert lab.out(["systemctl", "-M", up, "show", "--value", "-p", "Virtualization"]) \
        == "systemd-nspawn"


def test_loginctl_inside(lab, up):
    assert "No sessions" in lab.out(["loginctl", "-M", up, "list-sessions"])


def test_busctl_inside(lab, up):
    assert "org.freedesktop.systemd1" in lab.out(["busctl", "-M", up, "list"])


def test_journal_inside(lab, up):
    lab.run(["systemd-run", "-q", "-M", up, "--wait", "sh", "-c",
             "echo from the inside | systemd-cat -t inner; journalctl --flush; journalctl --sync"])
    lab.wait_for(["journalctl", "-M", up, "-t", "inner", "-o", "cat", "--no-pager"], timeout=10,
                 text="from the inside")


def test_machine_in_ps_and_units(lab, up):
    assert lab.out(["ps", "-o", "machine=", "-p", str(leader(lab, up))]).strip() == up
    assert "/machine.slice/" in lab.out(["cat", f"/proc/{leader(lab, up)}/cgroup"])


def test_limits_of_the_unit_and_of_the_settings(lab):
    """A drop-in for the unit reaches PID 1 of the machine; the settings file has the last word. The guest
    boots with calls and families denied that it can do without."""
    name = guest(lab, "bounded")
    lab.write(f"/etc/systemd/system/systemd-nspawn@{name}.service.d/limits.conf",
              "[Service]\nLimitNOFILE=2222:3333\nLimitSTACK=4M\nLimitMSGQUEUE=5000\n")
    lab.write(f"/etc/systemd/nspawn/{name}.nspawn",
              "[Exec]\nLimitMSGQUEUE=4000\nOOMScoreAdjust=77\nCPUAffinity=0\n"
              "SystemCallFilter=~@swap @obsolete\n"
              "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n")
    lab.run("systemctl daemon-reload")
    lab.run(["machinectl", "start", name], timeout=60)
    booted(lab, name)
    first = leader(lab, name)
    limits = {line[:26].strip(): line[26:].split()
              for line in lab.out(["cat", f"/proc/{first}/limits"]).splitlines()}
    assert limits["Max open files"][1] == "3333"
    assert limits["Max stack size"][:2] == [str(4 << 20)] * 2
    assert limits["Max msgqueue size"][:2] == ["4000"] * 2
    assert lab.out(["cat", f"/proc/{first}/oom_score_adj"]) == "77"
    assert lab.out(f"grep Cpus_allowed_list /proc/{first}/status").split()[1] == "0"
    lab.run(["machinectl", "poweroff", name])
    gone(lab, name)


def test_reboot_keeps_the_unit(lab):
    name = guest(lab, "again")
    lab.run(["machinectl", "start", name], timeout=60)
    first = leader(lab, name)
    booted(lab, name)
    lab.run(["machinectl", "reboot", name])
    end = time.monotonic() + 60
    while time.monotonic() < end:
        now = lab.run(["machinectl", "show", "--value", "-p", "Leader", name], check=False)
        if now.returncode == 0 and int(now.stdout) != first:
            break
        time.sleep(0.1)
    else:
        pytest.fail("not rebooted")
    assert lab.out(f"systemctl is-active systemd-nspawn@{name}") == "active"
    assert lab.out(f"systemctl show --value -p NRestarts systemd-nspawn@{name}") == "1"

    booted(lab, name)
    lab.run(["machinectl", "poweroff", name])
    gone(lab, name)
    lab.wait_for(f"! systemctl is-active systemd-nspawn@{name}", timeout=30)
    assert lab.out(f"systemctl is-failed systemd-nspawn@{name} || :") == "inactive"


def test_stop_by_systemctl_is_clean(lab):
    name = guest(lab, "stopped")
    lab.run(f"systemctl start skep@{name}", timeout=60)
    booted(lab, name)
    lab.run(f"systemctl stop skep@{name}", timeout=90)
    assert lab.out(f"systemctl show --value -p Result skep@{name}") == "success"
    assert "Halting system" in lab.out(f"journalctl -u skep@{name}")
    gone(lab, name)
    assert lab.run(["ip", "link", "show", f"ve-{name}"], check=False).returncode != 0
    assert lab.run(["machinectl", "remove", name]).returncode == 0


def test_terminate_and_kill(lab):
    name = guest(lab, "short")
    for how in (["terminate", name], ["kill", "--signal=KILL", name]):
        lab.run(["machinectl", "start", name], timeout=60)
        lab.run(["machinectl", *how])
        gone(lab, name)
        lab.wait_for(f"! systemctl is-active systemd-nspawn@{name}", timeout=30)
        lab.run(f"systemctl reset-failed systemd-nspawn@{name}", check=False)


def test_stop_right_after_start(lab):
    """An init that has not come far enough to hear that it shall stop is asked until it does."""
    name = guest(lab, "early")
    for _ in range(5):
        lab.run(f"systemctl start skep@{name} && systemctl stop skep@{name}", timeout=20)
        assert lab.out(f"systemctl show --value -p Result skep@{name}") == "success"


def test_image_is_free_when_the_machine_is_gone(lab):
    """Whoever waited for the end of a machine can change its image at once."""
    guest(lab, "free-0")
    for i in range(5):
        lab.run(f"skep start free-{i}", timeout=30)
        lab.run(f"skep terminate --wait free-{i} && skep rename free-{i} free-{i + 1}", timeout=30)
    lab.run("skep remove free-5")


def test_in_use_is_refused(lab, up):
    done = lab.run(["machinectl", "remove", up], check=False)
    assert done.returncode != 0 and "use" in done.stderr
    done = lab.run(f"systemctl start skep@{up}", check=False)
    assert done.returncode != 0
    assert f"'{up}'" in lab.out(f"journalctl -u skep@{up} -o cat")
    assert leader(lab, up) > 1


def test_one_machine_by_two_names(lab, up):
    """systemd's template and ours are two; the machine is one, and to start it again is no failure."""
    done = lab.run(["skep", "start", up])
    assert f"'{up}' is running already, in systemd-nspawn@{up}.service" in done.stderr
    assert lab.out(f"systemctl is-failed skep@{up} || :") != "active"


def test_enabled_machines_start_with_the_target(lab):
    name = guest(lab, "boots")
    lab.run(["machinectl", "enable", name])
    link = f"/etc/systemd/system/machines.target.wants/systemd-nspawn@{name}.service"
    assert lab.out(["readlink", link]).endswith("/systemd-nspawn@.service")
    lab.run("systemctl stop machines.target; systemctl start machines.target", timeout=60)
    lab.wait_for(["machinectl", "show", name], timeout=30)
    lab.run(["machinectl", "disable", name])
    assert lab.run(["test", "-e", link], check=False).returncode != 0
    lab.run(["machinectl", "terminate", name])
    gone(lab, name)


def test_limits_of_the_unit_hold_the_machine(lab, up):
    """set-property of the unit reaches all of the machine (as far as controllers go in a lab)."""
    unit = f"systemd-nspawn@{up}.service"
    lab.run(["systemctl", "set-property", "--runtime", unit, "TasksMax=500"])
    assert lab.out(["systemctl", "show", "--value", "-p", "TasksMax", unit]) == "500"


def test_failed_start_says_why(lab):
    assert lab.run("systemctl start skep@missing", check=False).returncode != 0
    assert "no image 'missing'" in lab.out("journalctl -u skep@missing -o cat")
    assert lab.out("systemctl show --value -p ExecMainStatus skep@missing") == "125"
    lab.run(["mkdir", "-p", "/var/lib/machines/empty"])
    assert lab.run(["machinectl", "start", "empty"], check=False).returncode != 0
    text = lab.out("journalctl -u systemd-nspawn@empty -o cat")
    assert "/var/lib/machines/empty" in text or "'empty'" in text
    assert lab.out("systemctl show --value -p ExecMainStatus systemd-nspawn@empty") == "125"
