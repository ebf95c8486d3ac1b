# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/install.md on a host as Debian made it: everything below /usr/local, taking systemd's names, and
gone again without a trace."""

import os
import pathlib

import pytest

from skeplib import build
from skeplib.lab import Lab

MACHINE1 = "org.freedesktop.machine1"


@pytest.fixture(scope="module")
def tree():
    return pathlib.Path(build.installed(replace_systemd=True, prefix="/usr/local"))


@pytest.fixture(scope="module")
def host():
    with Lab("bookworm", install=False) as lab:
        yield lab


def files(tree):
    """Paths on the host of all that is installed."""
    return sorted("/" + os.path.relpath(os.path.join(at, name), tree)
                  for at, _, names in os.walk(tree) for name in names)


def owner(host):
    host.run(["busctl", "call", MACHINE1, "/", "org.freedesktop.DBus.Peer", "Ping"])
    pid = host.out(["busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                    "GetConnectionUnixProcessID", "s", MACHINE1]).split()[1]
    return host.out(["readlink", f"/proc/{pid}/exe"])


def test_where_files_go(tree):
    elsewhere = [p for p in files(tree) if not p.startswith("/usr/local/")]
    assert elsewhere == [
        "/etc/dbus-1/system.d/skep-import1.conf",
        "/etc/dbus-1/system.d/skep-machine1.conf",
        "/usr/lib/dbus-1/system-services/org.freedesktop.import1.service",
        "/usr/lib/dbus-1/system-services/org.freedesktop.machine1.service",
        "/usr/share/polkit-1/actions/org.skep.policy",
    ]


def test_install_use_and_remove(tree, host):
    assert owner(host) == "/usr/lib/systemd/systemd-machined"
    for path in files(tree):
        assert host.run(["dpkg", "-S", path], check=False).returncode != 0, path
    host.add_machine("web", "bookworm-guest")
    before = host.out("find /usr /etc -xdev | sort")

    host.copy_in(str(tree), "/root/tree")
    host.run("cp -a /root/tree/. / && rm -r /root/tree")
    host.run("systemctl daemon-reload && systemctl reload dbus && "
             "systemctl stop systemd-machined systemd-importd")
    assert owner(host) == "/usr/local/libexec/skep/skep-machined"
    host.run("machinectl start web", timeout=60)
    pid = host.out("systemctl show --value -p MainPID systemd-nspawn@web")
    assert host.out(["readlink", f"/proc/{pid}/exe"]) == "/usr/local/bin/skep-spawn"
    assert host.out("skep shell web /bin/sh -c 'echo $0'") == "/bin/sh"
    assert "web" in host.out("skep list --no-legend")
    host.run("machinectl poweroff web")
    host.wait_for("! systemctl is-active systemd-nspawn@web", timeout=60)

    host.run("systemctl stop skep-machined skep-importd")
    for path in files(tree):
        host.run(["rm", path])
    host.run("systemctl daemon-reload && systemctl reload dbus")
    assert owner(host) == "/usr/lib/systemd/systemd-machined"
    left = set(host.out("find /usr /etc -xdev -not -type d | sort").splitlines())
    assert left - set(before.splitlines()) == set()
    # What skep made of the pool is what systemd finds there.
    assert "web" in host.out("machinectl list-images --no-legend")
