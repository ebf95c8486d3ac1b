# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that do not answer, service managers that are replaced, a bus that goes away."""

import time

from skeplib import machine1

LAB_SUITES = ("bookworm", "trixie")

REGISTER = "RegisterMachine sayssus"


def service(lab, name, *options):
    """A process in a unit of its own. Return: its PID."""
    lab.run(["systemd-run", "-q", f"--unit={name}", *options, "sleep", "1000"])
    return int(lab.out(["systemctl", "show", "-PMainPID", name]))


def test_guest_that_does_not_answer(lab):
    """Its bus is stopped: whoever asks it waits, and nobody else does."""
    lab.add_machine("mute", lab.suite + "-guest")
    lab.run("systemd-run -q -u mute -p Delegate=yes systemd-nspawn -b -M mute --keep-unit")
    lab.wait_for("systemctl -M mute is-system-running", timeout=30)
    leader = machine1.get(lab, "mute", "Leader")
    lab.run(f"pkill -STOP -P {leader} -f dbus-daemon")
    waiting = [lab.spawn(["machinectl", "-q", "shell", "mute", "/bin/true"], stdout=-3, stderr=-3,
                         stdin=-3) for _ in range(3)]
    time.sleep(0.5)
    start = time.monotonic()
    assert "mute" in lab.out("machinectl list")
    machine1.get(lab, "mute", "State")
    assert time.monotonic() - start < 1.5
    assert all(p.poll() is None for p in waiting)
    # Its end answers them all.
    lab.run("machinectl kill -s KILL mute")
    lab.wait_for("! machinectl show mute", timeout=10)
    assert all(p.wait(timeout=5) != 0 for p in waiting)
    lab.wait_for("! pgrep -x skep-worker", timeout=5)


def test_machine_in_a_part_of_a_unit(lab):
    """It does not own the unit, not even after a restart, so that ending it does not end the unit."""
    lab.run("systemd-run -q -u shared -p Delegate=yes sh -c '"
            "d=/sys/fs/cgroup/system.slice/shared.service; mkdir $d/rest $d/part; "
            "echo $$ >$d/rest/cgroup.procs; sleep 1000 & echo $! >/run/part.pid; "
            "echo $! >$d/part/cgroup.procs; wait; exec sleep 1000'")
    lab.wait_for("grep -q part /proc/$(cat /run/part.pid)/cgroup")
    pid = int(lab.read("/run/part.pid"))
    machine1.call(lab, REGISTER, "part", 0, "", "container", pid, "")
    for _ in range(2):
        assert machine1.get(lab, "part", "Unit") == "shared.service"
        assert machine1.get(lab, "part", "Subgroup") == "part"
        assert lab.run("test -e /run/systemd/machines/unit:shared.service",
                       check=False).returncode != 0
        lab.run("systemctl restart skep-machined")
    lab.run("machinectl terminate part")
    lab.wait_for("! machinectl show part", timeout=5)
    assert lab.out("systemctl is-active shared") == "active"
    lab.run("systemctl stop shared")


def test_service_manager_is_reloaded_and_replaced(lab):
    pid = service(lab, "steady.service")
    machine1.call(lab, REGISTER, "steady", 0, "", "container", pid, "")
    machine1.call(lab, "CreateMachine sayssusa(sv)", "scoped", 0, "", "container",
                  int(lab.out("setsid sleep 1000 >/dev/null 2>&1 & echo $!")), "", 0)
    for verb in ("daemon-reload", "daemon-reexec"):
        lab.run(["systemctl", verb])
        assert {"steady", "scoped"} <= set(machine1.machines(lab))
    lab.run("machinectl terminate scoped; machinectl terminate steady")
    lab.wait_for("! machinectl show scoped 2>/dev/null && ! machinectl show steady", timeout=10)


def test_registered_in_a_unit_and_ended_at_once(lab):
    """Nothing of a machine that is gone before anybody looks stays."""
    for i in range(30):
        name = f"brief-{i}"
        lab.run(f"sleep 0.01 & busctl call {machine1.NAME} {machine1.PATH} {machine1.MANAGER} "
                f"{REGISTER} {name} 0 '' container $! ''", check=False)
    lab.wait_for("test -z \"$(ls -A /run/systemd/machines)\"", timeout=3)
    assert set(machine1.machines(lab)) == {".host"}


def test_two_of_a_leader(lab):
    pid = service(lab, "single.service")
    machine1.call(lab, REGISTER, "first", 0, "", "container", pid, "")
    assert machine1.error(lab, "RegisterMachine", "sayssus", "second", [], "", "container", pid,
                          "")[0] == machine1.NAME + ".MachineExists"
    assert machine1.value(lab, "GetMachineByPID u", pid) == [machine1.PATH + "/machine/first"]
    lab.run("systemctl stop single")


def test_bus_goes_away(lab):
    pid = service(lab, "survivor.service")
    machine1.call(lab, REGISTER, "survivor", 0, "", "container", pid, "")
    lab.run("systemctl restart dbus", check=False)
    lab.wait_for("machinectl list", timeout=20, text="survivor")
    assert machine1.get(lab, "survivor", "Leader") == pid
    assert "lost" in lab.journal("-u", "skep-machined")
