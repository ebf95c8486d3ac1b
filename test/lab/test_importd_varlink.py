# SPDX-License-Identifier: LGPL-2.1-or-later
"""Transfers over varlink: Debian's own client, and one of ours that can send descriptors."""

import json
import subprocess

import pytest

from skeplib import archives
from skeplib.archives import file

LAB_SUITES = ("trixie",)

SOCKET = "/run/systemd/io.systemd.Import"
POOL = "/var/lib/machines"
DENIED = ("io.systemd.InteractiveAuthenticationRequired", "org.varlink.service.PermissionDenied")

# Sends one call with descriptor 0, prints the answers.
CLIENT = """
import json, socket, sys
method, arguments, more, with_fd = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
s.connect("/run/systemd/io.systemd.Import")
text = json.dumps({"method": method, "parameters": json.loads(arguments), "more": more == "more"}).encode() + b"\\0"
socket.send_fds(s, [text], [0] if with_fd == "fd" else [])
rest = b""
while True:
    piece = s.recv(65536)
    rest += piece
    while b"\\0" in rest:
        one, rest = rest.split(b"\\0", 1)
        print(one.decode(), flush=True)
        if not json.loads(one).get("continues"):
            sys.exit(0)
    if not piece:
        sys.exit(1)
"""


@pytest.fixture(scope="module", autouse=True)
def client(lab):
    lab.write("/root/client.py", CLIENT)
    lab.run("chmod 755 /root")


@pytest.fixture
def small(scratch, lab):
    """A small archive in the lab."""
    path = "/root/small.tar.gz"
    lab.write(path, archives.write(scratch / "small", [file("hello", b"1")], "gz").read_bytes())
    return path


def ask(lab, method, arguments=None, more=False, user=None):
    """What Debian's client says. Return: (name of the error or None, replies)."""
    command = ["varlinkctl", "--json=short", *(["--more"] if more else []), "call", SOCKET, method,
               json.dumps(arguments or {})]
    done = lab.run([*(["runuser", "-u", user, "--"] if user else []), *command], check=False)
    error = done.stderr.split(" failed: ")[-1].split()[0] if done.returncode else None
    return error, [json.loads(line) for line in done.stdout.lstrip("\x1e").splitlines() if line.strip("\x1e")]


