# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every option of skep-spawn: what somebody who gives it would notice."""

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time
import uuid

import pytest

from skeplib import kernel
from skeplib.spawner import CHOWNED, DEFAULT_CAPS, leader_of, own_caps

# --- what runs, and as whom ------------------------------------------------------------------

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


# --- init ------------------------------------------------------------------------------------

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
    assert "Failed to mount" not in text + out


# --- how it ends -----------------------------------------------------------------------------

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


def test_reboot_under_a_unit_is_133(spawn, busybox, unit):
    done = spawn.run(busybox, "--keep-unit", "/probe", "reboot", "again", check=False, cgroup=unit)
    assert done.returncode == 133, done.stderr


# --- files -----------------------------------------------------------------------------------

def test_read_only(spawn, busybox):
    out = spawn.sh(busybox, "touch /new || echo refused; touch /tmp/a /run/a /dev/shm/a && echo ok",
                   "--read-only", stderr=subprocess.DEVNULL)
    assert out == "refused\nok"
    assert not (busybox / "new").exists()


def test_without_read_only_the_tree_is_written(spawn, busybox):
    spawn.run(busybox, "touch", "/new")
    assert (busybox / "new").exists()


@pytest.mark.parametrize("kind", ["busybox", "bookworm-guest"])
def test_ephemeral(spawn, new_tree, copied_tree, kind):
    tree = copied_tree(kind)
    before = sorted(os.listdir(tree))
    assert spawn.sh(tree, "echo new >/etc/hostname && rm -r /usr/lib/os-release && cat /etc/hostname",
                    "-x") == "new"
    assert (tree / "usr/lib/os-release").exists()
    assert sorted(os.listdir(tree)) == before
    assert not [n for n in os.listdir(tree.parent) if n.startswith(".#")]


def test_ephemeral_machines_run_side_by_side(spawn, busybox):
    first = spawn.start(busybox, "-x", "--", "/probe", "signal", name=spawn.name + "-1")
    assert first.stdout.readline() == "waiting\n"
    assert spawn.sh(busybox, "echo second", "-x", name=spawn.name + "-2") == "second"
    first.terminate()
    first.communicate(timeout=5)


def test_one_tree_runs_once(spawn, busybox):
    first = spawn.start(busybox, "--", "/probe", "signal", name=spawn.name + "-1")
    assert first.stdout.readline() == "waiting\n"
    assert str(busybox) in spawn.refuse(busybox, "true", name=spawn.name + "-2")
    first.terminate()
    first.communicate(timeout=5)
    assert spawn.run(busybox, "true", name=spawn.name + "-2").returncode == 0


def test_read_only_trees_can_be_shared(spawn, busybox):
    first = spawn.start(busybox, "--read-only", "--", "/probe", "signal", name=spawn.name + "-1")
    assert first.stdout.readline() == "waiting\n"
    assert spawn.run(busybox, "--read-only", "true", name=spawn.name + "-2").returncode == 0
    first.terminate()
    first.communicate(timeout=5)


@pytest.fixture
def folder(scratch):
    where = scratch / "a folder:odd"
    (where / "sub").mkdir(parents=True)
    (where / "file").write_text("content\n")
    return where


def bind_source(folder):
    return str(folder).replace(":", "\\:")


def test_bind(spawn, busybox, folder):
    assert spawn.sh(busybox, "cat /mnt/x/file; echo new >/mnt/x/new",
                    f"--bind={bind_source(folder)}:/mnt/x") == "content"
    assert (folder / "new").read_text() == "new\n"


def test_bind_read_only(spawn, busybox, folder):
    out = spawn.sh(busybox, "cat /mnt/x/file; echo new 2>/dev/null >/mnt/x/new || echo refused",
                   f"--bind-ro={bind_source(folder)}:/mnt/x", stderr=subprocess.DEVNULL)
    assert out == "content\nrefused"
    assert not (folder / "new").exists()


def test_bind_without_destination_is_the_same_path(spawn, busybox, scratch):
    where = scratch / "same"
    where.mkdir()
    (where / "file").write_text("x\n")
    assert spawn.out(busybox, f"--bind-ro={where}", "cat", str(where / "file")) == "x"


