# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images on the bus: listed, described, changed, removed."""

import json
import re

import pytest

from skeplib.machine1 import NAME, PATH, call, error, value

LAB_SUITES = ("bookworm", "trixie")

POOL = "/var/lib/machines"
UNKNOWN = 2**64 - 1


@pytest.fixture(autouse=True)
def pool(lab):
    lab.run(f"mkdir -p {POOL}/tree/etc {POOL}/tree/usr/lib {POOL}/.hidden '{POOL}/a b'; "
            f"echo guest-7 >{POOL}/tree/etc/hostname; "
            f"echo 0123456789abcdef0123456789abcdef >{POOL}/tree/etc/machine-id; "
            f"echo PRETTY_HOSTNAME=Pretty >{POOL}/tree/etc/machine-info; "
            f"truncate -s 1M {POOL}/disk.raw; echo x >{POOL}/file.txt")
    lab.write(f"{POOL}/tree/usr/lib/os-release", 'ID=fancy\nNAME="Fancy \\"OS\\""\n')
    yield
    lab.run(f"chattr -R -i {POOL} 2>/dev/null; rm -rf {POOL}/* {POOL}/.[!.]*; "
            "rm -rf /etc/systemd/nspawn")


def images(lab):
    return {row[0]: row for row in value(lab, "ListImages")[0]}


def image(lab, name, prop):
    path = value(lab, "GetImage s", name)[0]
    return json.loads(lab.out(["busctl", "--json=short", "get-property", NAME, path,
                               NAME + ".Image", prop]))["data"]


def test_list(lab):
    got = images(lab)
    assert set(got) == {"tree", ".hidden", "a b", "disk", ".host"}
    assert got["tree"][1:3] == ["directory", False]
    assert got["disk"][1] == "raw"
    assert got["a b"][6] == PATH + "/image/a_20b"
    assert "5 images" not in lab.out("machinectl list-images")
    assert "3 images listed" in lab.out("machinectl list-images")
    nodes = lab.out(["busctl", "tree", "--list", NAME])
    for label in ("_2ehost", "_2ehidden", "a_20b", "tree"):
        assert f"{PATH}/image/{label}\n" in nodes + "\n"


def test_properties(lab):
    assert image(lab, "tree", "Name") == "tree"
    assert image(lab, "tree", "Path") == POOL + "/tree"
    assert image(lab, "tree", "Type") == "directory"
    assert image(lab, "tree", "ReadOnly") is False
    assert image(lab, "tree", "Usage") == UNKNOWN
    assert image(lab, "tree", "CreationTimestamp") > 10**15
    assert image(lab, "disk", "Limit") == 2**20
    assert image(lab, "disk", "Path") == POOL + "/disk.raw"
    assert "Path=" + POOL + "/tree" in lab.out("machinectl show-image tree")
    assert "Hostname: guest-7" in lab.out("machinectl image-status tree --no-pager")
    assert "PoolPath=" + POOL in lab.out("machinectl show-image")


def test_what_images_say_of_themselves(lab):
    assert value(lab, "GetImageHostname s", "tree") == ["guest-7"]
    assert bytes(value(lab, "GetImageMachineID s", "tree")[0]).hex() == \
        "0123456789abcdef0123456789abcdef"
    assert value(lab, "GetImageOSRelease s", "tree") == [{"ID": "fancy", "NAME": 'Fancy "OS"'}]
    assert value(lab, "GetImageMachineInfo s", "tree") == [{"PRETTY_HOSTNAME": "Pretty"}]
    assert value(lab, "GetImageHostname s", ".hidden") == [""]
    assert value(lab, "GetImageMachineID s", ".hidden") == [[]]
    assert value(lab, "GetImageOSRelease s", ".hidden") == [{}]
    # Links do not lead out of the image, and nobody waits for a FIFO.
    lab.run(f"cd {POOL}/tree/etc; rm hostname machine-info; ln -s ../../../../../etc/passwd "
            "hostname; mkfifo machine-info")
    assert value(lab, "GetImageHostname s", "tree") == [""]
    assert error(lab, "GetImageMachineInfo", "s", "tree")[0] != "no error"


