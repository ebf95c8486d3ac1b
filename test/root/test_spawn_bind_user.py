# SPDX-License-Identifier: LGPL-2.1-or-later
"""Users of the host that a machine knows too."""

import json
import os
import pathlib
import stat

import pytest

from skeplib import kernel
from skeplib.spawner import CHOWNED

USERS = f"--private-users={CHOWNED}:65536"
MAP = "--private-users-ownership=map"
HASH = "$6$abcdefgh$0123456789abcdef"


@pytest.fixture
def host(scratch):
    """host(passwd=…, shadow=…, group=…) adds lines to these files of the host, for this test alone; userdb= are
    records in /run/userdb. The homes of ann and bob are made."""
    covered, made = [], []

    def make(userdb=None, **lines):
        for name, text in lines.items():
            old = pathlib.Path("/etc", name)
            copy = scratch / name
            copy.write_text(old.read_text(encoding="utf-8") + text, encoding="utf-8")
            copy.chmod(stat.S_IMODE(old.stat().st_mode))
            kernel.mount(copy, old, None, kernel.MS_BIND, None)
            covered.append(old)
        if userdb:
            folder = pathlib.Path("/run/userdb")
            if not folder.exists():
                folder.mkdir()
                made.append(folder)
            kernel.mount("userdb", folder, "tmpfs", 0, "mode=0755")
            covered.append(folder)
            for name, record in userdb.items():
                (folder / name).write_text(json.dumps(record), encoding="utf-8")

    for name, uid in {"ann": 1000, "bob": 1001}.items():
        home = scratch / "home" / name
        home.mkdir(parents=True)
        os.chown(home, uid, uid)
        home.chmod(0o700)
        (home / "file").write_text(name)
        os.chown(home / "file", uid, uid)
    (scratch / "home/ann/foreign").write_text("x")
    os.chown(scratch / "home/ann/foreign", 0, 0)
    yield make
    for path in covered:
        kernel.umount(path)
    for path in made:
        path.rmdir()


@pytest.fixture
def people(host, scratch):
    host(passwd=f"ann:x:1000:1000:Ann A.,,:{scratch}/home/ann:/bin/zsh\n"
                f"bob:x:1001:1001::{scratch}/home/bob:/bin/sh\n"
                f"shared:x:1002:100::{scratch}/home/ann:/bin/sh\n"
                f"thief:x:1003:1003::{scratch}/home/ann:/bin/sh\n"
                "lost:x:1004:1004::/no/where:/bin/sh\n",
         group="ann:x:1000:\nbob:x:1001:\nthief:x:1003:\nlost:x:1004:\n",
         shadow=f"ann:{HASH}:1::::::\nbob:!:1::::::\n")
    return scratch / "home"


def records(spawn, tree, *options):
    """What is in /run/host/userdb, by name; modes and owners too."""
    out = spawn.sh(tree, "cd /run/host/userdb; for f in *; do stat -c '%n %F %a %u %g' $f; "
                   "[ -h $f ] && readlink $f || cat $f; done", USERS, MAP, *options).splitlines()
    found = {}
    for line, content in zip(out[::2], out[1::2]):
        name, *kind, mode, uid, gid = line.split()
        link = kind == ["symbolic", "link"]
        found[name] = (content if link else json.loads(content), "link" if link else mode, uid, gid)
    return found


def test_records(spawn, busybox, people):
    found = records(spawn, busybox, "--bind-user=ann", "--bind-user=bob", "--bind-user-group=adm",
                    "--bind-user-group=video")
    assert {v[2:] for v in found.values()} == {("0", "0")}
    user, mode = found["ann.user"][:2]
    assert mode == "644"
    assert user == {"userName": "ann", "realName": "Ann A.", "uid": 60514, "gid": 60514,
                    "disposition": "regular", "homeDirectory": "/run/host/home/ann",
                    "service": "io.systemd.NSpawn"}
    secret, mode = found["ann.user-privileged"][:2]
    assert mode == "600" and secret == {"privileged": {"hashedPassword": [HASH]}}
    assert found["bob.user-privileged"][0] == {"privileged": {}}
    assert found["ann.group"][0] == {"groupName": "ann", "gid": 60514, "disposition": "regular",
                                     "service": "io.systemd.NSpawn"}
    assert found["bob.user"][0]["uid"] == 60515
    for link in ("user", "user-privileged", "group"):
        assert found[f"60514.{link}"][0] == f"ann.{link}"
        assert found[f"60515.{link}"][0] == f"bob.{link}"
    for name in ("ann", "bob"):
        for group in ("adm", "video"):
            assert found[f"{name}:{group}.membership"][0] == {"userName": name, "groupName": group}


@pytest.mark.parametrize("shell, seen", [("no", None), ("yes", "/bin/zsh"), ("/bin/dash", "/bin/dash")])
def test_shell(spawn, busybox, people, shell, seen):
    found = records(spawn, busybox, "--bind-user=ann", f"--bind-user-shell={shell}")
    assert found["ann.user"][0].get("shell") == seen


