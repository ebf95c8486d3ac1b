# SPDX-License-Identifier: LGPL-2.1-or-later
"""--link-journal: where the journal of a machine is found on the host."""

import os
import subprocess

import pytest

from skeplib import kernel, must_run
from skeplib.spawner import CHOWNED, wait_until

ID = "0123456789abcdef0123456789abcdef"
INSIDE = f"var/log/journal/{ID}"
WRITE = f"echo x >/var/log/journal/{ID}/system.journal"


@pytest.fixture
def journals(spawn, scratch):
    """/var/log/journal of the host, empty."""
    import pathlib

    kernel.mount("skep-test", "/var/log", "tmpfs", 0, "mode=0755")
    where = pathlib.Path("/var/log/journal")
    where.mkdir()
    yield where
    kernel.umount("/var/log")


@pytest.fixture
def image(busybox):
    (busybox / "etc/machine-id").write_text(ID + "\n")
    return busybox


@pytest.mark.parametrize("option", ["--link-journal=guest", "--link-journal=try-guest", "-j"])
def test_guest(spawn, image, journals, option):
    link = journals / ID
    spawn.sh(image, WRITE, option)
    assert os.readlink(link) == str(image / INSIDE)
    assert (link / "system.journal").read_text() == "x\n"
    before = os.lstat(link).st_ino
    spawn.sh(image, WRITE, option)
    spawn.sh(image, WRITE)                      # the default keeps what there is
    assert os.lstat(link).st_ino == before


@pytest.mark.parametrize("option", ["host", "try-host"])
def test_host(spawn, image, journals, option):
    spawn.sh(image, WRITE, f"--link-journal={option}")
    assert (journals / ID / "system.journal").read_text() == "x\n"
    assert not list((image / INSIDE).iterdir())
    spawn.sh(image, WRITE.replace("x", "y", 1))
    assert (journals / ID / "system.journal").read_text() == "y\n"


def test_host_with_users_of_its_own(spawn, copied_tree, journals):
    tree = copied_tree("busybox")
    (tree / "etc/machine-id").write_text(ID + "\n")
    options = [f"--private-users={CHOWNED}:65536", "--private-users-ownership=map",
               "--link-journal=host"]
    assert spawn.sh(tree, f"{WRITE}; stat -c %u:%g /var/log/journal/{ID}", *options) == "0:0"
    status = (journals / ID / "system.journal").stat()
    assert (status.st_uid, status.st_gid) == (0, 0)


def test_guest_with_users_of_its_own(spawn, copied_tree, journals):
    tree = copied_tree("busybox")
    (tree / "etc/machine-id").write_text(ID + "\n")
    assert spawn.sh(tree, f"{WRITE}; stat -c %u:%g /var/log/journal/{ID}", "-U", "-j") == "0:0"
    assert (journals / ID / "system.journal").stat().st_uid == 0


@pytest.mark.parametrize("options", [[], ["--link-journal=no"], ["-x", "-j"]])
def test_nothing(spawn, image, journals, options):
    spawn.run(image, *options, "true")
    assert not list(journals.iterdir()) and not (image / "var/log/journal").exists()


def test_a_host_without_journals(spawn, image, journals):
    """is not made to keep any."""
    journals.rmdir()
    for mode in ("try-guest", "try-host", "auto"):
        spawn.run(image, f"--link-journal={mode}", "true")
    for mode in ("guest", "host"):
        assert str(journals / ID) in spawn.refuse(image, f"--link-journal={mode}", "true")
    assert not journals.exists()


def test_what_bars_the_place(spawn, image, journals, scratch):
    link = journals / ID
    link.symlink_to("/elsewhere")
    spawn.run(image, "true")
    assert os.readlink(link) == "/elsewhere"
    spawn.run(image, "--link-journal=guest", "true")
    assert os.readlink(link) == str(image / INSIDE)
    spawn.run(image, "--link-journal=host", "true")
    assert link.is_dir() and not link.is_symlink()
    (link / "kept").write_text("")
    assert "cannot replace" in spawn.refuse(image, "--link-journal=guest", "true")
    spawn.run(image, "-j", "true")
    assert (link / "kept").exists()
    (link / "kept").unlink()
    spawn.run(image, "-j", "true")
    assert link.is_symlink()
    link.unlink()
    link.write_text("")
    assert "neither a link nor a folder" in spawn.refuse(image, "--link-journal=host", "true")


def test_the_id_of_the_host(spawn, image, journals, scratch):
    (scratch / "machine-id").write_text(ID + "\n")
    kernel.mount(scratch / "machine-id", "/etc/machine-id", None, kernel.MS_BIND)
    try:
        spawn.run(image, "-j", "true")
        assert "the ID of the host" in spawn.refuse(image, "--link-journal=guest", "true")
    finally:
        kernel.umount("/etc/machine-id")
    assert not list(journals.iterdir())


