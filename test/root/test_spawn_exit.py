# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exit statuses, bad input, and what remains when things go wrong."""

import os
import signal
import subprocess
import time

import pytest

from skeplib import kernel
from skeplib.spawner import wait_until


@pytest.mark.parametrize("status", [0, 1, 3, 77, 124, 125, 126, 127, 255])
def test_status_of_the_payload(spawn, busybox, status):
    assert spawn.run(busybox, "/bin/sh", "-c", f"exit {status}", check=False).returncode == status


def test_133_of_the_payload_is_not_taken_for_a_reboot(spawn, busybox):
    assert spawn.run(busybox, "/bin/sh", "-c", "exit 133", check=False).returncode == 1


@pytest.mark.parametrize("command, status", [
    (["/bin/missing"], 127), (["missing"], 127), (["/etc/os-release"], 126), (["/usr"], 126),
    (["/bin/wrong"], 126), (["/bin/interpreter"], 127),
])
def test_what_cannot_be_executed(spawn, busybox, command, status):
    (busybox / "bin/wrong").write_bytes(b"\x7fELF but not really")
    (busybox / "bin/wrong").chmod(0o755)
    (busybox / "bin/interpreter").write_text("#!/no/such/thing\n")
    (busybox / "bin/interpreter").chmod(0o755)
    line = spawn.refuse(busybox, *command, status=status)
    assert f"'{command[0]}'" in line


@pytest.mark.parametrize("args, words", [
    (["--no-such-option"], "no-such-option"),
    (["--machine"], "machine"),
    (["--uuid=nonsense", "true"], "nonsense"),
    (["--uuid=00000000-0000-0000-0000-000000000000", "true"], "uuid"),
    (["--capability=CAP_NONSENSE", "true"], "CAP_NONSENSE"),
    (["--drop-capability=,,x", "true"], "x"),
    (["--private-users=x", "true"], "'x'"),
    (["--private-users=1:0", "true"], "private-users"),
    (["--private-users=4294967295", "true"], "4294967295"),
    (["--private-users=4294901760:65537", "true"], "private-users"),
    (["--private-users-ownership=maybe", "true"], "maybe"),
    (["--console=maybe", "true"], "maybe"),
    (["--kill-signal=SIGNOT", "true"], "SIGNOT"),
    (["--kill-signal=0", "true"], "0"),
    (["--setenv=1A=x", "true"], "1A"),
    (["--setenv==x", "true"], "=x"),
    (["--chdir=relative", "true"], "relative"),
    (["--chdir=/a/../b", "true"], "/a/../b"),
    (["--bind=:", "true"], "bind"),
    (["--bind=/usr:relative", "true"], "relative"),
    (["--bind=/usr:/a/../../b", "true"], "/a/../../b"),
    (["--bind=/usr:/mnt:nonsense", "true"], "nonsense"),
    (["--bind=/usr:/mnt:rbind:more", "true"], "bind"),
    (["--bind-ro=/no/such/source", "true"], "/no/such/source"),
    (["--tmpfs=relative", "true"], "relative"),
    (["--tmpfs=/mnt:nonsense=1", "true"], "/mnt"),
    (["--hostname=-bad-", "true"], "-bad-"),
    (["--hostname=" + "x" * 65, "true"], "hostname"),
    (["--settings=maybe", "true"], "maybe"),
    (["--register=maybe", "true"], "maybe"),
    (["--notify-ready=maybe", "true"], "maybe"),
    (["--read-only=x", "true"], "read-only"),
    (["--uid=no/such", "true"], "no/such"),
    (["--uid=4294967295", "true"], "4294967295"),
    (["-b", "-a"], "-a"),
    (["--slice=nonsense/../x", "true"], "slice"),
    (["--property=nonsense", "true"], "nonsense"),
])
def test_bad_option(spawn, busybox, args, words):
    line = spawn.refuse(busybox, *args)
    assert words in line, line


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a b", "x" * 65, "ä\n", ".host"])
def test_bad_machine_name(spawn, busybox, name):
    argv = [spawn.program, "-q", "-D", busybox, f"--machine={name}", "--console=pipe", "true"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, timeout=10, check=False)
    assert done.returncode == 125 and done.stderr.count("\n") == 1, done.stderr
    assert "name" in done.stderr


