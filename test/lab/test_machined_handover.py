# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd's own machined takes over what ours has registered, and back."""

import json
from xml.etree import ElementTree

from skeplib.machine1 import CALL as BUS, error

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
        # The order is that of the interfaces, of which there is one more here.
        return [set(lab.out(f"machinectl show {name} -pName -pId -pService -pUnit -pLeader -pClass "
                        "-pRootDirectory -pState -pTimestamp").splitlines()) |
                {lab.out(f"busctl get-property org.freedesktop.machine1 "
                         f"/org/freedesktop/machine1/machine/{name.replace('-', '_2d')} "
                         "org.freedesktop.machine1.Machine NetworkInterfaces")}
                for name in ("plain-1", "scoped-1")]

    before = facts()
    assert "Service=a service" in before[0] and "ai 2 5 7" in before[1]
    switch(lab, THEIRS)
    assert facts() == before
    switch(lab, OURS)
    assert facts() == before
    lab.run("machinectl terminate scoped-1; systemctl stop plain")
    lab.wait_for("test -z \"$(ls -A /run/systemd/machines)\"", timeout=5)


def offered(lab, path):
    """{(interface, kind, name): what introspection tells of it}"""
    xml = lab.out(["busctl", "call", "-j", "org.freedesktop.machine1", path,
                   "org.freedesktop.DBus.Introspectable", "Introspect"])
    got = {}
    for interface in ElementTree.fromstring(json.loads(xml)["data"][0]).iter("interface"):
        for member in interface:
            if member.tag not in ("method", "property", "signal"):
                continue
            args = tuple((a.get("direction"), a.get("type")) for a in member.iter("arg"))
            notes = tuple(sorted((a.get("name"), a.get("value")) for a in member.iter("annotation")
                                 if "Privileged" not in a.get("name")))
            got[interface.get("name"), member.tag, member.get("name")] = (
                member.get("type"), member.get("access"), args, notes)
    return got


def test_all_that_theirs_offers_is_in_ours(lab):
    paths = ["/org/freedesktop/machine1", "/org/freedesktop/machine1/machine/_2ehost",
             "/org/freedesktop/machine1/image/_2ehost", "/org/freedesktop/LogControl1"]
    switch(lab, THEIRS)
    theirs = [offered(lab, path) for path in paths]
    switch(lab, OURS)
    ours = [offered(lab, path) for path in paths]
    for path, their, our in zip(paths, theirs, ours):
        assert their, path
        missing = {key: (what, our.get(key)) for key, what in their.items()
                   if our.get(key) != what and key[0] != "org.freedesktop.DBus.Properties"}
        assert not missing, path


def test_errors_are_theirs(lab):
    """The same names for the same mistakes."""
    calls = [("GetMachine", "s", ("x",)), ("GetImage", "s", ("x",)),
             ("GetMachineByPID", "u", (1,)), ("GetMachineByPID", "u", (3999999,)),
             ("TerminateMachine", "s", ("x",)), ("KillMachine", "ssi", ("x", "all", 9)),
             ("RegisterMachine", "sayssus", ("a_b", [], "", "container", 0, "")),
             ("RegisterMachine", "sayssus", ("ab", [], "", "cow", 0, "")),
             ("RegisterMachine", "sayssus", ("ab", [1], "", "container", 0, "")),
             ("RegisterMachine", "sayssus", ("ab", [], "", "container", 1, "")),
             ("RegisterMachine", "sayssus", ("ab", [], "", "container", 0, "rel")),
             ("RegisterMachineWithNetwork", "sayssusai", ("ab", [], "", "vm", 0, "", [-1])),
             ("GetMachineAddresses", "s", ("x",)), ("GetMachineUIDShift", "s", ("x",)),
             ("OpenMachinePTY", "s", ("x",)), ("OpenMachineLogin", "s", ("x",)),
             ("OpenMachineShell", "sssasas", ("x", "", "", [], [])),
             ("OpenMachineShell", "sssasas", (".host", "root", "rel/path", [], [])),
             ("RemoveImage", "s", ("x",)), ("RemoveImage", "s", (".host",)),
             ("RenameImage", "ss", ("x", "y")), ("CloneImage", "ssb", ("x", "y", False)),
             ("GetImageHostname", "s", ("x",)), ("CleanPool", "s", ("x",)),
             ("MapToMachineUser", "u", (70000,)), ("MapFromMachineUser", "su", ("x", 0)),
             ("UnregisterMachine", "s", ("x",)), ("SetPoolLimit", "t", (1 << 40,))]
    names = []
    for who in (THEIRS, OURS):
        switch(lab, who)
        names.append([error(lab, *c[:2], *c[2])[0] for c in calls])
    different = [(c, t, o) for c, t, o in zip(calls, *names) if t != o]
    assert not different
