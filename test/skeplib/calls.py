# SPDX-License-Identifier: LGPL-2.1-or-later
"""The calls on org.freedesktop.machine1 that Debian's daemon and ours are compared by: every method and property, with
good arguments and bad ones, of root and of others. A step is what recorder.py takes; title() is how
docs/machine1-compat.md calls it."""

from . import TOP

DOCUMENT = TOP / "docs/machine1-compat.md"
NAME = "org.freedesktop.machine1"
PATH = "/org/freedesktop/machine1"
# The signal that tells of what a call has made.
NEW = "MachineNew"

# Who calls, and what the rule of polkit (RULES) says to them; nobody is left to the defaults.
ALLOWED, DENIED, NOBODY = "games", "news", "nobody"

RULES = """
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.freedesktop.machine1.") != 0)
        return polkit.Result.NOT_HANDLED;
    polkit.log("process " + subject.pid + " asks: " + action);
    if (subject.user == "games")
        return polkit.Result.YES;
    if (subject.user == "news")
        return polkit.Result.NO;
    return polkit.Result.NOT_HANDLED;
});
"""


def label(name):
    """The last part of an object's path."""
    return "".join(c if c.isascii() and (c.isalpha() or c.isdigit() and at) else f"_{ord(c):02x}"
                   for at, c in enumerate(name)) or "_"


def call(member, types="", *args, user="root", machine=None, image=None, **more):
    """A call on the Manager, or on the object of a machine or an image."""
    path, interface = PATH, "Manager"
    if machine is not None:
        path, interface = f"{PATH}/machine/{label(machine)}", "Machine"
    if image is not None:
        path, interface = f"{PATH}/image/{label(image)}", "Image"
    return {"do": "call", "user": user, "path": path, "interface": f"{NAME}.{interface}", "member": member,
            "types": types, "args": list(args), "of": machine if machine is not None else image, **more}


def get(name, **where):
    """A property."""
    step = call("Get", "ss", "", name, **where)
    step["args"][0] = step["interface"]
    step["interface"] = "org.freedesktop.DBus.Properties"
    return {**step, "property": name}


def sh(run, keep=None):
    """A command of the host, whose output may be kept."""
    return {"do": "shell", "run": run, "keep": keep}


def gone(machine, patience=5):
    """Wait until a machine is gone."""
    return {"do": "wait", "member": "MachineRemoved", "machine": machine, "patience": patience}


def shown(value):
    """An argument, as a document has it."""
    if isinstance(value, list):
        return "[" + ", ".join(shown(v) for v in value) + "]"
    if isinstance(value, str):
        return f"PID of {value[1:]}" if value.startswith("$") else '"' + value.replace("\n", "\\n") + '"'
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def title(step):
    """What a call is called in a document."""
    kind = step["path"][len(PATH) + 1:].partition("/")[0]
    what = {"": "", "machine": f"machine {step['of']}: ", "image": f"image {step['of']}: "}[kind]
    words = f"property {step['property']}" if "property" in step else \
        f"{step['member']}({', '.join(shown(a) for a in step['args'])})"
    who = "" if step["user"] == "root" else step["user"] + ": "
    return (f"{who}{what}{words}" + (", interactive" if step.get("interactive") else "")
            + (f", {step['when']}" if "when" in step else ""))


# Long arguments, shown by their beginning.
LONG = "x" * 65

MACHINE_PROPERTIES = ("Name Id Timestamp TimestampMonotonic Service Unit Scope Subgroup Leader LeaderPIDFDId Supervisor "
                      "SupervisorPIDFDId Class RootDirectory NetworkInterfaces VSockCID SSHAddress SSHPrivateKeyPath "
                      "State UID Nonsense").split()
IMAGE_PROPERTIES = ("Name Path Type ReadOnly CreationTimestamp ModificationTimestamp Usage Limit UsageExclusive "
                    "LimitExclusive Nonsense").split()

def sleeper(name, options=""):
    """A process that sleeps in a unit of its own, known by its name."""
    return sh(f"systemd-run -q -u {name}.service {options} sleep 10000; p=$(systemctl show -PMainPID {name}); "
              "until grep -qx sleep /proc/$p/comm; do sleep 0.02; done; echo $p", name)