def test_rename_clone_read_only(lab):
    lab.write("/etc/systemd/nspawn/tree.nspawn", "[Exec]\nBoot=no\n")
    lab.run("machinectl rename tree fresh")
    assert "fresh" in images(lab) and "tree" not in images(lab)
    assert lab.run("test -e /etc/systemd/nspawn/fresh.nspawn -a "
                   "! -e /etc/systemd/nspawn/tree.nspawn", check=False).returncode == 0
    lab.run("machinectl clone fresh copy")
    assert lab.read(f"{POOL}/copy/etc/hostname") == "guest-7\n"
    assert error(lab, "CloneImage", "ssb", "fresh", "copy", False)[0] == \
        "org.freedesktop.DBus.Error.FileExists"
    assert error(lab, "RenameImage", "ss", "fresh", "copy")[0] == \
        "org.freedesktop.DBus.Error.FileExists"
    for bad in ("", ".", "a/b", "..", "x" * 300, ".#x"):
        assert error(lab, "RenameImage", "ss", "fresh", bad)[0] == \
            "org.freedesktop.DBus.Error.InvalidArgs", bad
    lab.run("machinectl read-only disk")
    assert image(lab, "disk", "ReadOnly") is True
    assert lab.out(f"stat -c %a {POOL}/disk.raw") == "444"
    lab.run("machinectl read-only disk no")
    assert image(lab, "disk", "ReadOnly") is False


SKEP = f"busctl --json=short call {NAME} {PATH} org.skep.Manager1 "


def steps(lab, call):
    return [tuple(s) for s in json.loads(lab.out(SKEP + call))["data"][0]]


def test_all_goes_with_an_image(lab):
    """The links that enable a machine follow it, and systemd knows at once."""
    lab.run("mkdir -p /etc/systemd/nspawn; echo >/etc/systemd/nspawn/tree.nspawn; "
            "systemctl enable systemd-nspawn@tree.service")
    plan = steps(lab, "RenameImage sst tree wood 1")
    assert (("move", POOL + "/tree", POOL + "/wood")) in plan
    assert "tree" in images(lab) and len(plan) == 3
    assert steps(lab, "RenameImage sst tree wood 0") == plan
    assert lab.out("systemctl is-enabled systemd-nspawn@wood.service") == "enabled"
    assert lab.run("systemctl is-enabled systemd-nspawn@tree.service", check=False).returncode != 0
    lab.run(SKEP + "CloneImage sst wood twig 8")
    assert lab.read(f"{POOL}/twig/etc/hostname") == "twig\n"
    assert lab.read(f"{POOL}/twig/etc/machine-id") == ""
    assert lab.read(f"{POOL}/wood/etc/hostname") == "guest-7\n"
    assert lab.read("/etc/systemd/nspawn/twig.nspawn") == "\n"
    assert lab.out("skep remove --dry-run --keep-settings wood") == f"remove {POOL}/wood"
    assert f"move {POOL}/wood -> {POOL}/oak\n" in lab.out("skep rename --dry-run wood oak")
    assert lab.out("skep clean --all --dry-run").split("\n").count("wood") == 1
    assert steps(lab, "RemoveImage st wood 2") == [("remove", POOL + "/wood", "")]
    assert lab.read("/etc/systemd/nspawn/wood.nspawn") == "\n"
    assert len(steps(lab, "RemoveImage st twig 0")) == 2
    assert lab.run("test -e /etc/systemd/nspawn/twig.nspawn", check=False).returncode != 0
    lab.run("systemctl disable systemd-nspawn@wood.service")


def test_stack(lab):
    """A stack tells of itself what is seen through all its layers."""
    lab.run(f"cd {POOL}; mkdir -p web.mstack/layer@1/etc web.mstack/layer@2/etc web.mstack/rw/data/etc; "
            "echo one >web.mstack/layer@1/etc/hostname; echo two >web.mstack/layer@2/etc/hostname; "
            "echo ID=one >web.mstack/layer@1/etc/os-release")
    assert image(lab, "web", "Type") == "mstack"
    assert value(lab, "GetImageHostname s", "web") == ["two"]
    assert value(lab, "GetImageOSRelease s", "web") == [{"ID": "one"}]
    lab.run(f"echo mine >{POOL}/web.mstack/rw/data/etc/hostname")
    assert value(lab, "GetImageHostname s", "web") == ["mine"]
    # One layer as a folder of versions, and nothing that is written to.
    assert image(lab, "web", "ReadOnly") is False
    lab.run(f"cd {POOL}/web.mstack; rm -r rw layer@2; mkdir -p layer@2.v/layer@2_7/etc layer@2.v/layer@2_8/etc; "
            "echo eight >layer@2.v/layer@2_8/etc/hostname; echo seven >layer@2.v/layer@2_7/etc/hostname")
    assert value(lab, "GetImageHostname s", "web") == ["eight"]
    assert image(lab, "web", "ReadOnly") is True


def test_what_was_left_is_cleared_away(lab):
    left = (".#skep.old.0123456789abcdef", ".sysupdate.skep-change.0123456789abcdef")
    lab.run(f"cd {POOL}; mkdir -p " + " ".join(f"'{n}'/etc" for n in left))
    lab.run("systemctl restart systemd-machined.service")
    for name in left:
        lab.wait_for(f"test ! -e '{POOL}/{name}'", timeout=20)


