# SPDX-License-Identifier: LGPL-2.1-or-later
"""Views of directory trees: stacks, hidden places, throw-away directories."""

import os
import pathlib
import signal
import subprocess

import pytest

from skeplib.spawner import bind_source, wait_until

SCRATCH = pathlib.Path("/var/lib/skep/scratch")
RUNTIME = pathlib.Path("/run/skep/spawn")

# Without a user namespace, and with one whose IDs the image is mapped to.
USERS = [[], ["-U"]]


def left_over(spawn):
    return [p for p in SCRATCH.glob(".#skep.*") if spawn.name in p.name]


@pytest.fixture(params=USERS, ids=["host-users", "own-users"])
def users(request):
    return request.param


@pytest.fixture
def layers(scratch):
    """Two lower directories and an upper one, with an awkward name each."""
    found = []
    for name in ("low:er one", "low,er=two", "up\\per"):
        where = scratch / "layers" / name
        where.mkdir(parents=True)
        (where / name[:3]).write_text(f"{name}\n")
        (where / "file").write_text(f"{name}\n")
        found.append(where)
    return found


def layer(path):
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def test_overlay(spawn, busybox, layers, users):
    one, two, upper = layers
    out = spawn.sh(busybox, "cd /mnt/new; cat file; ls; echo new >made; rm file; stat -c '%u %g' made .",
                   *users, f"--overlay={layer(one)}:{layer(two)}:{layer(upper)}:/mnt/new")
    assert out.splitlines() == ["up\\per", "file", "low", "up\\", "0 0", "0 0"]
    assert (upper / "made").read_text() == "new\n"
    assert (upper / "made").stat().st_uid == 0, "IDs of the machine on disk"
    assert (one / "file").exists() and (two / "file").exists()
    assert sorted(p.name for p in upper.parent.iterdir()) == sorted(p.name for p in layers)


def test_overlay_of_two_is_seen_where_its_upper_layer_is(spawn, busybox, layers, users):
    one, _, upper = layers
    where = upper.with_name("plain")
    upper.rename(where)
    assert spawn.sh(busybox, f"cd {where}; cat file; ls; echo new >made", *users,
                    f"--overlay={layer(one)}:{where}") == "up\\per\nfile\nlow\nup\\"
    assert (where / "made").read_text() == "new\n"


def test_overlay_with_a_throw_away_layer(spawn, busybox, layers, users):
    one, two, _ = layers
    one.chmod(0o750)
    two.chmod(0o751)
    out = spawn.sh(busybox, "cd /mnt; cat file; echo new >file; cat file; stat -c '%a %u' . file",
                   *users, f"--overlay={layer(one)}:{layer(two)}::/mnt")
    assert out.splitlines() == ["low,er=two", "new", "751 0", "644 0"]
    assert (two / "file").read_text() == "low,er=two\n"
    assert not left_over(spawn)


def test_overlay_over_a_part_of_the_image(spawn, busybox, users):
    out = spawn.sh(busybox, "cat /etc/os-release; echo new >/etc/made; ls /etc/made; stat -c %u /etc",
                   *users, "--overlay=+/etc::/etc")
    assert out.splitlines()[-2:] == ["/etc/made", "0"] and "ID=" in out
    assert not (busybox / "etc/made").exists()


def test_overlay_with_its_upper_layer_in_the_image(spawn, busybox, layers, users):
    (busybox / "srv/up").mkdir(parents=True)
    spawn.sh(busybox, "echo new >/mnt/made; cat /mnt/file", *users,
             f"--overlay={layer(layers[0])}:+/srv/up:/mnt")
    assert (busybox / "srv/up/made").read_text() == "new\n"
    assert (busybox / "srv/up/made").stat().st_uid == 0
    assert [p.name for p in (busybox / "srv").iterdir()] == ["up"]


def test_overlay_read_only(spawn, busybox, layers, users):
    one, two, _ = layers
    out = spawn.sh(busybox, "cat /mnt/file; touch /mnt/new 2>/dev/null || echo refused", *users,
                   f"--overlay-ro={layer(one)}:{layer(two)}:/mnt")
    assert out == "low,er=two\nrefused"
    assert not (two / "new").exists()


def test_overlay_of_many_layers(spawn, busybox, scratch):
    parts = []
    for i in range(200):
        where = scratch / f"many/{i}"
        where.mkdir(parents=True)
        (where / "file").write_text(f"{i}\n")
        (where / str(i)).write_text("")
        parts.append(str(where))
    assert spawn.sh(busybox, "cat /mnt/file; ls /mnt | wc -l",
                    f"--overlay-ro={':'.join(parts)}:/mnt") == "199\n201"


