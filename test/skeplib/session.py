# SPDX-License-Identifier: LGPL-2.1-or-later
"""A user of a lab, alice, with a systemd and a bus of her own."""

HOME = "/home/alice"

# What the package dbus-user-session has.
DBUS = {
    "dbus.socket": "[Socket]\nListenStream=%t/bus\n[Install]\nWantedBy=sockets.target\n",
    "dbus.service": "[Unit]\nRequires=dbus.socket\n[Service]\nType=notify\nExecStart=/usr/bin/dbus-daemon "
                    "--session --address=systemd: --nofork --nopidfile --systemd-activation\n",
}


def as_alice(lab, command, **options):
    """A command of the user's, in a session of hers."""
    return lab.run(["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "env", f"HOME={HOME}",
                    "USER=alice", "XDG_RUNTIME_DIR=/run/user/1000", "sh", "-c", command], **options)


def out(lab, command, **options):
    """What such a command prints."""
    return as_alice(lab, command, **options).stdout.rstrip("\n")


def log_in(lab):
    """Make the user, and wait until her systemd runs."""
    for name, text in DBUS.items():
        lab.write(f"/etc/systemd/user/{name}", text)
    lab.run("systemctl --global enable dbus.socket; useradd -u 1000 -m alice; "
            "loginctl enable-linger alice")
    lab.wait_for("systemctl is-active user@1000.service", timeout=30)
