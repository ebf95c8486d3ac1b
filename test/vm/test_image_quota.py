# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits of images on file systems that count by project, which takes a kernel that can."""

import json

import pytest

POOL = "/var/lib/machines"
MIB = 1 << 20

FORMATS = {"ext4": "mkfs.ext4 -q -F -O quota,project -E quotatype=prjquota", "xfs": "mkfs.xfs -q -f"}


@pytest.fixture(scope="module", params=FORMATS)
def pool(vm, request):
    """A pool that counts, with three images: a limit on "small" alone."""
    disk = f"/var/tmp/{request.param}.img"
    vm.run(f"truncate -s 320M {disk} && {FORMATS[request.param]} {disk} && mount -o loop,prjquota {disk} {POOL}",
           timeout=120)
    for name in ("small", "other"):
        vm.run(f"mkdir -p {POOL}/{name}/bin {POOL}/{name}/usr {POOL}/{name}/etc && cd {POOL}/{name} && "
               f"cp /bin/busybox bin && ln -s busybox bin/sh && head -c {4 * MIB} /dev/zero >data && "
               "echo ID=x >etc/os-release && mkdir proc sys dev run tmp")
    vm.run("skep set-limit small 12M")
    yield vm
    vm.run(f"umount -l {POOL}; rm {disk}")


def prop(vm, image, name):
    """A number that the daemon tells of an image."""
    return int(vm.out(f"busctl get-property org.freedesktop.machine1 /org/freedesktop/machine1/image/{image} "
                      f"org.freedesktop.machine1.Image {name}").split()[1])


def written(vm, image, megabytes):
    """How much of it a machine of that image can write, with IDs of its own, and what it is told."""
    done = vm.run(f"skep-spawn -q --register=no --console=pipe -M {image} -D {POOL}/{image} -U /bin/busybox sh -c "
                  f"'busybox dd if=/dev/zero of=/more bs=1024k count={megabytes}; s=$?; "
                  "busybox stat -c %s /more; busybox rm /more; exit $s'", check=False, timeout=120)
    return int(done.stdout), done


def test_limit_is_felt(pool):
    count, done = written(pool, "small", 20)
    assert 5 * MIB < count <= 8 * MIB, count
    assert done.returncode == 1 and ("quota exceeded" in done.stderr or "No space left" in done.stderr), done.stderr
    # Nobody else's business.
    assert written(pool, "other", 20)[0] == 20 * MIB
    # The machine is over, and what it wrote gone.
    assert written(pool, "small", 2)[0] == 2 * MIB


def test_limit_and_usage_are_shown(pool):
    assert prop(pool, "small", "Limit") == prop(pool, "small", "LimitExclusive") == 12 * MIB
    pool.run("sync")
    used = int(pool.out(f"du -s --block-size=1 {POOL}/small").split()[0])
    assert abs(prop(pool, "small", "Usage") - used) < MIB
    assert "12M" in pool.out("skep image-status small")
    rows = {row["name"]: row["usage"] for row in json.loads(pool.out("skep list-images --json=short"))}
    assert rows["small"] == prop(pool, "small", "Usage") and rows["other"] is None
    assert prop(pool, "other", "Limit") == prop(pool, "other", "Usage") == (1 << 64) - 1


def test_limit_goes_along_and_comes_off(pool):
    pool.run("skep rename small tiny")
    assert prop(pool, "tiny", "Limit") == 12 * MIB
    pool.run("skep clone tiny copy")
    assert prop(pool, "copy", "Limit") == (1 << 64) - 1
    assert written(pool, "copy", 20)[0] == 20 * MIB
    pool.run("machinectl set-limit tiny 40M")       # Debian's client
    assert written(pool, "tiny", 20)[0] == 20 * MIB
    pool.run("skep set-limit tiny none")
    assert prop(pool, "tiny", "Limit") == (1 << 64) - 1
    assert written(pool, "tiny", 40)[0] == 40 * MIB
    pool.run("skep remove copy && skep rename tiny small && skep set-limit small 12M")


def test_of_a_folder_that_is_counted_as_a_whole(pool):
    """An image does not take the limit that somebody gave to more than it."""
    where = f"{POOL}/counted"
    pool.run(f"mkdir -p {where} /etc/machines && chattr -p 77 +P {where} && mkdir {where}/inner && "
             f"ln -s {where}/inner /etc/machines/inner")
    done = pool.run("skep set-limit inner 8M", check=False)
    assert done.returncode == 1 and "folder above" in done.stderr, done.stderr
    assert prop(pool, "inner", "Limit") == prop(pool, "inner", "Usage") == (1 << 64) - 1
    pool.run(f"rm -r /etc/machines/inner {where}")
