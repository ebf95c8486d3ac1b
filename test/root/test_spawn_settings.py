# SPDX-License-Identifier: LGPL-2.1-or-later
"""Settings files: where they are found, whom they are believed from, and who has the last word."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

PLACES = [pathlib.Path("/etc/systemd/nspawn"), pathlib.Path("/run/systemd/nspawn")]


@pytest.fixture
def settings(spawn, busybox):
    """settings(place, text) writes the machine's file; @place is one of PLACES or None for the one
    beside the image; @text None is a link to /dev/null. With a name, that file of the .nspawn.d folder
    there. Everything is taken away after the test."""
    written, made = [], []

    def write(place, text, drop_in=None):
        folder = place or busybox.parent
        if drop_in:
            folder = folder / f"{spawn.name}.nspawn.d"
        for parent in [*reversed(folder.parents), folder]:
            if not parent.exists():
                parent.mkdir()
                made.append(parent)
        path = folder / (drop_in or f"{spawn.name}.nspawn")
        if text is None:
            path.symlink_to("/dev/null")
        else:
            path.write_text(text)
        written.append(path)
        return path

    yield write
    for path in written:
        path.unlink(missing_ok=True)
    for folder in reversed(made):
        if not os.listdir(folder):
            folder.rmdir()


@pytest.mark.parametrize("place", PLACES)
def test_places_of_the_administrator_are_trusted(spawn, busybox, settings, place):
    settings(place, "[Exec]\nCapability=CAP_SYS_TIME\n[Network]\nPrivate=yes\n"
                    "[Files]\nTemporaryFileSystem=/mnt\n")
    done = spawn.run(busybox, "/bin/sh", "-c",
                     "grep CapBnd /proc/self/status; ls /sys/class/net; grep -c ' /mnt ' /proc/mounts",
                     quiet=False)
    caps, *rest = done.stdout.splitlines()
    assert int(caps.split()[1], 16) >> 25 & 1
    assert rest == ["lo", "1"]
    assert "ignored" not in done.stderr


def test_first_place_wins_alone(spawn, busybox, settings):
    settings(PLACES[0], "[Exec]\nEnvironment=A=etc\n")
    settings(PLACES[1], "[Exec]\nEnvironment=A=run\nEnvironment=B=run\n")
    settings(None, "[Exec]\nEnvironment=A=beside\nEnvironment=C=beside\n")
    assert spawn.sh(busybox, 'echo "$A|$B|$C"') == "etc||"


def test_lists_of_file_and_command_line_add_up(spawn, busybox, settings):
    settings(PLACES[1], "[Exec]\nEnvironment=A=file B=file\n"
                        "[Files]\nTemporaryFileSystem=/mnt\n")
    out = spawn.sh(busybox, "echo $A$B; grep -c -e ' /mnt ' -e ' /srv ' /proc/mounts", "--setenv=B=line",
                   "--tmpfs=/srv")
    assert out.splitlines() == ["fileline", "2"]


def test_override_adds_up_the_other_way_round(spawn, busybox, settings):
    settings(PLACES[1], "[Exec]\nEnvironment=B=file\n")
    assert spawn.sh(busybox, "echo $B", "--settings=override", "--setenv=B=line") == "file"


def test_parameters(spawn, busybox, settings):
    """They are the command where there is none, whatever else the file says."""
    settings(PLACES[1], "[Exec]\nParameters=/bin/echo 'from the' file\n")
    assert spawn.out(busybox) == "from the file"
    assert spawn.out(busybox, "/bin/echo", "typed") == "typed"
    assert spawn.out(busybox, "--settings=override", "/bin/echo", "typed") == "from the file"


def test_start_mode_of_the_file_and_of_the_command_line(spawn, busybox, settings):
    settings(PLACES[1], "[Exec]\nBoot=yes\n")
    # What the command line says counts alone; -a and Boot= do not meet.
    assert spawn.sh(busybox, "echo $$", "-a") == "2"
    path = settings(PLACES[1], "[Exec]\nBoot=yes\nProcessTwo=yes\n")
    line = spawn.refuse(busybox, "true")
    assert str(path) in line and "exclude" in line


def test_network_of_the_file_takes_nothing_away(spawn, busybox, settings):
    """Private=yes alone does not undo a -n that was typed, even where the file wins."""
    settings(PLACES[1], "[Network]\nPrivate=yes\n")
    out = spawn.sh(busybox, "ls /sys/class/net", "--settings=override", "-n")
    assert set(out.split()) == {"lo", "host0"}


def test_environment_of_the_caller(spawn, busybox):
    """The knob that people set in units."""
    env = {**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes"}
    writable = "[ -w /proc/sys/kernel/domainname ] && " \
               "echo x >/proc/sys/kernel/domainname && echo yes || echo no"
    assert spawn.sh(busybox, writable + " 2>/dev/null", env=env) == "yes"
    assert spawn.sh(busybox, writable + " 2>/dev/null") == "no"
    env["SYSTEMD_NSPAWN_API_VFS_WRITABLE"] = "nonsense"
    assert "nonsense" in spawn.refuse(busybox, "true", env=env)


def test_drop_ins_of_all_places_add_up(spawn, busybox, settings):
    settings(PLACES[0], "[Exec]\nEnvironment=A=main B=main\n")
    settings(PLACES[0], "[Exec]\nEnvironment=B=twenty C=twenty\n", "20-b.conf")
    settings(PLACES[1], "[Exec]\nEnvironment=C=thirty\n", "30-c.conf")
    settings(PLACES[1], "[Exec]\nEnvironment=D=ten C=ten\n", "10-a.conf")
    settings(PLACES[1], "[Exec]\nEnvironment=A=hidden B=hidden\n", "20-b.conf")
    settings(PLACES[1], "[Exec]\nEnvironment=A=nobody\n", "notes.txt")
    settings(PLACES[1], "[Exec]\nEnvironment=A=nobody\n", ".40-hidden.conf")
    assert spawn.sh(busybox, "echo $A $B $C $D") == "main twenty thirty ten"
    assert spawn.sh(busybox, "echo $C $D", "--setenv=C=typed") == "typed ten"
    assert spawn.sh(busybox, "echo $C", "--setenv=C=typed", "--settings=override") == "thirty"
    assert spawn.sh(busybox, "echo $A$C", "--settings=no") == ""


def test_link_to_null_hides_what_lies_below(spawn, busybox, settings):
    settings(None, "[Exec]\nEnvironment=A=beside\n")
    settings(None, "[Exec]\nEnvironment=B=beside\n", "b.conf")
    settings(None, "[Exec]\nEnvironment=C=beside\n", "c.conf")
    settings(PLACES[1], None)
    settings(PLACES[0], None, "b.conf")
    assert spawn.sh(busybox, 'echo "$A|$B|$C"') == "||beside"


def test_what_lies_beside_the_image_never_outranks_the_administrator(spawn, busybox, settings):
    """Not by its name, and not by taking back a list."""
    settings(PLACES[0], "[Exec]\nNoNewPrivileges=yes\nDropCapability=CAP_MKNOD\n", "10-strict.conf")
    beside = settings(None, "[Exec]\nNoNewPrivileges=no\nDropCapability=CAP_CHOWN\nDropCapability=\n"
                            "Capability=CAP_SYS_TIME\nEnvironment=A=beside\n", "99-lax.conf")
    script = "echo $A; grep -e CapBnd -e NoNewPrivs /proc/self/status"
    for mode in "yes", "override":
        done = spawn.run(busybox, f"--settings={mode}", "/bin/sh", "-c", script, quiet=False)
        name, caps, strict = done.stdout.splitlines()
        bounding = int(caps.split()[1], 16)
        assert name == "beside" and strict.split()[1] == "1"
        assert not bounding >> 27 & 1 and bounding & 1 and not bounding >> 25 & 1
        assert f"{beside}:5: Capability= is ignored" in done.stderr
    # The same file, trusted by command, comes later and counts.
    assert spawn.sh(busybox, "grep NoNew /proc/self/status", "--settings=trusted").split()[1] == "0"


def test_empty_assignment_takes_back_a_list(spawn, busybox, settings):
    settings(PLACES[0], "[Files]\nTemporaryFileSystem=/mnt\nBindReadOnly=/etc:/media\n"
                        "[Exec]\nDropCapability=CAP_CHOWN\n")
    settings(PLACES[0], "[Files]\nTemporaryFileSystem=\nTemporaryFileSystem=/srv\n", "x.conf")
    count = "grep -o -e ' /mnt ' -e ' /srv ' -e ' /media ' -e ' /opt ' /proc/mounts"
    assert set(spawn.sh(busybox, count).split()) == {"/srv", "/media"}
    assert set(spawn.sh(busybox, count, "--bind-ro=", "--tmpfs=/opt").split()) == {"/srv", "/opt"}
    assert int(spawn.sh(busybox, "grep CapBnd /proc/self/status", "--drop-capability=").split()[1],
               16) & 1


def test_specifiers(spawn, busybox, settings):
    settings(PLACES[0], "[Exec]\nHostname=on-%i\nEnvironment=V=%v H=%H B=%b U=%u:%U:%h P=100%%\n")
    out = spawn.sh(busybox, 'hostname; echo "$V|$H|$B|$U|$P"')
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    assert out.splitlines() == [f"on-{spawn.name}", "|".join([
        os.uname().release, os.uname().nodename, boot, "root:0:/root", "100%"])]
    assert spawn.sh(busybox, "echo $A", "--setenv=A=%i%%") == "%i%%", "a command line has a shell"


def test_specifiers_beside_the_image_tell_nothing_of_the_host(spawn, busybox, settings):
    path = settings(None, "[Exec]\nEnvironment=A=%i\nEnvironment=B=%m\nEnvironment=C=%b D=x\n")
    done = spawn.run(busybox, "/bin/sh", "-c", 'echo "$A|$B|$C|$D"', quiet=False)
    assert done.stdout.strip() == f"{spawn.name}|||"
    assert f"{path}:3: Environment= is ignored" in done.stderr and f"{path}:4: " in done.stderr


@pytest.mark.parametrize("text, words", [
    ("[Exec]\nEnvironment=A=%Z\n", ":2: Environment=: unknown specifier '%Z'"),
    ("[Exec]\nEnvironment=A=50%\n", ":2: Environment=: '%' at the end"),
    ("[Files]\n\nBind=data:/mnt\n", ":3: Bind=: 'data' is not an absolute path"),
])
def test_values_that_a_file_cannot_have(spawn, busybox, settings, text, words):
    path = settings(PLACES[0], text, "x.conf")
    assert f"{path}{words}" in spawn.refuse(busybox, "true")


def test_two_files_may_choose_two_ways_to_start(spawn, busybox, settings):
    settings(PLACES[0], "[Exec]\nBoot=yes\n")
    settings(PLACES[0], "[Exec]\nProcessTwo=yes\n", "x.conf")
    assert spawn.sh(busybox, "echo $$") == "2"


def test_a_strange_file_does_not_stop_the_reader(spawn, busybox, settings):
    """A FIFO where a file should be: an error, at once."""
    path = settings(PLACES[0], "", "x.conf")
    path.unlink()
    os.mkfifo(path)
    assert f"cannot read '{path}'" in spawn.refuse(busybox, "true")


def test_dump_is_a_file_that_says_the_same(spawn, busybox, settings, scratch):
    """What is dumped and read again, with what only options say, is the same machine."""
    settings(PLACES[0], "[Exec]\nEnvironment='A=a  b'\nHostname=n-%i\n[Network]\nPrivate=yes\n")
    (scratch / "up").mkdir()
    here = os.path.relpath(scratch)
    options = ["--bind-ro=../etc:/mnt:norbind", f"--overlay={here}:+/usr:{here}/up:/srv", "--tmpfs=/opt:size=1M", "-E", "B=50%", "-E", "C=\\x",
               "--kill-signal=TERM", "--private-users=524288:65536", "--drop-capability=all"]
    command = ["/bin/echo", "50%", 'a "b"', "c\\"]

    def plan(*argv):
        return re.sub("boot-id = .*", "", spawn.out(busybox, "--dry-run", *argv))
    options += ["--uuid", "11111111222233334444555555555555"]
    planned = plan(*options, *command)
    dump = spawn.out(busybox, "--dump-settings", *options, *command)
    path = settings(PLACES[0], dump)
    assert plan() == planned
    again = spawn.out(busybox, "--dump-settings=text")

    def rows(text):
        return [line for line in text.splitlines() if not line.startswith("# ")]
    assert rows(again) == rows(dump)
    assert f"# {path}:" in again and "n-" + spawn.name in again


def test_dump_names_where_everything_comes_from(spawn, busybox, settings):
    main = settings(PLACES[0], "[Exec]\nHostname=a\nDropCapability=CAP_MKNOD\n")
    drop_in = settings(None, "[Exec]\nDropCapability=CAP_KILL\nUser=daemon\n", "x.conf")
    env = {**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
    rows = json.loads(spawn.out(busybox, "--dump-settings=json", "--hostname=b", "-U", env=env))

    def of(name):
        return [r for r in rows if name in (r["key"], r["option"])]
    [host] = of("Hostname")
    assert host["value"] == "b" and host["origin"] == "command-line" and host["file"] is None
    low, high = of("DropCapability")
    assert (low["value"], low["file"], low["line"], low["trusted"]) == (
        "CAP_KILL", str(drop_in), 2, False)
    assert (high["file"], high["line"], high["trusted"]) == (str(main), 3, True)
    assert of("User")[0]["value"] == "daemon" and of("--private-users")[0]["value"] == "pick"
    [api] = of("--api-vfs-writable")
    assert api["origin"] == "environment" and api["variable"] == "SYSTEMD_NSPAWN_API_VFS_WRITABLE"
    [private] = of("Private")
    assert private["value"] == "no" and private["origin"] == "default"
    assert len(rows) > 50 and not of("--dump-settings")


def test_file_beside_a_disk_image(program, scratch):
    (scratch / "disk.raw").write_bytes(bytes(4096))
    (scratch / "disk.nspawn").write_text("[Exec]\nHostname=from-beside\n")
    rows = json.loads(subprocess.check_output([program("skep-spawn"), "--dump-settings=json", "-i",
                                               scratch / "disk.raw"]))
    assert [r["value"] for r in rows if r["key"] == "Hostname"] == ["from-beside"]


def test_parameters_of_files_add_up(spawn, busybox, settings):
    settings(PLACES[0], "[Exec]\nParameters=/bin/echo main\n")
    settings(PLACES[0], "[Exec]\nParameters='dropped in'\n", "x.conf")
    assert spawn.out(busybox) == "main dropped in"
    settings(PLACES[0], "[Exec]\nParameters=\nParameters=/bin/echo alone\n", "x.conf")
    assert spawn.out(busybox) == "alone"


@pytest.fixture
def open_folder():
    """A folder that other users can enter."""
    with tempfile.TemporaryDirectory(prefix="skep-", dir="/tmp") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


def test_files_of_a_user(spawn, settings, program, open_folder):
    """Who is not root has places of their own; those of the administrator are not for them."""
    settings(PLACES[0], "[Exec]\nHostname=of-the-administrator\n")
    place = open_folder / "config/systemd/nspawn"
    place.mkdir(parents=True)
    (place / f"{spawn.name}.nspawn").write_text("[Exec]\nCapability=CAP_SYS_TIME\nUser=%u\n")
    shutil.copy(program("skep-spawn"), open_folder)
    (open_folder / "tree/usr").mkdir(parents=True)
    rows = json.loads(subprocess.check_output(
        ["setpriv", "--reuid=1", "--regid=1", "--clear-groups", "env", "-i",
         f"XDG_CONFIG_HOME={open_folder}/config", open_folder / "skep-spawn", "--dump-settings=json",
         "-M", spawn.name, "-D", open_folder / "tree"]))
    given = {r["key"]: r["value"] for r in rows if r["origin"] == "file"}
    assert given == {"Capability": "CAP_SYS_TIME", "User": "daemon"}
