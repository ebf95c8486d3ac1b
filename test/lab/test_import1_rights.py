# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what on the importer's bus interface: each call is everybody's or guarded, each action of polkit is allowed
and denied by a rule, and what rules are told of a call is the same whichever way it is made."""

import json
from xml.etree import ElementTree

import pytest

from skeplib import import_calls, sidebyside
from skeplib.calls import ALLOWED, DENIED, NOBODY
from skeplib.import_calls import CLOSED, RAW, TAR, TREE, WRITE, call, fd

REFUSED = {"org.freedesktop.DBus.Error.AccessDenied",
           "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"}
OURS = "org.skep.ImportManager1"
# What everybody may call; of images, and of why something failed, not everything is told to them.
FREE = {"ListTransfers", "ListTransfersEx", "ListImages", "ListHistory"}
# There is nothing to be asked about yet.
ABSENT = {"PullOci"}

# Member, types, arguments without the name, and what rules are told besides that and the class.
STARTERS = [
    ("ImportTar", "hsbb", (fd(TAR), "NAME", False, False), "import type=import-tar"),
    ("ImportTarEx", "hsst", (fd(TAR), "NAME", "CLASS", 0), "import type=import-tar"),
    ("ImportRaw", "hsbb", (fd(RAW), "NAME", False, False), "import type=import-raw"),
    ("ImportRawEx", "hsst", (fd(RAW), "NAME", "CLASS", 0), "import type=import-raw"),
    ("ImportFileSystem", "hsbb", (fd(TREE), "NAME", False, False), "import type=import-fs"),
    ("ImportFileSystemEx", "hsst", (fd(TREE), "NAME", "CLASS", 0), "import type=import-fs"),
    ("ExportTar", "shs", ("NAME", fd("/proc/self/comm", WRITE), ""), "export type=export-tar"),
    ("ExportTarEx", "sshst", ("NAME", "CLASS", fd("/proc/self/comm", WRITE), "", 0), "export type=export-tar"),
    ("ExportRaw", "shs", ("NAME", fd("/proc/self/comm", WRITE), ""), "export type=export-raw"),
    ("ExportRawEx", "sshst", ("NAME", "CLASS", fd("/proc/self/comm", WRITE), "", 0), "export type=export-raw"),
    ("PullTar", "sssb", ("URL", "NAME", "no", False), "pull remote=URL type=pull-tar verify=no"),
    ("PullTarEx", "sssst", ("URL", "NAME", "CLASS", "checksum", 0), "pull remote=URL type=pull-tar verify=checksum"),
    ("PullRaw", "sssb", ("URL", "NAME", "", False), "pull remote=URL type=pull-raw verify=signature"),
    ("PullRawEx", "sssst", ("URL", "NAME", "CLASS", "no", 0), "pull remote=URL type=pull-raw verify=no"),
    ("StartTransfer", "a{sv}", ([["Type", ["s", "pull-tar"]], ["Remote", ["s", "URL"]], ["Local", ["s", "NAME"]],
                                 ["Class", ["s", "CLASS"]], ["Verify", ["s", "no"]]],),
     "pull remote=URL type=pull-tar verify=no"),
]


INTROSPECT = {**call("Introspect", transfer="@slow@"), "interface": "org.freedesktop.DBus.Introspectable"}


def filled(value, names):
    """Arguments with what stands for something in its place."""
    if isinstance(value, (list, tuple)):
        return [filled(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value


def steps_of(user):
    """[(a call of a user's, what polkit is to be asked by it)], each about an image of its own."""
    found = []
    for number, (member, types, args, question) in enumerate(STARTERS):
        names = {"NAME": f"{user}{number}", "CLASS": "sysext", "URL": CLOSED + f"?{user}{number}"}
        step = call(member, types, *filled(args, names), user=user)
        if member == "StartTransfer":
            step["interface"] = OURS
        action, *details = question.replace("=URL", f"={CLOSED}").split()
        image_class = "sysext" if "CLASS" in json.dumps(args) else "machine"
        found.append((step, " ".join([action, *sorted([*details, f"class={image_class}", f"local={names['NAME']}"])])))
    about = "cancel class=machine local=slow type=import-tar"
    cancel = call("Cancel", transfer="@slow@", user=user)
    return [*found, (call("CancelTransfer", "u", "$slow", user=user), about), (cancel, about)]


@pytest.fixture(scope="module")
def rights(lab):
    """{title: what came of it} of each guarded call, by whom a rule denies, nobody knows and one allows."""
    sidebyside.prepare(lab, import_calls)
    slow = call("ImportTar", "hsbb", fd(import_calls.FIFO, 2), "slow", False, False, keep="slow")
    manager = {**INTROSPECT, "path": import_calls.PATH, "when": "of the Manager"}
    steps = [*import_calls.SETUP, slow, INTROSPECT, manager,
             *(step for user in (DENIED, NOBODY, ALLOWED) for step, _ in steps_of(user))]
    return sidebyside.record(lab, import_calls, steps)[0]


def test_each_call_is_free_or_guarded(rights):
    tried = {(step["interface"], step["member"]) for step, _ in steps_of(ALLOWED)}
    offered = set()
    for step in (INTROSPECT, {**INTROSPECT, "when": "of the Manager"}):
        xml = rights[import_calls.title(step)]["body"][0]
        offered |= {(i.get("name"), m.get("name")) for i in ElementTree.fromstring(xml).iter("interface")
                    for m in i.iter("method") if not i.get("name").startswith("org.freedesktop.DBus.")}
    for interface, member in offered:
        assert (member in FREE | ABSENT) != ((interface, member) in tried), (interface, member)
    assert tried <= offered, tried - offered


@pytest.mark.parametrize("user", [ALLOWED, DENIED, NOBODY])
def test_each_action_is_asked_for(rights, user):
    for step, question in steps_of(user):
        row = rights[import_calls.title(step)]
        # The second of the two that are allowed to cancel may come when it has ended.
        if user == ALLOWED and step["member"].startswith("Cancel") and row["error"] in (
                import_calls.NAME + ".NoSuchTransfer", "org.freedesktop.DBus.Error.UnknownObject"):
            continue
        assert row["asked"] == [question], (step["member"], row)
        assert (row["error"] in REFUSED) == (user != ALLOWED), (step["member"], row)
        assert user != ALLOWED or row["error"] is None, (step["member"], row)


def test_strangers_are_told_less(lab, rights):
    """Everybody learns which transfers there were; why they failed, and where images are, is not everybody's."""
    for user in (ALLOWED, NOBODY):
        as_user = f"runuser -u {user} -- busctl call -j {import_calls.NAME} {import_calls.PATH}"
        lab.wait_for(f"{as_user} {OURS} ListHistory st '' 0", text=f'"{ALLOWED}10"', timeout=30)
        rows = json.loads(lab.out(f"{as_user} {OURS} ListHistory st '' 0"))["data"][0]
        assert any(row[5] == "failed" for row in rows) and not any(row[6] for row in rows if row[5] == "failed")
        assert all("?" not in row[2] for row in rows)
        images = json.loads(lab.out(f"{as_user} {import_calls.NAME}.Manager ListImages st machine 0"))["data"][0]
        assert images and not any(row[3] for row in images)