def test_missing_directory(spawn, scratch):
    assert str(scratch / "none") in spawn.refuse(scratch / "none", "true")


def test_directory_that_is_a_file(spawn, scratch):
    (scratch / "file").write_text("")
    assert "file" in spawn.refuse(scratch / "file", "true")


def test_empty_directory(spawn, scratch):
    (scratch / "empty").mkdir()
    assert "usr" in spawn.refuse(scratch / "empty", "true")
    assert not os.listdir(scratch / "empty")


def test_root_of_the_host_is_refused(spawn):
    assert "root" in spawn.refuse("/", "true")


def test_tree_that_is_the_root_by_another_name(spawn, scratch):
    (scratch / "link").symlink_to("/")
    spawn.refuse(scratch / "link", "true")


def test_name_already_taken(spawn, busybox, new_tree):
    first = spawn.start(busybox, "/probe", "signal")
    assert first.stdout.readline() == "waiting\n"
    assert f"'{spawn.name}'" in spawn.refuse(new_tree(), "true")
    first.terminate()
    first.communicate(timeout=5)


@pytest.mark.parametrize("text, where", [
    ("[Exec]\nNoSuchKey=1\n", "2"),
    ("[Nowhere]\nA=1\n", "2"),
    ("[Exec]\nReadOnly=yes\n", "2"),
    ("Boot=yes\n", "1"),
    ("[Exec\n", "1"),
    ("[Exec]\nnonsense\n", "2"),
    ("[Exec]\nKillSignal=SIGNOT\n", "2"),
    ("[Files]\n\nReadOnly=maybe\n", "3"),
])
def test_bad_settings(spawn, busybox, text, where):
    path = busybox.parent / f"{spawn.name}.nspawn"
    path.write_text(text)
    done = spawn.run(busybox, "--settings=trusted", "true", check=False, quiet=False)
    lines = [x for x in done.stderr.splitlines() if f"{path}:{where}" in x]
    assert len(lines) == 1, done.stderr
    assert done.returncode in (0, 125) and done.stdout == ""


def test_settings_that_are_not_text(spawn, busybox):
    path = busybox.parent / f"{spawn.name}.nspawn"
    path.write_bytes(b"[Exec]\nHostname=\0\xff\n" + b"x" * 300000)
    done = spawn.run(busybox, "--settings=trusted", "true", check=False, quiet=False)
    assert str(path) in done.stderr and done.returncode in (0, 125)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda p: os.symlink("/dev/zero", p)],
                         ids=["folder", "fifo", "device"])
def test_settings_that_are_no_file(spawn, busybox, make):
    make(busybox.parent / f"{spawn.name}.nspawn")
    done = spawn.run(busybox, "true", check=False, timeout=5)
    assert done.returncode in (0, 125)


# --- ends nobody planned ----------------------------------------------------------------------

def machine_is_gone(spawn, leader):
    wait_until(lambda: not os.path.exists(f"/proc/{leader}") or "Z" in state_of(leader),
               what="the end of the machine")


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def test_machine_dies_with_its_keeper(spawn, busybox, own_run):
    process = spawn.start(busybox, "/probe", "signal")
    assert process.stdout.readline() == "waiting\n"
    leader = next(p for p in kernel.descendants(process.pid) if kernel.is_init(p))
    process.kill()
    process.wait(5)
    machine_is_gone(spawn, leader)
    # What the dead keeper could not clean is swept by the next start.
    assert spawn.run(busybox, "true").returncode == 0


def test_veth_and_ephemeral_are_swept_after_a_kill(spawn, busybox):
    process = spawn.start(busybox, "-n", "-x", "--", "/probe", "signal")
    assert process.stdout.readline() == "waiting\n", process.stderr.read()
    process.kill()
    process.wait(5)
    assert spawn.run(busybox, "-n", "-x", "true").returncode == 0


