# SPDX-License-Identifier: LGPL-2.1-or-later
"""Transfers over D-Bus: Debian's own clients, the interface by hand, and a daemon that comes and goes."""

import json
import re
import subprocess
import time

import pytest

from skeplib import TOP, archives, badweb, netns
from skeplib.archives import file

LAB_SUITES = ("bookworm", "trixie")

POOL = "/var/lib/machines"
MANAGER = "org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager"


@pytest.fixture(autouse=True)
def clean(lab):
    """An empty pool before and after each test, and no transfer."""
    yield
    lab.wait_for("test -z \"$(ls -A -I '*.ended' /run/skep/import 2>/dev/null)\"", timeout=15)
    lab.run(f"chattr -R -f -i {POOL}; rm -rf {POOL}/* {POOL}/.#*", check=False)


def client(lab, *args):
    """Command line of the client of that release: importctl took over in systemd 256."""
    return ["machinectl", *args] if lab.suite == "bookworm" else ["importctl", "-m", *args]


def pool(lab):
    return sorted(lab.out(f"ls -A {POOL}").split())


def call(lab, method, *args, check=True, user=None):
    """Call a method of the manager with busctl. Return: the answer, or what it said."""
    command = ["busctl", "--json=short", "call", *MANAGER.split(), method, *args]
    if user:
        command = ["runuser", "-u", user, "--", *command]
    done = lab.run(command, check=check)
    return json.loads(done.stdout)["data"] if done.returncode == 0 and done.stdout else done.stderr


def transfers(lab):
    return call(lab, "ListTransfers")[0]


class Monitor:
    """Collects what is said on the bus while a with block runs; messages afterwards."""

    def __init__(self, lab):
        self.lab = lab
        self.pid = None
        self.messages = []

    def __enter__(self):
        self.pid = self.lab.out("busctl --json=short monitor org.freedesktop.import1 >/root/said "
                                "2>/dev/null </dev/null & echo $!")
        self.lab.wait_for("busctl list --unique --no-legend | grep -q ' busctl '")
        time.sleep(0.3)
        return self

    def __exit__(self, *_):
        time.sleep(0.3)
        self.lab.run(["kill", self.pid])
        self.messages = [json.loads(line) for line in self.lab.read("/root/said").splitlines()
                         if line.startswith("{")]

    def data(self, member):
        """Arguments of all messages of that name."""
        return [m["payload"]["data"] for m in self.messages if m.get("member") == member]