def forget(name):
    """Unregister what only one of the two may have taken in."""
    return sh(f"busctl call {NAME} {PATH} {NAME}.Manager UnregisterMachine s {name} || true")


SETUP = [
    sleeper("web"),
    sleeper("net", "-p PrivateNetwork=yes"),
    sh("""nsenter -t @net@ -n sh -c 'ip link add d0 type veth peer d1; ip link set d1 up; ip link set d0 up;
          ip addr add 10.1.2.3/24 dev d0; ip addr add 10.9.9.9/24 dev d0 scope link;
          ip addr add fd00::5/64 dev d0 nodad; until [ -z "$(ip -o addr show tentative)" ]; do sleep 0.05; done;
          ip -6 addr flush dev d0 scope link; ip -6 addr flush dev d1 scope link'"""),
    sh("""systemd-run -q -u mapped.service unshare -U sleep 10000; pid=$(systemctl show -PMainPID mapped);
          until grep -qx sleep /proc/$pid/comm; do sleep 0.02; done;
          echo 0 200000 65536 >/proc/$pid/uid_map; echo 0 200000 65536 >/proc/$pid/gid_map; echo $pid""", "mapped"),
    sleeper("vm"),
    sh("setsid sleep 10000 >/dev/null 2>&1 & echo $!", "one"),
    sh("setsid sleep 10000 >/dev/null 2>&1 & echo $!", "two"),
    *[sleeper(name) for name in ("three", "four", "five", "taken")],
    sh("sleep 0 & p=$!; wait; echo $p", "dead"),
    sh("""cd /var/lib/machines; mkdir -p tree/etc tree/usr/lib .hidden 'a b' bare;
          printf 'ID=tree\\nPRETTY_NAME="A Tree"\\n' >tree/usr/lib/os-release; echo box >tree/etc/hostname;
          echo 0123456789abcdef0123456789abcdef >tree/etc/machine-id; echo PRETTY_HOSTNAME=Box >tree/etc/machine-info;
          truncate -s 1M disk.raw; truncate -s 1M fixed.raw; chmod 0444 fixed.raw; echo no >file.txt;
          mkdir -p /srv/elsewhere /etc/machines; ln -s /srv/elsewhere /etc/machines/linked"""),
]

REGISTER, CREATE = "sayssus", "sayssusa(sv)"
ID = list(range(16))

REGISTRATION = [
    call("RegisterMachine", REGISTER, "web", ID, "test", "container", "$web", "/srv"),
    call("RegisterMachineWithNetwork", REGISTER + "ai", "net", [], "", "container", "$net", "", [1, 7]),
    call("RegisterMachine", REGISTER, "mapped-1", [0] * 16, "", "container", "$mapped", ""),
    call("RegisterMachine", REGISTER, "plain", [], "", "", "$vm", ""),
    call("UnregisterMachine", "s", "plain"), gone("plain"),
    call("RegisterMachine", REGISTER, "vm", [], "qemu", "vm", "$vm", ""),
    call("RegisterMachine", REGISTER, "web", [], "", "container", "$one", ""),
    call("RegisterMachine", REGISTER, "taken", [], "", "container", "$taken", ""),
    call("RegisterMachine", REGISTER, "taken2", [], "", "container", "$taken", ""),
    sh("systemctl stop taken || true"), gone("taken"),
    call("CreateMachine", CREATE, "one", [], "t", "container", "$one", "", [["Description", ["s", "own words"]]]),
    call("CreateMachineWithNetwork", "sayssusaia(sv)", "two-2", [], "t", "vm", "$two", "", [1], []),
    call("CreateMachine", CREATE, "bad4", [], "", "container", "$four", "", [["NoSuch", ["b", True]]]),
    call("CreateMachine", CREATE, "bad5", [], "", "container", "$five", "", [["TasksMax", ["s", "many"]]]),
    call("CreateMachine", CREATE, "one", [], "", "container", "$three", "", []),
    call("RegisterMachine", REGISTER, "self", [], "", "container", "$three", ""),
    call("GetMachine", "s", "self"),
    call("UnregisterMachine", "s", "self"), gone("self"),
    call("RegisterMachine", REGISTER, "dead", [], "", "container", "$dead", ""),
    call("RegisterMachineEx", "sa(sv)", "ex", [["Class", ["s", "vm"]], ["LeaderPID", ["u", 0]]]),
    forget("ex"),
    call("CreateMachineEx", "sa(sv)a(sv)", "ex", [["Class", ["s", "cow"]]], []),
] + [
    call("RegisterMachine", REGISTER, name, [], "", "container", "$three", "")
    for name in ("", "a_b", "a-", "-a", "a..b", "a.", ".host", "../x", "a/b", LONG, "a\nb", "ü")
] + [
    call("RegisterMachine", REGISTER, "bad", *rest) for rest in (
        ([], "", "host", "$three", ""), ([], "", "cow", "$three", ""), ([1, 2, 3], "", "container", "$three", ""),
        ([], "", "container", 1, ""), ([], "", "container", "$three", "srv"),
        ([], "", "container", 4294967295, ""), ([], "a\nLEADER=1", "container", "$three", ""))
] + [
    forget("bad"),
] + [
    call("RegisterMachineWithNetwork", REGISTER + "ai", "bad", [], "", "vm", "$three", "", [n]) for n in (0, -1)
] + [
    call("RegisterMachine", REGISTER, "dots", [], "", "container", "$three", "/a/../b"),
    forget("dots"),
    call("RegisterMachine", "s", "bad"),
    call("RegisterMachine", "", when="without arguments"),
]

