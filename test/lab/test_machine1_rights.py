# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what on the registry's bus interface: each action of polkit allowed and denied by a rule, a password asked
for by an agent, and what is left for strangers, who learn names and classes and change nothing."""

import json
import shlex
from xml.etree import ElementTree

import pytest

from skeplib import calls, machine1, sidebyside
from skeplib.terminal import Terminal

LAB_SUITES = ("bookworm", "trixie")

ACTIONS = {"login", "host-login", "shell", "host-shell", "open-pty", "host-open-pty", "manage-machines",
           "inspect-machines", "create-machine", "register-machine", "manage-images", "inspect-images"}
REFUSED = {"org.freedesktop.DBus.Error.AccessDenied",
           "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"}

OURS = "org.skep.Manager1"

# Beyond what calls.GUARDED has for the comparison: all other calls of the Manager, which the objects of machines and
# images share. Who is to lead a machine that is told none is who calls.
MORE = [
    ("GetImageHostname", "s", ("bare",)), ("GetImageMachineID", "s", ("bare",)), ("GetImageMachineInfo", "s", ("bare",)),
    ("GetImageOSRelease", "s", ("bare",)),
    ("GetMachineUIDShift", "s", ("mapped-1",)), ("GetMachineSSHInfo", "s", ("reached",)),
    ("MapFromMachineUser", "su", ("mapped-1", 1)), ("MapFromMachineGroup", "su", ("mapped-1", 1)),
    ("MapToMachineUser", "u", (200001,)), ("MapToMachineGroup", "u", (200001,)),
    ("CopyFromMachine", "sss", ("net", "/nonexistent/x", "/tmp/x")),
    ("CopyToMachineWithFlags", "ssst", ("net", "/nonexistent/x", "/tmp/x", 1)),
    ("RegisterMachineWithNetwork", "sayssusai", ("mine-a", [], "", "container", 0, "", [])),
    ("RegisterMachineEx", "sa(sv)", ("mine-b", [["Class", ["s", "container"]]])),
    ("CreateMachineWithNetwork", "sayssusaia(sv)", ("mine-c", [], "", "container", 0, "", [], [])),
    ("CreateMachineEx", "sa(sv)a(sv)", ("mine-d", [["Class", ["s", "container"]]], [])),
    ("UnregisterMachine", "s", ("lost",)),
]
SHELL, STREAMS = ("root", "/bin/true", ["true"], []), (2, 2, 2)
MORE_OF_OURS = [
    ("RunInMachine", "sssasashhh", ("web", *SHELL, *STREAMS)), ("OpenMachineShell", "sssasas", ("web", *SHELL)),
    ("ExecInMachine", "sssasashhh", ("net", "root", "/", ["true"], [], *STREAMS)),
    ("ExecInMachineOnTerminal", "sssasasqq", ("net", "root", "/", ["true"], [], 24, 80)),
    ("WaitForMachine", "sst", ("web", "ready", 1)), ("ListMachineBinds", "s", ("net",)),
    ("UnbindMachine", "ss", ("net", "/mnt")), ("GetMachineStatistics", "s", ("web",)), ("ListStatistics", "", ()),
    ("ListMachineProcesses", "s", ("web",)), ("ListOperations", "", ()), ("CancelOperation", "t", (1 << 60,)),
    ("CloneImage", "sst", ("bare", "bare4", 0)), ("RenameImage", "sst", ("bare5", "bare6", 0)),
    ("RemoveImage", "st", ("bare7", 0)), ("CleanPool", "st", ("hidden", 0)), ("ListNonImages", "", ()),
    ("ForgetMachine", "sb", ("forgotten", True)),
]

# What everybody may call.
FREE = {"GetMachine", "GetImage", "GetMachineByPID", "ListMachines", "ListImages", "GetMachineAddresses", "GetAddresses",
        "ListMachineAddresses", "ListAddresses"}


@pytest.fixture(scope="module", autouse=True)
def ready(lab):
    lab.run("useradd -M visitor && useradd -M -G sudo keeper && echo keeper:secret | chpasswd")
    sidebyside.prepare(lab, calls)


@pytest.fixture(scope="module")
def rights(lab):
    """{title: what came of it} of each guarded call, by whom a rule allows and whom one denies."""
    before = calls.SETUP + [calls.sh("mkdir /var/lib/machines/bare{2,3,5,7}")] + [
        calls.call("RegisterMachine", calls.REGISTER, name, [], "", klass, "$" + pid, "") for name, klass, pid in
        (("web", "container", "web"), ("net", "container", "net"), ("mapped-1", "container", "mapped"),
         ("spare", "container", "three"), ("lost", "container", "four"), ("forgotten", "container", "five"))
    ] + [
        calls.call("RegisterMachineEx", "sa(sv)", "reached",
                   [["SSHAddress", ["s", "vsock/3"]], ["SSHPrivateKeyPath", ["s", "/run/key"]]])
    ] + [
        calls.sh(f"setpriv --reuid={calls.ALLOWED} --regid={calls.ALLOWED} --clear-groups setsid sleep 10000 "
                 ">/dev/null 2>&1 & echo $!", name) for name in ("own", "own2")
    ]
    steps = [step for user in (calls.DENIED, calls.NOBODY, calls.ALLOWED) for step in guarded(user)]
    return sidebyside.record(lab, calls, before + steps)[0]


def guarded(user):
    """All calls that not everybody may make, made by a user."""
    return [calls.call(member, types, *args, user=user) for member, types, args in MORE + calls.GUARDED] + [
        {**calls.call(member, types, *args, user=user, when=OURS), "interface": OURS}
        for member, types, args in MORE_OF_OURS]


def test_each_call_is_free_or_guarded(lab, rights):
    """Whoever adds a call says which of both it is; those of machines and images are rows of the same list."""
    tried = {(step["interface"], step["member"]) for step in guarded("root")}
    for interface in introspected(lab, machine1.PATH):
        for method in interface.iter("method"):
            name = method.get("name")
            assert (name in FREE) != ((interface.get("name"), name) in tried), (interface.get("name"), name)


def test_each_action_is_allowed_and_denied(lab, rights):
    for user in (calls.ALLOWED, calls.DENIED):
        rows = {name: row for name, row in rights.items() if name.startswith(user + ": ")}
        assert len(rows) == len(guarded(user))
        for name, row in rows.items():
            assert row["asked"], f"polkit was not asked about {name}"
            assert (row["error"] in REFUSED) == (user == calls.DENIED), (name, row["error"], row["text"])
        assert {question.split()[0] for row in rows.values() for question in row["asked"]} == ACTIONS


def test_properties_by_right(lab, rights):
    """What of a machine, an image and the pool is not everybody's."""
    for user in (calls.ALLOWED, calls.DENIED):
        steps = [calls.get("Leader", machine="web", user=user), calls.get("Path", image="bare", user=user),
                 calls.get("PoolUsage", user=user)]
        rows, _ = sidebyside.record(lab, calls, steps)
        assert all("verb=get_properties" in row["asked"][0] for row in rows.values()), rows
        hidden = [row["body"][0] in (0, "", 2**64 - 1) for row in rows.values()]
        assert hidden == [user == calls.DENIED] * 2 + [hidden[2]], rows


