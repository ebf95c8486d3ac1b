# SPDX-License-Identifier: LGPL-2.1-or-later
"""Views of directory trees: stacks, hidden places, throw-away directories."""

import os
import pathlib
import select
import signal
import subprocess
import time

import pytest

from skeplib.spawner import wait_until

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


@pytest.fixture
def merged(busybox):
    """A busybox tree in which all programs are in /usr, with something in /etc and /var."""
    for name in ("bin", "sbin", "lib", "lib64"):
        here, there = busybox / name, busybox / "usr" / name
        if here.is_symlink():
            continue
        if here.is_dir():
            there.mkdir(parents=True, exist_ok=True)
            for entry in here.iterdir():
                entry.rename(there / entry.name)
            here.rmdir()
            here.symlink_to(f"usr/{name}")
    for name in ("etc/kept", "var/kept", "srv/kept"):
        (busybox / name).parent.mkdir(exist_ok=True)
        (busybox / name).write_text("x\n")
    return busybox


def content(tree):
    return sorted((str(p), p.lstat().st_mtime_ns, p.lstat().st_uid) for p in tree.rglob("*"))


@pytest.mark.parametrize("mode", ["--ephemeral", "-x", "--ephemeral=memory", "--ephemeral=disk"])
def test_ephemeral_modes(spawn, busybox, users, mode):
    before = content(busybox)
    out = spawn.sh(busybox, "touch /new /etc/new && rm /usr/lib/os-release && stat -c '%u %a' / /new; "
                   "awk '$5 == \"/\" {print $9}' /proc/self/mountinfo", *users, mode)
    assert out.splitlines() == ["0 755", "0 644", "overlay"]
    assert content(busybox) == before
    assert not left_over(spawn)


def test_ephemeral_on_disk_is_on_disk_and_outlives_a_reboot(spawn, busybox, users):
    script = ("echo run >>/count; [ $(wc -l </count) = 3 ] && echo x >/written && /probe signal; "
              "exec /probe reboot again")
    machine = spawn.start(busybox, "--ephemeral=disk", *users, "--", "/bin/sh", "-c", script)
    assert machine.stdout.readline() == "waiting\n"
    (where,) = left_over(spawn)
    assert (where / "root/upper/count").read_text() == "run\n" * 3
    assert (where / "root/upper/written").read_text() == "x\n"
    machine.terminate()
    machine.communicate(timeout=5)
    assert not left_over(spawn)


def test_ephemeral_of_a_killed_supervisor_is_swept(spawn, new_tree):
    machine = spawn.start(new_tree(), "--ephemeral=disk", "--", "/probe", "signal", name=spawn.name + "-1")
    assert machine.stdout.readline() == "waiting\n"
    machine.send_signal(signal.SIGKILL)
    machine.wait(5)
    assert left_over(spawn)
    spawn.run(new_tree(), "true", name=spawn.name + "-2")
    assert not left_over(spawn)