@pytest.mark.parametrize("options, word", [
    (["--overlay=/nowhere:/tmp:/mnt"], "/nowhere"),
    (["--overlay=/etc:/nowhere:/mnt"], "/nowhere"),
    (["--overlay=/etc:/proc:/mnt"], "mount point"),
    (["--overlay=/etc:/etc/passwd:/mnt"], "not a directory"),
    (["--overlay=/etc"], "LOWER"),
    (["--overlay-ro=/etc::/mnt"], "left empty"),
    (["--overlay=/etc:/usr::/proc/x"], "/proc"),
    (["--overlay=/etc:+/etc:/mnt", "-x"], "not written"),
    (["--inaccessible=/nowhere"], "/nowhere"),
    (["--inaccessible=etc"], "absolute"),
])
def test_refused(spawn, busybox, options, word):
    assert word in spawn.refuse(busybox, *options, "true")
    assert not left_over(spawn)


@pytest.mark.parametrize("path, kind", [
    ("/etc/passwd", "regular empty file"), ("/usr", "directory"), ("/dev/null", "character special file"),
    ("/etc/fifo", "fifo"), ("/etc/link", "regular empty file"), ("/proc/version", "regular empty file"),
    ("/sys/kernel", "directory"), ("/run/host/container-uuid", "regular empty file"),
])
def test_inaccessible(spawn, busybox, users, path, kind):
    os.mkfifo(busybox / "etc/fifo")
    (busybox / "etc/link").symlink_to("/etc/passwd")
    script = f"stat -L -c '%F %a %u' {path}; [ -p {path} ] || echo x 2>/dev/null >{path} || echo refused"
    out = spawn.sh(busybox, script, *users, f"--inaccessible={path}", stderr=subprocess.DEVNULL)
    assert out.splitlines() == [f"{kind} 0 0"] + ["refused"] * (kind != "fifo")


def test_hidden_directory_is_empty(spawn, busybox, users):
    (busybox / "srv/secret").mkdir(parents=True)
    (busybox / "srv/secret/key").write_text("x")
    assert spawn.sh(busybox, "ls -A /srv/secret", *users, "--inaccessible=/srv/secret") == ""
    assert spawn.sh(busybox, "cat /srv/secret/key", *users) == "x"


def test_throw_away_source(spawn, busybox, users):
    out = spawn.sh(busybox, "echo x >/mnt/data/file; stat -c '%F %a %u %g' /mnt/data; "
                   "awk '$5 == \"/mnt/data\" {print $4}' /proc/self/mountinfo", *users,
                   "--bind=:/mnt/data").splitlines()
    assert out[0] == "directory 755 0 0"
    assert ".#skep." in out[1]
    assert not left_over(spawn)


def test_throw_away_source_that_is_mapped(spawn, busybox):
    assert spawn.sh(busybox, "touch /mnt/file && stat -c '%u %g' /mnt /mnt/file", "-U",
                    "--bind=:/mnt:idmap") == "0 0\n0 0"


def test_throw_away_directories_are_private(spawn, busybox):
    machine = spawn.start(busybox, "--bind=:/mnt", "--", "/probe", "signal")
    assert machine.stdout.readline() == "waiting\n"
    (where,) = left_over(spawn)
    assert where.stat().st_mode & 0o777 == 0o700
    assert where.parent.stat().st_mode & 0o777 == 0o700
    machine.terminate()
    machine.communicate(timeout=5)
    assert not left_over(spawn)


def test_throw_away_directories_survive_a_reboot(spawn, busybox, users):
    script = ("echo run >>/mnt/count; echo run >>/over/count; chmod 711 /over; "
              "[ $(wc -l </mnt/count) = 3 ] && cat /over/count && stat -c %a /over && exit 9; "
              "exec /probe reboot again")
    done = spawn.run(busybox, *users, "--bind=:/mnt", "--overlay=+/etc::/over", "--", "/bin/sh", "-c",
                     script, check=False)
    assert (done.returncode, done.stdout) == (9, "run\nrun\nrun\n711\n")
    assert not left_over(spawn)


def test_what_a_killed_supervisor_left_is_swept(spawn, new_tree, layers):
    tree = new_tree()
    one, _, upper = layers
    machine = spawn.start(tree, "--bind=:/mnt", f"--overlay={layer(one)}:{layer(upper)}:/srv", "--",
                          "/probe", "signal", name=spawn.name + "-1")
    assert machine.stdout.readline() == "waiting\n"
    work = [p for p in upper.parent.iterdir() if p not in layers]
    assert left_over(spawn) and len(work) == 1
    machine.send_signal(signal.SIGKILL)
    machine.wait(5)
    assert left_over(spawn) and work[0].exists()
    spawn.run(new_tree(), "true", name=spawn.name + "-2")
    assert not left_over(spawn) and not work[0].exists()
    assert (upper / "file").exists()