def test_defaults_refuse(lab, rights):
    for name, row in rights.items():
        if name.startswith(calls.NOBODY + ": "):
            assert row["error"] in REFUSED, (name, row["error"], row["text"])


def introspected(lab, path):
    xml = json.loads(lab.out(["busctl", "call", "-j", machine1.NAME, path, "org.freedesktop.DBus.Introspectable",
                              "Introspect"]))["data"][0]
    for interface in ElementTree.fromstring(xml).iter("interface"):
        if not interface.get("name").startswith("org.freedesktop.DBus."):
            yield interface


def argument(kind, name, at):
    """Something that a call takes, so that nothing but rights is left to refuse it."""
    texts = {"source": "/srv", "destination": "/mnt", "user": "root", "path": "/bin/true", "whom": "leader",
             "new_name": "other", "mode": "hidden", "directory": "/", "until": "ready", "class": "container"}
    if kind == "s":
        return texts.get(name, "tree" if name == "image" else "web" if at == 0 else "")
    if kind == "as":
        return ["true"] if name in ("args", "command") else []
    if kind[0] == "a":
        return []
    return {"i": 18, "u": 200000, "t": 1, "b": False, "q": 24, "x": 0, "h": 2}[kind]


def stranger_calls(lab):
    for path, machine in ((machine1.PATH, None), (machine1.PATH + "/machine/web", "web"),
                          (machine1.PATH + "/image/tree", "tree")):
        for interface in introspected(lab, path):
            for method in interface.iter("method"):
                args = [(a.get("type"), a.get("name") or "") for a in method.iter("arg")
                        if a.get("direction") != "out"]
                values = [argument(kind, name, at if machine is None else 1) for at, (kind, name) in enumerate(args)]
                member = method.get("name")
                if machine is None and "Image" in member and values and args[0][0] == "s":
                    values[0] = "tree"
                yield {"do": "call", "user": calls.NOBODY, "path": path, "interface": interface.get("name"),
                       "member": member, "types": "".join(k for k, _ in args), "args": values, "of": machine,
                       "when": interface.get("name")}