def test_volatile_yes(spawn, merged, users):
    before = content(merged)
    out = spawn.sh(merged, "ls -A / /etc /var; touch /etc/new /var/new /new && echo written; "
                   "touch /usr/new 2>/dev/null || echo refused; stat -c '%n %u %a' / /etc /usr /root /bin; "
                   "awk '$5 == \"/\" {print $9}' /proc/self/mountinfo", *users, "--volatile=yes",
                   stderr=subprocess.DEVNULL).splitlines()
    top = out[out.index("/:") + 1:out.index("")]
    assert {"bin", "dev", "etc", "lib", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var"} == set(top)
    assert "kept" not in out and "srv" not in top
    at = out.index("written")
    assert out[at + 1:] == ["refused", "/ 0 755", "/etc 0 755", "/usr 0 755", "/root 0 700", "/bin 0 777",
                            "tmpfs"]
    assert content(merged) == before


def test_volatile_alone_is_yes(spawn, merged):
    assert spawn.sh(merged, "[ -e /etc/kept ] || echo gone", "--volatile") == "gone"


def test_volatile_yes_needs_everything_in_usr(spawn, busybox, users):
    (busybox / "lib").exists() or (busybox / "lib").mkdir()
    line = spawn.refuse(busybox, "--volatile=yes", *users, "true")
    assert "not in /usr" in line and str(busybox) in line


def test_volatile_state(spawn, merged, users):
    before = content(merged)
    out = spawn.sh(merged, "ls -A /var; cat /etc/kept; touch /var/new && echo written; "
                   "touch /etc/new 2>/dev/null || echo refused; stat -c '%u %a' /var",
                   *users, "--volatile=state", stderr=subprocess.DEVNULL)
    assert out.splitlines() == ["x", "written", "refused", "0 755"]
    assert content(merged) == before


def test_volatile_overlay(spawn, merged, users):
    before = content(merged)
    out = spawn.sh(merged, "cat /etc/kept /var/kept; rm /etc/kept; touch /usr/new && echo written; "
                   "stat -c '%u %a' / /usr/new", *users, "--volatile=overlay")
    assert out.splitlines() == ["x", "x", "written", "0 755", "0 644"]
    assert content(merged) == before


@pytest.mark.parametrize("mode, path", [("yes", "/etc/count"), ("state", "/var/count"),
                                        ("overlay", "/usr/count")])
def test_volatile_forgets_at_a_reboot(spawn, merged, mode, path, scratch):
    (scratch / "out").mkdir()
    script = (f"[ -e {path} ] && exit 1; echo run >>{path}; echo run >>/out/count; "
              "[ $(wc -l </out/count) = 3 ] && exit 9; exec /probe reboot again")
    (merged / "out").mkdir()
    (merged / "probe").rename(merged / "usr/bin/probe")
    done = spawn.run(merged, f"--volatile={mode}", f"--bind={scratch}/out:/out", "--", "/bin/sh", "-c",
                     script.replace("/probe", "/usr/bin/probe"), check=False)
    assert done.returncode == 9


def test_volatile_from_a_file_beside_the_image(spawn, merged):
    (merged.parent / f"{spawn.name}.nspawn").write_text("[Files]\nVolatile=overlay\n")
    spawn.run(merged, "touch", "/etc/new")
    assert not (merged / "etc/new").exists()


def test_volatile_machines_run_side_by_side(spawn, merged):
    first = spawn.start(merged, "--volatile=overlay", "--", "/probe", "signal", name=spawn.name + "-1")
    assert first.stdout.readline() == "waiting\n"
    assert spawn.sh(merged, "echo second", "--volatile=state", name=spawn.name + "-2") == "second"
    first.terminate()
    first.communicate(timeout=5)


@pytest.mark.parametrize("mode", ["--volatile=yes", "--volatile=state", "-x"])
def test_root_of_the_host(spawn, mode):
    out = spawn.sh("/", "cat /usr/lib/os-release; touch /usr/skep-test 2>/dev/null && rm /usr/skep-test; "
                   "hostname", mode)
    assert out.endswith(spawn.name) and "ID=" in out
    assert not os.path.exists("/usr/skep-test")


@pytest.mark.parametrize("mode", [[], ["--volatile=overlay"], ["--volatile=no"], ["--read-only"]])
def test_root_of_the_host_is_refused(spawn, mode):
    assert "'/'" in spawn.refuse("/", *mode, "true")


@pytest.fixture
def deployed(new_tree, scratch):
    """A tree that keeps its system in a directory, and something else at its top."""
    system = new_tree()
    top = scratch / "top"
    (top / "deploy").mkdir(parents=True)
    system.rename(top / "deploy/one")
    (top / "deploy/current").symlink_to("/deploy/one")
    (top / "data").write_text("x\n")
    return top


@pytest.mark.parametrize("how", [[], ["-x"], ["--ephemeral=disk"], ["--volatile=overlay"]])
@pytest.mark.parametrize("new", ["/deploy/one", "/deploy/current", "/deploy//one/"])
def test_pivot_root(spawn, deployed, users, how, new):
    out = spawn.sh(deployed, "ls /; cat /usr/lib/os-release; [ -e /data ] || echo gone; stat -c %u /",
                   *users, *how, f"--pivot-root={new}")
    assert "deploy" not in out and "ID=" in out and out.splitlines()[-2:] == ["gone", "0"]


@pytest.mark.parametrize("how", [[], ["-x"]])
def test_pivot_root_keeps_the_old_one(spawn, deployed, users, how):
    out = spawn.sh(deployed, "cat /sysroot/x/data; ls /sysroot/x; stat -c %u /sysroot/x", *users, *how,
                   "--pivot-root=/deploy/one:/sysroot/x")
    assert out.splitlines() == ["x", "data", "deploy", "0"]


def test_pivot_root_to_a_link_that_leads_out(spawn, deployed):
    (deployed / "out").symlink_to("/../../../../etc")
    assert "/out" in spawn.refuse(deployed, "--pivot-root=/out", "true")


@pytest.mark.parametrize("value", ["relative", "/a/../b", "/", "/a:/", "/a:b", "/a:/b:/c", "/nowhere"])
def test_pivot_root_refused(spawn, deployed, value):
    assert value.split(":")[-1] in spawn.refuse(deployed, f"--pivot-root={value}", "true")


def boot(spawn, tree, *options):
    """Boots until the system says that it is up, then powers it off. Return: what the console said."""
    process = spawn.start(tree, "-b", "--private-network", *options, "--", "systemd.show_status=1", "systemd.firstboot=no",
                          console="read-only", quiet=False)
    text = ""
    end = time.monotonic() + 40
    while "Multi-User System" not in text and time.monotonic() < end:
        if select.select([process.stdout], [], [], 1)[0]:
            piece = os.read(process.stdout.fileno(), 4096).decode(errors="replace")
            if not piece:
                break
            text += piece
    assert "Multi-User System" in text, text
    process.terminate()
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, text + out + err
    return text


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["--volatile=yes", "--volatile=state", "--volatile=overlay",
                                  "--ephemeral=disk"])
