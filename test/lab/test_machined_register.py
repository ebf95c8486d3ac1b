# SPDX-License-Identifier: LGPL-2.1-or-later
"""Registrations in all their forms: by Debian's spawner, with every property, by users who are not root, in
parts of units, under names that somebody just had."""

import json
import re
import time

import pytest

from skeplib.machine1 import MANAGER, NAME, PATH, call, error, get, machines, value

LAB_SUITES = ("bookworm", "trixie")

REGISTER = "RegisterMachine sayssus"
CREATE = "CreateMachine sayssusa(sv)"
USER = 1777
DENIED = "org.freedesktop.DBus.Error.AccessDenied"

ALL = ("import dbus, json, sys\n"
       "p = dbus.SystemBus().get_object('%s', '%s/machine/' + sys.argv[1], introspect=False)\n"
       "print(json.dumps(p.GetAll('%s.Machine', dbus_interface='org.freedesktop.DBus.Properties')))"
       % (NAME, PATH, NAME))

BY_PIDFD = ("import dbus, os, sys\n"
            "fd = os.pidfd_open(int(sys.argv[2]))\n"
            "m = dbus.Interface(dbus.SystemBus().get_object('%s', '%s', introspect=False), '%s')\n"
            "print(m.RegisterMachineEx(sys.argv[1], [('Class', 'container'),\n"
            "      ('LeaderPIDFD', dbus.types.UnixFd(fd))], signature='sa(sv)'))"
            % (NAME, PATH, MANAGER))


@pytest.fixture(scope="module", autouse=True)
def user(lab):
    lab.run(f"useradd -u {USER} -m ordinary")


def everything(lab, label):
    """All properties of a machine, as text."""
    return lab.out(["python3", "-c", ALL, label])


def sleeper(lab, user=0):
    """A process to register, in no unit. Return: its PID in the lab."""
    become = f"setpriv --reuid={user} --regid={user} --clear-groups " if user else ""
    return int(lab.out(f"{become}setsid sleep 1000 >/dev/null 2>&1 & echo $!"))


def service(lab, unit, *options, command=("sleep", "1000")):
    """A service. Return: its main PID."""
    lab.run(["systemd-run", "-q", f"--unit={unit}", *options, *command])
    return int(lab.out(["systemctl", "show", "-PMainPID", unit]))


def parts_service(lab, unit):
    """A service that has divided its control group. Return: PIDs in the parts "a", "a/below" and "b"."""
    lab.run(["systemd-run", "-q", f"--unit={unit}", "-p", "Delegate=yes", "sh", "-c",
             f"cd /sys/fs/cgroup/system.slice/{unit}.service; mkdir main a a/below b; "
             "echo $$ >main/cgroup.procs; for g in a a/below b; do sleep 1000 & "
             f"echo $! >$g/cgroup.procs; echo $!; done >/run/{unit}.tmp; "
             f"mv /run/{unit}.tmp /run/{unit}.pids; exec sleep 1000"])
    lab.wait_for(f"test -e /run/{unit}.pids")
    return [int(p) for p in lab.read(f"/run/{unit}.pids").split()]


def is_alive(lab, pid):
    return lab.run(f"test -d /proc/{pid} && ! grep -q '^State:.Z' /proc/{pid}/status",
                   check=False).returncode == 0


def wait_gone(lab, name):
    lab.wait_for(f"test ! -e /run/systemd/machines/{name}", timeout=10)
    assert name not in machines(lab)


def restart(lab):
    lab.run("kill -9 $(systemctl show -PMainPID skep-machined)")
    lab.wait_for(f"busctl call {NAME} {PATH} org.freedesktop.DBus.Peer Ping")


def reload_rules(lab):
    lab.run("systemctl reset-failed polkit; systemctl restart polkit")


def no_rules(lab):
    lab.run("rm /etc/polkit-1/rules.d/10-register.rules")
    reload_rules(lab)


def rules(lab, text):
    lab.write("/etc/polkit-1/rules.d/10-register.rules", "polkit.addRule(function(action, subject) {\n"
              f"    var name = action.lookup('name') || action.lookup('machine');\n{text}\n}});\n")
    reload_rules(lab)


@pytest.fixture
def may_register(lab):
    rules(lab, f"if (action.id == '{NAME}.register-machine') return polkit.Result.YES;")
    yield
    no_rules(lab)


