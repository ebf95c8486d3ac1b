# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is done with, and learnt of, machines while they run: mounts that come and go, what they use."""

import json
import subprocess

import pytest

from skeplib import machine1

LAB_SUITES = ("bookworm", "trixie")

FLAT = "flat"        # one process, with the users of the host
PLAIN = "plain"      # one process, with users of its own


def start(lab, name, *options, command="sleep 10000"):
    lab.run(f"systemd-run -q --collect -u {name} -p Delegate=yes skep-spawn -q -M {name} --keep-unit "
            f"{' '.join(options)} {command}")
    lab.wait_for(f"skep show {name}", timeout=10)


@pytest.fixture(scope="module", autouse=True)
def machines(lab):
    lab.add_machine(PLAIN, lab.suite + "-guest")
    start(lab, PLAIN, "--private-users=pick", "--network-veth")
    lab.add_machine(FLAT, lab.suite + "-guest", copy=False)
    start(lab, FLAT)


def sh(lab, name, script):
    """What a shell in a machine says, both streams."""
    done = machine1.run(lab, name, ["/bin/sh", "-c", script])
    return done["out"] + done["err"]


def binds(lab, name):
    """{place: row}"""
    return {row["path"]: row for row in json.loads(lab.out(f"skep binds {name} --json=short"))}


def refused(lab, line, *words):
    done = lab.run(f"skep {line}", check=False)
    assert done.returncode == 1
    assert all(word in done.stderr for word in words), done.stderr


@pytest.fixture
def shared(lab):
    """A folder of the host, where owners can be mapped."""
    lab.run("rm -rf /run/one /run/two; mkdir -p /run/one/sub /run/two; "
            "echo first >/run/one/f; echo second >/run/two/f; chown 1234 /run/one/f")
    return lab


@pytest.mark.parametrize("name", (FLAT, PLAIN))
def test_binds_come_and_go(shared, name):
    """Made, listed, replaced, still known after the daemon was killed, taken away; what was below is back."""
    lab = shared
    sh(lab, name, "mkdir -p /srv/at; echo below >/srv/at/f")
    lab.run(f"skep bind --mkdir {name} /run/one /srv/at")
    assert sh(lab, name, "cat /srv/at/f; stat -c %u /srv/at/f; touch /srv/at/new") == "first\n1234\n"
    assert lab.out("stat -c %u /run/one/new") == "0"
    lab.run(f"skep bind --mkdir --read-only {name} /run/two /srv/deep/er/place; "
            f"skep bind --mkdir {name} /run/one/f /srv/deep/file")
    assert sh(lab, name, "cat /srv/deep/file; stat -c %u /srv/deep") == "first\n0\n"
    got = binds(lab, name)
    assert set(got) == {"/srv/at", "/srv/deep/er/place", "/srv/deep/file"}
    assert got["/srv/at"]["source"] == "/run/one" and not got["/srv/at"]["ro"]
    assert got["/srv/deep/er/place"]["ro"] and got["/srv/at"]["mapped"] == (name == PLAIN)
    # Another in the same place replaces it, and the daemon forgets nothing when it is killed.
    lab.run(f"skep bind {name} /run/two /srv/at; pkill -KILL -x skep-machined")
    assert sh(lab, name, "cat /srv/at/f") == "second\n"
    assert binds(lab, name)["/srv/at"]["source"] == "/run/two" and len(binds(lab, name)) == 3
    lab.run(f"skep unbind {name} /srv/at")
    assert sh(lab, name, "cat /srv/at/f") == "below\n"
    refused(lab, f"unbind {name} /srv/at", "nothing was bound to /srv/at")
    # Several at once: those that can be taken away are.
    refused(lab, f"unbind {name} /srv/none /srv/deep/er/place/ /srv/deep/file", "'/srv/none'")
    assert binds(lab, name) == {} and sh(lab, name, "cat /srv/deep/file") == ""
    assert sh(lab, name, "grep ' /srv/' /proc/self/mounts") == ""


def test_read_only_stays_so(shared):
    """The root of a machine with users of its own cannot make it writable, nor run setuid programs from it."""
    shared.run(f"skep bind --mkdir --read-only {PLAIN} /run/one /srv/ro")
    out = sh(shared, PLAIN, "mount -o remount,bind,rw /srv/ro; touch /srv/ro/x; mount -o remount,bind,suid,ro /srv/ro; "
             "grep ' /srv/ro ' /proc/self/mounts")
    assert "Read-only file system" in out and " ro," in out and "nosuid" in out
    assert shared.run("test -e /run/one/x", check=False).returncode
    shared.run(f"skep unbind {PLAIN} /srv/ro")


