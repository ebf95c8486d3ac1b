# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep exec: a command beside the processes of a machine, with systemd in it or without, is confined as the
machine is and not as the daemon; streams, signals, status, directory, user and environment are what they are."""

import hashlib
import os
import re
import subprocess

import pytest

from skeplib import machine1
from skeplib.terminal import Terminal

LAB_SUITES = ("bookworm", "trixie")


@pytest.fixture(scope="module", autouse=True)
def machines(lab):
    """One that boots, and one that is a single process in a user namespace, with a filter of its own."""
    lab.add_machine("web", lab.suite + "-guest")
    lab.run(["useradd", "-R", "/var/lib/machines/web", "-m", "-u", "1234", "-G", "adm", "worker"])
    lab.run("cp -a /var/lib/machines/web /var/lib/machines/box")
    lab.run("skep start web", timeout=60)
    lab.run("systemd-run -q --unit=box-machine -p Type=notify -p Delegate=yes -p KillMode=mixed "
            "skep-spawn -q --keep-unit --register=yes -M box --private-users=pick "
            "--drop-capability=CAP_CHOWN --system-call-filter=~symlinkat --setenv=FROM=leader "
            "-D /var/lib/machines/box /bin/sleep 100000", timeout=30)


@pytest.fixture(params=["web", "box"])
def machine(request):
    return request.param


def execute(lab, *arguments, **options):
    return lab.run(["skep", "exec", *arguments], check=False, **options)


def test_status_and_streams(lab, machine):
    data = os.urandom(3 << 20)
    done = execute(lab, machine, "cat", input=data, text=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()
    done = execute(lab, machine, "sh", "-c", "echo out; echo err >&2; test -t 0 || exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    for script, status in (("exit 255", 255), ("kill -KILL $$", 137), ("kill -TERM $$", 143)):
        assert execute(lab, machine, "sh", "-c", script).returncode == status
    # What is closed is closed on the other side as well: no reader, no writer.
    assert lab.out(f"skep exec {machine} yes | head -n 1") == "y"


def test_what_cannot_be_run(lab, machine):
    for program, status in (("no-such-program", 127), ("/no/such", 127), ("/etc/passwd", 126),
                            ("/etc", 126)):
        done = execute(lab, machine, program)
        assert done.returncode == status, done
        assert re.fullmatch(r"skep: [^\n]+\n", done.stderr) and program in done.stderr
    for arguments in (("--chdir=/no/such", machine, "true"), (f"nobodyhere@{machine}", "true"),
                      ("--chdir=srv", machine, "true"), ("nosuchmachine", "true"),
                      (".host", "true")):
        done = execute(lab, *arguments)
        assert done.returncode == 125, done
        assert re.fullmatch(r"skep: [^\n]+\n", done.stderr), done.stderr


def test_user_directory_environment(lab, machine):
    script = 'echo "$(id -u) $(id -G) $HOME $USER $(pwd) $FROM $A [$1]"'
    done = execute(lab, "--chdir=/tmp", "--setenv=A=b c", f"worker@{machine}", "sh", "-c", script,
                   "sh", "x  $y")
    origin = "leader" if machine == "box" else ""
    assert done.stdout == f"1234 1234 4 /home/worker worker /tmp {origin} b c [x  $y]\n", done
    assert execute(lab, "--uid=1234", machine, "id", "-un").stdout == "worker\n"
    assert execute(lab, machine, "pwd").stdout == "/\n"


def test_as_the_machine_is_confined(lab, machine):
    """Capabilities, filters, group and namespaces of the leader; nothing of the daemon's."""
    leader = machine1.get(lab, machine, "Leader")
    fields = ("CapBnd", "NoNewPrivs", "Seccomp_filters", "Seccomp")
    wanted = {f: lab.out(f"grep -w {f} /proc/{leader}/status").split()[1] for f in fields}
    done = execute(lab, machine, "sh", "-c",
                   "grep ^0 /proc/self/cgroup; readlink /proc/self/ns/*; cat /proc/self/status; "
                   "ls /proc/self/fd")
    for field, value in wanted.items():
        assert re.search(rf"^{field}:\s+{value}$", done.stdout, re.M), (field, value, done.stdout)
    lines = done.stdout.splitlines()
    assert lines[0] == ("0::/init.scope" if machine == "web" else "0::/")
    assert set(lab.out(f"readlink /proc/{leader}/ns/*").split()) <= set(lines)
    assert lines[-4:] == ["0", "1", "2", "3"]
    if machine == "box":
        assert execute(lab, "box", "chown", "1", "/tmp").returncode != 0
        assert "Operation not permitted" in execute(lab, "box", "ln", "-s", "a", "/tmp/l").stderr


def test_signals_go_to_the_command(lab, machine):
    script = "trap 'echo usr1' USR1; trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    process = lab.spawn(["skep", "exec", machine, "sh", "-c", script],
                        stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    lab.run(f"pkill -USR1 -f '^skep exec {machine} sh'")
    assert process.stdout.readline() == "usr1\n"
    lab.run(f"pkill -TERM -f '^skep exec {machine} sh'")
    assert process.stdout.readline() == "term\n"
    assert process.wait(timeout=20) == 9


def test_the_command_ends_with_skep(lab, machine):
    process = lab.spawn(["skep", "exec", machine, "sleep", "4321"])
    lab.wait_for("pgrep -xf 'sleep 4321'")
    lab.run(f"pkill -KILL -xf 'skep exec {machine} sleep 4321'")
    lab.wait_for("! pgrep -xf 'sleep 4321'", timeout=10)
    process.wait(timeout=20)


def test_on_a_terminal(lab, machine):
    with Terminal(lab, f"skep exec {machine} sh", rows=31, columns=97) as terminal:
        terminal.type("stty size; tty; echo $((6 * 7))\n")
        terminal.expect(r"31 97\r\n/dev/pts/\d+\r\n42\r\n")
        terminal.type("exit 5\n")
        assert terminal.end()[0] == 5
    # One end is none: what the command says goes where it is sent, and as it is.
    assert execute(lab, machine, "sh", "-c", "tty; exit 3").stdout == "not a tty\n"
    assert execute(lab, "--pty", machine, "tty").stdout.startswith("/dev/pts/")


def test_nobody_is_left_of_what_asks(lab, machine):
    """The daemon and who waits for commands may come and go meanwhile."""
    process = lab.spawn(["skep", "exec", machine, "sh", "-c", "echo there; read x; echo $x; exit 4"],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "there\n"
    lab.run("systemctl restart skep-machined skep-join.service")
    assert process.communicate("typed\n", timeout=20)[0] == "typed\n"
    assert process.returncode == 4
    lab.run("systemctl stop skep-join.socket skep-join.service")
    done = execute(lab, machine, "true")
    assert done.returncode == 125 and "is skep-join.socket started?" in done.stderr
    lab.run("systemctl restart skep-machined")
    assert execute(lab, machine, "true").returncode == 0


def test_only_root_asks_for_it(lab, machine):
    done = lab.run(["runuser", "-u", "nobody", "--", "skep", "--no-ask-password", "exec", machine, "true"],
                   check=False)
    assert done.returncode == 125 and "may need to be root" in done.stderr
    done = lab.run(["runuser", "-u", "nobody", "--", "python3", "-c",
                    "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
                    "s.connect('/run/skep/join')"], check=False)
    assert "Permission denied" in done.stderr