@pytest.mark.parametrize("delay", [0, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005])
def test_killed_at_any_moment(spawn, busybox, delay):
    """Nothing is left, and the next start works, whenever the keeper dies."""
    for sig in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        process = spawn.start(busybox, "-n", "--private-users=pick", "--", "/probe", "signal")
        time.sleep(delay)
        process.send_signal(sig)
        process.communicate(timeout=5)
    assert spawn.run(busybox, "-n", "--private-users=pick", "true").returncode == 0


def test_payload_that_closes_its_streams(spawn, busybox):
    assert spawn.run(busybox, "/bin/sh", "-c", "exec 0<&- 1>&- 2>&-; exit 6",
                     check=False).returncode == 6


def test_reader_that_goes_away(spawn, busybox):
    for console in ("pipe", "read-only"):
        process = spawn.start(busybox, "-a", "/bin/sh", "-c",
                              "while echo y 2>/dev/null; do :; done; exit 0", console=console)
        process.stdout.readline()
        process.stdout.close()
        if console == "read-only":
            time.sleep(0.1)
            process.terminate()
        process.wait(5)


def test_closed_standard_streams(spawn, busybox):
    argv = " ".join(f"'{a}'" for a in spawn.argv(busybox, "/bin/sh", "-c", "exit 3"))
    done = subprocess.run(["/bin/sh", "-c", f"exec {argv} 0<&- 1>&- 2>&-"], timeout=10, check=False)
    assert done.returncode == 3


def test_without_privileges(spawn, busybox):
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                           *spawn.argv(busybox, "true")], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=10, check=False)
    assert done.returncode == 125 and done.stderr.count("\n") == 1, done.stderr


def test_fork_bomb_of_orphans_ends_with_the_machine(spawn, busybox):
    spawn.run(busybox, "/bin/sh", "-c", "for i in $(seq 50); do sleep 100 & done; exit 0")


def test_full_memory_file_system(spawn, busybox, scratch):
    """A disk without room: a missing mount point cannot be made."""
    full = scratch / "full"
    full.mkdir()
    kernel.mount("full", full, "tmpfs", 0, "nr_inodes=2k,size=4m")
    subprocess.run(["cp", "-a", f"{busybox}/.", full], check=True)
    with open(full / "fill", "wb", buffering=0) as f:   # or closing it would fail as well
        try:
            while f.write(b"x" * 65536):
                pass
        except OSError:
            pass
    index = 0
    try:
        while True:
            os.mkdir(full / f"d{index}")
            index += 1
    except OSError:
        pass
    line = spawn.refuse(full, "--tmpfs=/a/b/c", "true")
    assert "No space left" in line and "/a" in line


@pytest.mark.parametrize("name", ["import", "spawn", "lock", "skep"])
def test_names_that_skep_uses_itself(spawn, busybox, name):
    """A machine may be called like a folder of ours, and takes nothing from it."""
    before = set(os.listdir("/run/skep")) if os.path.isdir("/run/skep") else set()
    assert spawn.out(busybox, "hostname", name=name) == name
    assert before <= set(os.listdir("/run/skep"))


def test_starts_side_by_side_do_not_sweep_one_another(spawn, busybox):
    started = []
    for round_ in range(4):
        started += [spawn.start(busybox, "--read-only", "true", name=f"{spawn.name}-{round_}-{i}")
                    for i in range(8)]
    for process in started:
        err = process.communicate(timeout=20)[1]
        assert process.returncode == 0, err


def pss(process):
    with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


if not os.environ.get("SKEP_SANITIZED"):    # whose shadow memory is what it is
    def test_an_idle_keeper_is_small(spawn, busybox):
        """What building the machine took is given back when there is nothing to do but wait."""
        process = spawn.start(busybox, "/probe", "signal")
        assert process.stdout.readline() == "waiting\n"
        before = pss(process)
        wait_until(lambda: pss(process) <= min(500, before * 3 // 4), what="a keeper of 500 kB")
        process.terminate()
        process.wait(5)
