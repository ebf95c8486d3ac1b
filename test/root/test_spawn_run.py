# SPDX-License-Identifier: LGPL-2.1-or-later
"""What runs in a machine, as whom, and how it ends."""

import os
import re
import select
import signal
import subprocess
import time
import uuid

import pytest


# --- what runs, and as whom -----------------------------------------------------------------------

def test_command_with_arguments(spawn, busybox):
    assert spawn.out(busybox, "echo", "a b", "--help") == "a b --help"


def test_options_end_at_the_command(spawn, busybox):
    assert spawn.out(busybox, "echo", "--read-only", "-x") == "--read-only -x"


def test_command_is_found_in_path(spawn, busybox):
    assert spawn.out(busybox, "id", "-u") == "0"


def test_without_a_command_there_is_a_shell(spawn, busybox):
    assert spawn.out(busybox, input="echo $0 in $PWD; exit\n") == "-sh in /root"


def test_directory_defaults_to_the_current_one(spawn, busybox, scratch):
    named = busybox.rename(scratch / f"{spawn.name}-dir")
    assert spawn.out(None, "cat", "/etc/os-release", cwd=named, name=False).startswith("ID=busybox")


def test_directory_may_be_relative(spawn, busybox):
    assert spawn.out(busybox.name, "cat", "/etc/os-release",
                     cwd=busybox.parent).startswith("ID=busybox")


def test_machine_name_defaults_to_the_directory(spawn, busybox, scratch):
    named = scratch / f"{spawn.name}-dir"
    busybox.rename(named)
    assert spawn.out(named, "hostname", name=False) == named.name


def test_machine_name_is_the_host_name(spawn, busybox):
    assert spawn.out(busybox, "hostname") == spawn.name


def test_hostname(spawn, busybox):
    assert spawn.out(busybox, "--hostname=other.example", "hostname") == "other.example"


def test_uuid(spawn, busybox):
    want = str(uuid.uuid4())
    for given in (want, want.replace("-", "")):
        assert spawn.sh(busybox, "echo $container_uuid", f"--uuid={given}") == want


def test_machine_id_of_the_image_wins(spawn, busybox):
    own = uuid.uuid4()
    (busybox / "etc/machine-id").write_text(own.hex + "\n")
    assert spawn.sh(busybox, "echo $container_uuid; cat /run/host/container-uuid",
                    f"--uuid={uuid.uuid4()}").splitlines() == [str(own)] * 2


def test_random_id_without_one(spawn, busybox):
    first, second = (spawn.sh(busybox, "echo $container_uuid") for _ in "12")
    assert first != second and uuid.UUID(first) and uuid.UUID(second)


def test_setenv(spawn, busybox):
    out = spawn.sh(busybox, 'echo "$A|$B|$C|$PATH"', "--setenv=A=1 2", "-E", "B=x=y", "--setenv=C",
                   "--setenv=PATH=/bin", env={**os.environ, "C": "mine"})
    assert out == "1 2|x=y|mine|/bin"


def test_setenv_of_what_is_not_there(spawn, busybox):
    env = {k: v for k, v in os.environ.items() if k != "NOT_THERE"}
    assert spawn.sh(busybox, "echo ${NOT_THERE-unset}", "--setenv=NOT_THERE", env=env) == "unset"


def test_chdir(spawn, busybox):
    assert spawn.out(busybox, "--chdir=/usr/lib", "pwd") == "/usr/lib"
    assert spawn.out(busybox, "pwd") == "/"


def test_chdir_that_is_missing(spawn, busybox):
    assert "/nowhere" in spawn.refuse(busybox, "--chdir=/nowhere", "pwd")


@pytest.fixture
def with_user(busybox):
    with open(busybox / "etc/passwd", "a", encoding="ascii") as f:
        f.write("ann:x:1234:1235:Ann:/home/ann:/bin/sh\n")
    with open(busybox / "etc/group", "a", encoding="ascii") as f:
        f.write("ann:x:1235:\nbees:x:77:bob,ann\nwasps:x:78:bob\n")
    return busybox


@pytest.mark.parametrize("user", ["ann", "1234"])
def test_user(spawn, with_user, user):
    out = spawn.sh(with_user, "id -u; id -g; id -G; echo $HOME $USER $LOGNAME", f"--uid={user}")
    assert out.splitlines() == ["1234", "1235", "1235 77", "/home/ann ann ann"]


def test_user_gets_a_home(spawn, with_user):
    assert spawn.sh(with_user, "stat -c '%a %u %g' /home/ann; stat -c %u /home", "-u", "ann") == \
        "755 1234 1235\n0"
    assert os.stat(with_user / "home/ann").st_uid == 1234


def test_user_keeps_no_capabilities(spawn, with_user):
    out = spawn.sh(with_user, "grep ^Cap /proc/self/status", "--uid=ann")
    caps = dict(re.findall(r"(Cap\w+):\s+(\w+)", out))
    assert [int(caps[f"Cap{k}"], 16) for k in ("Prm", "Eff", "Inh", "Amb")] == [0] * 4


def test_user_shell(spawn, with_user):
    assert spawn.out(with_user, "-u", "ann", input="pwd; id -un\n") == "/home/ann\nann"


def test_user_that_is_missing(spawn, busybox):
    assert "'bob'" in spawn.refuse(busybox, "--uid=bob", "true")


def test_no_program_of_the_image_runs_to_look_users_up(spawn, with_user):
    for name in ("getent", "id"):
        (with_user / "usr/bin" / name).unlink(missing_ok=True)
    (with_user / "usr/bin/getent").write_text("#!/bin/sh\ntouch /ran\n")
    (with_user / "usr/bin/getent").chmod(0o755)
    spawn.run(with_user, "--uid=ann", "true")
    assert not (with_user / "ran").exists()