def test_bind_of_a_file(spawn, busybox, folder):
    assert spawn.sh(busybox, "cat /etc/new/name; cat /etc/passwd",
                    f"--bind-ro={bind_source(folder)}/file:/etc/new/name",
                    f"--bind-ro={bind_source(folder)}/file:/etc/passwd") == "content\ncontent"
    assert (busybox / "etc/passwd").read_text().startswith("root:")


def test_bind_from_the_image(spawn, busybox):
    assert spawn.out(busybox, "--bind-ro=+/etc:/mnt", "cat", "/mnt/os-release").startswith("ID=")


def test_bind_carries_submounts_unless_told(spawn, busybox, folder, scratch):
    kernel.mount("inner", folder / "sub", "tmpfs")
    (folder / "sub/inner").write_text("x")
    source = bind_source(folder)
    assert spawn.sh(busybox, "ls /mnt/sub", f"--bind={source}:/mnt") == "inner"
    assert spawn.sh(busybox, "ls /mnt/sub", f"--bind={source}:/mnt:norbind") == ""
    script = "touch /mnt/sub/new 2>/dev/null || echo refused"
    assert spawn.sh(busybox, script, f"--bind-ro={source}:/mnt") == "refused"


def test_bind_of_what_is_missing(spawn, busybox):
    assert "/nowhere" in spawn.refuse(busybox, "--bind=/nowhere", "true")


def test_binds_over_one_another_are_sorted(spawn, busybox, folder):
    source = bind_source(folder)
    assert spawn.sh(busybox, "ls /mnt/sub", f"--bind={source}:/mnt/sub", "--tmpfs=/mnt") == \
        "file\nsub"


def test_tmpfs(spawn, busybox):
    out = spawn.sh(busybox, "touch /etc/new && ls -A /etc && grep ' /etc ' /proc/self/mountinfo; "
                   "stat -c '%a %u' /etc", "--tmpfs=/etc").splitlines()
    assert out[0] == "new" and "nodev" in out[1] and " tmpfs " in out[1] and out[2] == "755 0"
    assert not (busybox / "etc/new").exists()


def test_tmpfs_options(spawn, busybox):
    out = spawn.sh(busybox, "stat -c %a /var/x; grep ' /var/x ' /proc/self/mountinfo",
                   "--tmpfs=/var/x:mode=0711,size=64k")
    assert out.startswith("711\n") and "size=64k" in out


# --- users -----------------------------------------------------------------------------------

@pytest.mark.parametrize("option, base", [
    (f"{CHOWNED}:65536", CHOWNED), (f"{CHOWNED}", CHOWNED), ("identity", 0),
])
def test_private_users(spawn, busybox, option, base):
    out = spawn.sh(busybox, "cat /proc/self/uid_map /proc/self/gid_map; stat -c '%u %g' /etc/passwd; "
                   "touch /new; stat -c %u /new; readlink /proc/self/ns/user",
                   f"--private-users={option}", "--private-users-ownership=map").splitlines()
    assert [x.split() for x in out[:2]] == [["0", str(base), "65536"]] * 2
    assert out[2:4] == ["0 0", "0"]
    assert out[4] != os.readlink("/proc/self/ns/user")


def test_unmapped_files_are_nobodys(spawn, busybox):
    out = spawn.sh(busybox, "stat -c '%u %g' /etc/passwd", f"--private-users={CHOWNED}:65536")
    assert out == "65534 65534"


def test_shifted_tree(spawn, busybox):
    """A tree whose files already are in a range of their own keeps them and gets that range."""
    subprocess.run(["chown", "-R", f"{CHOWNED << 4}:{CHOWNED << 4}", busybox], check=True)
    for option in ("yes", "pick"):
        out = spawn.sh(busybox, "cat /proc/self/uid_map; stat -c %u /etc/passwd",
                       f"--private-users={option}")
        assert out.split() == ["0", str(CHOWNED << 4), "65536", "0"]
    assert os.stat(busybox / "etc").st_uid == CHOWNED << 4


def test_private_users_pick(spawn, busybox):
    bases = set()
    for name in (spawn.name, spawn.name, spawn.name + "-other"):
        out = spawn.sh(busybox, "cat /proc/self/uid_map; stat -c %u /etc/passwd",
                       "--private-users=pick", name=name).splitlines()
        zero, base, length = (int(x) for x in out[0].split())
        assert zero == 0 and length == 65536 and out[1] == "0"
        assert 0x80000 <= base <= 0x6fff0000 and base % 65536 == 0
        bases.add(base)
    assert len(bases) == 2


