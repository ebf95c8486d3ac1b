# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep-spawn run by hand on a host with systemd: the scope it makes, the registration, and what is left
when it is over."""

import subprocess

import pytest

LAB_SUITES = ("bookworm", "trixie")


@pytest.fixture(scope="module")
def tree(lab):
    """A tree of a guest, not in the pool."""
    lab.add_machine("plain", f"{lab.suite}-guest")
    return "/var/lib/machines/plain"


def scope(name):
    return "machine-" + name.replace("-", "\\x2d") + ".scope"


def show(lab, unit, *properties):
    out = lab.out(["systemctl", "show", "-p", ",".join(properties), unit])
    return dict(line.split("=", 1) for line in out.splitlines())


@pytest.fixture
def start(lab, tree):
    """start("name", *args) runs a machine in the background and waits until it is registered."""
    started = []

    def make(name, *args, command=("sleep", "1000"), wait=True):
        process = lab.spawn(["skep-spawn", "-q", "-D", tree, "-x", "-M", name, "--console=pipe",
                             *args, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
        started.append((name, process))
        if wait:
            lab.wait_for(["machinectl", "show", name], timeout=5)
        return process

    yield make
    for name, process in started:
        lab.run(["machinectl", "terminate", name], check=False)
        process.communicate(timeout=20)


def gone(lab, name):
    lab.wait_for(f"! systemctl is-active {scope(name)} && ! machinectl show {name}", timeout=20)


def test_scope_and_registration(lab, start):
    start("one-two")
    unit = scope("one-two")
    shown = show(lab, unit, "ActiveState", "Slice", "Delegate", "DevicePolicy", "TasksMax",
                 "Description", "ControlGroup")
    assert shown["ActiveState"] == "active" and shown["Slice"] == "machine.slice"
    assert shown["Delegate"] == "yes" and shown["DevicePolicy"] == "closed"
    assert shown["TasksMax"] == "16384" and "one-two" in shown["Description"]

    machine = dict(line.split("=", 1) for line in lab.out(["machinectl", "show", "one-two"]).splitlines())
    assert machine["Unit"] == unit and machine["Class"] == "container"
    group = lab.out(["cat", f"/proc/{machine['Leader']}/cgroup"])
    assert group.endswith(shown["ControlGroup"] + "/payload"), group


def test_properties_and_slice(lab, start):
    start("props", "--slice=special", "--property=MemoryMax=64M", "--property=TasksMax=77",
          "--property=CPUWeight=50", "--property=CPUQuota=30%",
          "--property=DeviceAllow=/dev/null rw")
    shown = show(lab, scope("props"), "MemoryMax", "TasksMax", "CPUWeight", "CPUQuotaPerSecUSec",
                 "Slice")
    assert shown["Slice"] == "special.slice"
    assert shown["MemoryMax"] == str(64 << 20) and shown["TasksMax"] == "77"
    assert shown["CPUWeight"] == "50" and shown["CPUQuotaPerSecUSec"] == "300ms"
    assert "/dev/null rw" in lab.out(["systemctl", "show", "-p", "DeviceAllow", scope("props")])


def test_nothing_is_left_behind(lab, start):
    process = start("brief", command=("sleep", "0.2"))
    assert process.wait(10) == 0
    assert "brief" not in lab.out("machinectl list --no-legend")
    assert show(lab, scope("brief"), "LoadState")["LoadState"] == "not-found"
    assert not lab.run(["test", "-e", "/run/systemd/machines/brief"], check=False).returncode == 0
    # The name is free at once.
    for _ in range(5):
        done = lab.run(["skep-spawn", "-q", "-D", "/var/lib/machines/plain", "-x", "-M", "brief",
                        "--console=pipe", "--register=yes", "true"])
        assert done.stderr == ""


def test_placeholder_is_gone(lab, start):
    start("alone")
    group = show(lab, scope("alone"), "ControlGroup")["ControlGroup"]
    pids = lab.out(f"cat $(find /sys/fs/cgroup{group} -name cgroup.procs)").split()
    assert len(pids) == 1, pids


def test_keeper_has_no_bus_library(lab, start):
    start("small")
    keeper = lab.out("pgrep -f 'skep-spawn.*small'").split()[0]
    assert "libsystemd" not in lab.out(["cat", f"/proc/{keeper}/maps"])


def test_name_taken_by_a_registered_machine(lab, start):
    """A name that somebody else registered is refused even where registration may fail."""
    lab.run("systemd-run -q --slice=machine.slice --unit=other sleep 1000")
    pid = lab.out("systemctl show --value -p MainPID other.service")
    lab.run(["busctl", "call", "org.freedesktop.machine1", "/org/freedesktop/machine1",
             "org.freedesktop.machine1.Manager", "RegisterMachine", "sayssus", "taken", "0", "test",
             "container", pid, ""])
    for mode in ("auto", "yes"):
        done = lab.run(["skep-spawn", "-q", "-D", "/var/lib/machines/plain", "-x", "-M", "taken",
                        f"--register={mode}", "--console=pipe", "true"], check=False)
        assert done.returncode == 125 and "taken" in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
    lab.run("systemctl stop other.service")
    lab.wait_for("! machinectl show taken")


def test_bad_property_is_refused_before_anything_starts(lab):
    done = lab.run(["skep-spawn", "-q", "-D", "/var/lib/machines/plain", "-x", "-M", "bad",
                    "--property=Nonsense=1", "true"], check=False)
    assert done.returncode == 125 and "Nonsense" in done.stderr
    assert show(lab, scope("bad"), "LoadState")["LoadState"] == "not-found"


def test_dead_bus(lab, tree):
    """Without a bus, auto goes on and yes is refused."""
    for mode, status in (("auto", 0), ("no", 0), ("yes", 125)):
        done = lab.run(["unshare", "-m", "sh", "-c",
                        "mount -t tmpfs none /run/dbus; exec skep-spawn -q -D "
                        f"{tree} -x -M nobus --register={mode} --console=pipe true"], check=False)
        assert done.returncode == status, (mode, done.stderr)
        if status:
            assert "bus" in done.stderr and done.stderr.count("\n") == 1


@pytest.fixture
def boot(lab, tree):
    """boot("name") boots the tree as a machine; its process and its first leader, when init is up."""
    started = []

    def make(name):
        process = lab.spawn(["skep-spawn", "-q", "-D", tree, "-M", name, "-b", "--console=pipe"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)
        started.append((name, process))
        lab.wait_for(["machinectl", "show", name], timeout=10)
        leader = lab.out(["machinectl", "show", "--value", "-p", "Leader", name])
        lab.wait_for(f"test -S /proc/{leader}/root/run/systemd/private", timeout=20)
        return process, leader

    yield make
    for name, process in started:
        lab.run(["machinectl", "terminate", name], check=False)
        process.communicate(timeout=20)


def test_reboot_makes_a_new_scope(lab, boot):
    _, first = boot("rebooter")
    lab.run(["machinectl", "reboot", "rebooter"])
    lab.wait_for("l=$(machinectl show --value -p Leader rebooter) && "
                 f"[ -n $l ] && [ $l != {first} ]", timeout=30)
    assert show(lab, scope("rebooter"), "ActiveState")["ActiveState"] == "active"


@pytest.mark.parametrize("before", ["true", "systemctl daemon-reexec", "systemctl daemon-reload"])
def test_stopping_the_scope_shuts_down(lab, boot, before):
    """systemctl stop asks the init inside, whatever name the service manager has on the bus by then."""
    process, _ = boot("stopper")
    lab.run(before)
    lab.run(["systemctl", "stop", scope("stopper")], timeout=60)
    assert process.wait(10) == 0
    gone(lab, "stopper")


def test_only_the_service_manager_is_heard(lab, boot):
    """Any user may send signals; the one that stops machines counts from one sender alone."""
    process, _ = boot("deaf")
    names = lab.out("busctl list --no-legend --unique | awk '$3 == \"skep-spawn\" {print $1}'").split()
    assert names
    for name in names:
        lab.run(["setpriv", "--reuid=65534", "--clear-groups", "busctl", "emit",
                 f"--destination={name}", "/org/freedesktop/systemd1/unit/x",
                 "org.freedesktop.systemd1.Scope", "RequestStop"], check=False)
        lab.run(["busctl", "emit", f"--destination={name}", "/org/freedesktop/systemd1/unit/x",
                 "org.freedesktop.systemd1.Scope", "RequestStop"], check=False)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    assert lab.out("machinectl show --value -p State deaf") == "running"
