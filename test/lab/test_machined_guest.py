# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that really run, started by Debian's systemd-nspawn: looked into, logged into, commanded."""

import time

import pytest

from skeplib import machine1

LAB_SUITES = ("bookworm", "trixie")

# A guest with D-Bus, and one that is a single process in a user namespace.
GUESTS = ("booted", "plain")


@pytest.fixture(scope="module", autouse=True)
def guests(lab):
    lab.add_machine("booted", lab.suite + "-guest")
    lab.run(["useradd", "-R", "/var/lib/machines/booted", "-m", "-u", "1234", "-G", "adm",
             "-s", "/bin/bash", "worker"])
    lab.run("cp -a /var/lib/machines/booted /var/lib/machines/plain")
    lab.run("systemd-run -q -u booted -p Delegate=yes systemd-nspawn -b -M booted --keep-unit "
            "--private-network --link-journal=try-guest")
    lab.run("systemd-run -q -u plain -p Delegate=yes systemd-nspawn -M plain --keep-unit "
            "--private-users=pick --private-users-ownership=map sleep 10000")
    lab.wait_for("systemctl -M booted is-system-running", timeout=30)
    lab.wait_for("machinectl show plain", timeout=10)


def test_debians_nspawn_registers_with_us(lab):
    for name in GUESTS:
        assert machine1.get(lab, name, "Service") == "systemd-nspawn"
        assert machine1.get(lab, name, "Unit") == name + ".service"
        assert machine1.get(lab, name, "Subgroup") == ""
        assert machine1.get(lab, name, "RootDirectory") == "/var/lib/machines/" + name


def test_debians_clients(lab):
    assert "booted" in lab.out("machinectl list")
    status = lab.out("machinectl status booted --no-pager")
    for text in ("Class" if "Class:" in status else "class container", "Unit: booted.service",
                 "OS: Debian", "/usr/lib/systemd/systemd"):
        assert text in status
    assert lab.out("systemctl -M booted is-system-running") == "running"
    assert "dbus.service" in lab.out("systemctl -M booted list-units --no-pager --plain")
    assert "org.freedesktop.systemd1" in lab.out("busctl -M booted list")
    lab.run("loginctl list-sessions -M booted --no-pager")
    assert lab.out("journalctl -M booted -n 1 --no-pager")
    leader = machine1.get(lab, "booted", "Leader")
    assert lab.out(f"ps -o machine= -p {leader}") == "booted"
    lab.run("machinectl show booted; machinectl show; systemd-cgls -M booted --no-pager >/dev/null")


def test_addresses(lab):
    lab.run("nsenter -t $(machinectl show -pLeader --value booted) -n sh -c '"
            "ip link set lo up; ip link add d0 type veth peer d1; ip link set d0 up; ip link set d1 up; "
            "ip addr add 10.1.2.3/24 dev d0; ip addr add fd00::5/64 dev d0 nodad; "
            "ip addr add 10.9.9.9/24 dev d0 scope link'")
    rows = machine1.value(lab, "GetMachineAddresses s", "booted")[0]
    assert rows[0] == [2, [10, 1, 2, 3]]
    # What the world can reach comes before what only the link can.
    assert rows[1] == [10, [0xfd] + [0] * 14 + [5]] and rows[2] == [2, [10, 9, 9, 9]]
    assert not any(r[1][0] == 127 or r[1] == [0] * 15 + [1] for r in rows)
    assert machine1.error(lab, "GetMachineAddresses", "s", "plain")[0] == \
        "org.freedesktop.machine1.NoPrivateNetworking"
    assert "10.1.2.3" in lab.out("machinectl list")


def test_os_release(lab):
    for name in GUESTS + (".host",):
        assert machine1.value(lab, "GetMachineOSRelease s", name)[0]["ID"] == "debian"
    # Not a file that would make anybody wait, and not one of the host's.
    root = "/proc/$(machinectl show -pLeader --value plain)/root"
    lab.run(f"rm {root}/etc/os-release {root}/usr/lib/os-release; mkfifo {root}/etc/os-release")
    start = time.monotonic()
    assert machine1.error(lab, "GetMachineOSRelease", "s", "plain")[0] != "no error"
    assert time.monotonic() - start < 3
    lab.run(f"rm {root}/etc/os-release; ln -s /../../../../root/secret {root}/etc/os-release; "
            "echo SECRET=1 >/root/secret")
    name, _ = machine1.error(lab, "GetMachineOSRelease", "s", "plain")
    assert name == "org.freedesktop.DBus.Error.FileNotFound"