def test_why_no_image(lab):
    found = dict(steps(lab, "ListNonImages"))
    assert found.keys() == {POOL + "/file.txt"} and "'.raw'" in found[POOL + "/file.txt"]
    rows = json.loads(lab.out("skep list-images --verbose -j"))
    assert {r["name"]: r["problem"] for r in rows if r["problem"]} == found
    assert all(r["type"] for r in rows if not r["problem"])
    assert "PROBLEM" in lab.out("skep list-images --verbose") and "PROBLEM" not in lab.out("skep list-images")


def test_how_much_of_a_limit_is_used(lab):
    """In words and for programs; the size of a disk image is its limit."""
    line = lab.out("skep image-status disk | grep Limit")
    percent = json.loads(lab.out("skep image-status -j disk"))[0]["limit_used_percent"]
    assert re.search(rf"Limit: \S+ \({percent}% used\)", line) and percent <= 100
    assert "%" not in lab.out("machinectl image-status disk")


def test_versions(lab):
    lab.run(f"mkdir -p {POOL}/web.v/web_1/etc {POOL}/web.v/web_2/etc; "
            f"echo two >{POOL}/web.v/web_2/etc/hostname")
    assert image(lab, "web", "Path") == POOL + "/web.v/web_2"
    assert value(lab, "GetImageHostname s", "web") == ["two"]
    lab.run("machinectl rename web net")
    assert image(lab, "net", "Path") == POOL + "/net.v/net_2"
    lab.run("machinectl remove net")
    assert "net" not in images(lab)


def test_remove(lab):
    lab.run("machinectl remove tree disk 'a b'")
    assert set(images(lab)) == {".hidden", ".host"}
    assert error(lab, "RemoveImage", "s", "tree")[0] == NAME + ".NoSuchImage"
    assert error(lab, "RemoveImage", "s", "../etc")[0] != "no error"
    assert error(lab, "RemoveImage", "s", ".host")[0] == "System.Error.EROFS"
    assert lab.out(f"ls -A {POOL}") == "file.txt\n.hidden" or \
        lab.out(f"ls -A {POOL}").split() == [".hidden", "file.txt"]


def test_remove_in_use(lab):
    lab.run("systemd-run -q -u user.service systemd-nspawn --register=no --keep-unit --as-pid2 "
            f"-D {POOL}/tree --bind-ro=/usr --bind-ro=/lib --bind-ro=/lib64 --bind-ro=/bin "
            "/bin/sleep 100", check=False)
    lab.wait_for("pgrep -x sleep", timeout=5)
    assert error(lab, "RemoveImage", "s", "tree")[0] == "System.Error.EBUSY"
    lab.run("systemctl stop user.service")
    call(lab, "RemoveImage s", "tree")


def test_clean(lab):
    assert value(lab, "CleanPool s", "hidden") == [[[".hidden", UNKNOWN]]]
    assert {n for n, _ in value(lab, "CleanPool s", "all")[0]} == {"tree", "disk", "a b"}
    assert set(images(lab)) == {".host"}
    assert error(lab, "CleanPool", "s", "some")[0] == "org.freedesktop.DBus.Error.InvalidArgs"


def test_limits(lab):
    unsupported = "org.freedesktop.DBus.Error.NotSupported"
    assert error(lab, "SetPoolLimit", "t", 1 << 30)[0] == unsupported
    assert error(lab, "SetImageLimit", "st", "tree", 1 << 30)[0] == unsupported
    call(lab, "SetImageLimit st", "disk", 1 << 22)
    assert image(lab, "disk", "Limit") == 1 << 22
    assert error(lab, "SetImageLimit", "st", "disk", 1 << 20)[0] == "org.freedesktop.DBus.Error.InvalidArgs"


def test_pool_of_its_own(lab):
    """What is a file system of its own takes what that says, and may take all of it."""
    def pool():
        return [json.loads(lab.out(["busctl", "--json=short", "get-property", NAME, PATH, NAME + ".Manager", p]))["data"]
                for p in ("PoolUsage", "PoolLimit")]

    lab.run(f"mount -t tmpfs -o size=64M machines {POOL} && head -c 3M /dev/zero >{POOL}/some.raw")
    try:
        used, limit = pool()
        assert limit == 64 << 20 and 3 << 20 <= used < 4 << 20
        assert "Limit: 64M" in lab.out("skep image-status")
        name, text = error(lab, "SetPoolLimit", "t", 1 << 30)
        assert name == "org.freedesktop.DBus.Error.NotSupported" and "neither a subvolume of btrfs nor a project" in text
    finally:
        lab.run(f"umount {POOL}")


def test_empty_disk(lab):
    """There is nothing in it that could be told; how others are looked into is in test_raw_images.py."""
    name, text = error(lab, "GetImageHostname", "s", "disk")
    assert name == "System.Error.EMEDIUMTYPE" and "neither a partition table nor a file system" in text