def pidfd_id(lab, pid):
    """What a kernel of 6.9 or later calls a process for good; else 0."""
    return int(lab.out(["python3", "-c", "import os; f = os.pidfd_open(%d); "
                        "print(os.fstat(f).st_ino if os.fstat(f).st_ino > 1000 or "
                        "'pidfs' in open('/proc/filesystems').read() else 0)" % pid]))


def test_by_debians_nspawn(lab):
    """Whatever form it knows, all that a registration can tell is there, and outlives the daemon."""
    lab.add_machine("nspawned", lab.suite + "-guest", copy=False)
    lab.run(["systemd-run", "-q", "-u", "nspawned", "-p", "Delegate=yes", "systemd-nspawn", "-M", "nspawned",
             "--keep-unit", "--network-veth", "--uuid=" + "5a" * 16, "sleep", "1000"])
    lab.wait_for("machinectl show nspawned")
    main, leader = int(lab.out("systemctl show -PMainPID nspawned")), get(lab, "nspawned", "Leader")
    for prop, wanted in (("Class", "container"), ("Unit", "nspawned.service"), ("Subgroup", ""),
                         ("Supervisor", main), ("LeaderPIDFDId", pidfd_id(lab, leader)),
                         ("SupervisorPIDFDId", pidfd_id(lab, main)), ("UID", 0),
                         ("Id", [0x5a] * 16), ("VSockCID", 0xffffffff), ("SSHAddress", "")):
        assert get(lab, "nspawned", prop) == wanted, prop
    assert len(get(lab, "nspawned", "NetworkInterfaces")) == 1
    before = everything(lab, "nspawned")
    restart(lab)
    assert everything(lab, "nspawned") == before
    assert value(lab, "GetMachineByPID u", leader) == value(lab, "GetMachineByPID u", main)
    lab.run("systemctl stop nspawned")
    wait_gone(lab, "nspawned")


EX = ("Id", "ay", 16, *range(1, 17), "Service", "s", "tester", "Class", "s", "vm", "RootDirectory", "s",
      "/srv/with space", "NetworkInterfaces", "ai", 2, 5, 7, "VSockCID", "u", 77, "SSHAddress", "s",
      "vsock/77", "SSHPrivateKeyPath", "s", "/run/key")


@pytest.mark.parametrize("create", [False, True])
def test_every_property(lab, create):
    pid = sleeper(lab)
    leader = ("LeaderPID", "u", pid, "LeaderPIDFDID", "t", pidfd_id(lab, pid) or 1)
    if create:
        call(lab, "CreateMachineEx sa(sv)a(sv)", "every", 10, *EX, *leader, 1, "TasksMax", "t", 33)
        assert get(lab, "every", "Unit") == "machine-every.scope"
        assert lab.out("systemctl show -PTasksMax machine-every.scope") == "33"
    else:
        call(lab, "RegisterMachineEx sa(sv)", "every", 10, *EX, *leader)
    for prop, wanted in (("Id", list(range(1, 17))), ("Service", "tester"), ("Class", "vm"),
                         ("RootDirectory", "/srv/with space"), ("NetworkInterfaces", [5, 7]),
                         ("VSockCID", 77), ("SSHAddress", "vsock/77"), ("SSHPrivateKeyPath", "/run/key"),
                         ("Leader", pid), ("LeaderPIDFDId", pidfd_id(lab, pid))):
        assert get(lab, "every", prop) == wanted, prop
    assert value(lab, "GetMachineSSHInfo s", "every") == ["vsock/77", "/run/key"]
    before = everything(lab, "every")
    restart(lab)
    assert everything(lab, "every") == before
    assert value(lab, "GetMachineSSHInfo s", "every") == ["vsock/77", "/run/key"]
    lab.run(["kill", "-9", str(pid)])
    wait_gone(lab, "every")


def test_by_pidfd_and_without_the_rest(lab):
    """What nobody told is unset, also after a restart, and never 0 where 0 is somebody."""
    pid = sleeper(lab)
    assert lab.out(["python3", "-c", BY_PIDFD, "bare", str(pid)]).endswith("/bare")
    for _ in range(2):
        assert get(lab, "bare", "Leader") == pid
        assert get(lab, "bare", "VSockCID") == 0xffffffff
        assert get(lab, "bare", "Id") == []
        assert error(lab, "GetMachineSSHInfo", "s", "bare")[0] == \
            "org.freedesktop.DBus.Error.FileNotFound"
        restart(lab)
    lab.run(["kill", "-9", str(pid)])
    wait_gone(lab, "bare")


