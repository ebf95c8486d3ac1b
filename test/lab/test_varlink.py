# SPDX-License-Identifier: LGPL-2.1-or-later
"""The registry over varlink, as Debian's own clients see it: varlinkctl, userdbctl, ls."""

import json
import shlex
import time

import pytest

from skeplib.machine1 import call, machines

LAB_SUITES = ("trixie",)

SOCKET = "/run/systemd/machine/io.systemd.Machine"
USERS = "/run/systemd/userdb/io.systemd.Machine"
HOOK = "/run/systemd/resolve.hook/io.systemd.Machine"


@pytest.fixture(scope="module", autouse=True)
def running(lab):
    """The daemon, which makes two of the sockets itself."""
    call(lab, "ListMachines")


def ask(lab, method, arguments=None, more=False, user=None, socket_path=SOCKET, check=True):
    """Replies to a call. Return: a list of them, or with check=False also the name of the error."""
    command = ["varlinkctl", "--json=short", *(["--more"] if more else []), "call", socket_path, method,
               json.dumps(arguments or {})]
    if user:
        command = ["runuser", "-u", user, "--", *command]
    done = lab.run(command, check=False)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    # "… failed: NAME"
    error = done.stderr.split(" failed: ")[-1].split()[0] if done.returncode else None
    replies = [json.loads(line) for line in done.stdout.lstrip("\x1e").splitlines() if line.strip("\x1e")]
    return replies if check else (error, replies)


def error(lab, method, arguments=None, **how):
    """The name of the error that a call has to give."""
    return ask(lab, method, arguments, check=False, **how)[0]


def service(lab, unit, *properties):
    """A process in a unit of its own. Return: its PID."""
    lab.run(["systemd-run", "-q", f"--unit={unit}", *(f"--property={p}" for p in properties), "sleep", "1000"])
    return int(lab.out(["systemctl", "show", "-PMainPID", unit]))


def wait_for(what, timeout=20):
    end = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_debians_client_reads_what_is_offered(lab):
    assert "io.systemd.Machine" in lab.out(["varlinkctl", "list-interfaces", SOCKET])
    methods = lab.out(["varlinkctl", "list-methods", SOCKET]).split()
    assert {"io.systemd.Machine.Register", "io.systemd.MachineImage.List", "io.systemd.service.Ping"} <= set(methods)
    for path, names in ((SOCKET, ("io.systemd.Machine", "io.systemd.MachineImage", "io.systemd.service",
                                  "org.skep.Life", "org.varlink.service")),
                        (USERS, ("io.systemd.UserDatabase",)), (HOOK, ("io.systemd.Resolve.Hook",))):
        for name in names:
            lab.run(["varlinkctl", "introspect", path, name])
    for other in ("/run/systemd/machine/io.systemd.MachineImage", "/run/varlink/registry/io.systemd.Machine"):
        ask(lab, "io.systemd.service.Ping", socket_path=other)


def test_a_machine_comes_and_goes(lab):
    pid = service(lab, "vl-one")
    ask(lab, "io.systemd.Machine.Register",
        {"name": "vl-one", "class": "container", "leader": pid, "service": "test", "vSockCid": 7,
         "id": "0123456789abcdef0123456789abcdef", "sshPrivateKeyPath": "/key", "controlAddress": "/control"})
    (one,) = ask(lab, "io.systemd.Machine.List", {"pid": pid})
    assert one["name"] == "vl-one" and one["leader"]["pid"] == pid and one["unit"] == "vl-one.service"
    assert one["vSockCid"] == 7 and one["id"] == "0123456789abcdef0123456789abcdef"
    assert one["sshPrivateKeyPath"] == "/key" and one["controlAddress"] == "/control"
    assert "CONTROL_ADDRESS=/control" in lab.read("/run/systemd/machines/vl-one")
    assert {m["name"] for m in ask(lab, "io.systemd.Machine.List", more=True)} == set(machines(lab))

    assert error(lab, "io.systemd.Machine.List") == "org.varlink.service.ExpectedMore"
    assert error(lab, "io.systemd.Machine.List", {"name": "nobody"}) == "io.systemd.Machine.NoSuchMachine"
    assert error(lab, "io.systemd.Machine.List", {"name": ".host", "pid": pid}) == "io.systemd.Machine.NoSuchMachine"
    assert error(lab, "io.systemd.Machine.List", {"nome": "x"}) == "org.varlink.service.InvalidParameter"
    assert error(lab, "io.systemd.Machine.Register", {"name": "vl-one", "leader": pid}) == \
        "io.systemd.Machine.MachineExists"
    assert error(lab, "io.systemd.Machine.Register", {"name": "vl-host", "class": "host", "leader": pid}) == \
        "org.varlink.service.InvalidParameter"

    ask(lab, "io.systemd.Machine.Kill", {"name": "vl-one", "whom": "leader", "signal": 9})
    wait_for(lambda: "vl-one" not in machines(lab))


