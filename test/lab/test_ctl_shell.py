# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep shell and login: the status of the command is ours, streams stay apart, terminals are terminals."""

import hashlib
import os
import re
import time

import pytest

from skeplib.terminal import Terminal

LAB_SUITES = ("bookworm", "trixie")


@pytest.fixture(scope="module")
def web(lab):
    lab.add_machine("web", lab.suite + "-guest")
    lab.run("skep start web", timeout=60)
    lab.wait_for("systemctl -M web is-system-running | grep -E 'running|degraded'", timeout=30)
    return lab


@pytest.fixture(scope="module")
def box(lab):
    """A machine with neither systemd nor D-Bus in it."""
    lab.add_machine("box", "busybox")
    lab.run("systemd-run -q --unit=box-machine -p Type=notify -p Delegate=yes -p KillMode=mixed "
            "skep-spawn -q --keep-unit --register=yes -M box -a /bin/sleep 100000", timeout=30)
    lab.wait_for("skep list --no-legend | grep ^box")
    return lab


@pytest.fixture(params=["web", "box"])
def machine(request):
    """Each test that takes it holds in both kinds."""
    request.getfixturevalue(request.param)
    return request.param


def shell(lab, arguments, **options):
    return lab.run(["skep", "shell", *arguments], check=False, **options)


@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -KILL $$", 137), ("kill -TERM $$", 143),
])
def test_status(lab, machine, script, status):
    done = shell(lab, [machine, "/bin/sh", "-c", script])
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_streams_are_apart(lab, machine):
    done = shell(lab, [machine, "/bin/sh", "-c", "echo out; echo err >&2"])
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_input_and_its_end(lab, machine):
    assert shell(lab, [machine, "/bin/cat"], input="a\nb").stdout == "a\nb"
    assert shell(lab, [machine, "/bin/cat"]).stdout == ""


def test_bytes_stay_what_they_are(lab, machine):
    data = os.urandom(3 << 20)
    done = shell(lab, [machine, "/bin/cat"], input=data, text=False, timeout=60)
    assert done.returncode == 0
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_programs_are_looked_up_in_the_machine(lab, machine):
    assert shell(lab, [machine, "echo", "a  b", "$HOME"]).stdout == "a  b $HOME\n"
    done = shell(lab, [machine, "no-such-program"])
    assert done.returncode == 127
    assert "no-such-program" in done.stderr
    for program in ("/no/such/program", "/etc/passwd", "/etc"):
        done = shell(lab, [machine, program])
        assert done.returncode != 0, program
        assert re.fullmatch(r"skep: [^\n]+\n", done.stderr), done.stderr


def test_arguments_are_passed_as_they_are(lab, machine):
    words = ["", " ", "a b", "*", "'", '"', "\\", "$X", "-l", "--help", "ü", "a\nb"]
    script = 'for a in "$@"; do printf "%s|" "$a"; done'
    done = shell(lab, [machine, "/bin/sh", "-c", script, "sh", *words])
    assert done.stdout == "|".join(words) + "|"


def test_environment_and_user(lab, machine):
    done = lab.run(["skep", "shell", "-E", "GREETING=hello there", "-E", "HANDED", machine, "/bin/sh", "-c",
                    "echo $GREETING,$HANDED,$TERM"], env={"HANDED": "on", "TERM": "vt52"})
    assert done.stdout == "hello there,on,vt52\n"
    assert shell(lab, [machine, "id", "-u"]).stdout == "0\n"


def test_other_users(web):
    for arguments in (["nobody@web"], ["--uid=nobody", "web"]):
        assert shell(web, [*arguments, "/usr/bin/id", "-un"]).stdout == "nobody\n"
    done = shell(web, ["nosuchuser@web", "/bin/true"])
    assert done.returncode != 0
    assert re.fullmatch(r"skep: [^\n]*no[^\n]* user[^\n]*\n", done.stderr)
    done = shell(web, ["@web", "/bin/true"])
    assert (done.returncode, done.stderr) == (1, "skep: '@web': no user before the '@'\n")


def test_no_command_is_the_shell_of_the_user(web):
    done = shell(web, ["web"], input="echo $0 $USER; exit 3\n")
    assert done.returncode == 3
    assert done.stdout.strip().endswith("root")


def test_nothing_of_the_host_but_pipes_goes_in(lab, machine):
    """A file of the host at stdin is read by us; the command never has it in its hands."""
    script = "for n in 0 1 2; do readlink /proc/self/fd/$n; done; ls /proc/self/fd | wc -l"
    done = lab.run(["bash", "-c", 'skep shell "$1" /bin/sh -c "$2" </etc/hostname 2>/tmp/err >/tmp/out; '
                    "cat /tmp/out", "-", machine, script])
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all(re.fullmatch(r"pipe:\[\d+\]", line) for line in lines[:3])
    assert int(lines[3]) <= 4       # the three, and the one that ls reads