def test_a_machine_plays_tricks(shared):
    """Links lead to places in the machine alone; what it unmounts, moves or covers is told as it is."""
    lab = shared
    lab.run("mkdir -p /run/host-only")
    sh(lab, PLAIN, "mkdir -p /srv/m /run/host-only; ln -sfn /../../../run/host-only /srv/link")
    lab.run(f"skep bind {PLAIN} /run/one /srv/link")
    assert sh(lab, PLAIN, "cat /run/host-only/f") == "first\n"
    assert "/run/host-only" not in lab.read("/proc/self/mountinfo")
    lab.run(f"skep unbind {PLAIN} /srv/link")
    assert sh(lab, PLAIN, "ls /run/host-only") == ""
    # It unmounts one itself, and mounts another: that one is none of ours.
    lab.run(f"skep bind {PLAIN} /run/one /srv/m")
    sh(lab, PLAIN, "umount /srv/m; mount -t tmpfs own /srv/m")
    assert binds(lab, PLAIN) == {}
    refused(lab, f"unbind {PLAIN} /srv/m", "nothing was bound")
    assert "own" in sh(lab, PLAIN, "grep ' /srv/m ' /proc/self/mounts")
    sh(lab, PLAIN, "umount /srv/m")
    # It covers one.
    lab.run(f"skep bind {PLAIN} /run/one /srv/m")
    sh(lab, PLAIN, "mount -t tmpfs own /srv/m")
    refused(lab, f"unbind {PLAIN} /srv/m", "something else is mounted over")
    sh(lab, PLAIN, "umount /srv/m; mkdir -p /srv/n; mount --make-private /srv/m; mount --move /srv/m /srv/n")
    lab.run(f"skep unbind {PLAIN} /srv/m")
    assert sh(lab, PLAIN, "ls /srv/n") == ""


# Gives two names of a folder in a machine to each other's holders, again and again.
SWAP = """
import ctypes, os, signal, sys
libc, folder, ended = ctypes.CDLL(None), os.open(sys.argv[1], os.O_PATH), []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
print("swaps", flush=True)
while not ended or os.path.islink(sys.argv[1] + "/a"):
    assert libc.renameat2(folder, b"a", folder, b"b", 2) == 0
"""


def test_a_path_changes_while_it_is_gone_along(shared):
    """A folder that is a link out of the machine every other moment: whichever it is found to be, mounts and what is
    made for them are in the machine, and all of them can be taken away."""
    lab = shared
    lab.run("rm -rf /run/host-only; mkdir -p /run/host-only")
    sh(lab, PLAIN, "rm -rf /run/host-only; mkdir -p /srv/swap/a /run/host-only; ln -s /../../../run/host-only /srv/swap/b")
    swapper = lab.spawn(["python3", "-c", SWAP, f"/proc/{machine1.get(lab, PLAIN, 'Leader')}/root/srv/swap"],
                        stdout=subprocess.PIPE, text=True)
    try:
        assert swapper.stdout.readline() == "swaps\n"
        out = lab.out(f"for i in $(seq 60); do skep bind --mkdir {PLAIN} /run/one /srv/swap/a/sub/in 2>&1 && echo bound; "
                      "test $((i % 3)) = 0 && skep unbind " + PLAIN + " /srv/swap/a/sub/in; done 2>&1; true", timeout=60)
        assert swapper.poll() is None
    finally:
        swapper.terminate()
        swapper.wait(30)
    assert out.count("bound\n") > 5, out
    assert lab.out("find /run/host-only; ls /run/one") == "/run/host-only\nf\nsub"
    for word in ("host-only", "/srv/swap"):
        assert word not in lab.read("/proc/self/mountinfo")
    lab.run(f"while skep unbind {PLAIN} /srv/swap/a/sub/in; do :; done", check=False)
    assert binds(lab, PLAIN) == {}
    assert sh(lab, PLAIN, "grep /sub/in /proc/self/mounts; cat /srv/swap/?/sub/in/f 2>/dev/null") == ""