def test_debian_boots(spawn, tree, users, mode):
    guest = pathlib.Path(tree("bookworm-guest"))
    before = {p.name: p.lstat().st_mtime_ns for p in guest.iterdir()}
    text = boot(spawn, guest, mode, *users)
    if mode != "--volatile=yes":  # Debian's packages do not bring all that /etc holds
        assert "FAILED" not in text, text
    assert {p.name: p.lstat().st_mtime_ns for p in guest.iterdir()} == before
    assert not left_over(spawn)


@pytest.fixture
def pool(scratch):
    """An empty pool, and the environment that makes it the one."""
    where = scratch / "pool"
    where.mkdir(mode=0o700)
    return where, {**os.environ, "SKEP_POOL": str(where)}


def test_template(spawn, busybox, users, scratch):
    os.chown(busybox / "etc", 3, 4)
    (busybox / "etc/link").symlink_to("nowhere")
    where = scratch / "made"
    script = "cat /usr/lib/os-release; stat -c '%u %g' /etc; touch /new; readlink /etc/link"
    first = spawn.run(where, *users, f"--template={busybox}", "--", "/bin/sh", "-c", script, quiet=False)
    assert first.stdout.splitlines()[-2:] == ["3 4", "nowhere"]
    assert (where / "new").exists() and not (busybox / "new").exists()
    assert "exists already" not in first.stderr
    second = spawn.run(where, *users, f"--template={busybox}", "--", "/bin/sh", "-c", "ls /new", quiet=False)
    assert second.stdout == "/new\n"
    assert f"'{where}' exists already" in second.stderr
    assert not [p for p in scratch.iterdir() if p.name.startswith(".#")]


