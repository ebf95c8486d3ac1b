# SPDX-License-Identifier: LGPL-2.1-or-later
"""/etc/resolv.conf and /etc/localtime of a machine: by which rule they follow the host's, and what an
image cannot make of that."""

import os
import stat

import pytest

from skeplib import kernel
from skeplib.spawner import CHOWNED

HOST, STUB = "nameserver 192.0.2.1\n", "nameserver 127.0.0.53\n"
UPLINK, STATIC = "nameserver 192.0.2.3\n", "nameserver 127.0.0.53\n# static\n"


@pytest.fixture
def busybox(busybox):
    """One that has neither file."""
    for name in ("resolv.conf", "localtime"):
        (busybox / "etc" / name).unlink(missing_ok=True)
    return busybox


@pytest.fixture
def host(spawn, scratch):
    """The host's /etc, /run/systemd and /usr/lib/systemd as the test wants them. Return: a Path to what is
    to be in there."""
    where = scratch / "host"
    mounted = []
    for name in ("etc", "usr/lib/systemd"):
        for part in ("upper", "work"):
            (where / name / part).mkdir(parents=True)
        lower = f"/{name}"
        os.makedirs(lower, exist_ok=True)
        kernel.mount("skep-test", lower, "overlay", 0,
                     f"lowerdir={lower},upperdir={where / name}/upper,workdir={where / name}/work")
        mounted.append(lower)
    os.makedirs("/run/systemd/resolve", exist_ok=True)
    kernel.mount("skep-test", "/run/systemd/resolve", "tmpfs", 0, "mode=0755")
    mounted.append("/run/systemd/resolve")
    with open("/etc/resolv.conf", "w", encoding="ascii") as f:
        f.write(HOST)
    os.unlink("/etc/localtime")
    os.symlink("/usr/share/zoneinfo/Europe/Paris", "/etc/localtime")
    yield where
    for point in mounted:
        kernel.umount(point)