def test_picked_ranges_are_not_shared(spawn, new_tree):
    first = spawn.start(new_tree(), "--private-users=pick", "/probe", "signal", name=spawn.name)
    assert first.stdout.readline() == "waiting\n"
    second = spawn.start(new_tree(), "--private-users=pick", "/bin/sh", "-c",
                         "cat /proc/self/uid_map; exec /probe signal", name=spawn.name + "-2")
    other = int(second.stdout.readline().split()[1])
    with open(f"/proc/{leader_of(first)}/uid_map", encoding="ascii") as f:
        assert int(f.read().split()[1]) != other
    for process in (first, second):
        process.terminate()
        process.communicate(timeout=5)


@pytest.mark.parametrize("kind", ["busybox", "bookworm-guest"])
def test_mapped_tree_keeps_its_owners(spawn, copied_tree, kind):
    tree = copied_tree(kind)
    tree.chmod(0o755)
    spawn.run(tree, "--private-users=pick", "/bin/sh", "-c", "echo x >/new; chown 5:6 /new")
    status = os.stat(tree / "new")
    assert (status.st_uid, status.st_gid) == (5, 6)
    assert os.stat(tree / "etc").st_uid == 0


def test_payload_is_nobody_on_the_host(spawn, busybox):
    process = spawn.start(busybox, f"--private-users={CHOWNED}:65536", "/probe", "signal")
    assert process.stdout.readline() == "waiting\n"
    with open(f"/proc/{leader_of(process)}/status", encoding="utf-8") as f:
        assert re.search(rf"^Uid:\s+{CHOWNED}\s+{CHOWNED}\s", f.read(), re.M)
    process.terminate()
    process.communicate(timeout=5)


@pytest.mark.parametrize("option", ["no", "identity", "pick", f"{CHOWNED}:65536"])
@pytest.mark.parametrize("network", [(), ("--private-network",)], ids=["host-net", "own-net"])
def test_every_view_with_every_user_mode(spawn, busybox, option, network):
    script = ("set -e; for d in null zero full random urandom tty; do [ -c /dev/$d ]; done; "
              "echo x >/dev/null; [ -w /tmp ]; touch /tmp/x /run/x /dev/shm/x; "
              "[ $(stat -c %u /run) = 0 ]; [ $(stat -c %u /dev) = 0 ]; "
              "mkdir /sys/fs/cgroup/x; ls /dev/pts /dev/mqueue >/dev/null; "
              "! touch /run/host/x 2>/dev/null; head -c1 /proc/kallsyms | wc -c; "
              "! echo 1 2>/dev/null >/proc/sys/kernel/panic; [ -d /sys/class ]; echo fine")
    out = spawn.sh(busybox, script, f"--private-users={option}", *network,
                   stderr=subprocess.DEVNULL)
    assert out == "0\nfine"


def test_private_users_keep_ports_of_the_host_closed(spawn, busybox):
    status = spawn.sh(busybox, "grep CapBnd /proc/self/status", "--private-users=identity")
    assert not int(status.split()[1], 16) >> 10 & 1


# --- network ---------------------------------------------------------------------------------

def test_private_network(spawn, busybox):
    out = spawn.sh(busybox, "ls /sys/class/net; cat /sys/class/net/lo/operstate; "
                   "ping -c1 127.0.0.1 >/dev/null && echo up; grep CapBnd /proc/self/status; "
                   "ls /sys", "--private-network").splitlines()
    assert out[0] == "lo" and out[2] == "up"
    assert int(out[3].split()[1], 16) >> 12 & 1
    assert not {"firmware", "module", "power", "hypervisor"} & set(out[4:])
    assert {"block", "bus", "class", "dev", "devices", "kernel"} <= set(out[4:])


def test_private_network_has_own_sysctls(spawn, busybox):
    assert spawn.sh(busybox, "echo 1 >/proc/sys/net/ipv4/ip_forward && "
                    "cat /proc/sys/net/ipv4/ip_forward", "--private-network") == "1"
    with open("/proc/sys/net/ipv4/conf/lo/forwarding", encoding="ascii") as f:
        assert f.read().strip() in "01"


