# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every way in which a machine gets its IDs and its files, with every view of a tree."""

import os

import pytest

from skeplib.spawner import CHOWNED

FOREIGN = 0x7FFE0000
SHIFTED = 0x30000000

# The range of the tree on the disk, and options.
IDS = {
    "pick": (0, ["-U"]),
    "pick-shifted": (SHIFTED, ["-U"]),
    "pick-foreign": (FOREIGN, ["-U"]),
    "owner": (SHIFTED, ["--private-users=yes"]),
    "fixed-map": (0, [f"--private-users={CHOWNED}", "--private-users-ownership=map"]),
    "fixed-map-shifted": (SHIFTED, [f"--private-users={CHOWNED}", "--private-users-ownership=map"]),
    "identity": (0, ["--private-users=identity"]),
    "identity-foreign": (FOREIGN, ["--private-users=identity", "--private-users-ownership=foreign"]),
    "ranges": (0, [f"--private-users=0:{CHOWNED}:100,100:{CHOWNED + 0x100000}:65436",
                   "--private-users-ownership=map"]),
    "ranges-foreign": (FOREIGN, [f"--private-users=0:{CHOWNED}:100,100:{CHOWNED + 0x100000}:65436",
                                 "--private-users-ownership=foreign"]),
}
VIEWS = {
    "plain": [], "read-only": ["--read-only"], "ephemeral": ["-x"], "ephemeral-disk": ["--ephemeral=disk"],
    "state": ["--volatile=state"], "overlay": ["--volatile=overlay"], "yes": ["--volatile=yes"],
}


def shift(tree, base):
    for folder, names, files in os.walk(tree):
        for name in [".", *names, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if status.st_uid < 0x10000:
                os.lchown(path, status.st_uid + base, status.st_gid + base)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("ids", IDS)
def test_owners(spawn, busybox, ids, view):
    base, options = IDS[ids]
    for name in ("bin", "sbin", "lib"):         # as --volatile=yes wants it
        path = busybox / name
        if path.is_dir() and not path.is_symlink():
            path.rename(busybox / "usr" / f"{name}-of-root")
            path.symlink_to(f"usr/{name}-of-root")
    (busybox / "usr/mine").write_text("x")
    os.chown(busybox / "usr/mine", 101, 102)
    shift(busybox, base)
    script = ("set -e; stat -c %u:%g /usr /usr/mine / /tmp /run /var; touch /var/new; stat -c %u:%g /var/new; "
              "if touch /usr/new 2>/dev/null; then stat -c %u:%g /usr/new; else echo read-only; fi")
    out = spawn.sh(busybox, script, *options, *VIEWS[view]) if view != "read-only" else \
        spawn.sh(busybox, script.replace("/var/new", "/tmp/new"), *options, *VIEWS[view])
    read_only = view in ("read-only", "state", "yes")
    assert out.split() == ["0:0", "101:102", "0:0", "0:0", "0:0", "0:0", "0:0",
                           "read-only" if read_only else "0:0"]
    assert os.lstat(busybox / "usr/mine").st_uid == base + 101
    assert (busybox / "usr/new").exists() == (view == "plain")
    if view == "plain":
        assert os.lstat(busybox / "usr/new").st_uid == base