def test_users_need_the_right_action(lab):
    """create-machine for scopes, register-machine without, and both for one's own processes only."""
    rules(lab, f"if (action.id == '{NAME}.create-machine' && name == 'theirs' && "
               "action.lookup('class') == 'container') return polkit.Result.YES;")
    own, roots = sleeper(lab, USER), sleeper(lab)
    ex = ("LeaderPID", "u", own, "LeaderPIDFDID", "t", pidfd_id(lab, own) or 1, "Class", "s", "container")
    assert call(lab, "RegisterMachineEx sa(sv)", "others", 3, *ex, user=USER, check=False).returncode
    assert call(lab, CREATE, "theirs", 0, "", "container", roots, "", 0, user=USER, check=False).returncode
    assert call(lab, CREATE, "theirs", 0, "", "host", own, "", 0, user=USER, check=False).returncode
    assert not {"theirs", "others"} & set(machines(lab))
    call(lab, "CreateMachineEx sa(sv)a(sv)", "theirs", 3, *ex, 0, user=USER)
    assert get(lab, "theirs", "UID") == USER
    # Where the service manager can, the user may divide the group.
    if lab.suite != "bookworm":
        assert lab.out("stat -c %u /sys/fs/cgroup/machine.slice/machine-theirs.scope") == str(USER)
    restart(lab)
    assert get(lab, "theirs", "UID") == USER
    # It is theirs to end, and nobody else's.
    assert call(lab, "TerminateMachine s", "theirs", user=65534, check=False).returncode
    call(lab, "TerminateMachine s", "theirs", user=USER)
    wait_gone(lab, "theirs")
    lab.run(f"kill {roots}")
    no_rules(lab)


def test_a_user_never_owns_a_unit_of_the_system(lab, may_register):
    """A job of the user's in somebody else's service is no handle to that service."""
    lab.run(["systemd-run", "-q", "-u", "cronlike", "sh", "-c",
             f"setpriv --reuid={USER} --regid={USER} --clear-groups sleep 1000 & echo $! >/run/job; wait; "
             "exec sleep 1000"])
    lab.wait_for("test -s /run/job && grep -q sleep /proc/$(cat /run/job)/comm")
    job = int(lab.read("/run/job"))
    main = int(lab.out("systemctl show -PMainPID cronlike"))
    call(lab, REGISTER, "job", 0, "", "container", job, "", user=USER)
    for _ in range(2):
        assert get(lab, "job", "Unit") == "cronlike.service"
        assert lab.run("test -e /run/systemd/machines/unit:cronlike.service", check=False).returncode
        assert error(lab, "GetMachineByPID", "u", main)[0] == NAME + ".NoMachineForPID"
        restart(lab)
    call(lab, "KillMachine ssi", "job", "all", 18, user=USER)
    call(lab, "TerminateMachine s", "job", user=USER)
    wait_gone(lab, "job")
    assert not is_alive(lab, job) and is_alive(lab, main)
    assert lab.out("systemctl is-active cronlike") == "active"
    lab.run("systemctl stop cronlike")


def test_a_user_gets_no_shell_on_the_host(lab):
    """Not by calling a process in the host's user namespace a machine, whatever polkit says to shells."""
    rules(lab, f"if (action.id.indexOf('{NAME}.') == 0) return polkit.Result.YES;")
    pid = sleeper(lab, USER)
    call(lab, REGISTER, "trap", 0, "", "container", pid, "/", user=USER)
    for method, types, args in (("OpenMachineShell", "sssasas", ("root", "/bin/sh", [], [])),
                                ("OpenMachineLogin", "s", ())):
        name, text = error(lab, method, types, "trap", *args)
        assert name == DENIED and "user namespace" in text, method
    for command in ("skep shell trap /bin/true", "skep exec trap /bin/true"):
        done = lab.run(command, check=False)
        assert done.returncode and "user namespace" in done.stderr, command
    assert error(lab, "RegisterMachine", "sayssus", "trap2", [], "", "host", pid, "")[0] == \
        "org.freedesktop.DBus.Error.InvalidArgs"
    lab.run(f"kill {pid}")
    no_rules(lab)
    wait_gone(lab, "trap")