class Slow:
    """A transfer whose archive comes from us, in as many pieces as we like."""

    def __init__(self, lab, name="slow"):
        self.lab, self.name = lab, name
        self.process = lab.spawn(client(lab, "import-tar", "-", name), stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        end = time.monotonic() + 10
        while not any(t[3] == name for t in transfers(lab)):
            assert time.monotonic() < end, "no transfer appeared"
            time.sleep(0.05)
        self.id = next(t[0] for t in transfers(lab) if t[3] == name)
        lab.wait_for(f"ls -d {POOL}/.#skep.{name}.*")

    def send(self, data):
        """Send the archive."""
        self.process.stdin.write(data)
        self.process.stdin.close()
        self.process.stdin = None

    def finish(self, data):
        """Send the archive. Return: (status of the client, what it said)."""
        self.send(data)
        return self.wait()

    def wait(self, timeout=15):
        """Return: (status of the client, what it said)."""
        out, _ = self.process.communicate(timeout=timeout)
        return self.process.returncode, out.decode()


@pytest.fixture
def small(scratch):
    """Bytes of a small archive."""
    return archives.write(scratch / "small", [file("hello", b"1")], "gz").read_bytes()


@pytest.mark.parametrize("packed", ["none", "gz", "xz", "zst"])
def test_import(lab, guest_tar, packed):
    archive = lab.shared(guest_tar("bookworm-guest", packed))
    lab.run(client(lab, "import-tar", archive, "web"), timeout=60)
    assert "Debian" in lab.read(f"{POOL}/web/etc/os-release")
    assert pool(lab) == ["web"]
    assert re.search(r"^web\s+directory", lab.out("machinectl list-images --no-legend"), re.M)


def test_import_from_pipe(lab, small):
    status, out = Slow(lab, "piped").finish(small)
    assert status == 0, out
    assert lab.read(f"{POOL}/piped/hello") == "1"


def test_progress_and_log(lab, guest_tar):
    """The client shows what the worker says."""
    archive = lab.shared(guest_tar("bookworm-guest", "xz"))
    with Monitor(lab) as monitor:
        lab.run(client(lab, "import-tar", archive, "web"), timeout=60)
    assert len(monitor.data("TransferNew")) == len(monitor.data("TransferRemoved")) == 1
    shown = [d[0] for d in monitor.data("ProgressUpdate")]
    assert len(shown) > 3 and shown == sorted(shown) and 0 < shown[0] < 1
    assert monitor.data("TransferRemoved")[0][2] == "done"


def test_flags(lab, guest_tar):
    archive = lab.shared(guest_tar("busybox", "none"))
    lab.run(client(lab, "import-tar", archive, "web"))
    again = lab.run(client(lab, "import-tar", archive, "web"), check=False)
    assert again.returncode != 0 and "exists already" in again.stdout + again.stderr
    lab.run(client(lab, "--force", "--read-only", "import-tar", archive, "web"))
    assert lab.run(f"touch {POOL}/web/x", check=False).returncode != 0
    lab.run(client(lab, "--force", "import-tar", archive, "web"))
    lab.run(f"touch {POOL}/web/x")


@pytest.mark.parametrize("how", ["cut", "noise", "dot-dot"])
def test_bad_archive(lab, scratch, small, how):
    """One sentence, and nothing left."""
    data = {"cut": small[:-9], "noise": b"x" * 4000,
            "dot-dot": archives.write(scratch / "x", [file("../x", b"")]).read_bytes()}[how]
    words = {"cut": "cut off", "noise": "neither a tar nor a cpio archive", "dot-dot": "'..'"}[how]
    status, out = Slow(lab, "bad").finish(data)
    assert status != 0 and words in out, out
    assert pool(lab) == []
    assert words in lab.journal("-b", "-u", "skep-importd")


def test_list_and_properties(lab, small):
    slow = Slow(lab)
    path = f"/org/freedesktop/import1/transfer/_{slow.id}"
    (row,) = transfers(lab)
    assert row[:4] == [slow.id, "import-tar", "", "slow"] and row[5] == path
    (row,) = call(lab, "ListTransfersEx", "st", "", "0")[0]
    assert row[4] == "machine" and row[6] == path
    assert call(lab, "ListTransfersEx", "st", "sysext", "0") == [[]]
    for name, value in (("Id", f"u {slow.id}"), ("Local", 's "slow"'), ("Remote", 's ""'),
                        ("Type", 's "import-tar"'), ("Verify", 's ""')):
        assert lab.out(f"busctl get-property org.freedesktop.import1 {path} "
                       f"org.freedesktop.import1.Transfer {name}") == value
    shown = lab.out(client(lab, "list-transfers", "--no-legend"))
    assert "slow" in shown and "import-tar" in shown
    assert f"_{slow.id}" in lab.out("busctl tree org.freedesktop.import1")
    assert slow.finish(small)[0] == 0
    assert transfers(lab) == []


def test_changes_are_told(lab, guest_tar):
    """Bytes, rate, time left and phase, on the transfer's object; and not as often as they change."""
    archive = lab.shared(guest_tar("bookworm-guest", "xz"))
    with Monitor(lab) as monitor:
        lab.run(client(lab, "import-tar", archive, "web"), timeout=60)
    told = [d for d in monitor.data("PropertiesChanged") if d[0] == "org.skep.Transfer1"]
    values = [{name: v["data"] for name, v in d[1].items()} for d in told]
    assert {"BytesDone", "BytesTotal", "Rate", "TimeLeft", "Phase"} == set(values[-1])
    assert "unpack" in {v["Phase"] for v in values}
    done = [v["BytesDone"] for v in values if v["BytesDone"] < 2 ** 63]
    assert done == sorted(done) and done[-1] > 0
    assert any(0 < v["TimeLeft"] < 2 ** 63 and v["Rate"] > 0 for v in values)
    assert len(told) <= len(monitor.data("ProgressUpdate")) + len({v["Phase"] for v in values})
    assert any("Progress" in d[1] for d in monitor.data("PropertiesChanged")
               if d[0] == "org.freedesktop.import1.Transfer")


def test_export_and_copies(lab, small):
    """What comes out can be imported again; a directory is copied; other classes have places of their own."""
    assert Slow(lab, "web").finish(small)[0] == 0
    lab.run(client(lab, "export-tar", "web", "/root/out.tar.gz"))
    assert lab.out("tar -xOzf /root/out.tar.gz ./hello || tar -xOzf /root/out.tar.gz hello") == "1"
    lab.run(client(lab, "import-tar", "/root/out.tar.gz", "again"))
    assert lab.read(f"{POOL}/again/hello") == "1"
    lab.run(client(lab, "import-fs", f"{POOL}/again", "copy"))
    assert lab.read(f"{POOL}/copy/hello") == "1"
    done = lab.run(client(lab, "export-tar", "none", "/root/none.tar"), check=False)
    assert done.returncode != 0 and "none" in done.stdout + done.stderr
    if lab.suite == "trixie":
        lab.run("importctl -S import-tar /root/out.tar.gz ext && test -f /var/lib/extensions/ext/hello")
        assert "ext" in lab.out("importctl -S list-images --no-legend")
        lab.run("importctl -S export-tar ext /root/ext.tar && tar -tf /root/ext.tar && rm -r /var/lib/extensions/ext")
    lab.run("rm -f /root/*.tar /root/*.gz")


@pytest.mark.parametrize("how", ["client", "object"])
def test_cancel(lab, how):
    slow = Slow(lab)
    if how == "client":
        lab.run(client(lab, "cancel-transfer", str(slow.id)))
    else:
        lab.run(f"busctl call org.freedesktop.import1 /org/freedesktop/import1/transfer/_{slow.id} "
                "org.freedesktop.import1.Transfer Cancel")
    status, out = slow.wait()
    assert status != 0, out
    assert transfers(lab) == [] and pool(lab) == []


def test_cancel_file(lab, guest_tar):
    """A regular file, in the middle of it."""
    archive = lab.shared(guest_tar("bookworm-guest", "xz"))
    process = lab.spawn(client(lab, "import-tar", archive, "web"), stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT)
    lab.wait_for(f"ls {POOL}/.#skep.web.*/usr")
    (row,) = transfers(lab)
    lab.run(client(lab, "cancel-transfer", str(row[0])))
    process.communicate(timeout=5)
    assert process.returncode != 0
    assert transfers(lab) == [] and pool(lab) == []


def test_same_name_twice(lab, small):
    slow = Slow(lab)
    done = lab.run(client(lab, "import-tar", "/dev/stdin", "slow"), input="x", check=False)
    assert done.returncode != 0 and "in progress" in done.stderr
    assert slow.finish(small)[0] == 0


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_daemon_ends_meanwhile(lab, small, signal):
    """The next daemon knows the transfer by its number, and it comes to its end."""
    slow = Slow(lab)
    lab.run(f"systemctl kill --kill-whom=main -s {signal} skep-importd")
    lab.wait_for("! busctl status org.freedesktop.import1 || "
                 "busctl call org.freedesktop.import1 /org/freedesktop/import1 "
                 "org.freedesktop.DBus.Peer Ping")
    (row,) = transfers(lab)
    assert row[0] == slow.id and row[3] == "slow"
    slow.send(small)
    lab.wait_for(f"test -e {POOL}/slow/hello")
    slow.wait()
    assert transfers(lab) == []


def test_daemon_restart_then_cancel(lab):
    slow = Slow(lab)
    lab.run("systemctl restart skep-importd")
    lab.run(client(lab, "cancel-transfer", str(slow.id)))
    lab.wait_for(f"test -z \"$(ls -A {POOL})\"")
    assert transfers(lab) == []
    slow.wait()


@pytest.mark.suites("bookworm")
def test_upgrade_meanwhile(lab, small, scratch):
    """Programs are replaced and the service is restarted: transfers of each way go on to their ends, and what a worker of
    another version says is no trouble."""
    with netns.network_of(lab.leader):
        web = badweb.Web()
    try:
        data = archives.write(scratch / "big", [file("big", bytes(3_000_000))]).read_bytes()
        lab.run(f"mkdir {POOL}/there && head -c 3M /dev/urandom >{POOL}/there/data && mkfifo /root/out")
        slow, url = Slow(lab), web.page("/a.tar", data, stall=3)
        export = lab.spawn(client(lab, "export-tar", "there", "/root/out"), stdout=-3, stderr=-3)
        reader = lab.spawn("(until test -e /root/go; do sleep 0.1; done; tar -t) </root/out", stdin=-3, stdout=subprocess.PIPE, text=True)
        # Without keeping the download, which clients of those days cannot say.
        call(lab, "PullTarEx", "sssst", url, "pulled", "machine", "no", "0")
        lab.wait_for("busctl call " + MANAGER + " ListTransfers", text="a(usssdo) 3 ")
        before = {row[0] for row in transfers(lab)}
        lab.run("cd $(dirname $(systemctl show -P ExecStart skep-importd | grep -o 'path=[^ ;]*' | cut -d= -f2)); "
                "for i in skep-import skep-importd skep-fetch; do cp $i new; mv new $i; done; "
                f"echo later 1 2 >>/run/skep/import/{slow.id}.log; systemctl restart skep-importd")
        assert {row[0] for row in transfers(lab)} == before
        web.pages["/a.tar"].stall = None
        lab.run("touch /root/go")
        slow.finish(small)
        assert "./data" in reader.communicate(timeout=60)[0]
        export.wait(timeout=60)
        lab.wait_for("busctl call " + MANAGER + " ListTransfers", text="a(usssdo) 0")
    finally:
        web.close()
    ended = json.loads(lab.out("busctl call -j org.freedesktop.import1 /org/freedesktop/import1 org.skep.ImportManager1 "
                               "ListHistory st '' 0"))["data"][0]
    assert {row[0]: row[5] for row in ended if row[0] in before} == dict.fromkeys(before, "done")
    assert lab.read(f"{POOL}/slow/hello") == "1"


def test_worker_ends_while_daemon_is_away(lab, small):
    """What became of it is told as soon as there is somebody to tell it."""
    slow = Slow(lab)
    lab.run("systemctl stop skep-importd")
    slow.send(small)
    lab.wait_for(f"test -e {POOL}/slow/hello")
    with Monitor(lab) as monitor:
        assert transfers(lab) == []
    assert monitor.data("TransferRemoved") == [
        [slow.id, f"/org/freedesktop/import1/transfer/_{slow.id}", "done"]]
    slow.wait()


def test_worker_killed(lab):
    slow = Slow(lab)
    pid = lab.out("pgrep -o -f 'skep-import .*slow'")
    lab.run(["kill", "-9", pid])
    status, _ = slow.wait()
    assert status != 0
    assert transfers(lab) == []
    # What it left is swept.
    lab.wait_for(f"test -z \"$(ls -A {POOL})\"")


@pytest.fixture
def impatient(lab):
    """Sets an environment variable of the daemon for the test."""
    def impatient(variable, value):
        lab.write("/run/systemd/system/skep-importd.service.d/time.conf", f"[Service]\nEnvironment={variable}={value}\n")
        lab.run("systemctl daemon-reload; systemctl restart skep-importd")

    yield impatient
    lab.run("rm -r /run/systemd/system/skep-importd.service.d; systemctl daemon-reload; systemctl restart skep-importd")


@pytest.mark.suites("bookworm")
def test_cancel_of_who_does_not_react(lab, impatient):
    """Who is asked to give up and does not is killed in the end, also by the next daemon, and what it left is swept."""
    impatient("SKEP_CANCEL_TIME", "1s")
    slow = Slow(lab)
    lab.run(["kill", "-STOP", lab.out("pgrep -o -f 'skep-import .*slow'")])
    lab.run(client(lab, "cancel-transfer", str(slow.id)))
    lab.run("systemctl kill --kill-whom=main -s KILL skep-importd")
    # A call that reaches who is about to die gets no answer; the next one does.
    lab.wait_for(f"busctl get-property org.freedesktop.import1 /org/freedesktop/import1/transfer/_{slow.id} "
                 "org.freedesktop.import1.Transfer Local", text="slow")
    status, out = slow.wait(timeout=60)
    assert status != 0, out
    lab.wait_for(f"test -z \"$(ls -A {POOL})\"")
    assert transfers(lab) == []


def test_files_of_a_daemon_that_died_are_removed(lab):
    """Halves of what it was about to write or to remove."""
    lab.run("systemctl stop skep-importd; cd /run/skep/import && touch 4711.log 4712.told .#4713deadbeefdeadbeef "
            "&& echo nonsense >4714 && touch 4714.log && echo TYPE=import-tar >4715.ended")
    assert transfers(lab) == []
    lab.wait_for("! ls -A /run/skep/import | grep 471")


def test_bad_calls(lab):
    assert "No transfer 4711" in call(lab, "CancelTransfer", "u", "4711", check=False)
    assert "class" in call(lab, "ListTransfersEx", "st", "nonsense", "0", check=False)
    assert "flags" in call(lab, "ListTransfersEx", "st", "machine", "1", check=False)
    assert "cannot be pulled yet" in call(lab, "PullOci", "ssst", "debian", "x", "machine", "0", check=False)
    for words, said in (((("PullTar", "sssb", "ftp://x/y", "y", "no", "false")), "no URL"),
                        ((("PullTar", "sssb", "http://x/y", "y", "maybe", "false")), "way to verify"),
                        ((("PullRawEx", "sssst", "http://x/y", "a/b", "machine", "no", "0")), "name for an image"),
                        ((("PullRawEx", "sssst", "http://x/y", "b", "machine", "no", "8")), "flags 0x8"),
                        ((("PullRawEx", "sssst", "http://x/y", "b", "cow", "no", "0")), "class of images")):
        assert said in call(lab, *words, check=False), words
    done = lab.run(client(lab, "import-tar", "/etc/passwd", "../x"), check=False)
    assert done.returncode != 0
    done = lab.run(client(lab, "import-tar", "/dev/null", "web"), check=False)
    assert done.returncode != 0 and "neither a file nor a pipe" in done.stderr
    assert pool(lab) == []


def test_unprivileged(lab, small):
    """Who is nobody may look, and no more."""
    slow = Slow(lab)
    assert call(lab, "ListTransfers", user="nobody")[0][0][0] == slow.id
    for words in (("CancelTransfer", "u", str(slow.id)),):
        said = call(lab, *words, check=False, user="nobody")
        assert re.search("denied|authentication|Authorization", said), said
    done = lab.run(["runuser", "-u", "nobody", "--",
                    *client(lab, "--no-ask-password", "import-tar", "/etc/passwd", "x")], check=False)
    assert done.returncode != 0
    assert len(transfers(lab)) == 1
    assert slow.finish(small)[0] == 0


def test_list_images(lab, guest_tar):
    lab.run(client(lab, "import-tar", lab.shared(guest_tar("busybox", "none")), "web"))
    (rows,) = call(lab, "ListImages", "st", "machine", "0")
    assert [tuple(r[:5]) for r in rows] == [("machine", ".host", "directory", "/", True),
                                            ("machine", "web", "directory", f"{POOL}/web", False)]
    # Strangers learn of it what they learn from the registry.
    (rows,) = call(lab, "ListImages", "st", "machine", "0", user="nobody")
    assert [tuple(r[:5]) for r in rows] == [("machine", ".host", "directory", "", False),
                                            ("machine", "web", "directory", "", False)]
    if lab.suite == "trixie":
        assert "web" in lab.out(client(lab, "list-images", "--no-legend"))


def test_signatures(lab):
    """As every release has them, up to the newest."""
    shown = lab.out("busctl introspect --no-legend " + " ".join(MANAGER.split()))
    table = {m[1]: (m[2], m[3]) for m in
             re.finditer(r"^\.(\w+)\s+(?:method|signal)\s+(\S+)\s+(\S+)", shown, re.M)}
    assert table["ImportTar"] == ("hsbb", "uo")
    assert table["ImportTarEx"] == ("hsst", "uo")
    assert table["ExportTarEx"] == ("sshst", "uo")
    assert table["PullTarEx"] == ("sssst", "uo")
    assert table["PullOci"] == ("ssst", "uo")
    assert table["ListTransfers"] == ("-", "a(usssdo)")
    assert table["ListTransfersEx"] == ("st", "a(ussssdo)")
    assert table["ListImages"] == ("st", "a(ssssbtttttt)")
    assert table["CancelTransfer"] == ("u", "-")
    assert table["TransferNew"][0] == "uo" and table["TransferRemoved"][0] == "uos"


# Asks again and again, at the moments when who was asked before leaves. Prints how many different ones answered.
COME_AND_GO = """
import random, sys, time
sys.path.insert(0, "/root")
import wire
bus, owners = wire.Bus(), set()
for i in range(60):
    member, types, args = random.choice((("ListTransfers", "", []), ("ListImages", "st", ["machine", 0])))
    reply = bus.call("org.freedesktop.import1", "/org/freedesktop/import1", "org.freedesktop.import1.Manager",
                     member, types, args)
    assert reply.kind != wire.ERROR, (i, member, reply.error, reply.body)
    owners.add(reply.sender)
    # It is at the end of its millisecond, or has just said that it leaves.
    time.sleep(random.uniform(0, 0.012))
print(len(owners))
"""


@pytest.mark.suites("bookworm")
def test_idle_exit(lab, impatient):
    """It leaves when nobody wants it, and whoever comes just then is answered, by it or by the next one."""
    impatient("SKEP_IDLE_TIME", "1ms")
    lab.write("/root/wire.py", (TOP / "test/skeplib/wire.py").read_text(encoding="utf-8"))
    lab.wait_for("systemctl show -P ActiveState skep-importd", text="inactive")
    assert int(lab.out(["python3", "-c", COME_AND_GO], timeout=60)) > 5
    lab.wait_for("systemctl show -P ActiveState skep-importd", text="inactive")
    assert lab.out("systemctl show -P Result skep-importd") == "success"
