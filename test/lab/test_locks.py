# SPDX-License-Identifier: LGPL-2.1-or-later
"""Locks on images, between our registry and machines and systemd's: who runs an image is left alone by who would
change it, whichever family they are of."""

import shutil

import pytest

from skeplib import disks, trees
from skeplib.machine1 import call, error

LAB_SUITES = ("bookworm", "trixie")

POOL = "/var/lib/machines"
IMAGES = {"tree": f"-D {POOL}/tree", "disk": f"-i {POOL}/disk.raw"}
SPAWNERS = {"theirs": "systemd-nspawn --register=no --keep-unit --as-pid2",
            "ours": "skep-spawn --register=no --keep-unit --as-pid2 --private-users=no"}
CHANGES = (("RemoveImage", "s", ()), ("RenameImage", "ss", ("other",)), ("MarkImageReadOnly", "sb", ("true",)))


@pytest.fixture(scope="module", autouse=True)
def pool(lab, tmp_path_factory):
    where = tmp_path_factory.mktemp("locks")
    tree = where / "tree"
    shutil.copytree(trees.tree("busybox"), tree, symlinks=True)
    (tree / "etc/os-release").write_text("ID=test\n")
    lab.copy_in(tree, f"{POOL}/tree")
    lab.copy_in(disks.gpt(where / "disk.raw", (disks.ROOT, disks.file_system(where / "root", "ext4", tree, 16 << 20))),
                f"{POOL}/disk.raw")
    lab.run("for i in $(seq 0 63); do [ -e /dev/loop$i ] || mknod -m 660 /dev/loop$i b 7 $i; done")


# Disks are not for systemd-nspawn where there is no udev.
OURS = [("ours", "tree"), ("ours", "disk")]


@pytest.fixture(params=[("theirs", "tree"), *OURS], ids="-".join)
def runs(lab, request):
    """(family, image) of a machine that runs; nobody has registered it."""
    who, image = request.param
    lab.run(f"systemd-run -q --collect -u user -p Delegate=yes {SPAWNERS[who]} -q {IMAGES[image]} -M user "
            "/bin/sleep 98765")
    lab.wait_for("pgrep -fx '/bin/sleep 98765'", timeout=10)
    yield who, image
    lab.run("systemctl stop user.service")
    lab.wait_for("! pgrep -fx '/bin/sleep 98765'", timeout=20)


def refused(lab, image):
    for member, types, rest in CHANGES:
        assert error(lab, member, types, image, *rest)[0] == "System.Error.EBUSY", member


def test_ours_leaves_it_alone(lab, runs):
    image = runs[1]
    refused(lab, image)
    done = lab.run(f"skep remove {image}", check=False)
    assert done.returncode == 1 and f"image '{image}' is in use" in done.stderr
    # Nor does another machine start on it; who takes a copy does not mind.
    other = lab.run(f"skep-spawn -q --register=no -M other --private-users=no {IMAGES[image]} /bin/true", check=False)
    assert other.returncode == 125 and "is in use" in other.stderr
    call(lab, "CloneImage ssb", image, "copy", False)
    call(lab, "RemoveImage s", "copy")
    assert set(lab.out(f"ls {POOL}").split()) == {"disk.raw", "tree"}


@pytest.fixture
def theirs(lab):
    """systemd's own daemon in the place of ours."""
    lab.run("systemctl stop skep-machined; systemd-run -q --collect -u theirs /lib/systemd/systemd-machined")
    lab.wait_for("busctl status org.freedesktop.machine1", text="systemd-machine", timeout=20)
    yield
    lab.run("systemctl stop theirs")


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize("runs", OURS, indirect=True, ids="-".join)
def test_theirs_leaves_it_alone(lab, runs):
    image = runs[1]
    refused(lab, image)
    if image == "disk":
        return
    done = lab.run(f"systemd-nspawn -q --register=no --keep-unit -M other {IMAGES[image]} /bin/true", check=False)
    assert done.returncode != 0 and "busy" in done.stderr


def test_free_again(lab):
    """After the last of them, all is as it was, and lock files are gone."""
    for image in IMAGES:
        call(lab, "RenameImage ss", image, "new")
        call(lab, "RenameImage ss", "new", image)
    assert lab.out(f"ls -A {POOL}").split() == ["disk.raw", "tree"]