def test_dry_run_makes_nothing_of_a_template(spawn, busybox, scratch):
    out = spawn.out(scratch / "made", f"--template={busybox}", "--dry-run", "true")
    assert f"directory: {scratch}/made\nmade of, if missing: {busybox}\n" in out
    assert not (scratch / "made").exists()


def test_template_into_the_pool(spawn, busybox, pool):
    where, env = pool
    assert spawn.sh(None, "touch /new; ls -d /usr", f"--template={busybox}", env=env) == "/usr"
    assert (where / spawn.name / "new").exists()
    assert spawn.sh(None, "ls /new", f"--template={busybox}", env=env) == "/new"
    assert [p.name for p in where.iterdir()] == [spawn.name]


def test_template_of_an_ephemeral_machine_is_its_image(spawn, busybox):
    assert spawn.sh(None, "touch /new; ls /new", "-x", f"--template={busybox}") == "/new"
    assert not (busybox / "new").exists()


@pytest.mark.parametrize("options, word", [
    (["--template=/nowhere"], "/nowhere"), (["--template=/etc/passwd"], "not a directory"),
    (["--template=/etc", "-x"], "thrown away"),
])
def test_template_refused(spawn, scratch, options, word):
    assert word in spawn.refuse(scratch / "made", *options, "true")
    assert not (scratch / "made").exists()


def test_template_needs_a_place(spawn, busybox, scratch):
    assert "--directory" in spawn.refuse(None, f"--template={busybox}", "true", name=False)
    assert "/no/where" in spawn.refuse(scratch / "no/where/made", f"--template={busybox}", "true")


def test_template_is_never_seen_half_made(spawn, busybox, new_tree, scratch):
    for i in range(20000):
        (busybox / f"srv{i % 20}").mkdir(exist_ok=True)
        (busybox / f"srv{i % 20}/{i}").write_text("x")
    where = scratch / "made"
    machine = spawn.start(where, f"--template={busybox}", "--", "/bin/true", name=spawn.name + "-1")
    wait_until(lambda: [p for p in scratch.iterdir() if p.name.startswith(".#skep.made.")])
    machine.send_signal(signal.SIGKILL)
    machine.wait(5)
    assert not where.exists()
    spawn.run(new_tree(), "true", name=spawn.name + "-2")
    assert not [p for p in scratch.iterdir() if p.name.startswith(".#")]


@pytest.mark.parametrize("how", ["throw-away", "kept", "read-only", "bind"])
def test_mount_over_the_root(spawn, busybox, scratch, users, how):
    """The image is not written to: what is mounted over it is the root."""
    top = scratch / "top"
    (top / "etc").mkdir(parents=True)
    (top / "etc/mine").write_text("mine\n")
    (top / "proc").mkdir()
    (top / "sys").mkdir()
    before = content(busybox)
    options = {
        "throw-away": f"--overlay=+/:{layer(top)}::/",
        "kept": f"--overlay=+/:{layer(top)}:/",
        "read-only": f"--overlay-ro=+/:{layer(top)}:/",
        "bind": f"--bind={busybox}:/:idmap",
    }[how]
    other = busybox if how != "bind" else scratch / "other"
    if how == "bind":
        (other / "usr").mkdir(parents=True)
    script = "cat /etc/mine; ls /usr/lib/os-release; echo new >/new && stat -c %u / /new"
    out = spawn.run(other, *users, options, "--", "/bin/sh", "-c", script, check=False).stdout
    wanted = {"throw-away": ["mine", "/usr/lib/os-release", "0", "0"],
              "kept": ["mine", "/usr/lib/os-release", "0", "0"],
              "read-only": ["mine", "/usr/lib/os-release"],
              "bind": ["/usr/lib/os-release", "0", "0"]}[how]
    assert out.splitlines() == wanted
    assert (content(busybox) == before) == (how != "bind")
    assert (top / "new").exists() == (how == "kept")
    if how == "kept":
        assert (top / "new").stat().st_uid == 0
    assert not left_over(spawn)