# Connects, leaves the connection to a child and ends, so that its PID is free; the child registers itself.
ORPHAN = """
import dbus, os, sys, time
bus = dbus.SystemBus()
if os.fork():
    os._exit(0)
while not os.path.exists("/run/orphan/go"):
    time.sleep(0.01)
m = dbus.Interface(bus.get_object("%s", "%s", introspect=False), "%s")
try:
    m.RegisterMachine("orphan", dbus.ByteArray(b""), "", "container", os.getpid(), "", signature="sayssus")
finally:
    open("/run/orphan/done", "w")
time.sleep(1000)
""" % (NAME, PATH, MANAGER)


def test_a_number_that_was_the_users_is_no_way_to_others(lab, may_register):
    """Who takes over the PID of somebody who once connected to the bus supervises no machine of theirs."""
    script = ("import os, subprocess, sys\n"
              "p = subprocess.Popen(['setpriv', '--reuid=%d', '--regid=%d', '--clear-groups', 'python3', '-c',\n"
              "                      sys.argv[1]], stdout=-3, stderr=-3)\n"
              "p.wait()\n"
              "while True:\n"
              "    open('/proc/sys/kernel/ns_last_pid', 'w').write(str(p.pid - 1))\n"
              "    victim = subprocess.Popen(['sleep', '1000'], stdin=-3, stdout=-3, stderr=-3)\n"
              "    if victim.pid == p.pid:\n"
              "        break\n"
              "    victim.kill()\n"
              "print(victim.pid)\n" % (USER, USER))
    lab.run("mkdir -m 1777 /run/orphan; mount -o remount,rw /proc/sys 2>/dev/null; "
            "test -w /proc/sys/kernel/ns_last_pid")
    victim = int(lab.out(["python3", "-c", script, ORPHAN]))
    lab.run("touch /run/orphan/go")
    lab.wait_for("test -e /run/orphan/done")
    # A bus that knows processes by descriptors tells that the caller is gone.
    if lab.suite == "bookworm":
        assert get(lab, "orphan", "Supervisor") == 0
        assert call(lab, "KillMachine ssi", "orphan", "supervisor", 9, user=USER, check=False).returncode
        call(lab, "TerminateMachine s", "orphan", user=USER)
        wait_gone(lab, "orphan")
    assert "orphan" not in machines(lab)
    assert is_alive(lab, victim)
    lab.run(["kill", "-9", str(victim)])


def test_a_users_machine_is_called_like_no_host(lab, may_register):
    """Its name is looked up before those of hosts are."""
    pid = sleeper(lab, USER)
    for name in ("mirror.example.org", "localhost", "LocalHost", lab.out("hostname")):
        done = call(lab, REGISTER, name, 0, "", "container", pid, "", user=USER, check=False)
        assert done.returncode and "denied" in done.stderr, name
        assert name not in machines(lab)
    call(lab, REGISTER, "mirror", 0, "", "container", pid, "", user=USER)
    call(lab, REGISTER, "mirror.example.org", 0, "", "container", roots := sleeper(lab), "")
    lab.run(f"kill -9 {pid} {roots}")
    wait_gone(lab, "mirror")
    wait_gone(lab, "mirror.example.org")


def test_shell_of_a_user_is_the_users(lab, may_register):
    """In a user namespace of their own, but among the files and on the bus of the host, they are who they
    were."""
    lab.run("mkdir -m 1777 /run/proof")
    pid = int(lab.out(f"setpriv --reuid={USER} --regid={USER} --clear-groups setsid unshare -Ur sleep 1000 "
                      ">/dev/null 2>&1 & echo $!"))
    lab.wait_for(f"grep -q sleep /proc/{pid}/comm")
    call(lab, REGISTER, "ownns", 0, "", "container", pid, "", user=USER)
    call(lab, "OpenMachineShell sssasas", "ownns", "root", "/bin/sh", 3, "sh", "-c",
         "touch /run/proof/file; touch /root/proof; sleep 0.1", 0, user=USER, check=False)
    lab.run("sleep 0.3")
    assert lab.out("ls /run/proof; stat -c %u /run/proof/* 2>/dev/null", check=False) in \
        ("", f"file\n{USER}")
    assert lab.run("test -e /root/proof", check=False).returncode
    lab.run(["kill", "-9", str(pid)])
    wait_gone(lab, "ownns")