LOOKUPS = [
    call("GetMachine", "s", name) for name in ("web", "none", ".host", "", "../x")
] + [
    call("GetImage", "s", name) for name in ("tree", "none", ".host", "", "disk", "disk.raw", "a b", ".hidden", "../x",
                                             "linked", "file.txt")
] + [
    call("GetMachineByPID", "u", pid) for pid in ("$web", "$one", "$dead", 1, 0, 3999999, 4294967295)
] + [
    call("ListMachines"), call("ListImages"),
    get("PoolPath"), get("PoolUsage"), get("PoolLimit"), get("Nonsense"),
] + [
    get(name, machine=machine) for machine in ("web", "one", "vm", ".host", "none") for name in MACHINE_PROPERTIES
    if machine != "none" or name == "Name"
] + [
    get(name, image=image) for image in ("tree", "fixed", ".hidden", ".host", "linked", "none")
    for name in IMAGE_PROPERTIES if image != "none" or name == "Name"
] + [
    get("Name", machine="self"),
    call("Nonsense"), call("Nonsense", machine="web"), call("Nonsense", image="tree"),
]

ALL = ("web", "net", "mapped-1", "vm", ".host", "none")

QUERIES = [
    call(method, "s", name) for method in ("GetMachineAddresses", "GetMachineOSRelease", "GetMachineUIDShift",
                                           "GetMachineSSHInfo", "OpenMachineRootDirectory", "OpenMachinePTY")
    for name in ALL if (method, name) not in (("GetMachineAddresses", ".host"),)
] + [
    call(method, "", machine="web") for method in ("GetAddresses", "GetOSRelease", "GetUIDShift", "GetSSHInfo",
                                                   "OpenRootDirectory", "OpenPTY")
] + [
    call(f"MapFromMachine{what}", "su", name, number) for what in ("User", "Group")
    for name, number in (("mapped-1", 0), ("mapped-1", 33), ("mapped-1", 65535), ("mapped-1", 65536), ("web", 5),
                         (".host", 5), ("vm", 5), ("none", 5), ("mapped-1", 4294967295))
] + [
    call(f"MapToMachine{what}", "u", number) for what in ("User", "Group")
    for number in (200000, 200033, 265536, 65536, 5, 4294967295)
] + [
    call(f"GetImage{what}", "s", name) for what in ("Hostname", "MachineID", "MachineInfo", "OSRelease")
    for name in ("tree", "bare", "none", "../x")
] + [
    call(f"Get{what}", "", image="tree") for what in ("Hostname", "MachineID", "MachineInfo", "OSRelease")
]

SHELL = "sssasas"