def put(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def resolved(stub=True):
    put("/run/systemd/resolve/resolv.conf", UPLINK)
    if stub:
        put("/run/systemd/resolve/stub-resolv.conf", STUB)
    else:
        os.symlink("resolv.conf", "/run/systemd/resolve/stub-resolv.conf")
    put("/usr/lib/systemd/resolv.conf", STATIC)


SOURCES = {"host": HOST, "static": STATIC, "uplink": UPLINK, "stub": STUB}


@pytest.mark.parametrize("way", ["copy", "replace", "bind"])
@pytest.mark.parametrize("source", SOURCES)
def test_resolv_conf_mode(spawn, busybox, host, way, source):
    resolved()
    (busybox / "etc/resolv.conf").write_text("old\n")
    out = spawn.sh(busybox, "cat /etc/resolv.conf; grep -c ' /etc/resolv.conf ro,' /proc/self/mountinfo;"
                   " echo x >/etc/resolv.conf", f"--resolv-conf={way}-{source}", check=False)
    bound = way == "bind"
    assert out == f"{SOURCES[source]}{int(bound)}"
    assert (busybox / "etc/resolv.conf").read_text() == ("old\n" if bound else "x\n")


@pytest.mark.parametrize("mode, text", [("off", "old\n"), ("delete", None)])
def test_resolv_conf_is_left_or_removed(spawn, busybox, host, mode, text):
    path = busybox / "etc/resolv.conf"
    path.write_text("old\n")
    spawn.run(busybox, f"--resolv-conf={mode}", "true")
    assert (path.read_text() if path.exists() else None) == text


def test_resolv_conf_by_itself(spawn, busybox, host):
    path = busybox / "etc/resolv.conf"
    spawn.run(busybox, "true")
    assert path.read_text() == HOST and stat.S_IMODE(path.stat().st_mode) == 0o644
    before = path.stat()
    spawn.run(busybox, "true")
    assert path.stat().st_ino == before.st_ino and path.stat().st_mtime_ns == before.st_mtime_ns

    put("/etc/resolv.conf", "nameserver 192.0.2.9\n")
    spawn.run(busybox, "--private-network", "true")
    assert path.read_text() == HOST
    spawn.run(busybox, "true")
    assert path.read_text() == "nameserver 192.0.2.9\n"

    os.unlink("/etc/resolv.conf")
    spawn.run(busybox, "true")
    assert not path.exists()


def test_resolv_conf_of_a_resolver_that_was_stopped(spawn, busybox, host):
    """It leaves its files behind; nobody would answer at the stub's address."""
    resolved()
    assert spawn.out(busybox, "cat", "/etc/resolv.conf") + "\n" == HOST


def test_resolv_conf_of_a_resolver_that_listens(spawn, busybox, host):
    import socket

    resolved()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.53", 53))
        assert spawn.out(busybox, "cat", "/etc/resolv.conf") + "\n" == STUB
        os.unlink("/run/systemd/resolve/stub-resolv.conf")
        os.symlink("resolv.conf", "/run/systemd/resolve/stub-resolv.conf")
        assert spawn.out(busybox, "cat", "/etc/resolv.conf") + "\n" == HOST


def test_a_read_only_image_gets_a_view(spawn, busybox, host):
    (busybox / "etc/resolv.conf").write_text("old\n")
    (busybox / "etc/localtime").write_text("old\n")
    out = spawn.sh(busybox, "cat /etc/resolv.conf; grep -c ' /etc/[rl][eo][sc][^ ]* ro,' "
                   "/proc/self/mountinfo", "--read-only")
    assert out == f"{HOST}2"
    assert (busybox / "etc/resolv.conf").read_text() == "old\n"


def test_a_read_only_image_without_the_files(spawn, busybox, host):
    (busybox / "etc/resolv.conf").unlink(missing_ok=True)
    done = spawn.run(busybox, "--read-only", "true", quiet=False)
    assert done.stderr == ""


def test_a_link_of_the_image_stays_unless_it_is_to_be_replaced(spawn, busybox, host):
    """Whatever keeps the file inside has put it there."""
    link = busybox / "etc/resolv.conf"
    link.symlink_to("../run/resolver/resolv.conf")
    assert spawn.run(busybox, "true", quiet=False).stderr == ""
    assert "resolv.conf" in spawn.run(busybox, "--resolv-conf=copy-host", "true", quiet=False).stderr
    assert link.is_symlink()
    spawn.run(busybox, "--resolv-conf=replace-host", "true")
    assert not link.is_symlink() and link.read_text() == HOST


def test_what_a_killed_start_left_is_replaced(spawn, busybox, host):
    zones(busybox)
    for name in ("resolv.conf", "localtime"):
        (busybox / "etc" / name).write_text("old\n")
        (busybox / f"etc/.#{name}").write_text("half of it")
    spawn.run(busybox, "true")
    assert (busybox / "etc/resolv.conf").read_text() == HOST
    assert not list((busybox / "etc").glob(".#*"))


def test_an_image_without_etc(spawn, busybox, host):
    import shutil

    shutil.rmtree(busybox / "etc")
    assert spawn.run(busybox, "true", quiet=False).stderr == ""
    done = spawn.run(busybox, "--resolv-conf=copy-host", "true", quiet=False)
    assert "cannot open '/etc' of the image" in done.stderr


def test_key_in_a_file_beside_the_image(spawn, busybox, host):
    (busybox.parent / f"{spawn.name}.nspawn").write_text("[Exec]\nResolvConf=off\nTimezone=off\n")
    spawn.run(busybox, "true")
    assert not (busybox / "etc/resolv.conf").exists()
    assert not (busybox / "etc/localtime").exists()


def test_with_a_user_namespace(spawn, copied_tree, host):
    """The files belong to root inside, whatever is mapped how."""
    tree = copied_tree("busybox")
    zones(tree)
    fixed = [f"--private-users={CHOWNED}:65536", "--private-users-ownership=map", "-x"]
    for options in (["--private-users=pick"], fixed):
        out = spawn.sh(tree, "cat /etc/resolv.conf; stat -c %u:%g /etc/resolv.conf /etc/localtime",
                       *options)
        assert out.splitlines() == [HOST.rstrip(), "0:0", "0:0"], options
    assert (tree / "etc/resolv.conf").stat().st_uid == 0


# The time zone.

def zones(tree):
    (tree / "usr/share/zoneinfo/Europe").mkdir(parents=True)
    (tree / "usr/share/zoneinfo/Europe/Paris").write_text("zone\n")


def test_timezone_of_an_image_that_has_it(spawn, busybox, host):
    zones(busybox)
    (busybox / "etc/localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    spawn.run(busybox, "true")
    assert os.readlink(busybox / "etc/localtime") == "../usr/share/zoneinfo/Europe/Paris"
    before = os.lstat(busybox / "etc/localtime").st_ino
    spawn.run(busybox, "true")
    assert os.lstat(busybox / "etc/localtime").st_ino == before


def test_timezone_of_an_image_that_has_it_not(spawn, busybox, host):
    """It sees the host's file."""
    with open("/etc/localtime", "rb") as f:
        size = len(f.read())
    out = spawn.sh(busybox, "wc -c </etc/localtime; grep -c ' /etc/localtime ro,' /proc/self/mountinfo")
    assert out.split() == [str(size), "1"]


@pytest.mark.parametrize("mode", ["off", "copy", "bind", "symlink", "delete"])
def test_timezone_mode(spawn, busybox, host, mode):
    zones(busybox)
    path = busybox / "etc/localtime"
    path.write_text("old\n")
    with open("/etc/localtime", "rb") as f:
        real = f.read()
    inside = spawn.sh(busybox, "wc -c </etc/localtime 2>/dev/null || echo none", f"--timezone={mode}")
    kind = ("none" if not os.path.lexists(path) else "link" if path.is_symlink() else path.read_bytes())
    assert (inside, kind) == {
        "off": ("4", b"old\n"), "copy": (str(len(real)), real), "bind": (str(len(real)), b"old\n"),
        "symlink": ("5", "link"), "delete": ("none", "none"),
    }[mode]


def test_timezone_of_a_host_without_a_link(spawn, busybox, host):
    os.unlink("/etc/localtime")
    put("/etc/localtime", "a zone\n")
    spawn.run(busybox, "true")
    assert (busybox / "etc/localtime").read_text() == "a zone\n"
    os.unlink("/etc/localtime")
    spawn.run(busybox, "true")
    assert not (busybox / "etc/localtime").exists()


@pytest.mark.parametrize("link", ["/etc/passwd", "../usr/share/zoneinfo/../../../etc/passwd",
                                  "/usr/share/zoneinfo/"])
def test_timezone_link_to_no_zone(spawn, busybox, host, link):
    os.unlink("/etc/localtime")
    os.symlink(link, "/etc/localtime")
    spawn.run(busybox, "true")
    assert not os.path.lexists(busybox / "etc/localtime")
    assert "names no time zone" in spawn.run(busybox, "--timezone=symlink", "true", quiet=False).stderr


# What an image could put there.

def snapshot(path):
    status = os.lstat(path)
    return status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino


@pytest.mark.parametrize("name", ["resolv.conf", "localtime"])
@pytest.mark.parametrize("options", [[], ["--resolv-conf=replace-host", "--timezone=copy"],
                                     ["--resolv-conf=bind-host", "--timezone=bind"],
                                     ["--resolv-conf=copy-host", "--timezone=symlink"]])
def test_a_link_out_of_the_image(spawn, busybox, host, scratch, name, options):
    canary = scratch / "canary"
    canary.write_text("host\n")
    before = snapshot(canary)
    for target in (canary, "../" * 20 + str(canary).lstrip("/"), f"/proc/self/root{canary}",
                   f"/proc/1/root{canary}", f"{scratch}/new"):
        (busybox / "etc" / name).unlink(missing_ok=True)
        (busybox / "etc" / name).symlink_to(target)
        spawn.run(busybox, *options, "true")
        assert snapshot(canary) == before and canary.read_text() == "host\n"
        assert not (scratch / "new").exists()


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "huge"])
@pytest.mark.parametrize("options", [[], ["--resolv-conf=copy-stub", "--timezone=copy"],
                                     ["--resolv-conf=bind-host", "--timezone=bind"]])