def test_records_go_with_the_machine(shared):
    lab = shared
    lab.add_machine("brief", lab.suite + "-guest", copy=False)
    start(lab, "brief")
    lab.run("skep bind --mkdir brief /run/one /srv/b; test -d /run/skep/binds/brief")
    lab.run("systemctl stop brief")
    lab.wait_for("! test -e /run/skep/binds/brief")
    # Gone while nobody looked.
    start(lab, "brief")
    lab.run("skep bind --mkdir brief /run/one /srv/b; systemctl stop skep-machined; systemctl stop brief")
    start(lab, "brief")
    assert binds(lab, "brief") == {}
    lab.run("systemctl stop brief")


def figures(lab, *names):
    """{machine: row} of skep stats --once"""
    rows = json.loads(lab.out(["skep", "stats", "--once", "--json=short", *names]))
    return {row["machine"]: row for row in rows}


def test_statistics(lab):
    """Figures grow with what a machine does; what this host does not count is unknown, and no error."""
    lab.run(f"ip link set ve-{PLAIN} up; ip addr add 10.77.0.1/24 dev ve-{PLAIN}")
    leader = lab.out(f"skep show -P Leader {PLAIN}")
    lab.run(f"nsenter -t {leader} -n sh -c 'ip link set host0 up; ip addr add 10.77.0.2/24 dev host0'")
    before = figures(lab)
    assert set(before) == {FLAT, PLAIN}
    sh(lab, PLAIN, "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
    lab.run(["python3", "-c", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
             "for i in range(20): s.sendto(bytes(1000), ('10.77.0.2', 9))"])
    after = figures(lab, PLAIN)
    assert set(after) == {PLAIN}
    row = after[PLAIN]
    assert row["cpu"] - before[PLAIN]["cpu"] > 10_000_000
    assert row["received"] - before[PLAIN]["received"] >= 20000 and row["sent"] > 0
    assert before[FLAT]["received"] is None
    assert ".host" in figures(lab, ".host")
    text = lab.out("skep stats --once")
    assert text.splitlines()[0].split() == \
        "MACHINE CPU MEMORY LIMIT TASKS READ WRITTEN RECEIVED SENT".split()
    assert "2 machines listed." in text
    refused(lab, "stats --once nobody", "No machine 'nobody'")
    # The same by the object of the machine.
    got = machine1.value(lab, "GetStatistics", path=f"{machine1.PATH}/machine/{PLAIN}",
                         interface="org.skep.Machine1")[0]
    assert got["CPUUsageNSec"] >= row["cpu"] and got["NetworkReceivedPackets"] >= 20


def test_processes(lab):
    sh(lab, PLAIN, "setsid setpriv --reuid=5 --clear-groups /bin/sh -c 'while sleep 100; do :; done' "
       "'odd\tname' >/dev/null 2>&1 </dev/null &")
    rows = json.loads(lab.out(f"skep top --once {PLAIN} {FLAT} --json=short"))
    ones = {row["machine"]: row for row in rows if row["pid"] == 1}
    assert ones[PLAIN]["user"] == "root" and ones[FLAT]["user"] == "root"
    assert str(ones[PLAIN]["host"]) == lab.out(f"skep show -P Leader {PLAIN}")
    # Nobody who only looks after the machine; users by the machine's own names.
    assert not any("skep-spawn" in row["command"] for row in rows)
    odd = next(row for row in rows if "odd\\x09name" in row["command"])
    assert odd["user"] == "games" and odd["memory"] > 100000 and odd["machine"] == PLAIN
    assert lab.out(f"skep top --once {PLAIN}").splitlines()[0].split()[:3] == ["PID", "HOST", "USER"]
    sh(lab, PLAIN, "kill " + str(odd["pid"]))


@pytest.mark.parametrize("command", (f"stats {PLAIN}", f"top {PLAIN}"))
def test_on_a_terminal_it_is_live(lab, command):
    """It is drawn again with what happened in between, and what was on the terminal is back after "q"."""
    lab.run(f"rm -f /tmp/live; (while ! grep -qs '0%' /tmp/live; do sleep 0.1; done; printf q) | "
            f"TERM=xterm script -qefc 'stty cols 200 rows 30; skep {command}; stty -a' /tmp/live >/dev/null",
            timeout=30)
    text = lab.read("/tmp/live")
    assert text.count("\033[?1049h") == text.count("\033[?1049l") == 1
    assert "0.0%" in text and " icanon" in text and " echo " in text


def test_addresses_by_which_it_is_reached(lab):
    """Not those of a bridge in there, which may be somebody else's out here."""
    leader = lab.out(f"skep show -P Leader {PLAIN}")
    lab.run(f"nsenter -t {leader} -n sh -c 'ip link add docker0 type bridge; ip addr add 10.0.0.1/24 dev docker0; "
            "ip link set docker0 up; ip link add a0 type veth peer a1; ip addr add 10.0.1.1/24 dev a0; ip link set a0 up; "
            "ip addr add fd77::2/64 dev host0 nodad; ip addr add 169.254.1.1/16 dev host0 scope link'")
    lab.run(f"ip link set ve-{PLAIN} up")
    lab.run(f"nsenter -t {leader} -n sh -c 'ip link set host0 up; ip addr replace 10.77.0.2/24 dev host0'")
    rows = [bytes(r[1]) for r in machine1.value(lab, "GetMachineAddresses s", PLAIN)[0]]
    v4 = [".".join(map(str, r)) for r in rows if len(r) == 4]
    assert v4 == ["10.77.0.2", "169.254.1.1", "10.0.1.1"] and rows[0] == bytes((10, 77, 0, 2))
    assert rows[1].startswith(b"\xfd\x77")
    assert lab.out("skep list --no-legend").splitlines()[-1].split()[5].startswith("10.77.0.2")


def test_copy_with_owners_of_several_ranges(lab):
    """Owners, access lists, attributes and holes come through, whatever the map of the machine is like."""
    lab.run("systemd-run -q --collect -u ranges unshare -Um sleep 10000; pid=$(systemctl show -PMainPID ranges); "
            "until grep -q sleep /proc/$pid/comm; do sleep 0.02; done; "
            "for f in uid_map gid_map; do python3 -c 'import os; os.write(1, b\"0 300000 1000\\n1000 500000 1000\")' "
            ">/proc/$pid/$f; done; "
            f"{machine1.CALL} RegisterMachine sayssus ranges 0 '' container $pid '' >/dev/null")
    lab.run("rm -rf /run/src /run/dst /run/back; mkdir -p /run/src/d /run/dst; chown 300000:300000 /run/dst; cd /run/src; "
            "truncate -s 100M holes; echo x >>holes; echo y >five; echo z >d/far; chown 5:5 five; chown 1005:7 d/far")
    lab.write("/run/acl.py", "import os, struct, sys\nwhat, path = sys.argv[1:]\nname = 'system.posix_acl_access'\n"
              "if what == 'set':\n    os.setxattr(path, name, struct.pack('<I' + 5 * 'HHI', 2, 1, 6, 2**32 - 1, 2, 4, 1001,"
              " 4, 4, 2**32 - 1, 16, 4, 2**32 - 1, 32, 4, 2**32 - 1))\n"
              "else:\n    print(struct.unpack('<I' + 5 * 'HHI', os.getxattr(path, name))[6])\n")
    lab.run("python3 /run/acl.py set /run/src/d/far; "
            "python3 -c 'import os; os.setxattr(\"/run/src/five\", \"user.note\", b\"kept\")' || true")
    lab.run("skep copy-to ranges /run/src /run/dst/there")
    assert lab.out("cd /run/dst/there; stat -c '%n %u %g' . five d/far") == \
        ". 300000 300000\nfive 300005 300005\nd/far 500005 300007"
    assert int(lab.out("du -k /run/dst/there/holes | cut -f1")) < 1000
    lab.run("skep copy-from ranges /run/dst/there /run/back")
    assert lab.out("cd /run/back; stat -c '%n %u %g' . five d/far") == ". 0 0\nfive 5 5\nd/far 1005 7"
    assert lab.out("cmp /run/src/holes /run/back/holes; du -k /run/back/holes | cut -f1") == \
        lab.out("du -k /run/src/holes | cut -f1")
    assert [lab.out(f"python3 /run/acl.py get {d}/d/far") for d in ("/run/dst/there", "/run/back")] == \
        ["500001", "1001"]
    note = "python3 -c 'import os; print(os.listxattr(\"/run/{}/five\"))'"
    assert lab.out(note.format("src")) == lab.out(note.format("back"))
    # A file of the kernel is as long as it is when it is read.
    lab.run("skep copy-to ranges /proc/version /run/dst/version; cmp /proc/version /run/dst/version")
    lab.run("systemctl stop ranges")


def test_what_a_machine_came_from(lab):
    """Image, settings files and template, also of a throw-away view, and after the daemon was replaced."""
    lab.write("/etc/systemd/nspawn/made.nspawn", "[Exec]\nBoot=no\nParameters=sleep 10000\n")
    lab.write("/run/systemd/nspawn/made.nspawn.d/more.conf", "[Files]\nBind=/run/one\n")
    lab.run("mkdir -p /run/one")
    lab.add_machine("base", lab.suite + "-guest", copy=False)
    start(lab, "made", "-x", "-D /var/lib/machines/base", command="sleep 10000")
    lab.run("systemctl restart skep-machined")
    status = json.loads(lab.out("skep status made --json=short"))[0]
    assert status["image"] == "/var/lib/machines/base" and status["ephemeral"] is True
    assert status["settings"] == ["/etc/systemd/nspawn/made.nspawn", "/run/systemd/nspawn/made.nspawn.d/more.conf"]
    assert status["template"] is None
    text = lab.out("skep status made")
    assert "Image: /var/lib/machines/base (a throw-away view)" in text
    assert "Settings: /etc/systemd/nspawn/made.nspawn" in text
    assert "Image:" not in lab.out(f"skep status {FLAT}")
    lab.run("systemctl stop made; rm -r /etc/systemd/nspawn/made.nspawn /run/systemd/nspawn/made.nspawn.d")


def test_progress_of_a_copy(lab):
    """On a terminal it is shown how far a copy is; the daemon tells so of all of them."""
    lab.run("head -c 300M /dev/zero | tr '\\0' x >/run/big; rm -f /tmp/copy")
    # However fast this host is: it stops in the middle, and goes on once it was seen.
    lab.write("/run/hold", "until w=$(pgrep -n -x skep-worker) && grep -q 'wchar: [1-9][0-9]\\{6\\}' /proc/$w/io; "
              "do :; done 2>/dev/null\nkill -STOP $w\n"
              "for i in $(seq 100); do grep -qs '%' /tmp/copy && break; sleep 0.1; done\nkill -CONT $w\n")
    lab.run(f"timeout 30 sh /run/hold & script -qefc 'stty cols 100; skep copy-to {FLAT} /run/big /run/big' "
            "/tmp/copy >/dev/null", timeout=60)
    text = lab.read("/tmp/copy")
    assert f"{FLAT} " in text and "%" in text and "/300M" in text
    assert lab.out(f"skep exec {FLAT} stat -c %s /run/big") == str(300 << 20)
    lab.run(f"rm /run/big; skep exec {FLAT} rm /run/big")


@pytest.mark.parametrize("terminal", [False, True])
def test_interrupt_ends_a_copy(lab, terminal):
    """The daemon leaves off and leaves nothing, and the exit status is that of an interrupt."""
    lab.run("head -c 300M /dev/zero | tr '\\0' x >/run/big; rm -f /tmp/copy")
    lab.write("/run/hold", "until w=$(pgrep -n -x skep-worker) && grep -q 'wchar: [1-9][0-9]\\{6\\}' /proc/$w/io; "
              "do :; done 2>/dev/null\nkill -STOP $w\nskep operations --no-legend >/run/under-way\n"
              "bash -c 'source /usr/share/bash-completion/completions/skep; COMP_WORDS=(skep cancel \"\"); COMP_CWORD=2; "
              "$(complete -p skep | sed \"s/.*-F \\([^ ]*\\).*/\\1/\"); echo \"${COMPREPLY[@]}\"' >/run/offered\n"
              "pkill -INT -x -f '/usr/bin/skep copy-to.*|skep copy-to.*'\n")
    command = f"skep copy-to {FLAT} /run/big /run/big"
    done = lab.run("timeout 30 sh /run/hold & " + (f"script -qefc 'stty cols 100; {command}' /dev/null" if terminal
                                                   else command), check=False, timeout=60)
    assert done.returncode == 130 and "copying was cancelled" in done.stdout + done.stderr
    lab.wait_for("! pgrep -x skep-worker")
    assert lab.out("cat /run/offered").split() == [lab.out("cat /run/under-way").split()[0]]
    assert "big" not in lab.out(f"skep exec {FLAT} ls -A /run")
    # What is there already stays what it was.
    lab.run(f"skep exec {FLAT} sh -c 'echo old >/run/big'; echo new >/run/big")
    assert "File exists" in lab.run(command, check=False).stderr
    lab.run(command + " --force")
    assert lab.out(f"skep exec {FLAT} cat /run/big") == "new"
    lab.run(f"rm /run/big; skep exec {FLAT} rm /run/big")
