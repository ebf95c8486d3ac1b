# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine under its unit as part of the host: resolver, time zone, journal, mounts, and Debian's own
machined, journalctl and machinectl looking at it."""

import struct

import pytest

LAB_SUITES = ("bookworm", "trixie")
LAB_REPLACE = False         # systemd's machined, which knows mounts by the folders of systemd-nspawn alone

SETTINGS = """[Exec]
PrivateUsers=no
ResolvConf=copy-host
"""
# A time zone file of version 1 with one type and no changes: TST, an hour ahead of UTC.
ZONE = b"TZif" + bytes(16) + struct.pack(">6i", 0, 0, 0, 0, 1, 4) + struct.pack(">i2B", 3600, 0, 0) \
    + b"TST\0"


@pytest.fixture(scope="module")
def joined(lab):
    lab.add_machine("joined", f"{lab.suite}-guest")
    lab.write("/etc/resolv.conf", "nameserver 192.0.2.7\n")
    lab.run("mkdir -p /var/log/journal && ln -sf /usr/share/zoneinfo/Test/Zone /etc/localtime")
    lab.write("/usr/share/zoneinfo/Test/Zone", ZONE)
    lab.write("/etc/systemd/nspawn/joined.nspawn", SETTINGS)
    lab.run("systemctl start skep@joined", timeout=60)
    lab.wait_for("systemctl -M joined is-system-running | grep -E 'running|degraded'", timeout=60)
    yield "joined"
    lab.run("systemctl stop skep@joined", timeout=90)
    assert lab.out("systemctl show --value -p Result skep@joined") == "success"
    assert lab.out("ls -A /run/systemd/nspawn/propagate /run/systemd/nspawn/unix-export | "
                   "grep joined || :") == ""


def inside(lab, *command):
    return lab.out(["systemd-run", "-q", "-M", "joined", "--pipe", "--wait", *command])


def test_resolver_and_time_zone(lab, joined):
    assert inside(lab, "cat", "/etc/resolv.conf") == "nameserver 192.0.2.7"
    assert inside(lab, "date", "+%Z%z") == "TST+0100"


def test_the_journal_is_read_from_the_host(lab, joined):
    inside(lab, "sh", "-c", "echo from the inside | systemd-cat -t inner; journalctl --flush --sync")
    machine_id = inside(lab, "cat", "/etc/machine-id")
    assert lab.out(["readlink", f"/var/log/journal/{machine_id}"]) \
        == f"/var/lib/machines/joined/var/log/journal/{machine_id}"
    for where in (["-m"], ["-D", f"/var/log/journal/{machine_id}"], ["-M", "joined"]):
        lab.wait_for(["journalctl", *where, "-t", "inner", "-o", "cat", "--no-pager"], timeout=10,
                     text="from the inside")
    assert "from the inside" not in lab.out("journalctl -t inner -o cat --no-pager")


def test_the_machine_manager_of_systemd_binds(lab, joined):
    lab.run("mkdir -p /srv/shared && echo shared >/srv/shared/file")
    lab.run("machinectl bind --mkdir joined /srv/shared /mnt/here")
    assert inside(lab, "cat", "/mnt/here/file") == "shared"
    lab.run("machinectl bind --mkdir --read-only joined /srv/shared /mnt/there")
    assert inside(lab, "sh", "-c", "cat /mnt/there/file; touch /mnt/there/x 2>/dev/null || echo no") \
        == "shared\nno"


def test_sockets_of_the_machine_are_reached_from_the_host(lab, joined):
    lab.run(["systemd-run", "-q", "-M", "joined", "systemd-socket-activate", "--accept", "--inetd", "-l",
             "/run/host/unix-export/echo", "echo", "hello"])
    lab.wait_for("test -S /run/systemd/nspawn/unix-export/joined/echo")
    script = ("import socket; s = socket.socket(socket.AF_UNIX); "
              "s.connect('/run/systemd/nspawn/unix-export/joined/echo'); print(s.recv(9).decode().strip())")
    assert lab.out(["python3", "-c", script]) == "hello"


def test_the_keeper_shows_life(lab, joined):
    shown = lab.out("systemctl show -p WatchdogUSec,NotifyAccess skep@joined")
    assert "WatchdogUSec=3min" in shown


def test_left_by_a_kill_and_cleaned_up(lab):
    lab.add_machine("killed", f"{lab.suite}-guest")
    lab.run("systemctl start skep@killed", timeout=60)
    lab.run("test -d /run/systemd/nspawn/propagate/killed")
    lab.run("kill -9 $(systemctl show --value -p MainPID skep@killed)")
    lab.wait_for("! systemctl is-active skep@killed", timeout=20)
    lab.wait_for("! test -e /run/systemd/nspawn/propagate/killed", timeout=10)
    lab.run("! test -L /run/systemd/nspawn/unix-export/killed")
    lab.run("systemctl reset-failed skep@killed; systemctl start skep@killed", timeout=60)
    lab.run("systemctl stop skep@killed", timeout=90)