def test_veth(spawn, busybox):
    process = spawn.start(busybox, "-n", "--", "/bin/sh", "-c",
                          "ls /sys/class/net; cat /sys/class/net/host0/address; echo end; "
                          "exec /probe signal")
    lines = []
    while (line := process.stdout.readline().strip()) != "end":
        assert line or process.poll() is None, process.stderr.read()
        lines.append(line)
    assert set(lines[:-1]) == {"host0", "lo"}
    first = lines[-1]
    links = subprocess.run(["ip", "-o", "link"], stdout=subprocess.PIPE, text=True,
                           check=True).stdout
    mine = [x for x in links.splitlines() if ("ve-" + spawn.name)[:11] in x]
    assert len(mine) == 1 and "host0" not in mine[0], links
    process.terminate()
    process.communicate(timeout=5)
    again = spawn.sh(busybox, "cat /sys/class/net/host0/address", "-n")
    assert again == first


def test_veth_of_a_long_name(spawn, busybox):
    name = spawn.name + "-with-a-name-that-is-long"
    process = spawn.start(busybox, "-n", "--", "/probe", "signal", name=name)
    assert process.stdout.readline() == "waiting\n", process.stderr.read()
    out = subprocess.run(["ip", "-o", "link", "show", f"ve-{name}"], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    short = out.split()[1].split("@")[0]
    assert len(short) == 15 and short.startswith(f"ve-{name}"[:11]) and f"altname ve-{name}" in out
    process.terminate()
    process.communicate(timeout=5)


# --- capabilities ----------------------------------------------------------------------------

def bounding(spawn, tree, *options):
    return int(spawn.sh(tree, "grep CapBnd /proc/self/status", *options).split()[1], 16)


@pytest.mark.parametrize("options, added, gone", [
    (["--capability=CAP_SYS_TIME"], 1 << 25, 0),
    (["--capability=CAP_SYS_TIME,CAP_SYSLOG"], 1 << 25 | 1 << 34, 0),
    (["--drop-capability=CAP_SYS_ADMIN,CAP_CHOWN"], 0, 1 << 21 | 1),
    (["--capability=CAP_SYS_TIME", "--drop-capability=CAP_SYS_TIME"], 0, 0),
    (["--capability=CAP_SYSLOG", "--capability=CAP_SYS_TIME"], 1 << 25 | 1 << 34, 0),
])
def test_capability(spawn, busybox, options, added, gone):
    assert bounding(spawn, busybox, *options) == (DEFAULT_CAPS | added) & ~gone & own_caps()


def test_all_capabilities(spawn, busybox):
    assert bounding(spawn, busybox, "--capability=all") == own_caps()
    assert bounding(spawn, busybox, "--drop-capability=all") == 0


@pytest.mark.parametrize("cap, call, without", [
    ("CAP_SYS_TIME", "clock_settime", "EPERM"), ("CAP_SYSLOG", "syslog", "EPERM"),
    ("CAP_IPC_LOCK", "mlock", "EPERM"), ("CAP_SYS_PACCT", "acct", "EPERM"),
    ("CAP_BPF", "bpf", "EPERM"),
])
def test_capability_opens_the_filter(spawn, busybox, cap, call, without):
    assert spawn.ask(busybox, "filter")[call] == without
    assert spawn.ask(busybox, "filter", options=[f"--capability={cap}"])[call] != without


# --- console ---------------------------------------------------------------------------------

def test_console_pipe_keeps_streams_apart(spawn, busybox):
    done = spawn.run(busybox, "/bin/sh", "-c", "echo out; echo err >&2; [ -e /dev/console ]; echo $?")
    assert (done.stdout, done.stderr) == ("out\n1\n", "err\n")


def test_console_pipe_is_binary_safe(spawn, busybox, scratch):
    data = os.urandom(1 << 20)
    (scratch / "in").write_bytes(data)
    with open(scratch / "in", "rb") as stdin, open(scratch / "out", "wb") as stdout:
        spawn.run(busybox, "cat", stdin=stdin, stdout=stdout)
    assert (scratch / "out").read_bytes() == data


def test_short_form_of_pipe(spawn, busybox):
    assert spawn.out(busybox, "-P", "echo", "x", console=None) == "x"


def test_console_read_only(spawn, busybox):
    out = spawn.out(busybox, "/probe", "tty", console="read-only")
    facts = dict(line.split() for line in out.replace("\r", "").splitlines())
    assert (facts["0"], facts["1"], facts["2"]) == ("tty", "tty", "tty")
    assert facts["controlling"] == "ok"


def test_console_default_without_a_terminal(spawn, busybox):
    assert "tty" in spawn.out(busybox, "/probe", "tty", console=None)


def test_console_passive(spawn, busybox):
    assert spawn.out(busybox, "echo", "unseen", console="passive") == ""


def test_console_autopipe(spawn, busybox):
    assert spawn.out(busybox, "/probe", "tty", console="autopipe").splitlines()[1] == "1 other"


class Terminal:
    """A pseudo-terminal with skep-spawn on it."""

    def __init__(self, spawn, tree, *args, rows=33, columns=101):
        self.master, slave = pty.openpty()
        self.slave_path = os.ttyname(slave)
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.process = spawn.start(tree, *args, stdin=slave, stdout=slave, stderr=slave,
                                   console=None)
        self.slave = slave
        self.text = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, what, timeout=5):
        end = time.monotonic() + timeout
        while what not in self.text:
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                pytest.fail(f"no {what!r} in {self.text!r}")
            try:
                self.text += os.read(self.master, 4096).decode(errors="replace")
            except OSError:
                pytest.fail(f"ended without {what!r}: {self.text!r}")

    def send(self, data):
        os.write(self.master, data)

    def end(self, timeout=5):
        self.process.wait(timeout)
        after = termios.tcgetattr(self.slave)
        os.close(self.slave)
        os.close(self.master)
        assert after == self.before, "the terminal was left in another mode"
        return self.process.returncode