CHANGES = [
    call("KillMachine", "ssi", *args) for args in (
        ("web", "leader", 0), ("web", "leader", -1), ("web", "leader", 65), ("web", "whoever", 15), ("none", "all", 9),
        (".host", "all", 9), ("web", "supervisor", 18), ("web", "leader", 18), ("web", "all", 18), ("web", "", 18))
] + [
    call("Kill", "si", "all", 18, machine="web"),
    call("TerminateMachine", "s", "none"), call("TerminateMachine", "s", ".host"),
    call("UnregisterMachine", "s", "none"), call("UnregisterMachine", "s", ".host"),
    call("OpenMachineLogin", "s", "none"), call("OpenMachineLogin", "s", "web"), call("OpenMachineLogin", "s", "vm"),
] + [
    call("OpenMachineShell", SHELL, *args) for args in (
        ("none", "", "", [], []), ("web", "", "", [], []), ("vm", "", "", [], []),
        (".host", "root", "rel/path", [], []), (".host", "root", "/bin/true", ["true"], ["=x"]),
        (".host", "root", "/bin/true", ["true"], ["1A=x"]), (".host", "no such user", "/bin/true", [], []),
        (".host", "", "/bin/true", ["true"], ["A=b"]))
] + [
    call("BindMountMachine", "sssbb", *args) for args in (
        ("none", "/srv", "/mnt", False, False), (".host", "/srv", "/mnt", False, False),
        ("vm", "/srv", "/mnt", False, False), ("web", "srv", "/mnt", False, False),
        ("web", "/srv", "mnt", False, False), ("web", "/srv/../srv", "/mnt", False, False),
        ("mapped-1", "/srv", "/mnt", False, False))
] + [
    call(f"Copy{way}", "sss", *args) for way in ("ToMachine", "FromMachine") for args in (
        ("none", "/srv", "/mnt"), (".host", "/srv", "/mnt"), ("vm", "/srv", "/mnt"), ("web", "srv", "/mnt"),
        ("web", "/srv", "mnt"), ("net", "/nonexistent/x", "/tmp/x"))
] + [
    call("CopyToMachineWithFlags", "ssst", "net", "/etc/hostname", "/tmp/x", 2),
    call("CopyFromMachineWithFlags", "ssst", "net", "/etc/hostname", "/tmp/x", 1 << 40),
]

IMAGES = [
    call("CloneImage", "ssb", *args) for args in (
        ("tree", "copy", False), ("tree", "copy", False), ("tree", "a/b", False), ("tree", "", False),
        ("none", "copy2", False), ("disk", "disk2", True), (".host", "hostcopy", False))
][:1] + [
    call("CloneImage", "ssb", "tree", "copy", False, when="again")
] + [
    call("CloneImage", "ssb", *args) for args in (
        ("tree", "a/b", False), ("tree", "", False), ("tree", ".#x", False), ("none", "copy2", False),
        ("disk", "disk2", True))
] + [
    get("ReadOnly", image="copy"), get("ReadOnly", image="disk2"),
] + [
    call("RenameImage", "ss", *args) for args in (
        ("copy", "copy"), ("copy", "tree"), ("none", "x"), ("copy", "a/b"), ("copy", ""), (".host", "x"),
        ("copy", "moved"), ("disk2", "disk3"))
] + [
    call("Rename", "s", "moved2", image="moved"), call("Rename", "s", "moved2", image="moved", when="again"),
    call("MarkImageReadOnly", "sb", "moved2", True), call("MarkImageReadOnly", "sb", "disk3", False),
    call("MarkImageReadOnly", "sb", ".host", True), call("MarkImageReadOnly", "sb", "none", True),
    get("ReadOnly", image="moved2"), get("ReadOnly", image="disk3"),
    call("MarkReadOnly", "b", False, image="moved2"),
    call("SetImageLimit", "st", "tree", 1 << 30), call("SetImageLimit", "st", "disk", 1 << 30),
    call("SetImageLimit", "st", ".host", 1 << 30), call("SetImageLimit", "st", "none", 1 << 30),
    call("SetImageLimit", "st", "tree", (1 << 64) - 2),
    call("SetLimit", "t", 1 << 30, image="tree"),
    call("SetPoolLimit", "t", 1 << 40), call("SetPoolLimit", "t", (1 << 64) - 2), call("SetPoolLimit", "t", 0),
    call("RemoveImage", "s", ".host"), call("RemoveImage", "s", "none"), call("RemoveImage", "s", "../x"),
    call("RemoveImage", "s", "moved2"), call("Remove", image="disk3"), call("Remove", image="disk3", when="again"),
    call("CleanPool", "s", "some"), call("CleanPool", "s", "hidden"), call("CleanPool", "s", "hidden", when="again"),
    call("ListImages", when="at the end"),
]

