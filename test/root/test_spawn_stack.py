# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machines from stacks (--mstack=)."""

import os
import pathlib
import shutil
import subprocess

import pytest

USERS = [[], ["-U"]]


@pytest.fixture(params=USERS, ids=["host-users", "own-users"])
def users(request):
    return request.param


def write(path, text="x\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def stack(new_tree, scratch):
    """A stack of three layers, the lowest a system beside it, the others with changes; one removes a file."""
    base = new_tree()
    write(base / "etc/file", "base\n")
    write(base / "etc/gone", "base\n")
    write(base / "etc/same", "base\n")
    where = scratch / "web.mstack"
    where.mkdir()
    base.rename(scratch / "base")
    (where / "layer@2").symlink_to("../base")
    write(where / "layer@9/etc/file", "nine\n")
    write(where / "layer@10/etc/file", "ten\n")
    os.mknod(where / "layer@10/etc/gone", 0o20000, 0)
    return where


def run(spawn, stack, script, *options, **more):
    return spawn.sh(None, script, f"--mstack={stack}", *options, **more)


def test_layers_lie_on_one_another(spawn, stack, users):
    out = run(spawn, stack, "cat /etc/file /etc/same; ls /etc/gone 2>/dev/null || echo gone; "
              "touch /etc/new 2>/dev/null || echo read-only; stat -c '%u %g' / /etc/file", *users)
    assert out.splitlines() == ["ten", "base", "gone", "read-only", "0 0", "0 0"]


def test_changes_go_to_rw(spawn, stack, users):
    (stack / "rw").mkdir()
    out = run(spawn, stack, "echo new >/etc/new; echo x >>/etc/same; stat -c '%u %g' /etc/new /", *users)
    assert out.splitlines() == ["0 0", "0 0"]
    assert (stack / "rw/data/etc/new").read_text() == "new\n"
    assert (stack / "rw/data/etc/new").stat().st_uid == 0
    assert (stack / "rw/data/etc/same").read_text() == "base\nx\n"
    assert (stack / "layer@2/etc/same").read_text() == "base\n"
    assert (stack / "rw/data").stat().st_mode & 0o7777 == (stack / "layer@10").stat().st_mode & 0o7777
    assert run(spawn, stack, "cat /etc/new", *users) == "new"


@pytest.mark.parametrize("how", [["-x"], ["--volatile=overlay"], ["--ephemeral=disk"]])
def test_changes_are_thrown_away(spawn, stack, users, how):
    write(stack / "rw/data/etc/kept", "kept\n")
    write(stack / "bind@srv-data/file", "data\n")
    out = run(spawn, stack, "cat /etc/kept /etc/file /srv/data/file; echo new >/etc/new && cat /etc/new; "
              "touch /srv/data/new 2>/dev/null || echo read-only", *users, *how)
    assert out.splitlines() == ["kept", "ten", "data", "new", "read-only"]
    assert [p.name for p in (stack / "rw/data/etc").iterdir()] == ["kept"]


def test_read_only(spawn, stack, users):
    write(stack / "rw/data/etc/kept", "kept\n")
    assert run(spawn, stack, "cat /etc/kept /etc/file; touch /new 2>/dev/null || echo read-only",
               "--read-only", *users) == "kept\nten\nread-only"
    assert not (stack / "rw/work").exists()


def test_binds(spawn, stack, users):
    (stack / "rw").mkdir()
    write(stack / "bind@srv-some\\x2dplace/file", "data\n")
    write(stack / "robind@opt/file", "opt\n")
    out = run(spawn, stack, "cat /srv/some-place/file /opt/file; echo new >/srv/some-place/new; "
              "touch /opt/new 2>/dev/null || echo read-only; stat -c %u /srv/some-place/new", *users)
    assert out.splitlines() == ["data", "opt", "read-only", "0"]
    assert (stack / "bind@srv-some\\x2dplace/new").stat().st_uid == 0
    assert not (stack / "robind@opt/new").exists()


def test_one_layer_alone(spawn, stack, users):
    shutil.rmtree(stack / "layer@9")
    shutil.rmtree(stack / "layer@10")
    assert run(spawn, stack, "cat /etc/file; touch /new 2>/dev/null || echo read-only", *users) == \
        "base\nread-only"
    (stack / "rw").mkdir()
    assert run(spawn, stack, "touch /new && cat /etc/file", *users) == "base"
    assert (stack / "rw/data/new").exists()


def test_root_of_its_own_with_usr_of_the_layers(spawn, new_tree, scratch, users):
    where = scratch / "web.mstack"
    where.mkdir()
    base = new_tree()
    (base / "bin").rename(base / "usr/bin2")
    (base / "usr/bin").mkdir(exist_ok=True)
    for p in (base / "usr/bin2").iterdir():
        p.rename(base / "usr/bin" / p.name)
    base.rename(where / "layer@1")
    write(where / "layer@2/usr/lib/new")
    write(where / "root/etc/mine", "mine\n")
    (where / "root/bin").symlink_to("usr/bin")
    out = run(spawn, where, "cat /etc/mine /usr/lib/new; touch /etc/written; "
              "touch /usr/new 2>/dev/null || echo read-only; stat -c %u /etc/written", *users)
    assert out.splitlines() == ["mine", "x", "read-only", "0"]
    assert (where / "root/etc/written").stat().st_uid == 0
    assert run(spawn, where, "cat /etc/written && cat /usr/lib/new; echo y >/etc/written; cat /etc/written",
               *users, "-x") == "x\ny"
    assert (where / "root/etc/written").read_text() == ""


def test_many_layers(spawn, stack, users):
    for i in range(11, 140):
        write(stack / f"layer@{i}/etc/file", f"{i}\n")
        write(stack / f"layer@{i}/etc/n{i}")
    assert run(spawn, stack, "cat /etc/file; ls /etc/n* | wc -l", *users) == "139\n129"


def test_from_the_pool(spawn, stack, users):
    env = {**os.environ, "SKEP_POOL": str(stack.parent)}
    stack.rename(stack.parent / f"{spawn.name}.mstack")
    assert spawn.sh(None, "cat /etc/file /proc/sys/kernel/hostname", *users, env=env) == f"ten\n{spawn.name}"


def test_name_is_that_of_the_stack(spawn, stack):
    done = spawn.run(None, f"--mstack={stack}", "cat", "/proc/sys/kernel/hostname", name=False)
    assert done.stdout == "web\n"


def test_settings_beside_the_stack(spawn, stack):
    write(stack.parent / f"{spawn.name}.nspawn", "[Exec]\nHostname=said-so\nCapability=all\n")
    assert run(spawn, stack, "cat /proc/sys/kernel/hostname") == "said-so"


def test_runs_once_if_it_is_written_to(spawn, stack):
    first = spawn.start(None, f"--mstack={stack}", "--", "/probe", "signal", name=spawn.name + "-1")
    assert first.stdout.readline() == "waiting\n"
    assert str(stack) in spawn.refuse(None, f"--mstack={stack}", "true", name=spawn.name + "-2")
    spawn.run(None, f"--mstack={stack}", "-x", "true", name=spawn.name + "-3", check=False)
    first.terminate()
    first.communicate(timeout=5)


@pytest.mark.parametrize("entry, word", [
    ("layer@01.raw", "layer@01.raw"), ("unknown", "'unknown' is none of"), ("layer@", "'layer@' is none of"),
    ("layer@x.v", "there is no version 'layer@x_…'"), ("rw.v", "there is no version"), ("bind@..-etc", "bind@..-etc"), ("bind@a\\x2fb", "is none of"),
    ("file", "does not end in '.raw'"), ("robind@opt.raw", "robind@opt"),
])
def test_refused(spawn, stack, entry, word):
    if entry in ("file",) or entry.endswith(".raw"):
        (stack / entry).write_bytes(b"no image" * 1000)
    else:
        (stack / entry).mkdir()
    line = spawn.refuse(None, f"--mstack={stack}", "true")
    assert word in line and str(stack) in line


def test_versions(spawn, stack, users, scratch):
    """Of a folder of versions the newest counts that has tries left and that this system can run."""
    (stack / "layer@10").rename(scratch / "ten")
    (stack / "rw").mkdir()
    for version, text in (("1", "old"), ("2_x86-64", "two"), ("3_s390x", "other"), ("4+0-3", "tried")):
        write(stack / f"layer@10.v/layer@10_{version}/etc/file", text + "\n")
    write(stack / "layer@10.v/layer@11_9/etc/file", "another's\n")
    write(stack / "robind@opt.v/robind@opt_1/file", "opt\n")
    assert run(spawn, stack, "cat /etc/file /opt/file", *users) == "two\nopt"
    (stack / "layer@10.v/layer@10_5").symlink_to(scratch / "ten")
    assert run(spawn, stack, "cat /etc/file", *users) == "ten"
    assert "layer@10.v/layer@10_5\n" in spawn.out(None, f"--mstack={stack}", "--dry-run", "true")


def test_versions_on_disks(spawn, stack, users):
    for version, text in (("1", "old"), ("2", "new")):
        write(stack / f"{version}/etc/file", text + "\n")
        (stack / "layer@10.raw.v").mkdir(exist_ok=True)
        squash(stack / version, stack / f"layer@10.raw.v/layer@10_{version}.raw")
        shutil.rmtree(stack / version)
    shutil.rmtree(stack / "layer@10")
    assert run(spawn, stack, "cat /etc/file", *users) == "new"


def test_versions_of_what_is_written_to(spawn, stack):
    (stack / "rw.v/rw_1").mkdir(parents=True)
    assert "has no versions" in spawn.refuse(None, f"--mstack={stack}", "true")


def test_same_place_twice(spawn, stack):
    (stack / "bind@opt").mkdir()
    (stack / "robind@opt").mkdir()
    assert "for the same" in spawn.refuse(None, f"--mstack={stack}", "true")


def test_empty_stack_and_no_stack(spawn, scratch, busybox):
    (scratch / "a.mstack").mkdir()
    assert "empty" in spawn.refuse(None, f"--mstack={scratch}/a.mstack", "true")
    assert "/nowhere" in spawn.refuse(None, "--mstack=/nowhere", "true")
    assert "both" in spawn.refuse(busybox, f"--mstack={scratch}/a.mstack", "true")


def test_a_place_that_leads_out(spawn, stack):
    """A link of the image at the place of a bind is followed inside of it."""
    (stack / "layer@10/opt").symlink_to("/../../../../etc")
    write(stack / "robind@opt-skep\\x2dtest/file")
    (stack / "layer@9/etc/skep-test").mkdir(parents=True)
    assert run(spawn, stack, "cat /etc/skep-test/file") == "x"
    assert not pathlib.Path("/etc/skep-test").exists()


def test_dry_run_changes_nothing(spawn, stack):
    (stack / "rw").mkdir()
    (stack / "robind@a\\x20b").mkdir()
    out = spawn.out(None, f"--mstack={stack}", "--dry-run", "true")
    assert f"stack: {stack}\n" in out
    assert out.endswith("parts:\n  layer@2\n  layer@9\n  layer@10\n  rw\n  robind@a\\\\x20b at /a\\x20b, read-only")
    assert list((stack / "rw").iterdir()) == []


@pytest.mark.slow
def test_debian_boots(spawn, tree, users, scratch):
    where = scratch / "guest.mstack"
    (where / "rw").mkdir(parents=True)
    (where / "layer@0").symlink_to(tree("bookworm-guest"))
    write(where / "layer@1/etc/motd", "hello\n")
    done = spawn.run(None, f"--mstack={where}", "-b", "--private-network", *users, "--",
                     "systemd.show_status=0", "systemd.unit=poweroff.target", timeout=40, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (where / "rw/data/etc").is_dir()


def squash(tree, where):
    subprocess.run(["mksquashfs", tree, where, "-quiet", "-no-progress", "-noappend", "-comp", "gzip"],
                   check=True, stdout=subprocess.DEVNULL)


def ext4(tree, where, size=32 << 20):
    with open(where, "wb") as f:
        f.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-d", tree, where], check=True)


def test_disks_in_a_stack(spawn, stack, users, scratch):
    """A layer in squashfs, a place on ext4 that is written to, and one that is not."""
    squash(stack / "layer@10", scratch / "ten.raw")
    shutil.rmtree(stack / "layer@10")
    (stack / "layer@10.raw").symlink_to("../ten.raw")
    for name in ("bind@srv", "robind@opt"):
        write(scratch / f"content-{name}/file", f"{name}\n")
        ext4(scratch / f"content-{name}", stack / f"{name}.raw")
    (stack / "rw").mkdir()
    before = (stack / "robind@opt.raw").read_bytes()
    out = run(spawn, stack, "cat /etc/file /srv/file /opt/file; ls /etc/gone 2>/dev/null || echo gone; "
              "echo new >/etc/file; echo new >/srv/new; touch /opt/new 2>/dev/null || echo read-only; "
              "stat -c %u /srv/new /etc/file", *users)
    assert out.splitlines() == ["ten", "bind@srv", "robind@opt", "gone", "read-only", "0", "0"]
    assert run(spawn, stack, "cat /etc/file /srv/new", *users) == "new\nnew"
    assert (stack / "rw/data/etc/file").read_text() == "new\n"
    assert (stack / "robind@opt.raw").read_bytes() == before
    loops = subprocess.run(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    assert str(scratch) not in loops


def test_changes_on_a_disk(spawn, stack, users, scratch):
    (scratch / "empty").mkdir()
    ext4(scratch / "empty", stack / "rw.raw")
    assert run(spawn, stack, "echo new >/etc/file; cat /etc/file", *users) == "new"
    assert run(spawn, stack, "cat /etc/file", *users) == "new"
    assert run(spawn, stack, "cat /etc/file; echo x >/etc/file", *users, "-x") == "new"
    assert run(spawn, stack, "cat /etc/file", "--read-only") == "new"


def test_stack_that_cannot_be_written_to(spawn, stack, users):
    """The kernel would make it read-only and say nothing."""
    (stack / "rw/data").mkdir(parents=True)
    (stack / "rw/work").mkdir()
    subprocess.run(["chattr", "+i", stack / "rw/work"], check=True)
    try:
        line = spawn.refuse(None, f"--mstack={stack}", *users, "true")
        assert "cannot write to the upper layer" in line
        assert run(spawn, stack, "echo fine", *users, "--read-only") == "fine"
    finally:
        subprocess.run(["chattr", "-i", stack / "rw/work"], check=True)