@pytest.mark.parametrize("kind", ["busybox", "bookworm-guest"])
@pytest.mark.parametrize("users", [[USERS, MAP], ["-U"]], ids=["fixed", "pick"])
def test_home(spawn, copied_tree, people, kind, users):
    tree = copied_tree(kind)
    tree.chmod(0o755)
    script = ("cd /run/host/home; stat -c '%U %n' . ; stat -c '%u:%g:%a %n' ann ann/file ann/foreign; "
              "cat ann/file; echo; touch ann/by-root 2>/dev/null || echo none")
    out = spawn.sh(tree, script, *users, "--bind-user=ann").splitlines()
    assert out == ["root .", "60514:60514:700 ann", "60514:60514:644 ann/file",
                   "65534:65534:644 ann/foreign", "ann", "none"]
    spawn.run(tree, *users, "--bind-user=ann", "--uid=60514", "touch", "/run/host/home/ann/new")
    status = os.stat(people / "ann/new")
    assert (status.st_uid, status.st_gid) == (1000, 1000)


def test_home_of_somebody_is_theirs_alone(spawn, busybox, people):
    """Neither setuid programs nor devices in it count, and the folders above it stay as they are."""
    out = spawn.sh(busybox, "grep ' /run/host/home/ann ' /proc/self/mountinfo; "
                   "grep ' /run/host/userdb ' /proc/self/mountinfo; "
                   "touch /run/host/home/x /run/host/userdb/x 2>&1 | grep -c Read-only",
                   USERS, MAP, "--bind-user=ann").splitlines()
    assert "nosuid,nodev" in out[0] and "idmapped" in out[0] and " rw," in out[0]
    assert " ro," in out[1] and out[2] == "2"


def test_settings_file(spawn, busybox, people):
    settings = busybox.parent / f"{spawn.name}.nspawn"
    settings.write_text("[Files]\nBindUser=ann\nBindUserShell=yes\n", encoding="ascii")
    found = records(spawn, busybox, "--settings=trusted")
    assert found["ann.user"][0]["shell"] == "/bin/zsh"
    done = spawn.run(busybox, USERS, MAP, "ls", "/run/host")
    assert "userdb" not in done.stdout and str(settings) in done.stderr


def test_records_of_the_host(spawn, busybox, host, scratch):
    host(userdb={"eve.user": {"userName": "eve", "uid": 1001, "gid": 1001, "shell": "/bin/sh",
                              "homeDirectory": f"{scratch}/home/bob"},
                 "eve.user-privileged": {"privileged": {"sshAuthorizedKeys": ["ssh-rsa A"]}},
                 "eve.group": {"groupName": "eve", "gid": 1001},
                 "broken.user": ["x"]})
    found = records(spawn, busybox, "--bind-user=eve")
    assert found["eve.user"][0]["homeDirectory"] == "/run/host/home/eve"
    assert found["eve.user-privileged"][0] == {"privileged": {"sshAuthorizedKeys": ["ssh-rsa A"]}}
    assert "'broken'" in spawn.refuse(busybox, USERS, "--bind-user=broken", "true")


def test_survives_a_reboot(spawn, busybox, people):
    script = ("cat /run/host/home/ann/file; ls /run/host/userdb | wc -l; echo x >>/count; "
              "[ $(wc -l </count) -ge 2 ] && exit 0; exec /probe reboot again")
    assert spawn.sh(busybox, script, USERS, MAP, "--bind-user=ann").split() == ["ann6"] * 2


@pytest.mark.parametrize("user, word", [
    ("root", "cannot be"), ("nobody", "cannot be"), ("shared", "no group"), ("missing", "no user"),
    ("thief", "belongs to user 1000"), ("lost", "/no/where"), ("../ann", "not the name"),
    ("a b", "not the name"), ("1000", "not the name"),
])
def test_users_that_are_refused(spawn, busybox, people, user, word):
    assert word in spawn.refuse(busybox, USERS, MAP, f"--bind-user={user}", "true")


def test_names_and_numbers_of_the_image_are_not_taken(spawn, busybox, people):
    group = busybox / "etc/group"
    passwd = busybox / "etc/passwd"
    group.write_text("root:x:0:\nsome:x:60514:\n", encoding="ascii")
    passwd.write_text("root:x:0:0::/root:/bin/sh\nsome:x:60515:1::/:\n", encoding="ascii")
    assert records(spawn, busybox, "--bind-user=ann")["ann.user"][0]["uid"] == 60516
    for path in (group, passwd):
        before = path.read_text(encoding="ascii")
        path.write_text(before + "ann:x:5:5::/:\n", encoding="ascii")
        assert "'ann'" in spawn.refuse(busybox, USERS, MAP, "--bind-user=ann", "true")
        path.write_text(before, encoding="ascii")
    passwd.write_text("".join(f"u{i}:x:{i}:1::/:\n" for i in range(60514, 60578)), encoding="ascii")
    assert "60577" in spawn.refuse(busybox, USERS, MAP, "--bind-user=ann", "true")


def test_what_else_it_takes(spawn, busybox, people):
    assert "--private-users" in spawn.refuse(busybox, "--bind-user=ann", "true")
    assert "--bind-user" in spawn.refuse(busybox, USERS, "--bind-user-group=adm", "true")
    assert "machine has none" in spawn.refuse(busybox, f"--private-users={CHOWNED}:1000", MAP,
                                              "--bind-user=ann", "true")
    assert "twice" in spawn.refuse(busybox, USERS, MAP, "--bind-user=ann", "--bind-user=ann", "true")


@pytest.mark.parametrize("kind", ["fifo", "folder", "huge", "nul"])
def test_hostile_passwd_of_the_image(spawn, busybox, people, kind):
    path = busybox / "etc/passwd"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"x" * (5 << 20) if kind == "huge" else b"\0ann")
    assert "/etc/passwd of the image" in spawn.refuse(busybox, USERS, MAP, "--bind-user=ann", "true")