def test_all_of_a_part_of_a_unit_is_signalled(lab):
    inside, below, other = parts_service(lab, "parted")
    call(lab, REGISTER, "part-a", 0, "", "container", inside, "")
    assert get(lab, "part-a", "Subgroup") == "a"
    restart(lab)
    assert get(lab, "part-a", "Subgroup") == "a"
    call(lab, "KillMachine ssi", "part-a", "all", 9)
    wait_gone(lab, "part-a")
    lab.wait_for(f"! grep -qs State:.S /proc/{below}/status")
    assert is_alive(lab, other)
    assert lab.out("systemctl is-active parted") == "active"
    lab.run("systemctl stop parted")


def test_in_a_part_a_user_signals_their_own_only(lab, may_register):
    inside, below, _ = parts_service(lab, "mixed")
    own = sleeper(lab, USER)
    lab.run(f"echo {own} >/sys/fs/cgroup/system.slice/mixed.service/a/cgroup.procs")
    call(lab, REGISTER, "mine", 0, "", "container", own, "", user=USER)
    call(lab, "KillMachine ssi", "mine", "", 9, user=USER)
    wait_gone(lab, "mine")
    assert is_alive(lab, inside) and is_alive(lab, below)
    lab.run("systemctl stop mixed")


def test_who_left_its_unit_does_not_end_it(lab):
    pid = service(lab, "home")
    call(lab, REGISTER, "mover", 0, "", "container", pid, "")
    away = service(lab, "abroad", "-p", "Delegate=yes")
    lab.run(f"echo {pid} >/sys/fs/cgroup/system.slice/abroad.service/cgroup.procs")
    stays = sleeper(lab)
    lab.run(f"echo {stays} >/sys/fs/cgroup/system.slice/home.service/cgroup.procs")
    call(lab, "TerminateMachine s", "mover")
    wait_gone(lab, "mover")
    assert not is_alive(lab, pid) and is_alive(lab, away)
    lab.run("systemctl stop home abroad", check=False)
    lab.run(["kill", "-9", str(stays)], check=False)


def test_first_in_a_unit_owns_it_for_good(lab):
    """Whatever order the files are read in after a restart."""
    pid = service(lab, "two")
    second = sleeper(lab)
    lab.run(f"echo {second} >/sys/fs/cgroup/system.slice/two.service/cgroup.procs")
    call(lab, REGISTER, "zz-first", 0, "", "container", pid, "")
    call(lab, REGISTER, "aa-second", 0, "", "container", second, "")
    for _ in range(2):
        assert lab.out("readlink /run/systemd/machines/unit:two.service") == "zz-first"
        restart(lab)
    call(lab, "TerminateMachine s", "aa-second")
    wait_gone(lab, "aa-second")
    assert is_alive(lab, pid)
    lab.run("systemctl stop two")
    wait_gone(lab, "zz-first")


def test_name_of_a_dying_machine(lab):
    """Who starts a machine again while its last processes are still being ended waits for them, and is not
    told that it exists."""
    pid = sleeper(lab)
    call(lab, CREATE, "again", 0, "", "container", pid, "", 1, "TimeoutStopUSec", "t", 1500000)
    lab.run("setsid sh -c 'trap \"\" TERM; echo $$ >/sys/fs/cgroup/machine.slice/machine-again.scope/"
            "cgroup.procs; touch /run/stubborn; while :; do sleep 1; done' >/dev/null 2>&1 &")
    lab.wait_for("test -e /run/stubborn")
    lab.run(["kill", "-9", str(pid)])
    start = time.monotonic()
    call(lab, CREATE, "again", 0, "", "container", sleeper(lab), "", 0)
    assert time.monotonic() - start > 0.5
    assert get(lab, "again", "State") == "running"
    assert lab.out("systemctl is-active machine-again.scope") == "active"
    lab.run("machinectl terminate again")
    wait_gone(lab, "again")


def test_a_stop_that_is_refused_changes_nothing(lab):
    """The service manager's reason is told, and the machine is not closing for ever."""
    lab.write("/run/systemd/system/firm.service",
              "[Unit]\nRefuseManualStop=yes\n[Service]\nExecStart=/usr/bin/sleep 1000\n")
    lab.run("systemctl daemon-reload; systemctl start firm")
    pid = int(lab.out("systemctl show -PMainPID firm"))
    call(lab, REGISTER, "firm", 0, "", "container", pid, "")
    assert error(lab, "TerminateMachine", "s", "firm")[0].endswith("OnlyByDependency")
    assert get(lab, "firm", "State") == "running"
    lab.run(["kill", "-9", str(pid)])
    wait_gone(lab, "firm")


