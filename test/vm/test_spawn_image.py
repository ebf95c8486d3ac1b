# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disk images on Debian 12's kernel: the mounts of the older interface, vfat, and ext4 that grows."""

import base64
import shutil
import zlib

import pytest

from skeplib import disks, trees

IMAGE = "/var/tmp/disk.raw"
_UNPACK = "import sys, zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))"


@pytest.fixture(scope="module")
def image(vm, tmp_path_factory):
    where = tmp_path_factory.mktemp("image")
    tree = where / "tree"
    shutil.copytree(trees.tree("busybox"), tree, symlinks=True)
    for name in ("home", "efi", "etc"):
        (tree / name).mkdir(exist_ok=True)
    (tree / "etc/os-release").write_text("ID=test\n")
    made = disks.gpt(
        where / "disk.raw",
        (disks.ESP, disks.file_system(where / "esp", "vfat", size=4 * disks.MiB)),
        (disks.HOME, disks.file_system(where / "home", "ext4", size=8 * disks.MiB),
         {"size": 24 * disks.MiB, "bits": [disks.GROWFS]}),
        (disks.ROOT, disks.file_system(where / "root", "ext4", tree, 16 * disks.MiB)))
    packed = base64.b64encode(zlib.compress(made.read_bytes()))
    vm.run(f"base64 -d | python3 -c '{_UNPACK}' | cp --sparse=always /dev/stdin {IMAGE}", input=packed)
    return IMAGE


def spawn(vm, arguments, script):
    return vm.out(f"skep-spawn -q --register=no --console=pipe -M disk -i {IMAGE} {arguments} "
                  f"/bin/sh -c '{script}'", timeout=120)


@pytest.mark.parametrize("options", ["", "-U", "-x", "-x -U", "--volatile=overlay", "--read-only"])
def test_partitions(vm, image, options):
    out = spawn(vm, options, "cat /proc/self/mountinfo; stat -c %u /home /efi; echo x >/home/mark && echo wrote;"
                " echo x 2>/dev/null >/efi/mark && echo wrote on efi; true")
    lines = out.splitlines()
    assert [line for line in lines if line in ("0", "wrote")] == \
        ["0", "0"] + ([] if options == "--read-only" else ["wrote"])
    assert ("wrote on efi" in lines) == (options in ("", "-U"))
    efi = [line.split() for line in lines if " /efi " in line and " vfat " in line]
    assert len(efi) == 1 and {"nosuid", "nodev", "noexec"} <= set(efi[0][5].split(","))
    assert ("idmapped" in efi[0][5].split(",")) == ("-U" in options)
    assert vm.out("losetup -a") == ""


def test_ext4_grows(vm, image):
    size = spawn(vm, "", "stat -fc %b /home")
    assert int(size) > 16 * 1024            # blocks of 1 KiB; it was made with less than 8192


def test_pivot_root_needs_a_newer_kernel(vm, image):
    done = vm.run(f"skep-spawn -q --register=no -P -M disk -i {IMAGE} --pivot-root=/usr /bin/true", check=False)
    assert done.returncode == 125 and "needs Linux 6.15" in done.stderr
    assert vm.out("losetup -a") == ""