# One call for each way to be asked for something, in the order of the actions.
GUARDED = [
    ("OpenMachineLogin", "s", ("web",)), ("OpenMachineLogin", "s", (".host",)),
    ("OpenMachineShell", SHELL, ("web", "root", "/bin/true", ["true", "x"], [])),
    ("OpenMachineShell", SHELL, (".host", "nobody", "/bin/true", [], [])),
    ("OpenMachinePTY", "s", ("web",)), ("OpenMachinePTY", "s", (".host",)),
    ("KillMachine", "ssi", ("web", "leader", 18)), ("TerminateMachine", "s", ("spare",)),
    ("BindMountMachine", "sssbb", ("mapped-1", "/srv", "/mnt", True, False)),
    ("CopyToMachine", "sss", ("net", "/nonexistent/x", "/tmp/x")),
    ("CopyFromMachineWithFlags", "ssst", ("net", "/nonexistent/x", "/tmp/x", 1)),
    ("OpenMachineRootDirectory", "s", ("net",)), ("GetMachineOSRelease", "s", ("net",)),
    ("RegisterMachine", REGISTER, ("mine", [], "", "container", "$own", "")),
    ("CreateMachine", CREATE, ("mine2", [], "", "container", "$own2", "", [])),
    ("CleanPool", "s", ("hidden",)), ("SetPoolLimit", "t", (1 << 30,)),
    ("MarkImageReadOnly", "sb", ("bare", False)), ("SetImageLimit", "st", ("bare", 1 << 30)),
    ("CloneImage", "ssb", ("bare", "bare2", False)), ("RenameImage", "ss", ("bare2", "bare3")),
    ("RemoveImage", "s", ("bare3",)),
]

OTHERS = [
    sleeper("spare"),
    call("RegisterMachine", REGISTER, "spare", [], "", "container", "$spare", ""),
    sh("setpriv --reuid=games --regid=games --clear-groups setsid sleep 10000 >/dev/null 2>&1 & echo $!", "own"),
    sh("setpriv --reuid=games --regid=games --clear-groups setsid sleep 10000 >/dev/null 2>&1 & echo $!", "own2"),
] + [
    call("GetMachine", "s", "web", user=NOBODY), call("GetImage", "s", "tree", user=NOBODY),
    call("ListMachines", user=NOBODY), call("ListImages", user=NOBODY),
    call("GetMachineByPID", "u", "$web", user=NOBODY),
    call("GetMachineAddresses", "s", "net", user=NOBODY), call("GetMachineUIDShift", "s", "mapped-1", user=NOBODY),
    call("GetMachineSSHInfo", "s", "web", user=NOBODY), call("MapFromMachineUser", "su", "mapped-1", 1, user=NOBODY),
    call("MapToMachineUser", "u", 200001, user=NOBODY), call("GetImageHostname", "s", "tree", user=NOBODY),
    call("GetImageMachineID", "s", "tree", user=NOBODY), call("GetImageOSRelease", "s", "tree", user=NOBODY),
    get("Leader", machine="web", user=NOBODY), get("RootDirectory", machine="web", user=NOBODY),
    get("Path", image="tree", user=NOBODY), get("PoolUsage", user=NOBODY),
] + [
    call(member, types, *args, user=user, **more)
    for user, more in ((NOBODY, {}), (NOBODY, {"interactive": True}), (DENIED, {"interactive": True}), (ALLOWED, {}))
    for member, types, args in GUARDED
] + [
    forget("mine"), forget("mine2"), sh("kill @own@ @own2@ || true"),
]


ENDS = [
    call("KillMachine", "ssi", "one", "leader", 9, when="at the end"), gone("one"),
    call("TerminateMachine", "s", "two-2", when="at the end"), gone("two-2"),
    call("Terminate", "", machine="vm", when="at the end"), gone("vm"),
    call("UnregisterMachine", "s", "net", when="at the end"), gone("net"),
    sh("systemctl stop web || true"), gone("web"),
    call("GetMachine", "s", "web", when="at the end"),
    get("Name", machine="web", when="at the end"),
    sh("systemctl stop mapped net three || true"), gone("mapped-1"),
    call("ListMachines", when="at the end"),
]

STEPS = SETUP + REGISTRATION + LOOKUPS + QUERIES + CHANGES + IMAGES + OTHERS + ENDS