def test_id_maps(lab):
    shift = machine1.value(lab, "GetMachineUIDShift s", "plain")[0]
    assert shift >= 65536 and shift % 65536 == 0
    assert machine1.value(lab, "GetMachineUIDShift s", "booted")[0] == 0
    assert machine1.value(lab, "GetMachineUIDShift s", ".host")[0] == 0
    assert machine1.value(lab, "MapFromMachineUser su", "plain", 33)[0] == shift + 33
    assert machine1.value(lab, "MapFromMachineGroup su", "plain", 5)[0] == shift + 5
    assert machine1.value(lab, "MapToMachineUser u", shift + 33) == \
        ["plain", machine1.PATH + "/machine/plain", 33]
    assert machine1.error(lab, "MapFromMachineUser", "su", "plain", 65536)[0] == \
        machine1.NAME + ".NoSuchUserMapping"
    assert machine1.error(lab, "MapToMachineGroup", "u", shift + 65536)[0] == \
        machine1.NAME + ".NoSuchGroupMapping"
    assert machine1.error(lab, "MapToMachineUser", "u", 0)[0] == \
        machine1.NAME + ".NoSuchUserMapping"


def test_root_directory(lab):
    script = ("import dbus, os, sys\n"
              "m = dbus.SystemBus().get_object('%s', '%s', introspect=False)\n"
              "fd = m.OpenMachineRootDirectory(sys.argv[1], signature='s',\n"
              "    dbus_interface='%s').take()\n"
              "print(os.stat('home/worker', dir_fd=fd).st_uid)\n" %
              (machine1.NAME, machine1.PATH, machine1.MANAGER))
    assert lab.out(["python3", "-c", script, "booted"]) == "1234"


@pytest.mark.parametrize("name", GUESTS)
def test_spawner_joins_them_by_name(lab, name):
    """By what is registered of them, and with their own filters, for which their first process is asked."""
    join = f"skep-spawn --join={name} --"
    assert lab.run(f"{join} sh -c 'exit 7'", check=False).returncode == 7
    leader = machine1.get(lab, name, "Leader")
    assert lab.out(f"{join} cat /proc/self/uid_map").split() == lab.out(f"cat /proc/{leader}/uid_map").split()
    assert "container=systemd-nspawn" in lab.out(f"{join} env")
    group = lab.out(f"{join} cat /proc/self/cgroup").splitlines()[-1]
    assert group == ("0::/init.scope" if name == "booted" else "0::/")
    assert lab.out(f"{join} grep -w Seccomp /proc/self/status").split()[1] == "2"
    assert lab.out(f"grep TracerPid /proc/{leader}/status").split()[1] == "0"


@pytest.mark.parametrize("name", GUESTS)
def test_machinectl_shell(lab, name):
    out = lab.out(f"machinectl -q shell {name} /bin/sh -c 'echo home=$HOME id=$(id -u) $(tty) "
                  "\"$1\"; test -t 0 && echo terminal' sh 'a b  c' | cat")
    assert "home=/root id=0 /dev/pts/" in out and "a b  c" in out and "terminal" in out
    out = lab.out(f"machinectl -q shell worker@{name} /bin/sh -c 'cd; pwd; id' | cat")
    assert "/home/worker" in out and "uid=1234(worker)" in out and "(adm)" in out
    out = lab.out(f"machinectl -q shell --setenv=COLOR=blue {name} /usr/bin/env | cat")
    assert "COLOR=blue" in out


@pytest.mark.parametrize("name", GUESTS)
def test_default_shell(lab, name):
    out = lab.run(f"(sleep 1; echo 'echo \"me:$(id -un)\" $0; exit'; sleep 1) | "
                  f"machinectl -q shell worker@{name} | cat", timeout=20).stdout
    assert "me:worker -bash" in out or "me:worker bash" in out or "me:worker /bin/bash" in out


@pytest.mark.parametrize("name", GUESTS + (".host",))
def test_run(lab, name):
    done = machine1.run(lab, name, ["/bin/sh", "-c", "cat; echo err >&2; echo \"$A $1\"; exit 7",
                                    "sh", "x $HOME"], env=["A=b"], data="typed\n")
    assert done == {"out": "typed\nb x $HOME\n", "err": "err\n", "status": "exited 7\n"}
    assert machine1.run(lab, name, ["/bin/true"])["status"] == "exited 0\n"
    assert machine1.run(lab, name, ["/bin/sh", "-c", "kill -9 $$"])["status"] == "killed 9\n"