def test_console_interactive(spawn, busybox):
    terminal = Terminal(spawn, busybox, "/bin/sh", "-c",
                        "/probe tty; read -r line; echo got-$line; exit 4")
    terminal.expect("rows 33")
    terminal.expect("columns 101")
    terminal.send(b"hello\n")
    terminal.expect("got-hello")
    assert terminal.end() == 4


def test_console_resize(spawn, busybox):
    terminal = Terminal(spawn, busybox, "/bin/sh", "-c",
                        "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done")
    terminal.expect("ready")
    terminal.resize(20, 70)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.expect("20 70")
    assert terminal.end() == 0


def test_three_escapes_end_the_machine(spawn, busybox):
    terminal = Terminal(spawn, busybox, "/probe", "signal")
    terminal.expect("waiting")
    terminal.send(b"\x1d\x1d\x1d")
    assert terminal.end() != 0


def test_control_c_goes_to_the_payload(spawn, busybox):
    terminal = Terminal(spawn, busybox, "-a", "/bin/sh", "-c",
                        "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done")
    terminal.expect("ready")
    terminal.send(b"\x03")
    terminal.expect("caught")
    assert terminal.end() == 5


# --- service manager ------------------------------------------------------------------------

@pytest.fixture
def manager(scratch):
    """The notification socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(scratch / "notify"))
        s.settimeout(5)
        yield s


def messages(manager, until):
    text = ""
    while until not in text:
        text += manager.recv(4096).decode() + "\n"
    return text


def test_ready_is_told_to_the_manager(spawn, busybox, manager):
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}
    process = spawn.start(busybox, "/probe", "signal", env=env)
    text = messages(manager, "READY=1")
    assert re.search(r"^X_NSPAWN_LEADER_PID=\d+$", text + messages_now(manager), re.M)
    process.terminate()
    process.communicate(timeout=5)


def messages_now(manager):
    text = ""
    manager.setblocking(False)
    try:
        while True:
            text += manager.recv(4096).decode() + "\n"
    except BlockingIOError:
        return text
    finally:
        manager.settimeout(5)


def test_notify_ready_waits_for_the_payload(spawn, busybox, manager):
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}
    process = spawn.start(busybox, "--notify-ready=yes", "/probe", "notify", "STATUS=slow", "wait",
                          "READY=1", "wait", env=env, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "STATUS=slow ok\n"
    time.sleep(0.1)
    assert "READY=1" not in messages_now(manager)
    process.stdin.write("\n")
    process.stdin.flush()
    messages(manager, "READY=1")
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.wait(5) == 0


def test_payload_cannot_speak_for_the_unit(spawn, busybox, manager):
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}
    process = spawn.start(busybox, "--notify-ready=yes", "/probe", "notify",
                          "MAINPID=1\nEXIT_STATUS=3\nSTATUS=x\x01READY=1\nREADY=1", "wait", env=env,
                          stdin=subprocess.PIPE)
    text = messages(manager, "READY=1") + messages_now(manager)
    assert "MAINPID" not in text and "EXIT_STATUS" not in text
    assert "STATUS=Machine running: x READY=1\n" in text
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.wait(5) == 0


def test_only_the_first_process_may_notify(spawn, busybox, manager):
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}
    spawn.run(busybox, "--notify-ready=yes", "/bin/sh", "-c", "/probe notify READY=1; exit 0", env=env)
    assert "READY=1" not in messages_now(manager)


def test_register_auto_works_without_a_bus(spawn, busybox):
    env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"}
    assert spawn.out(busybox, "echo", "x", register=None, env=env) == "x"


def test_register_yes_needs_a_bus(spawn, busybox):
    env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"}
    assert "bus" in spawn.refuse(busybox, "echo", "x", register="yes", env=env)


def test_keep_unit_splits_the_cgroup_of_the_caller(spawn, busybox, unit):
    process = spawn.start(busybox, "--keep-unit", "/probe", "signal", cgroup=unit)
    assert process.stdout.readline() == "waiting\n", process.stderr.read()
    path = "/" + str(unit.relative_to(kernel.cgroup2_mount()))
    assert kernel.cgroup_of(leader_of(process)) == path + "/payload"
    assert kernel.cgroup_of(process.pid) == path + "/supervisor"
    process.terminate()
    process.communicate(timeout=5)


# --- talking ---------------------------------------------------------------------------------

def test_quiet(spawn, busybox):
    done = spawn.run(busybox, "true")
    assert (done.stdout, done.stderr) == ("", "")


def test_version_and_help(spawn):
    for option in ("--version", "--help"):
        out = spawn.run(None, option, console=None, name=False, register=None, quiet=False).stdout
        assert "skep" in out
    for option in ("--private-users=", "--bind-ro=", "--console=", "--notify-ready=", "--slice=",
                   "--ephemeral", "--dry-run", "--settings="):
        assert option in out, option


def test_dry_run(spawn, busybox, folder):
    out = spawn.out(busybox, "--dry-run", f"--bind={bind_source(folder)}:/mnt/x",
                    "--private-users=pick", "-n", "touch", "/ran")
    assert not (busybox / "ran").exists() and not (busybox / "mnt").exists()
    for word in ("/mnt/x", "touch /ran", "/proc/kallsyms", "null 1:3", f"ve-{spawn.name}"[:11]):
        assert word in out, out


# --- settings file ----------------------------------------------------------------------------

def write_settings(busybox, name, text):
    path = busybox.parent / f"{name}.nspawn"
    path.write_text(text)
    return path


def test_settings_beside_the_image(spawn, busybox):
    write_settings(busybox, spawn.name,
                   "[Exec]\nHostname=from-file\nEnvironment=A=file\nWorkingDirectory=/usr\n")
    assert spawn.sh(busybox, "hostname; echo $A; pwd").splitlines() == ["from-file", "file", "/usr"]


def test_command_line_wins_over_settings(spawn, busybox):
    write_settings(busybox, spawn.name, "[Exec]\nHostname=from-file\n")
    assert spawn.out(busybox, "--hostname=mine", "hostname") == "mine"
    assert spawn.out(busybox, "--settings=override", "--hostname=mine", "hostname") == "from-file"
    assert spawn.out(busybox, "--settings=no", "hostname") == spawn.name


def test_untrusted_settings_are_not_obeyed(spawn, busybox, folder):
    write_settings(busybox, spawn.name,
                   f"[Exec]\nCapability=CAP_SYS_TIME\n[Files]\nBind={bind_source(folder)}:/mnt/x\n")
    done = spawn.run(busybox, "/bin/sh", "-c", "ls /mnt; grep CapBnd /proc/self/status", check=False,
                     quiet=False)
    assert done.returncode == 0 and "x" not in done.stdout.split("\n")[0]
    assert not int(done.stdout.split()[-1], 16) >> 25 & 1
    assert "Capability" in done.stderr and f"{spawn.name}.nspawn" in done.stderr


def test_trusted_settings_are_obeyed(spawn, busybox):
    write_settings(busybox, spawn.name, "[Exec]\nCapability=CAP_SYS_TIME\n[Files]\nReadOnly=yes\n")
    out = spawn.sh(busybox, "touch /new 2>/dev/null; grep CapBnd /proc/self/status",
                   "--settings=trusted")
    assert int(out.split()[-1], 16) >> 25 & 1
    assert not (busybox / "new").exists()
