# SPDX-License-Identifier: LGPL-2.1-or-later
"""clone --fresh: a copy that is a system of its own, whatever the image lies in."""

import shutil

import pytest

from skeplib import disks
from skeplib.machine1 import value

POOL = "/var/lib/machines"
ID = "0123456789abcdef0123456789abcdef"
SECRETS = ("etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub", "var/lib/systemd/random-seed",
           "var/lib/systemd/credential.secret")


def make_system(where, *names):
    """What is of one system alone, and a file that is not."""
    for name in names or (*SECRETS, "etc/ssh/sshd_config"):
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text("secret")
    if not names:
        (where / "etc/machine-id").write_text(ID + "\n")
        (where / "etc/hostname").write_text("original\n")
        (where / "etc/os-release").write_text("ID=test\n")
    return where


@pytest.fixture(scope="module", autouse=True)
def pool(lab, tmp_path_factory):
    """Images of every type in the lab's pool, all with the same system in them."""
    where = tmp_path_factory.mktemp("fresh")
    tree = make_system(where / "tree")
    for kind, size in (("ext4", 16), ("xfs", 300), ("btrfs", 128), ("squashfs", 0)):
        if disks.can_mount(kind):
            lab.copy_in(disks.file_system(where / f"{kind}.raw", kind, tree, size << 20), f"{POOL}/{kind}.raw")
    # Of what lies on a partition for /var, the root has nothing.
    shutil.copytree(tree, where / "half")
    shutil.rmtree(where / "half/var/lib")
    root = disks.file_system(where / "root", "ext4", where / "half", 16 << 20)
    var = disks.file_system(where / "var", "ext4", tree / "var", 8 << 20)
    lab.copy_in(disks.gpt(where / "gpt.raw", (disks.ROOT, root), (disks.VAR, var)), f"{POOL}/gpt.raw")
    lab.copy_in(disks.gpt(where / "sealed.raw", (disks.ROOT, root, {"bits": [disks.READ_ONLY]})),
                f"{POOL}/sealed.raw")
    lab.copy_in(tree, f"{POOL}/base")
    lab.run(f"cd {POOL}; cp ext4.raw hashed.raw; echo 00 >hashed.roothash; cp ext4.raw gold.raw; chmod a-w gold.raw; "
            f"mkdir -p stack.mstack/rw; ln -s ../base stack.mstack/layer@1; mkdir -p fixed.mstack; "
            f"cp -r base fixed.mstack/layer@1; mkdir -p shared.mstack/layer@1 other; ln -s ../other shared.mstack/rw; "
            f"mkdir -p disks.mstack/rw; ln -s ../ext4.raw disks.mstack/layer@1.raw; "
            f"for i in $(seq 0 63); do [ -e /dev/loop$i ] || mknod -m 660 /dev/loop$i b 7 $i; done; "
            f"cp ext4.raw /root/device; mkdir -p /etc/machines; ln -s $(losetup --find --show /root/device) "
            "/etc/machines/device")
    yield lab
    lab.run("losetup -D; rm -r /etc/machines")


def of(lab, name):
    """What an image tells of itself."""
    return (value(lab, "GetImageHostname s", name)[0], bytes(value(lab, "GetImageMachineID s", name)[0]).hex())


def files(lab, mount):
    """Which of the files are to be seen once it is mounted; umounts it."""
    return set(lab.out(f"mkdir -p /mnt/x; {mount} && cd /mnt/x && find etc var -type f; cd /; umount -R /mnt/x").split())


def no_mounts_left(lab, name):
    lab.wait_for(f"! grep -h {name} /sys/block/loop*/loop/backing_file")
    assert name not in lab.out("cat /proc/1/mountinfo")


@pytest.mark.parametrize("name", ("ext4", "xfs", "btrfs", "device", "gpt"))
def test_disk(lab, name):
    if not disks.can_mount(name) and name in ("xfs", "btrfs"):
        pytest.skip(f"no {name}")
    before = lab.out(f"sha256sum <{POOL}/ext4.raw")
    lab.run(f"skep clone --fresh {name} new-{name}")
    assert of(lab, f"new-{name}") == (f"new-{name}", "")
    assert of(lab, name) == ("original", ID)
    no_mounts_left(lab, f"new-{name}")
    raw = f"{POOL}/new-{name}.raw"
    mount = f"mount -o loop,ro {raw} /mnt/x"
    if name == "gpt":
        mount = " && ".join(f"mount -o loop,ro,offset=$(({start} << 20)),sizelimit=$(({size} << 20)) {raw} /mnt/x/{place}"
                            for start, size, place in ((1, 16, ""), (17, 8, "var")))
    seen = files(lab, mount)
    assert "etc/ssh/sshd_config" in seen and not seen & set(SECRETS)
    # Nothing is left to be replayed, and what was copied is as it was.
    if name in ("ext4", "device"):
        assert int(lab.out(f"od -An -tu4 -j $((1024 + 96)) -N4 {raw}")) & 4 == 0
    assert lab.out(f"sha256sum <{POOL}/ext4.raw") == before
    lab.run(f"skep remove new-{name}")


@pytest.mark.parametrize("name, why", [
    ("squashfs", "a squashfs, cannot be written to"), ("sealed", "cannot be written to"),
    ("hashed", "is protected by '/var/lib/machines/hashed.roothash'"), ("fixed", "it has no 'rw'"),
    ("shared", "'rw' is a link"),
])
def test_cannot_be_reset(lab, name, why):
    done = lab.run(f"skep clone --fresh {name} new", check=False)
    assert done.returncode == 1 and why in done.stderr, done.stderr
    assert not [x for x in lab.out(f"ls -A {POOL}").split() if x.startswith("new") or "skep" in x]
    assert lab.out(f"ls -A {POOL}/other") == ""


@pytest.mark.parametrize("name", ("stack", "disks"))
def test_stack(lab, name):
    lab.run(f"skep clone --fresh {name} new-stack")
    assert of(lab, "new-stack") == ("new-stack", "")
    assert of(lab, name) == of(lab, "base") == ("original", ID)
    no_mounts_left(lab, "new-stack")
    rw = f"{POOL}/new-stack.mstack/rw"
    assert lab.read(f"{rw}/data/etc/hostname") == "new-stack\n"
    assert lab.out(f"stat -c %F {rw}/data/etc/ssh/ssh_host_rsa_key") == "character special file"
    assert lab.out(f"stat -c '%a %u' {rw}/data") == lab.out(f"stat -c '%a %u' {POOL}/base")
    lab.run("skep remove new-stack")


@pytest.mark.parametrize("name", ("base", "gold"))
def test_layer(lab, name):
    """An original that many start from, each as a system of its own."""
    lab.run(f"skep read-only {name}")
    lab.run(f"skep clone --fresh --layer {name} one; skep clone --fresh --layer {name} two")
    assert [of(lab, x) for x in ("one", "two", name)] == [("one", ""), ("two", ""), ("original", ID)]
    lab.run("skep remove one two")


def test_killed_in_the_middle(lab):
    """There is a fresh copy or none."""
    for delay in ("0.02", "0.05", "0.1"):
        lab.run(f"skep clone --fresh gpt late & sleep {delay}; pkill -KILL -x skep-worker; wait", check=False)
        lab.run("systemctl restart systemd-machined")
        lab.wait_for(f"! ls -A {POOL} | grep skep", timeout=20)
        if "late.raw" in lab.out(f"ls {POOL}").split():
            assert of(lab, "late") == ("late", "")
            lab.run("skep remove late")
    lab.wait_for("! grep -h skep /sys/block/loop*/loop/backing_file")