def test_run_as_user(lab):
    for name in GUESTS:
        done = machine1.run(lab, name, ["/usr/bin/id"], user="worker")
        assert "uid=1234(worker)" in done["out"] and "(adm)" in done["out"], done
        done = machine1.run(lab, name, ["/bin/sh", "-c", "echo $HOME $USER; pwd"], user="worker")
        assert done["out"] == "/home/worker worker\n/home/worker\n"


@pytest.mark.parametrize("name", GUESTS)
def test_run_shell_from_input(lab, name):
    done = machine1.run(lab, name, [], data="echo $((6*7)); exit 5\n")
    assert done["out"].endswith("42\n") and done["status"] == "exited 5\n"


@pytest.mark.parametrize("name", GUESTS)
def test_run_of_nothing(lab, name):
    code = machine1.error(lab, "OpenMachineShell", "sssasas", name, "", "/bin/nothing", [], [],
                          interface=machine1.SKEP)
    assert code[0] == "org.freedesktop.DBus.Error.FileNotFound" and "/bin/nothing" in code[1]


def test_run_with_bad_arguments(lab):
    invalid = "org.freedesktop.DBus.Error.InvalidArgs"
    for user, path, args, env in (("a b", "/bin/sh", [], []), ("-x", "/bin/sh", [], []),
                                  ("$(x)", "/bin/sh", [], []), ("", "bin/sh", [], []),
                                  ("", "/bin/../sh", [], []), ("", "/bin/sh", [], ["NOVALUE"]),
                                  ("", "/bin/sh", [], ["1X=2"]), ("", "", ["x"], [])):
        for name in GUESTS:
            got = machine1.error(lab, "OpenMachineShell", "sssasas", name, user, path, args, env,
                                 interface=machine1.SKEP)
            assert got[0] == invalid, (user, path, args, env, got)
    assert machine1.error(lab, "OpenMachineShell", "sssasas", "plain", "nobodyhere", "/bin/sh", [],
                          [])[0] == "org.freedesktop.DBus.Error.FileNotFound"


@pytest.mark.parametrize("name", GUESTS)
def test_command_ends_when_nobody_listens(lab, name):
    machine1.run(lab, name, ["/bin/sleep", "4321"], close_after=0.5)
    lab.wait_for("! pgrep -f '[s]leep 4321'", timeout=8)


def test_joined_command_is_inside(lab):
    """In the control group, with the limits and without a descriptor or process of the host's."""
    leader = machine1.get(lab, "plain", "Leader")
    done = machine1.run(lab, "plain", ["/bin/sh", "-c", "cat /proc/self/cgroup | grep ^0; "
                                       "grep CapBnd /proc/self/status; ls /proc/self/fd; "
                                       "readlink /proc/self/ns/* | sort; ls /proc | grep -c '^[0-9]'"])
    lines = done["out"].splitlines()
    assert lines[0] == "0::/"
    bounding = lab.out(f"grep CapBnd /proc/{leader}/status")
    assert lines[1] == bounding
    assert lines[2:6] == ["0", "1", "2", "3"]
    theirs = sorted(lab.out(f"readlink /proc/{leader}/ns/*").split())
    assert lines[6:6 + len(theirs)] == theirs
    assert int(lines[-1]) <= 6
    done = machine1.run(lab, "plain", ["/bin/sh", "-c", "ulimit -Sn; umask; cat /proc/self/status"])
    assert done["out"].startswith("1024\n0022\n")
    assert "SigIgn:\t0000000000000000" in done["out"] and "SigBlk:\t0000000000000000" in done["out"]


def test_sessions_outlive_the_daemon(lab):
    lab.run("systemd-run -q -u keeper --property=StandardOutput=file:/run/keeper.out "
            "machinectl -q shell plain /bin/sh -c 'sleep 2; echo done-sleeping'")
    lab.wait_for("pgrep -x sleep -a", text="sleep 2")
    lab.run("systemctl restart skep-machined")
    lab.wait_for("cat /run/keeper.out", text="done-sleeping", timeout=8)


def test_login_prompt(lab):
    script = (
        "import dbus, os, time\n"
        "m = dbus.SystemBus().get_object('%s', '%s', introspect=False)\n"
        "fd, path = m.OpenMachineLogin('booted', signature='s', dbus_interface='%s')\n"
        "fd = fd.take(); text = b''; end = time.time() + 8\n"
        "while b'login:' not in text and time.time() < end:\n"
        "    try:\n"
        "        text += os.read(fd, 1000)\n"
        "    except OSError:  # nobody has opened the other end yet, or again\n"
        "        time.sleep(0.05)\n"
        "print(path, b'login:' in text)\n" % (machine1.NAME, machine1.PATH, machine1.MANAGER))
    assert lab.out(["python3", "-c", script]).endswith(" True")
    name, text = machine1.error(lab, "OpenMachineLogin", "s", "plain")
    assert name == "org.freedesktop.DBus.Error.FileNotFound" and "system bus" in text