def test_a_scope_can_be_asked_for(lab):
    pid = service(lab, "vl-two")
    ask(lab, "io.systemd.Machine.Register", {"name": "vl-two", "class": "vm", "leader": pid, "allocateUnit": True})
    assert ask(lab, "io.systemd.Machine.List", {"name": "vl-two"})[0]["unit"] == "machine-vl\\x2dtwo.scope"
    # Nothing can be looked up in a virtual machine: "graceful" does without, "yes" insists.
    assert "addresses" not in ask(lab, "io.systemd.Machine.List",
                                  {"name": "vl-two", "acquireMetadata": "graceful"})[0]
    assert error(lab, "io.systemd.Machine.List", {"name": "vl-two", "acquireMetadata": "yes"}) == \
        "io.systemd.Machine.NotSupported"
    ask(lab, "io.systemd.Machine.Terminate", {"name": "vl-two"})
    wait_for(lambda: "vl-two" not in machines(lab))


def test_users_learn_and_change_nothing_more_than_on_the_bus(lab):
    pid = service(lab, "vl-three")
    ask(lab, "io.systemd.Machine.Register", {"name": "vl-three", "class": "container", "leader": pid,
                                             "sshPrivateKeyPath": "/key"})
    denied = ("io.systemd.InteractiveAuthenticationRequired", "org.varlink.service.PermissionDenied")
    (seen,) = ask(lab, "io.systemd.Machine.List", {"name": "vl-three", "acquireMetadata": "graceful"}, user="nobody")
    assert seen == {"name": "vl-three", "class": "container"}
    for method, more in (("Unregister", {}), ("Terminate", {}), ("Kill", {"signal": 9}),
                         ("Open", {"mode": "shell"}), ("MapFrom", {"uid": 0}), ("BindMount", {"source": "/etc"}),
                         ("CopyFrom", {"source": "/etc/shadow", "destination": "/tmp/x"}),
                         ("OpenRootDirectory", {}), ("List", {"acquireMetadata": "yes"})):
        assert error(lab, f"io.systemd.Machine.{method}", {"name": "vl-three", **more}, user="nobody") in \
            (*denied, "io.systemd.Machine.NoPrivateNetworking"), method
    assert error(lab, "io.systemd.service.SetLogLevel", {"level": 7}, user="nobody") in denied
    assert error(lab, "io.systemd.MachineImage.CleanPool", {"mode": "all"}, more=True, user="nobody") in denied
    ask(lab, "io.systemd.Machine.Unregister", {"name": "vl-three"})
    assert "vl-three" not in machines(lab)
    lab.run("systemctl stop vl-three")


def test_polkit_is_told_the_same_as_from_the_bus(lab):
    pid = service(lab, "vl-four")
    lab.write("/etc/polkit-1/rules.d/10-varlink.rules", """
polkit.addRule(function(action, subject) {
    if (action.id == "org.freedesktop.machine1.manage-machines" && subject.user == "nobody" &&
        action.lookup("machine") == "vl-four" && action.lookup("verb") == "unregister")
        return polkit.Result.YES;
});
""")
    lab.run("systemctl restart polkit")
    ask(lab, "io.systemd.Machine.Register", {"name": "vl-four", "class": "container", "leader": pid})
    assert error(lab, "io.systemd.Machine.Terminate", {"name": "vl-four"}, user="nobody")
    ask(lab, "io.systemd.Machine.Unregister", {"name": "vl-four"}, user="nobody")
    assert "vl-four" not in machines(lab)
    lab.run("rm /etc/polkit-1/rules.d/10-varlink.rules; systemctl stop vl-four")


def test_names_of_users(lab):
    lab.run("systemd-run -q --unit=vl-five unshare -U sleep 1000")
    pid = int(lab.out(["systemctl", "show", "-PMainPID", "vl-five"]))
    wait_for(lambda: lab.read(f"/proc/{pid}/comm").strip() == "sleep")
    for name in ("uid_map", "gid_map"):
        lab.run(f"echo 0 700000 65536 > /proc/{pid}/{name}")
    ask(lab, "io.systemd.Machine.Register", {"name": "vl-five", "class": "container", "leader": pid})

    def record(kind, **what):
        return ask(lab, f"io.systemd.UserDatabase.Get{kind}Record", {"service": "io.systemd.Machine", **what},
                   socket_path=USERS)[0]["record"]

    user = record("User", uid=700033)
    assert user["userName"] == "vu-vl-five-33" and user["disposition"] == "container" and user["locked"]
    assert record("User", userName="vu-vl-five-0")["uid"] == 700000
    assert record("Group", gid=700005)["groupName"] == "vg-vl-five-5"
    for name in ("vu-vl-five-033", "vu-vl-five-70000", "vu-none-0", "vg-vl-five-0", "root"):
        assert error(lab, "io.systemd.UserDatabase.GetUserRecord", {"userName": name}, socket_path=USERS) == \
            "io.systemd.UserDatabase.NoRecordFound", name
    assert error(lab, "io.systemd.UserDatabase.GetUserRecord", {"uid": 1000}, socket_path=USERS) == \
        "io.systemd.UserDatabase.NoRecordFound"
    assert error(lab, "io.systemd.UserDatabase.GetUserRecord", {"uid": 700001, "userName": "vu-vl-five-0"},
                 socket_path=USERS) == "io.systemd.UserDatabase.ConflictingRecordFound"
    assert error(lab, "io.systemd.UserDatabase.GetUserRecord", more=True, socket_path=USERS) == \
        "io.systemd.UserDatabase.EnumerationNotSupported"
    assert error(lab, "io.systemd.UserDatabase.GetGroupRecord", {"gid": 700005, "service": "other"},
                 socket_path=USERS) == "io.systemd.UserDatabase.BadService"

    assert ask(lab, "io.systemd.Machine.MapFrom", {"name": "vl-five", "uid": 1, "gid": 2}) == \
        [{"uid": 700001, "gid": 700002}]
    assert ask(lab, "io.systemd.Machine.MapTo", {"uid": 700001}) == [{"uid": 1, "machineName": "vl-five"}]
    assert error(lab, "io.systemd.Machine.MapTo", {"uid": 1000}) == "io.systemd.Machine.UserInHostRange"
    lab.run("systemctl stop vl-five")


