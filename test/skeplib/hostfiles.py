# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes a Debian tree a test host, be it a lab or a virtual machine."""

import os
import pathlib

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "LANG": "C.UTF-8",
}

# Units that only cost time in a test, or want hardware that is not there.
_MASKED = ("console-getty.service", "getty@.service", "systemd-firstboot.service",
           "systemd-networkd-wait-online.service", "dev-hugepages.mount", "e2scrub_all.timer",
           "fstrim.timer", "dpkg-db-backup.timer", "systemd-tmpfiles-clean.timer",
           "modprobe@.service", "systemd-modules-load.service", "ldconfig.service",
           "systemd-journal-catalog-update.service", "systemd-update-done.service",
           "serial-getty@.service", "systemd-pcrphase.service", "ssh.service")

# In memory, each for itself: overlayfs takes no overlay as its upper layer, and machines are copied,
# mapped and snapshotted there.
_FSTAB = """\
tmpfs /var/lib/machines tmpfs mode=0700 0 0
tmpfs /var/lib/skep tmpfs mode=0755 0 0
tmpfs /var/tmp tmpfs mode=1777 0 0
"""

# Where container engines keep their layers: overlays too.
_ENGINE_FSTAB = """\
tmpfs /var/lib/containers tmpfs mode=0755 0 0
tmpfs /var/lib/containerd tmpfs mode=0755 0 0
"""

# They start podman only to find that it has nothing to do.
_ENGINE_MASKED = ("podman-restart.service", "podman-auto-update.timer",
                  "podman-clean-transient.service")


def prepare(root, hostname):
    """Write the host's own files to the tree @root."""
    root = pathlib.Path(root)
    for folder in ("etc/systemd/system", "var/lib/machines", "var/lib/skep", "var/tmp",
                   "var/log/journal", "root", "srv"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    etc = root / "etc"
    (etc / "machine-id").write_text(os.urandom(16).hex() + "\n", encoding="ascii")
    (etc / "hostname").write_text(hostname + "\n", encoding="ascii")
    engines = (root / "usr/bin/podman").exists()
    (etc / "fstab").write_text(_FSTAB + (_ENGINE_FSTAB if engines else ""), encoding="ascii")
    if engines:
        for folder in ("var/lib/containers", "var/lib/containerd"):
            (root / folder).mkdir(parents=True, exist_ok=True)
    for unit in _MASKED + (_ENGINE_MASKED if engines else ()):
        link = etc / "systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