# --- init -----------------------------------------------------------------------------------------

def test_as_pid2(spawn, busybox):
    assert spawn.sh(busybox, "echo $$; tr '\\0' '\\n' </proc/1/environ | sort", "-a").splitlines()[0] == "2"


def test_as_pid2_reaps_orphans(spawn, busybox):
    script = "for i in 1 2 3; do (sleep 0.05 &) ; done; sleep 0.3; grep -l '(zombie)' /proc/*/status; :"
    assert spawn.sh(busybox, script, "--as-pid2", stderr=subprocess.DEVNULL) == ""


def test_as_pid2_goes_when_the_command_does(spawn, busybox):
    begin = time.monotonic()
    done = spawn.run(busybox, "-a", "/bin/sh", "-c", "sleep 100 & exit 7", check=False)
    assert done.returncode == 7 and time.monotonic() - begin < 5


def test_as_pid2_command_killed(spawn, busybox):
    done = spawn.run(busybox, "-a", "/bin/sh", "-c", "kill -9 $$", check=False)
    assert done.returncode in (255, 128 + 9)


@pytest.fixture
def with_init(busybox):
    """A tree whose /sbin/init is a script that says what it got and powers off."""
    (busybox / "sbin/init").unlink(missing_ok=True)
    (busybox / "sbin/init").write_text(
        "#!/bin/sh\necho init $$ \"$@\" ${LANG-nolang}\n/probe reboot ${how-off}\n")
    (busybox / "sbin/init").chmod(0o755)
    return busybox


def test_boot_runs_init(spawn, with_init):
    assert spawn.out(with_init, "-b", "one", "two").startswith("init 1 one two nolang")


def test_boot_without_init(spawn, busybox):
    (busybox / "sbin/init").unlink(missing_ok=True)
    spawn.refuse(busybox, "-b", status=127)


def test_boot_refuses_what_is_no_system(spawn, busybox):
    for name in ("etc/os-release", "usr/lib/os-release"):
        (busybox / name).unlink(missing_ok=True)
    assert "os-release" in spawn.refuse(busybox, "-b")


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
@pytest.mark.parametrize("userns", ["no", "pick"])
def test_debian_boots_and_powers_off(spawn, new_tree, copied_tree, suite, userns):
    tree = new_tree(f"{suite}-guest") if userns == "no" else copied_tree(f"{suite}-guest")
    process = spawn.start(tree, "-b", f"--private-users={userns}", "--private-network",
                          "--kill-signal=SIGRTMIN+3", console="read-only", quiet=False)
    text = ""
    end = time.monotonic() + 40
    while "login:" not in text and "Multi-User System" not in text and time.monotonic() < end:
        if select.select([process.stdout], [], [], 1)[0]:
            piece = os.read(process.stdout.fileno(), 4096).decode(errors="replace")
            if not piece:
                break
            text += piece
    assert "Welcome to" in text, text
    process.terminate()
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, text + out + err
    assert "FAILED" not in text and "Failed to" not in text + out


# --- how it ends ----------------------------------------------------------------------------------

def test_kill_signal(spawn, busybox):
    process = spawn.start(busybox, "--kill-signal=SIGUSR2", "/probe", "signal")
    assert process.stdout.readline() == "waiting\n"
    process.terminate()
    assert process.communicate(timeout=5)[0] == f"signal {int(signal.SIGUSR2)}\n"
    assert process.returncode == 0


def test_boot_is_ended_by_rtmin3(spawn, busybox):
    (busybox / "sbin/init").unlink(missing_ok=True)
    (busybox / "sbin/init").write_text("#!/bin/sh\nexec /probe signal\n")
    (busybox / "sbin/init").chmod(0o755)
    process = spawn.start(busybox, "-b")
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=5)[0] == "signal 37\n"


def test_term_without_kill_signal_ends_at_once(spawn, busybox):
    process = spawn.start(busybox, "/probe", "signal")
    assert process.stdout.readline() == "waiting\n"
    process.terminate()
    process.communicate(timeout=5)
    assert process.returncode != 0


def test_second_term_does_not_wait(spawn, busybox):
    process = spawn.start(busybox, "--kill-signal=SIGUSR2", "/bin/sh", "-c",
                          "trap 'echo no' USR2; echo up; while :; do sleep 0.1; done")
    assert process.stdout.readline() == "up\n"
    process.terminate()
    assert process.stdout.readline() == "no\n"
    process.terminate()
    process.communicate(timeout=5)
    assert process.returncode != 0


def test_power_off(spawn, busybox):
    assert spawn.run(busybox, "/probe", "reboot").returncode == 0


def test_reboot_runs_again(spawn, busybox):
    script = "echo run >>/count; [ $(wc -l </count) -ge 3 ] && exit 9; exec /probe reboot again"
    assert spawn.run(busybox, "/bin/sh", "-c", script, check=False).returncode == 9
    assert (busybox / "count").read_text() == "run\n" * 3


def test_every_boot_has_an_id_of_its_own(spawn, busybox):
    script = ("cat /proc/sys/kernel/random/boot_id >>/boots; [ $(wc -l </boots) -ge 3 ] && exit 0; "
              "exec /probe reboot again")
    spawn.run(busybox, "/bin/sh", "-c", script)
    assert len(set((busybox / "boots").read_text().split())) == 3


def test_reboot_under_a_unit_is_133(spawn, busybox, unit):
    done = spawn.run(busybox, "--keep-unit", "/probe", "reboot", "again", check=False, cgroup=unit)
    assert done.returncode == 133, done.stderr
