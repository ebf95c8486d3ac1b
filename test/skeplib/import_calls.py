# SPDX-License-Identifier: LGPL-2.1-or-later
"""The calls on org.freedesktop.import1 that Debian's daemon and ours are compared by: every method and property, with
good arguments and bad ones, of root and of others. A step is what recorder.py takes; title() is how
docs/import1-compat.md calls it."""

import os

from . import TOP
from .calls import ALLOWED, DENIED, NOBODY, shown, sh

DOCUMENT = TOP / "docs/import1-compat.md"
NAME = "org.freedesktop.import1"
PATH = "/org/freedesktop/import1"
NEW = "TransferNew"

RULES = """
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.freedesktop.import1.") != 0)
        return polkit.Result.NOT_HANDLED;
    polkit.log("process " + subject.pid + " asks: " + action);
    if (subject.user == "games")
        return polkit.Result.YES;
    if (subject.user == "news")
        return polkit.Result.NO;
    return polkit.Result.NOT_HANDLED;
});
"""


def call(member, types="", *args, user="root", transfer=None, **more):
    """A call on the Manager, or on the object of a transfer, which is known by its name."""
    path, interface = PATH, "Manager"
    if transfer is not None:
        path, interface = f"{PATH}/transfer/_{transfer}", "Transfer"
    return {"do": "call", "user": user, "path": path, "interface": f"{NAME}.{interface}", "member": member,
            "types": types, "args": list(args), "of": transfer, **more}


def get(name, transfer):
    """A property of a transfer."""
    step = call("Get", "ss", f"{NAME}.Transfer", name, transfer=transfer)
    return {**step, "interface": "org.freedesktop.DBus.Properties", "property": name}


def fd(path, flags=os.O_RDONLY):
    """A descriptor of a file in the lab."""
    return {"open": path, "flags": flags}


def gone(transfer):
    """Wait until a transfer has ended."""
    return {"do": "wait", "member": "TransferRemoved", "machine": "$" + transfer}


def _shown(value):
    return f"fd of {value['open']}" if isinstance(value, dict) else shown(value)


def title(step):
    """What a call is called in a document."""
    what = "" if step["of"] is None else "transfer: "
    words = f"property {step['property']}" if "property" in step else \
        f"{step['member']}({', '.join(_shown(a) for a in step['args'])})"
    who = "" if step["user"] == "root" else step["user"] + ": "
    return (f"{who}{what}{words}" + (", interactive" if step.get("interactive") else "")
            + (f", {step['when']}" if "when" in step else ""))


TAR, FIFO, RAW, TREE, OUT = "/srv/a.tar", "/srv/fifo", "/srv/a.raw", "/srv/tree", "/srv/out"
# Nobody is there, which we ask for a while: so they are asked at once.
CLOSED, CLOSED2, CLOSED3, CLOSED4 = (f"http://127.0.0.1:1/{name}.tar" for name in "abcd")
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC

SETUP = [
    sh(f"""mkdir -p {TREE}/etc; echo ID=x >{TREE}/etc/os-release; tar -C {TREE} -cf {TAR} .; truncate -s 1M {RAW};
           mkfifo {FIFO}; setsid sleep 10000 <>{FIFO} >/dev/null 2>&1 & chmod 755 /srv; chmod 644 {TAR} {RAW}; sleep 0.1"""),
]