def test_pty_belongs_to_the_guests_root(lab):
    script = (
        "import dbus, os, fcntl\n"
        "m = dbus.SystemBus().get_object('%s', '%s', introspect=False)\n"
        "fd, path = m.OpenMachinePTY('plain', signature='s', dbus_interface='%s')\n"
        "s = fcntl.ioctl(fd.take(), 0x5441, os.O_RDWR | os.O_NOCTTY)\n"
        "print(os.fstat(s).st_uid)\n" % (machine1.NAME, machine1.PATH, machine1.MANAGER))
    assert int(lab.out(["python3", "-c", script])) == \
        machine1.value(lab, "GetMachineUIDShift s", "plain")[0]


def test_vm_is_not_entered(lab):
    lab.run("systemd-run -q --unit=vm sleep 1000")
    machine1.call(lab, "RegisterMachine sayssus", "vm", 0, "qemu", "vm",
                  lab.out("systemctl show -PMainPID vm"), "")
    for method, types, args in (("OpenMachinePTY", "s", ()), ("OpenMachineLogin", "s", ()),
                                ("OpenMachineShell", "sssasas", ("", "", [], [])),
                                ("GetMachineAddresses", "s", ()), ("GetMachineUIDShift", "s", ()),
                                ("GetMachineOSRelease", "s", ()),
                                ("OpenMachineRootDirectory", "s", ())):
        assert machine1.error(lab, method, types, "vm", *args)[0] == \
            "org.freedesktop.DBus.Error.NotSupported", method
    lab.run("systemctl stop vm")


def test_copy(lab):
    lab.run("rm -rf /root/c; mkdir -p /root/c/d; echo top >/root/c/f; echo deep >/root/c/d/f; "
            "chown 1234:1234 /root/c/d/f; ln -s /etc/shadow /root/c/l")
    for name in GUESTS:
        lab.run(f"machinectl copy-to {name} /root/c /srv/c")
        done = machine1.run(lab, name, ["/bin/sh", "-c", "cd /srv/c; cat f d/f; stat -c %u d/f f; "
                                        "readlink l"])
        assert done["out"].split() == ["top", "deep", "1234", "0", "/etc/shadow"], name
        # Once more is an error, unless it is meant.
        got = machine1.error(lab, "CopyToMachine", "sss", name, "/root/c", "/srv/c")
        assert got[0] == "org.freedesktop.DBus.Error.FileExists" and "/root/c" not in got[1]
        machine1.call(lab, "CopyToMachineWithFlags ssst", name, "/root/c/f", "/srv/c/f", 1)
        machine1.run(lab, name, ["/bin/sh", "-c", "chmod 4755 /srv/c/f; chown 1234 /srv/c/f"])
        lab.run(f"rm -rf /root/back; machinectl copy-from {name} /srv/c /root/back")
        assert lab.out("cat /root/back/f /root/back/d/f; stat -c '%u %a' /root/back/f").split() == \
            ["top", "deep", "1234", "755"]
    invalid = "org.freedesktop.DBus.Error.InvalidArgs"
    for source, target in (("a", "/b"), ("/a/../b", "/c"), ("/a", "b"), ("/a//b", "/c")):
        assert machine1.error(lab, "CopyToMachine", "sss", "plain", source, target)[0] == invalid
    assert machine1.error(lab, "CopyToMachineWithFlags", "ssst", "plain", "/a", "/b", 2)[0] == invalid
    assert machine1.error(lab, "CopyFromMachine", "sss", ".host", "/a", "/b")[0] == \
        "org.freedesktop.DBus.Error.NotSupported"


def test_copy_stays_inside(lab):
    """Links of the guest's making lead to files of the guest's."""
    lab.run("rm -rf /root/victim /root/x; mkdir /root/victim; echo x >/root/x")
    machine1.run(lab, "booted", ["/bin/sh", "-c", "mkdir -p /root/victim; rm -rf /srv/out; "
                                 "ln -s /../../../root/victim /srv/out; ln -s ../../root /srv/up"])
    lab.run("machinectl copy-to booted /root/x /srv/out/x")
    assert lab.out("ls /root/victim") == ""
    assert machine1.run(lab, "booted", ["/bin/cat", "/root/victim/x"])["out"] == "x\n"
    lab.run("machinectl copy-from booted /srv/up/victim/x /root/from-up")
    assert lab.read("/root/from-up") == "x\n"


