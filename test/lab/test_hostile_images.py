# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image of a stranger says of itself: read from any type of image, and no more harm than an error."""

import os
import time

import pytest

from skeplib import disks
from skeplib.machine1 import error, value

POOL = "/var/lib/machines"
TYPES = ("tree", "bare", "gpt", "squash", "device", "stack", "raw-stack")
ID = "0123456789abcdef0123456789abcdef"
READERS = {"hostname": "GetImageHostname", "machine-id": "GetImageMachineID", "machine-info": "GetImageMachineInfo",
           "os-release": "GetImageOSRelease"}


def fifo(path):
    os.mkfifo(path)


def device(path):
    os.mknod(path, 0o20666, os.makedev(1, 5))    # zeros without end, which are read if it is opened


def large(path):
    path.touch()
    os.truncate(path, 2 << 20)    # in a directory it grows to a gigabyte


def directory(path):
    path.mkdir()


def out(path):
    path.symlink_to("../../../../../../../../../../../../proc/1/environ")


def endless(path):
    path.symlink_to(path.name)


def nonsense(path):
    path.write_bytes(b"ID='" + bytes(range(256)) * 10)


# For each kind of image one system that is right, and these: what each of its files is.
TREES = {
    "good": None,
    "odd": dict(zip(READERS, (fifo, device, large, fifo))),
    "odder": dict(zip(READERS, (large, fifo, device, large))),
    "oddest": dict(zip(READERS, (device, large, fifo, device))),
    "links": dict.fromkeys(READERS, out),
    "loops": dict.fromkeys(READERS, endless),
    "other": dict(zip(READERS, (directory, nonsense, nonsense, nonsense))),
}
EMPTY = {"hostname": [""], "machine-id": [[]], "machine-info": [{}], "os-release": [{}]}


def make_tree(where, files):
    etc = where / "etc"
    etc.mkdir(parents=True)
    if files:
        for name, make in files.items():
            make(etc / name)
        return where
    (etc / "hostname").write_text("inside\n")
    (etc / "machine-id").write_text(ID + "\n")
    (etc / "machine-info").write_text("DEPLOYMENT=test\n")
    (where / "usr/lib").mkdir(parents=True)
    (where / "usr/lib/os-release").write_text("ID=test\n")
    (etc / "os-release").symlink_to("/usr/lib/os-release")
    return where


@pytest.fixture(scope="module", autouse=True)
def pool(lab, tmp_path_factory):
    where = tmp_path_factory.mktemp("hostile")
    lab.run("for i in $(seq 0 63); do [ -e /dev/loop$i ] || mknod -m 660 /dev/loop$i b 7 $i; done; "
            f"mkdir -p /etc/machines /root/images {POOL}/none")
    for name, files in TREES.items():
        tree = make_tree(where / name, files)
        bare = disks.file_system(where / f"{name}.raw", "ext4", tree, 8 << 20)
        lab.copy_in(tree, f"{POOL}/tree-{name}")
        lab.run(f"find {POOL}/tree-{name} -size +1M -exec truncate -s 1G {{}} +")
        lab.copy_in(bare, f"{POOL}/bare-{name}.raw")
        lab.copy_in(disks.gpt(where / f"gpt-{name}", (disks.ROOT, bare)), f"{POOL}/gpt-{name}.raw")
        lab.copy_in(disks.file_system(where / f"squash-{name}", "squashfs", tree), f"{POOL}/squash-{name}.raw")
        lab.run(f"cd {POOL}; mkdir -p stack-{name}.mstack/rw stack-{name}.mstack/layer@1 raw-stack-{name}.mstack/layer@2; "
                f"ln -s ../tree-{name} stack-{name}.mstack/layer@2; "
                f"ln -s ../bare-{name}.raw raw-stack-{name}.mstack/layer@1.raw; cp bare-{name}.raw /root/images; "
                f"ln -s $(losetup --find --show /root/images/bare-{name}.raw) /etc/machines/device-{name}")
    yield
    lab.run("losetup -D; rm -r /etc/machines")


@pytest.mark.parametrize("kind", TYPES)
def test_what_it_says(lab, kind):
    got = {file: value(lab, f"{reader} s", f"{kind}-good")[0] for file, reader in READERS.items()}
    assert got == {"hostname": "inside", "machine-id": list(bytes.fromhex(ID)), "machine-info": {"DEPLOYMENT": "test"},
                   "os-release": {"ID": "test"}}


@pytest.mark.parametrize("kind", TYPES)
def test_what_it_may_not_make_us_do(lab, kind):
    """Nobody waits for a FIFO, opens a device, reads a gigabyte or leaves the image."""
    begin = time.monotonic()
    for name in ("odd", "odder", "oddest", "links", "loops", "other") if kind == "tree" else ("odd", "links", "other"):
        for file, reader in READERS.items():
            if TREES[name][file] == out:
                assert value(lab, f"{reader} s", f"{kind}-{name}") == EMPTY[file], (name, file)
            else:
                what, text = error(lab, reader, "s", f"{kind}-{name}")
                assert what != "no error" and f"/etc/{file}" in text, (name, file, what, text)
                assert "took longer" not in text
    assert time.monotonic() - begin < 60
    assert "HOME=" not in lab.out(f"skep image-status {kind}-links")


def test_nothing_is_left(lab):
    lab.wait_for(f"! grep -h {POOL} /sys/block/loop*/loop/backing_file")
    assert "skep-worker" not in lab.out("cat /proc/[0-9]*/comm")