IMPORTS = [
    call("ImportTar", "hsbb", fd(TAR), "one", False, False, keep="one"), gone("one"),
    call("ImportTar", "hsbb", fd(TAR), "one", False, False, when="again", keep="again"), gone("again"),
    call("ImportTar", "hsbb", fd(TAR), "one", True, False, keep="forced"), gone("forced"),
    call("ImportTarEx", "hsst", fd(TAR), "ext", "sysext", 0, keep="ext"), gone("ext"),
    call("ImportRaw", "hsbb", fd(RAW), "disk", False, True, keep="disk"), gone("disk"),
    call("ImportFileSystem", "hsbb", fd(TREE, os.O_RDONLY | os.O_DIRECTORY), "copied", False, False, keep="copied"),
    gone("copied"),
] + [
    call("ImportTar", "hsbb", fd(TAR), name, False, False) for name in ("", "a/b", "../x", ".host", ".#x", "a" * 256)
] + [
    call("ImportTar", "hsbb", fd(*how), "bad", False, False) for how in (("/dev/null",), ("/srv",), (OUT, WRITE),
                                                                        (TAR, os.O_PATH))
] + [
    call("ImportFileSystem", "hsbb", fd(TAR), "bad", False, False),
    call("ImportTarEx", "hsst", fd(TAR), "bad", "cow", 0), call("ImportTarEx", "hsst", fd(TAR), "bad", "", 0),
    call("ImportTarEx", "hsst", fd(TAR), "bad", "machine", 4), call("ImportTarEx", "hsst", fd(TAR), "bad", "machine", 1 << 40),
    call("ImportTar", "s", "bad"), call("ImportTar", "", when="without arguments"),
]

EXPORTS = [
    call("ExportTar", "shs", "one", fd(OUT, WRITE), "gzip", keep="packed"), gone("packed"),
    call("ExportRaw", "shs", "disk", fd(OUT, WRITE), "xz", keep="rawout"), gone("rawout"),
    call("ExportTarEx", "sshst", "ext", "sysext", fd(OUT, WRITE), "", 0, keep="written"), gone("written"),
    call("ExportTar", "shs", "none", fd(OUT, WRITE), "", keep="nothing"), gone("nothing"),
    call("ExportTar", "shs", "a/b", fd(OUT, WRITE), ""), call("ExportTar", "shs", "", fd(OUT, WRITE), ""),
    call("ExportTar", "shs", "one", fd("/srv", os.O_RDONLY), ""),
    call("ExportTar", "shs", "one", fd(TAR), ""),
    call("ExportTarEx", "sshst", "one", "machine", fd(OUT, WRITE), "", 1),
    call("ExportTarEx", "sshst", "one", "cow", fd(OUT, WRITE), "", 0),
]

PULLS = [
    call("PullTar", "sssb", CLOSED2, "pulled", "no", False, keep="pulled"),
    call("PullRawEx", "sssst", CLOSED3, "pulled2", "machine", "checksum", 7, keep="pulled2"),
    call("PullTar", "sssb", CLOSED4, "pulled3", "", False, keep="pulled3"),
    call("PullTar", "sssb", CLOSED, "-", "signature", True, keep="pulled4"),
    gone("pulled"), gone("pulled2"), gone("pulled3"), gone("pulled4"),
] + [
    call("PullTar", "sssb", *args) for args in (
        ("ftp://x/a.tar", "bad", "no", False), ("", "bad", "no", False), ("x", "bad", "no", False),
        ("http://", "bad", "no", False),
        (CLOSED, "a/b", "no", False), (CLOSED, "bad", "maybe", False))
] + [
    call("PullTarEx", "sssst", CLOSED, "bad", "cow", "no", 0), call("PullTarEx", "sssst", CLOSED, "bad", "machine", "no", 8),
    call("PullOci", "ssst", "debian", "bad", "machine", 0),
]

PROPERTIES = ("Id", "Local", "Remote", "Type", "Verify", "Progress", "Nonsense")

RUNNING = [
    call("ImportTar", "hsbb", fd(FIFO, os.O_RDWR), "slow", False, False, keep="slow"),
    call("ListTransfers"), call("ListTransfersEx", "st", "", 0), call("ListTransfersEx", "st", "machine", 0),
    call("ListTransfersEx", "st", "sysext", 0), call("ListTransfersEx", "st", "cow", 0),
    call("ListTransfersEx", "st", "", 1),
    call("ListTransfers", user=NOBODY), call("ListTransfersEx", "st", "", 0, user=NOBODY),
] + [
    get(name, "@slow@") for name in PROPERTIES
] + [
    call("CancelTransfer", "u", number) for number in (0, 4711, 4294967295)
] + [
    call("Cancel", "", transfer=4711, when="of none"), call("Nonsense"), call("Nonsense", transfer="@slow@"),
]