def test_in_the_machine_and_its_limits(lab, machine):
    """The command is where the machine's own processes are."""
    theirs = shell(lab, [machine, "/bin/sh", "-c", "readlink /proc/self/ns/mnt; readlink /proc/self/ns/pid"]).stdout
    leader = lab.out(["skep", "show", "-P", "Leader", machine])
    assert theirs.split() == lab.out(f"readlink /proc/{leader}/ns/mnt /proc/{leader}/ns/pid").split()
    unit = lab.out(["skep", "show", "-P", "Unit", machine])
    shell(lab, [machine, "/bin/sh", "-c", "sleep 77777 >/dev/null 2>&1 &"])
    for pid in lab.run("pgrep -f 'sleep 77777'", check=False).stdout.split():
        assert unit in lab.read(f"/proc/{pid}/cgroup")
        lab.run(["kill", pid], check=False)


def test_command_ends_when_we_do(lab, machine):
    client = lab.spawn(["skep", "shell", machine, "/bin/sh", "-c", "exec sleep 66666"],
                       stdin=-1, stdout=-1, stderr=-1)
    lab.wait_for("pgrep -fx 'sleep 66666'")
    lab.run("pkill -TERM -x skep")
    client.wait(timeout=10)
    lab.wait_for("! pgrep -fx 'sleep 66666'")
    client.communicate()


def test_machine_ends_under_the_command(lab):
    lab.add_machine("brief", lab.suite + "-guest")
    lab.run("skep start brief", timeout=60)
    lab.wait_for("systemctl -M brief is-system-running | grep -E 'running|degraded'", timeout=30)
    client = lab.spawn(["skep", "shell", "brief", "/bin/sleep", "55555"], stdin=-1, stdout=-1, stderr=-1)
    lab.wait_for("pgrep -fx '/bin/sleep 55555'")
    lab.run("skep terminate --wait brief")
    assert client.wait(timeout=20) != 0
    client.communicate()


def test_host(lab):
    assert shell(lab, [".host", "/bin/hostname"]).stdout.strip() == lab.out("hostname")
    done = shell(lab, ["", "/bin/sh", "-c", "exit 4"])
    assert done.returncode == 4


def test_refused_to_others(web):
    done = web.run("setpriv --reuid=nobody --regid=nogroup --clear-groups skep shell web /bin/true",
                   check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"skep: [^\n]+\n", done.stderr)
    done = shell(web, ["nosuch", "/bin/true"])
    assert done.returncode == 1 and "no machine" in done.stderr.lower()


def test_shell_at_a_terminal(lab, machine):
    with Terminal(lab, f"skep shell {machine} /bin/sh", rows=31, columns=97) as terminal:
        terminal.expect(r"[#$] ")
        terminal.type("tty; stty size; test -t 2 && echo all three\r")
        terminal.expect(r"/dev/(pts/\d+|console)\r\n")
        terminal.expect(r"31 97\r\n")
        terminal.expect(r"all three\r\n")
        terminal.resize(40, 120)
        terminal.type("sleep 0.2; stty size\r")
        terminal.expect(r"40 120\r\n")
        terminal.type("sleep 1000\r")
        time.sleep(0.3)
        terminal.type("\x03")           # ^C is for the command in there
        terminal.type("echo $((6 * 7))\r")
        terminal.expect(r"42\r\n")
        terminal.type("exit 9\r")
        assert terminal.end()[0] == 9


def test_leaving_a_terminal(lab, machine):
    with Terminal(lab, f"skep shell {machine} /bin/sh") as terminal:
        terminal.expect(r"[#$] ")
        terminal.type("\x1d\x1d\x1d")
        status, text = terminal.end()
        assert status == 0 and "has ended" in text
    with Terminal(lab, f"skep shell {machine} /bin/sleep 44444") as terminal:
        terminal.expect("connected to machine")
        lab.wait_for("pgrep -fx '/bin/sleep 44444'")
        lab.run("pkill -TERM -x skep")
        assert terminal.end()[0] == 143
    lab.wait_for("! pgrep -fx '/bin/sleep 44444'")


def test_login(web):
    with Terminal(web, "skep login web", rows=30, columns=90) as terminal:
        terminal.expect(r"login: ", timeout=30)
        terminal.type("root\r")
        terminal.expect(r"Password: ")
        terminal.type("skep\r")
        terminal.expect(r"[#$] ")
        terminal.type("stty size; id -un\r")
        terminal.expect(r"30 90\r\n")
        terminal.expect(r"root\r\n")
        terminal.type("exit\r")
        terminal.expect(r"login: ", timeout=30)     # the prompt comes again
        terminal.type("\x1d\x1d\x1d")
        assert terminal.end()[0] == 0


def test_login_ends_with_the_machine(lab):
    lab.add_machine("short", lab.suite + "-guest")
    lab.run("skep start short", timeout=60)
    lab.wait_for("systemctl -M short is-system-running | grep -E 'running|degraded'", timeout=30)
    with Terminal(lab, "skep login short") as terminal:
        terminal.expect(r"login: ", timeout=30)
        lab.run("skep poweroff short")
        status, text = terminal.end(timeout=60)
        assert status == 0
        assert "machine short has ended" in text