def test_what_is_left_of_who_ended_while_nobody_looked(lab):
    pid, other = sleeper(lab), sleeper(lab)
    call(lab, CREATE, "unseen", 0, "", "container", pid, "", 0)
    lab.run(f"echo {other} >/sys/fs/cgroup/machine.slice/machine-unseen.scope/cgroup.procs")
    lab.run(f"systemctl stop skep-machined; kill -9 {pid}")
    assert is_alive(lab, other)
    # The next one of the name comes at once, and finds it free.
    call(lab, CREATE, "unseen", 0, "", "container", sleeper(lab), "", 0)
    assert not is_alive(lab, other)
    lab.run("machinectl terminate unseen")
    wait_gone(lab, "unseen")


def test_leader_in_the_same_unit_again(lab):
    """A service that is restarted registers under its own name at once."""
    lab.write("/run/systemd/system/phoenix.service",
              "[Service]\nRestart=always\nRestartSec=0\nStartLimitBurst=100\nExecStart=/bin/sh -c 'busctl "
              f"call {NAME} {PATH} {MANAGER} {REGISTER} phoenix 0 \"\" container $$$$ \"\" || "
              "echo failed >>/run/phoenix-failed; exec sleep 1000'\n")
    lab.run("systemctl daemon-reload; systemctl start phoenix")
    seen = set()
    for _ in range(5):
        lab.wait_for("test \"$(machinectl show phoenix -pLeader --value)\" = "
                     "\"$(systemctl show -PMainPID phoenix)\"")
        seen.add(get(lab, "phoenix", "Leader"))
        lab.run("kill -9 $(systemctl show -PMainPID phoenix)")
    assert len(seen) == 5
    assert lab.run("test -e /run/phoenix-failed", check=False).returncode
    lab.run("systemctl stop phoenix")
    wait_gone(lab, "phoenix")


def as_user(lab, name):
    """All that a user who is not root reads of a machine's properties."""
    out = lab.out(["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "python3", "-c", ALL,
                   name])
    return json.loads(out)


def test_strangers_learn_names_and_classes(lab):
    pid = sleeper(lab)
    call(lab, "RegisterMachineEx sa(sv)", "secret", 10, *EX, "LeaderPID", "u", pid, "LeaderPIDFDID", "t",
         pidfd_id(lab, pid) or 1)
    known = {"Name": "secret", "Class": "vm", "Service": "tester", "State": "running",
             "VSockCID": 0xffffffff, "UID": 0xffffffff}
    got = as_user(lab, "secret")
    assert set(got) > {"Leader", "Id", "RootDirectory", "SSHPrivateKeyPath", "NetworkInterfaces"}
    for prop, told in got.items():
        assert told == known.get(prop, told if not told else "nothing"), prop
    name, text = error(lab, "GetMachineSSHInfo", "s", "secret")
    assert name == "no error", text
    assert call(lab, "GetMachineSSHInfo s", "secret", user=USER, check=False).returncode
    # Neither a message before nor one after it tells them more.
    call(lab, "ListMachines", user=USER)
    assert as_user(lab, "secret") == got
    # Who may look is told all, and nobody is ever asked for a password.
    rules(lab, f"if (action.id == '{NAME}.inspect-machines' && name == 'secret' && "
               "action.lookup('verb') == 'get_properties') return polkit.Result.YES;")
    assert as_user(lab, "secret") == json.loads(everything(lab, "secret"))
    assert as_user(lab, "_2ehost")["RootDirectory"] == ""
    no_rules(lab)
    # And who has registered it knows it anyway.
    rules(lab, f"if (action.id == '{NAME}.register-machine') return polkit.Result.YES;")
    own = sleeper(lab, USER)
    call(lab, REGISTER, "owned", 0, "", "container", own, "/srv", user=USER)
    assert (as_user(lab, "owned")["Leader"], as_user(lab, "owned")["UID"]) == (own, USER)
    no_rules(lab)
    lab.run(f"kill -9 {pid} {own}")
    wait_gone(lab, "secret")
    wait_gone(lab, "owned")


def test_half_written_files_are_swept(lab):
    lab.run("systemctl stop skep-machined; touch /run/systemd/machines/.#half0123; "
            "ln -s nobody /run/systemd/machines/unit:nobody.service")
    assert set(machines(lab)) == {".host"}
    assert lab.out("ls -A /run/systemd/machines") == ""


def test_journal_tells_of_no_trouble(lab):
    assert not re.search("assert|corrupt|Watchdog", lab.journal("-u", "skep-machined"))