# One call for each way to be asked for something.
GUARDED = [
    ("ImportTar", "hsbb", (fd(TAR), "x/y", False, False)),
    ("ImportRawEx", "hsst", (fd(RAW), "theirs", "machine", 9)),
    ("ExportTar", "shs", ("", fd("/dev/null", os.O_WRONLY), "")),
    ("PullTar", "sssb", ("ftp://x", "theirs", "no", False)),
    ("CancelTransfer", "u", (4711,)),
]

# The rest of what starts something, so that what polkit is asked by each is compared.
DENIED_ALL = [
    ("ImportTarEx", "hsst", (fd(TAR), "d1", "machine", 0)), ("ImportRaw", "hsbb", (fd(RAW), "d2", False, False)),
    ("ImportRawEx", "hsst", (fd(RAW), "d3", "machine", 1)), ("ImportFileSystem", "hsbb", (fd(TREE), "d4", False, False)),
    ("ImportFileSystemEx", "hsst", (fd(TREE), "d5", "machine", 0)),
    ("ExportTarEx", "sshst", ("one", "machine", fd("/proc/self/comm", os.O_WRONLY), "", 0)),
    ("ExportRaw", "shs", ("disk", fd("/proc/self/comm", os.O_WRONLY), "")),
    ("ExportRawEx", "sshst", ("disk", "machine", fd("/proc/self/comm", os.O_WRONLY), "", 0)),
    ("PullTar", "sssb", (CLOSED, "d6", "no", False)), ("PullTarEx", "sssst", (CLOSED, "d7", "machine", "no", 0)),
    ("PullRawEx", "sssst", (CLOSED, "d8", "machine", "no", 0)),
]

OTHERS = [
    call(member, types, *args, user=DENIED) for member, types, args in DENIED_ALL
] + [
    call("CancelTransfer", "u", "$slow", user=user, **more)
    for user, more in ((NOBODY, {}), (NOBODY, {"interactive": True}), (DENIED, {"interactive": True}))
] + [
    call("ImportTar", "hsbb", fd(TAR), "theirs", False, False, user=user, **more)
    for user, more in ((NOBODY, {}), (NOBODY, {"interactive": True}), (DENIED, {"interactive": True}))
] + [
    call("ExportTar", "shs", "one", fd("/proc/self/comm", os.O_WRONLY), "", user=user) for user in (NOBODY, DENIED)
] + [
    call("PullRaw", "sssb", CLOSED, "theirs", "no", False, user=user) for user in (NOBODY, DENIED)
] + [
    call(member, types, *args, user=NOBODY) for member, types, args in GUARDED
] + [
    call("ImportTar", "hsbb", fd(TAR), "games", False, False, user=ALLOWED, keep="games"), gone("games"),
    call("PullTar", "sssb", CLOSED, "games2", "no", False, user=ALLOWED, keep="games2"), gone("games2"),
    call("ExportTar", "shs", "one", fd(OUT, WRITE), "", user=ALLOWED, keep="games3"), gone("games3"),
    call("ListImages", "st", "machine", 0), call("ListImages", "st", "sysext", 0), call("ListImages", "st", "cow", 0),
    call("ListImages", "st", "", 1), call("ListImages", "st", "machine", 0, user=NOBODY),
    call("CancelTransfer", "u", "$slow", user=ALLOWED), gone("slow"),
    call("CancelTransfer", "u", "$slow", when="when it has ended"),
    call("ListTransfers", when="at the end"),
]

STEPS = SETUP + IMPORTS + EXPORTS + PULLS + RUNNING + OTHERS
