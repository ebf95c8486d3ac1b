# SPDX-License-Identifier: LGPL-2.1-or-later
"""Settings files: where they are found, whom they are believed from, and who has the last word."""

import os
import pathlib

import pytest

PLACES = [pathlib.Path("/etc/systemd/nspawn"), pathlib.Path("/run/systemd/nspawn")]


@pytest.fixture
def settings(spawn, busybox):
    """settings(place, text) writes the machine's file; @place is one of PLACES or None for the one
    beside the image. Everything is taken away after the test."""
    written, made = [], []

    def write(place, text):
        folder = place or busybox.parent
        for parent in [*reversed(folder.parents), folder]:
            if not parent.exists():
                parent.mkdir()
                made.append(parent)
        path = folder / f"{spawn.name}.nspawn"
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


@pytest.mark.parametrize("text, words", [
    ("[Network]\nBridge=br0\n", "Bridge"),
    ("[Exec]\n\nLimitNOFILE=5\n", "LimitNOFILE"),
    ("[Files]\nOverlay=/a:/b\n", "Overlay"),
    ("[Exec]\nLinkJournal=guest\n", "LinkJournal"),
])
def test_what_is_not_supported_is_not_passed_over(spawn, busybox, settings, text, words):
    path = settings(PLACES[0], text)
    line = spawn.refuse(busybox, "true")
    assert f"{path}:{text.count(chr(10))}: {words}=: " in line and "not supported" in line


def test_environment_of_the_caller(spawn, busybox):
    """The knob that people set in units."""
    env = {**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes"}
    writable = "[ -w /proc/sys/kernel/domainname ] && " \
               "echo x >/proc/sys/kernel/domainname && echo yes || echo no"
    assert spawn.sh(busybox, writable + " 2>/dev/null", env=env) == "yes"
    assert spawn.sh(busybox, writable + " 2>/dev/null") == "no"
    env["SYSTEMD_NSPAWN_API_VFS_WRITABLE"] = "nonsense"
    assert "nonsense" in spawn.refuse(busybox, "true", env=env)
