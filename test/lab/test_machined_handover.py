# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd's own machined takes over what ours has registered, and back."""

from skeplib.machine1 import CALL as BUS

LAB_SUITES = ("bookworm", "trixie")
LAB_REPLACE = False

OURS, THEIRS = "skep-machined.service", "systemd-machined.service"


def switch(lab, to):
    """Stops whoever serves the name, and starts the other."""
    lab.run(["systemctl", "stop", OURS, THEIRS, "systemd-machined.socket"], check=False)
    lab.run(["systemctl", "start", to])
    assert lab.out("busctl call -j org.freedesktop.DBus / org.freedesktop.DBus "
                   "GetConnectionUnixProcessID s org.freedesktop.machine1 | jq .data[0]") == \
        lab.out(["systemctl", "show", "-PMainPID", to])


def test_there_and_back(lab):
    switch(lab, OURS)
    lab.run("systemd-run -q -u plain sleep 1000")
    lab.run(f"{BUS} RegisterMachine sayssus plain-1 0 'a service' container "
            "$(systemctl show -PMainPID plain) /some/where")
    lab.run(f"{BUS} CreateMachineWithNetwork 'sayssusaia(sv)' scoped-1 0 '' vm "
            "$(setsid sleep 1000 >/dev/null 2>&1 & echo $!) '' 2 5 7 0")

    def facts():
        return [lab.out(f"machinectl show {name} -pName -pId -pService -pUnit -pLeader -pClass "
                        "-pRootDirectory -pState -pTimestamp") +
                lab.out(f"busctl get-property org.freedesktop.machine1 "
                        f"/org/freedesktop/machine1/machine/{name.replace('-', '_2d')} "
                        "org.freedesktop.machine1.Machine NetworkInterfaces")
                for name in ("plain-1", "scoped-1")]

    before = facts()
    assert "a service" in before[0] and "ai 2 5 7" in before[1]
    switch(lab, THEIRS)
    assert facts() == before
    switch(lab, OURS)
    assert facts() == before
    lab.run("machinectl terminate scoped-1; systemctl stop plain")
    lab.wait_for("test -z \"$(ls -A /run/systemd/machines)\"", timeout=5)