def test_no_file_but_something_else(spawn, busybox, host, kind, options):
    resolved()
    for name in ("resolv.conf", "localtime"):
        path = busybox / "etc" / name
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "device":
            os.mknod(path, 0o644 | stat.S_IFCHR, os.makedev(1, 5))
        elif kind == "folder":
            (path / "in it").mkdir(parents=True)
        else:
            with open(path, "wb") as f:
                f.truncate(1 << 40)
    done = spawn.run(busybox, *options, "true", timeout=10, quiet=False)
    notes = done.stderr.splitlines()
    assert len(notes) <= 2 and (options or not notes)


def test_etc_is_a_link_out(spawn, busybox, host, scratch):
    import shutil

    (scratch / "outside").mkdir()
    shutil.rmtree(busybox / "etc")
    (busybox / "etc").symlink_to(scratch / "outside")
    spawn.run(busybox, "--resolv-conf=replace-host", "--timezone=copy", "true")
    assert not list((scratch / "outside").iterdir())


def test_what_is_bound_there_is_not_written_to(spawn, busybox, host, scratch):
    mine = scratch / "mine"
    mine.write_text("mine\n")
    assert spawn.out(busybox, f"--bind={mine}:/etc/resolv.conf", "cat", "/etc/resolv.conf") == "mine"
    assert mine.read_text() == "mine\n"