@pytest.mark.parametrize("part", ["var", "var/log", "var/log/journal", INSIDE])
def test_an_image_whose_journal_is_a_link(spawn, image, journals, scratch, part):
    """The host would follow it."""
    import shutil

    (scratch / "outside" / INSIDE).mkdir(parents=True)
    (image / "outside" / INSIDE).mkdir(parents=True)
    shutil.rmtree(image / part, ignore_errors=True)
    (image / part).parent.mkdir(parents=True, exist_ok=True)
    for target in (scratch / "outside" / part, f"/outside/{part}"):
        (image / part).unlink(missing_ok=True)
        (image / part).symlink_to(target)
        spawn.run(image, "-j", "true")
        assert spawn.run(image, "--link-journal=guest", "true", check=False).returncode == 125
        assert not list(journals.iterdir())
    assert not list((scratch / "outside" / INSIDE).iterdir())


def test_a_journal_that_is_not_in_the_image(spawn, image, journals):
    options = ["--tmpfs=/var/log"]
    spawn.run(image, *options, "-j", "true")
    (image / INSIDE).mkdir(parents=True)
    assert "of the machine is not in" in spawn.refuse(image, *options, "--link-journal=guest", "true")
    assert not list(journals.iterdir())


def test_disk_images(spawn, image, journals, scratch):
    """The host sees no file in one, but can have a folder bound over."""
    (image / INSIDE).mkdir(parents=True)
    disk = scratch / "disk.raw"
    subprocess.run(["mkfs.ext4", "-q", "-d", image, disk, "24M"], check=True)
    done = spawn.run(None, "-i", disk, "--link-journal=guest", "true", check=False)
    assert done.returncode == 125 and "--link-journal=host" in done.stderr
    spawn.run(None, "-i", disk, "-j", "true")
    assert not list(journals.iterdir())
    spawn.sh(None, WRITE, "-i", disk, "--link-journal=host")
    assert (journals / ID / "system.journal").read_text() == "x\n"
    spawn.run(None, "--cleanup", "-i", disk, console=None, register=None, name=False)


def test_not_for_ephemeral_machines(spawn, image, journals):
    for mode in ("guest", "host"):
        line = spawn.refuse(image, "-x", f"--link-journal={mode}", "true")
        assert "--link-journal" in line and "ephemeral" in line


# --- sent to a receiver -----------------------------------------------------------------------------

def fields(path):
    """Entries of a journal file, as journalctl exports them."""
    import json

    done = subprocess.run(["journalctl", "--file", path, "-o", "json", "--no-pager"], check=True,
                          stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_forwarded(spawn, tree, scratch):
    """A guest that boots sends its journal to the host while it writes it."""
    if not os.path.exists("/lib/systemd/systemd-journal-remote"):
        must_run("systemd-journal-remote is not installed")
    where = scratch / "sent.journal"
    process = spawn.start(tree("trixie-guest"), "-b", "-x", f"--forward-journal={where}",
                          console="read-only")
    wait_until(lambda: where.exists() and any("Startup finished" in str(e.get("MESSAGE"))
                                              for e in fields(where)), timeout=60, what="an entry")
    receivers = [p for p in kernel.descendants(process.pid)
                 if "journal-remote" in open(f"/proc/{p}/cmdline", encoding="ascii").read()]
    status = open(f"/proc/{receivers[0]}/status", encoding="ascii").read()
    assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
    process.terminate()
    process.communicate(timeout=60)
    assert not [p for p in receivers if os.path.exists(f"/proc/{p}")]
    assert any("Journal stopped" in str(e.get("MESSAGE")) or "Shutting down" in str(e.get("MESSAGE"))
               for e in fields(where))


def test_the_receivers_socket(spawn, image, scratch):
    if not os.path.exists("/lib/systemd/systemd-journal-remote"):
        must_run("systemd-journal-remote is not installed")
    out = spawn.sh(image, "cd /run/host; stat -c '%a %u' journal/socket; cat credentials/*; "
                   "rm journal/socket 2>/dev/null || echo no", f"--forward-journal={scratch}/folder",
                   f"--private-users={CHOWNED}:65536")
    assert out == "600 0\n/run/host/journal/socketno"
    assert (scratch / "folder").is_dir()


def test_without_a_receiver(spawn, image, scratch):
    for place in ("/lib/systemd/systemd-journal-remote", "/usr/lib/systemd/systemd-journal-remote"):
        if os.path.exists(place):
            kernel.mount("/dev/null", place, None, kernel.MS_BIND)
    try:
        line = spawn.refuse(image, f"--forward-journal={scratch}/x.journal", "true")
    finally:
        for place in ("/lib/systemd/systemd-journal-remote", "/usr/lib/systemd/systemd-journal-remote"):
            if os.path.ismount(place):
                kernel.umount(place)
    assert "needs systemd-journal-remote" in line