def test_bind(lab):
    lab.run("mount --make-rshared /")
    lab.run("mkdir -p /root/shared; echo there >/root/shared/f; chown 1234 /root/shared/f")
    lab.run("machinectl bind --mkdir booted /root/shared /srv/new/place")
    done = machine1.run(lab, "booted", ["/bin/sh", "-c", "cat /srv/new/place/f; "
                                        "echo more >/srv/new/place/g"])
    assert done == {"out": "there\n", "err": "", "status": "exited 0\n"}
    assert lab.read("/root/shared/g") == "more\n"
    lab.run("machinectl bind --read-only --mkdir booted /root/shared/f /srv/one-file")
    done = machine1.run(lab, "booted", ["/bin/sh", "-c", "cat /srv/one-file; echo >/srv/one-file"])
    assert done["out"] == "there\n" and "Read-only" in done["err"]
    # The host's view counts, not what the daemon is held to.
    machine1.call(lab, "BindMountMachine sssbb", "booted", "/usr/src", "/srv/src", "false", "true")
    machine1.run(lab, "booted", ["/usr/bin/touch", "/srv/src/written"])
    lab.run("test -e /usr/src/written")
    # What is mounted below it in there stays in there.
    machine1.run(lab, "booted", ["/bin/sh", "-c", "mkdir /srv/new/place/m; "
                                 "mount -t tmpfs x /srv/new/place/m"])
    assert "/root/shared/m" not in lab.read("/proc/self/mountinfo")
    assert machine1.error(lab, "BindMountMachine", "sssbb", "booted", "/root/shared", "/srv/none",
                          False, False)[0] == "org.freedesktop.DBus.Error.FileNotFound"
    # Into a user namespace with the owners that are meant: /run can be mapped, an overlay cannot.
    lab.run("mkdir -p /run/shared; echo mapped >/run/shared/f; chown 1234 /run/shared/f")
    machine1.call(lab, "BindMountMachine sssbb", "plain", "/run/shared", "/srv/mapped", "false", "true")
    done = machine1.run(lab, "plain", ["/bin/sh", "-c", "stat -c %u /srv/mapped/f; "
                                       "touch /srv/mapped/new"])
    assert done["out"] == "1234\n"
    assert lab.out("stat -c %u /run/shared/new") == "0"


def test_many_at_once(lab):
    """More operations than are allowed at a time: some are refused, all are answered."""
    script = (
        "import subprocess\n"
        "p = [subprocess.Popen(['busctl', '--timeout=20', 'call', '%s', '%s', '%s',\n"
        "     'GetMachineOSRelease', 's', 'booted'], stdout=-1, stderr=-1, text=True)\n"
        "     for _ in range(100)]\n"
        "out = [q.communicate() for q in p]\n"
        "print(sum('ID' in o[0] for o in out), sum('too many' in o[1] for o in out))\n" %
        (machine1.NAME, machine1.PATH, machine1.MANAGER))
    good, refused = map(int, lab.run(["python3", "-c", script], timeout=60).stdout.split())
    assert good + refused == 100 and good >= 60


def test_poweroff_and_reboot(lab):
    lab.run("machinectl terminate plain")
    lab.wait_for("! machinectl show plain", timeout=5)
    lab.run("machinectl poweroff booted")
    lab.wait_for("! machinectl show booted", timeout=20)
    assert lab.out("ls /run/systemd/machines") == ""
    assert machine1.machines(lab).keys() == {".host"}


def test_nspawn_with_a_scope_of_its_own(lab):
    """Outside of a unit, Debian's systemd-nspawn has us make a scope."""
    lab.run("systemctl stop plain")
    lab.run("setsid systemd-nspawn -q -M scoped -D /var/lib/machines/plain --slice=machine.slice "
            "--property=TasksMax=99 sleep 1000 >/run/scoped.log 2>&1 </dev/null &")
    lab.wait_for("machinectl show scoped", timeout=10)
    assert machine1.get(lab, "scoped", "Unit") == "machine-scoped.scope"
    show = lab.out("systemctl show -pDelegate,TasksMax,Slice machine-scoped.scope")
    assert "Delegate=yes" in show and "TasksMax=99" in show and "Slice=machine.slice" in show
    assert machine1.run(lab, "scoped", ["/bin/sh", "-c", "exit 4"])["status"] == "exited 4\n"
    lab.run("machinectl terminate scoped")
    lab.wait_for("! machinectl show scoped", timeout=10)
    lab.wait_for("! systemctl is-active -q machine-scoped.scope", timeout=10)