def start(lab, method, arguments, source=None, user=None, more=True):
    """Our client, with standard input from a path, or else from us. Return: its process."""
    argv = ["python3", "/root/client.py", method, json.dumps(arguments), "more" if more else "one", "fd"]
    if user:
        argv = ["runuser", "-u", user, "--", *argv]
    if source:
        argv = ["sh", "-c", 'file=$1; shift; exec "$@" <"$file"', "sh", source, *argv]
    return lab.spawn(argv, stdin=None if source else subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def replies(process):
    """What a client of ours printed, once it has ended."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


class Waiting:
    """An import whose archive does not come."""

    def __init__(self, lab, name):
        self.process = start(lab, "org.skep.Import.Import", {"fileDescriptor": 0, "type": "tar", "local": name})
        self.id = json.loads(self.process.stdout.readline())["parameters"]["id"]

    def end(self):
        """What it was answered with in the end."""
        self.process.stdin = None
        return replies(self.process)[-1]


def test_debians_client_reads_what_is_offered(lab):
    for socket in (SOCKET, "/run/varlink/registry/io.systemd.Import", "/run/varlink/registry/org.skep.Import"):
        names = lab.out(["varlinkctl", "list-interfaces", socket]).split()
        assert {"io.systemd.Import", "org.skep.Import", "io.systemd.service"} <= set(names)
    for name in names:
        lab.run(["varlinkctl", "introspect", SOCKET, name])
    assert ask(lab, "io.systemd.service.Ping") == (None, [{}])


def test_import_export_and_history(lab, small):
    got = replies(start(lab, "org.skep.Import.Import", {"fileDescriptor": 0, "type": "tar", "local": "vl",
                                                        "verify": "0" * 128}, small))
    assert got[-1]["error"] == "io.systemd.Import.TransferFailed" and "SHA-512" in got[-1]["parameters"]["message"]
    got = replies(start(lab, "org.skep.Import.Import", {"fileDescriptor": 0, "type": "tar", "local": "vl"}, small))
    assert got[0]["parameters"]["id"] > 0 and got[0]["continues"]
    assert got[-1] == {"parameters": {}}
    assert lab.read(f"{POOL}/vl/hello") == "1"
    (one,) = [t for t in ask(lab, "org.skep.Import.ListHistory", more=True)[1] if t["id"] == got[0]["parameters"]["id"]]
    assert one["type"] == "import_tar" and one["local"] == "vl" and one["result"] == "done" and one["class"] == "machine"
    assert one["ended"] >= one["started"] > 1.6e15
    # Once more: it is there already, and the sentence says so to who may look.
    got = replies(start(lab, "org.skep.Import.Import", {"fileDescriptor": 0, "type": "tar", "local": "vl"}, small))
    assert got[-1]["error"] == "io.systemd.Import.TransferFailed"
    assert "exists already" in got[-1]["parameters"]["message"]
    assert any("exists already" in r["parameters"].get("log", {}).get("message", "") for r in got)
    last = ask(lab, "org.skep.Import.ListHistory", more=True)[1][-1]
    assert last["result"] == "failed" and "exists already" in last["error"]
    last = ask(lab, "org.skep.Import.ListHistory", more=True, user="nobody")[1][-1]
    assert last["result"] == "failed" and "error" not in last
    lab.run(f"rm -r {POOL}/vl")


def test_list_follow_and_cancel(lab):
    assert ask(lab, "io.systemd.Import.ListTransfers", more=True)[0] == "io.systemd.Import.NoTransfers"
    assert ask(lab, "io.systemd.Import.ListTransfers")[0] == "org.varlink.service.ExpectedMore"
    waiting = Waiting(lab, "vl-wait")
    (one,) = ask(lab, "io.systemd.Import.ListTransfers", more=True, user="nobody")[1]
    assert one == {"id": waiting.id, "type": "import_tar", "local": "vl-wait", "class": "machine"}
    assert ask(lab, "io.systemd.Import.ListTransfers", {"class": "sysext"}, more=True)[0] == \
        "io.systemd.Import.NoTransfers"
    follower = start(lab, "org.skep.Import.Follow", {"id": waiting.id}, "/dev/null")
    assert json.loads(follower.stdout.readline())["parameters"] == {"id": waiting.id}
    assert ask(lab, "org.skep.Import.Cancel", {"id": waiting.id}, user="nobody")[0] in DENIED
    assert ask(lab, "org.skep.Import.Cancel", {"id": waiting.id}) == (None, [{}])
    for end in (replies(follower)[-1], waiting.end()):
        assert end["error"] == "io.systemd.Import.TransferCancelled"
    assert ask(lab, "org.skep.Import.Cancel", {"id": waiting.id})[0] == "org.skep.Import.NoSuchTransfer"
    assert ask(lab, "org.skep.Import.Follow", {"id": waiting.id}, more=True)[0] == "org.skep.Import.NoSuchTransfer"
    assert lab.out(f"ls -A {POOL}") == ""


def test_bad_calls(lab, small):
    good = {"remote": "http://127.0.0.1:1/x.tar", "local": "vl", "type": "tar", "class": "machine", "verify": "no"}
    for change in ({"remote": "ftp://x/y"}, {"verify": "maybe"}, {"local": "../x"}, {"type": "fs"}, {"type": "oci"},
                   {"class": "cow"}, {"imageRoot": "relative"}, {"nonsense": 1}):
        assert ask(lab, "io.systemd.Import.Pull", {**good, **change})[0] == "org.varlink.service.InvalidParameter", change
    call = {"fileDescriptor": 0, "type": "tar", "local": "vl"}
    for change in ({"fileDescriptor": 1}, {"fileDescriptor": 300}, {"local": ""}, {"type": "fs"}):
        end = replies(start(lab, "org.skep.Import.Import", {**call, **change}, small))[-1]
        assert end["error"] in ("org.varlink.service.InvalidParameter", "io.systemd.System"), change
    # Without a descriptor at all.
    assert ask(lab, "org.skep.Import.Import", call)[0] == "org.varlink.service.InvalidParameter"
    assert ask(lab, "org.skep.Import.Cancel", {"id": 4711})[0] == "org.skep.Import.NoSuchTransfer"
    assert lab.out(f"ls -A {POOL}") == ""


def test_polkit_is_told_the_same_as_from_the_bus(lab, small):
    """A rule that knows the details lets in whoever it names, whichever way they come, and nobody else."""
    lab.write("/etc/polkit-1/rules.d/10-import.rules", """
polkit.addRule(function(action, subject) {
    if (subject.user == "games" && action.id == "org.freedesktop.import1.import" && action.lookup("local") == "vl-games" &&
        action.lookup("class") == "machine" && action.lookup("type") == "import-tar")
        return polkit.Result.YES;
    if (subject.user == "games" && action.id == "org.freedesktop.import1.pull" && action.lookup("local") == "vl-pull" &&
        action.lookup("verify") == "no" && action.lookup("remote") == "http://127.0.0.1:1/x.tar")
        return polkit.Result.YES;
});
""")
    lab.run("systemctl restart polkit")
    call = {"fileDescriptor": 0, "type": "tar", "local": "vl-games"}
    got = replies(start(lab, "org.skep.Import.Import", call, small, user="games"))
    assert got[-1] == {"parameters": {}}
    for change in ({"local": "vl-other"}, {"class": "portable"}, {"type": "raw"}):
        got = replies(start(lab, "org.skep.Import.Import", {**call, **change}, small, user="games"))
        assert got[-1].get("error") in DENIED, change
    bus = ["busctl", "call", "org.freedesktop.import1", "/org/freedesktop/import1", "org.freedesktop.import1.Manager"]
    for local, may in (("vl-games2", False), ("vl-games", True)):
        lab.run(f"rm -rf {POOL}/vl-games")
        done = lab.run(["runuser", "-u", "games", "--", "importctl", "--no-ask-password", "-m", "import-tar", small, local],
                       check=False)
        assert (done.returncode == 0) == may, done.stderr
    for local, may in (("vl-pull2", False), ("vl-pull", True)):
        done = lab.run(["runuser", "-u", "games", "--", *bus, "PullTar", "sssb", "http://me:pw@127.0.0.1:1/x.tar", local,
                        "no", "false"], check=False)
        assert (done.returncode == 0) == may, done.stderr
        error, _ = ask(lab, "io.systemd.Import.Pull", {"remote": "http://me:pw@127.0.0.1:1/x.tar", "local": local, "type": "tar",
                                                       "class": "machine", "verify": "no"}, user="games")
        assert (error in DENIED) == (not may), error
    # Where images are is for root to say, whatever a rule allows.
    got = replies(start(lab, "org.skep.Import.Import", {**call, "imageRoot": "/etc"}, small, user="games"))
    assert got[-1]["error"] == DENIED[1]
    lab.run(f"rm -rf /etc/polkit-1/rules.d/10-import.rules {POOL}/vl-games; systemctl restart polkit")


def test_the_socket_starts_the_daemon(lab):
    lab.run("systemctl stop skep-importd.service")
    assert ask(lab, "io.systemd.service.Ping") == (None, [{}])
    assert lab.out("systemctl is-active skep-importd.service") == "active"