def test_names_for_the_resolver(lab):
    lab.run(["systemd-run", "-q", "--unit=ai", "--property=PrivateNetwork=yes", "sh", "-c",
             "ip address add 192.0.2.7/24 dev lo; exec sleep 1000"])
    pid = int(lab.out(["systemctl", "show", "-PMainPID", "ai"]))
    wait_for(lambda: lab.read(f"/proc/{pid}/comm").strip() == "sleep")
    ask(lab, "io.systemd.Machine.Register", {"name": "ai", "class": "container", "leader": pid})

    def resolve(*keys):
        return ask(lab, "io.systemd.Resolve.Hook.ResolveRecord",
                   {"question": [{"key": {"class": 1, "type": t, "name": n}} for n, t in keys]}, socket_path=HOOK)[0]

    answer = resolve(("ai", 1), ("ai", 28))
    assert answer["rcode"] == 0
    # What is below a machine's name is not ours, nor are names that no machine has.
    assert resolve(("openai.ai", 1)) == {} and resolve(("example", 1)) == {}
    assert [(r["rr"]["key"]["name"], r["rr"]["address"]) for r in resolve(("AI.", 1), ("example", 1))["answer"]] == \
        [("AI.", [192, 0, 2, 7])]
    assert answer["answer"][0]["raw"] == "AmFpAAABAAEAAAAAAATAAAIH"
    assert "ai" in ask(lab, "io.systemd.Resolve.Hook.QueryFilter", socket_path=HOOK)[0]["filterDomains"]
    lab.run("systemctl stop ai")


def test_life_is_told(lab):
    lab.run("systemd-run -q --unit=vl-listen sh -c 'varlinkctl --more --json=short call "
            f"{SOCKET} org.skep.Life.Subscribe {shlex.quote('{}')} > /tmp/life'")
    wait_for(lambda: '"ready"' in lab.run("cat /tmp/life", check=False).stdout)
    pid = service(lab, "vl-six")
    ask(lab, "io.systemd.Machine.Register", {"name": "vl-six", "class": "container", "leader": pid})
    lab.run("systemctl stop vl-six")
    wait_for(lambda: '"removed"' in lab.read("/tmp/life"))
    events = [json.loads(line.strip("\x1e")) for line in lab.read("/tmp/life").splitlines() if line.strip("\x1e")]
    assert [e["event"] for e in events if e.get("name") == "vl-six"] == ["new", "removed"]
    lab.run("systemctl stop vl-listen")


def test_images(lab):
    lab.run("mkdir -p /var/lib/machines/vl-image/etc && echo there > /var/lib/machines/vl-image/etc/hostname"
            " && echo ID=x > /var/lib/machines/vl-image/etc/os-release")
    (image,) = ask(lab, "io.systemd.MachineImage.List", {"name": "vl-image", "acquireMetadata": "yes"})
    assert image["hostname"] == "there" and image["OSRelease"] == ["ID=x"] and not image["readOnly"]
    ask(lab, "io.systemd.MachineImage.Clone", {"name": "vl-image", "newName": "vl-clone"})
    ask(lab, "io.systemd.MachineImage.Update", {"name": "vl-clone", "newName": "vl-other"})
    names = {i["name"] for i in ask(lab, "io.systemd.MachineImage.List", more=True)}
    assert {"vl-image", "vl-other"} <= names and "vl-clone" not in names
    ask(lab, "io.systemd.MachineImage.Remove", {"name": "vl-other"})
    assert error(lab, "io.systemd.MachineImage.List", {"name": "vl-other"}) == "io.systemd.MachineImage.NoSuchImage"
    ask(lab, "io.systemd.MachineImage.Remove", {"name": "vl-image"})


def test_the_socket_starts_the_daemon_and_survives_it(lab):
    lab.run("systemctl stop skep-machined.service")
    assert ask(lab, "io.systemd.Machine.List", {"name": ".host"})[0]["class"] == "host"
    assert lab.out(["systemctl", "is-active", "skep-machined.service"]).strip() == "active"