def test_strangers_change_nothing(lab, rights):
    def state():
        return (lab.out("ls -lR --time-style=+ /var/lib/machines /etc/machines /run/systemd/machines"),
                machine1.machines(lab), lab.out("systemctl list-units --plain --no-legend 'machine-*' 'web*' 'net*'"))

    lab.run("mkdir -p /var/lib/machines/tree")
    before, steps = state(), list(stranger_calls(lab))
    assert len(steps) > 70 and {s["interface"] for s in steps} > {"org.skep.Manager1", "org.skep.Machine1"}
    for step in steps:
        if step["member"] == "ListMachines":
            step["when"] += " first"
    rows, _ = sidebyside.record(lab, calls, steps)
    open_to_all = {s["member"] for s in steps if rows[calls.title(s)]["error"] is None}
    assert open_to_all <= FREE, open_to_all - FREE
    assert state() == before


def test_strangers_learn_names_and_classes(lab, rights):
    def everything(path, interface):
        out = lab.out(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "busctl", "-j", "call",
                       machine1.NAME, path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface])
        return {key: value["data"] for key, value in json.loads(out)["data"][0].items()}

    unknown = (0, 2**32 - 1, 2**64 - 1, "", [], False, None, {})
    told = {machine1.PATH: {"PoolPath"},
            machine1.PATH + "/machine/web": {"Name", "Class", "Service", "State"},
            machine1.PATH + "/image/tree": {"Name", "Type"}}
    seen = 0
    for path, public in told.items():
        for interface in introspected(lab, path):
            for key, value in everything(path, interface.get("name")).items():
                seen += 1
                assert key in public or value in unknown, (path, interface.get("name"), key, value)
    assert seen > 25
    rows = json.loads(lab.out(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "busctl", "-j", "call",
                               machine1.NAME, machine1.PATH, machine1.MANAGER, "ListImages"]))["data"][0]
    assert {row[0] for row in rows} >= {"tree", ".host"}
    assert {(row[2], *row[3:6]) for row in rows} == {(False, 0, 0, 2**64 - 1)}


@pytest.mark.parametrize("password,status", [("wrong", 1), ("secret", 0)])
def test_agent_asks_for_a_password(lab, rights, password, status):
    """polkit's own agent, for a user who may do nothing: who knows an administrator's password may."""
    call = f"busctl call {machine1.NAME} {machine1.PATH} {machine1.MANAGER} KillMachine ssi web leader 18"
    known = "until journalctl -q -u polkit -n 20 | grep -q 'Registered.*process '$$; do sleep 0.1; done"
    script = f"pkttyagent --process $$ & {known}; exec {call}"
    as_visitor = "setpriv --reuid=visitor --regid=visitor --groups=systemd-journal"
    with Terminal(lab, f"{as_visitor} bash -c {shlex.quote(script)}") as terminal:
        terminal.expect("Password: ", timeout=20)
        terminal.type(password + "\n")
        assert terminal.end(timeout=30)[0] == status
