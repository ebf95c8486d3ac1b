# SPDX-License-Identifier: LGPL-2.1-or-later
"""The importer of a user: an instance in a real session, without any right, for images that are the user's own."""

import json

import pytest

from skeplib import archives
from skeplib.archives import directory, file
from skeplib.session import HOME, as_alice, log_in, out

LAB_SUITES = ("bookworm",)

POOL = f"{HOME}/.local/state/machines"
MANAGER = "org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager"

# Sends descriptor 0 over varlink, prints the last answer.
CLIENT = """
import json, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["XDG_RUNTIME_DIR"] + "/systemd/io.systemd.Import")
call = {"method": "org.skep.Import." + sys.argv[1], "parameters": json.loads(sys.argv[2]), "more": True}
socket.send_fds(s, [json.dumps(call).encode() + b"\\0"], [0])
text = b""
while not text.endswith(b"\\0") or json.loads(text[:-1].split(b"\\0")[-1]).get("continues"):
    text += s.recv(65536) or sys.exit("hung up")
print(text[:-1].split(b"\\0")[-1].decode())
"""


@pytest.fixture(scope="module")
def alice(lab, tmp_path_factory):
    """A user whose systemd runs, and an archive of hers."""
    log_in(lab)
    where = archives.write(tmp_path_factory.mktemp("archive") / "a", [directory("etc"), file("etc/os-release", b"ID=x")], "gz")
    lab.write(f"{HOME}/a.tar.gz", where.read_bytes())
    lab.write(f"{HOME}/client.py", CLIENT)
    # The bus starts it, and it pulls its socket in.
    assert out(lab, f"busctl --user call {MANAGER} ListTransfers") == "a(usssdo) 0"
    return lab


def send(alice, method, arguments, path):
    """The last answer to a call with a descriptor."""
    return json.loads(out(alice, f"python3 {HOME}/client.py {method} '{json.dumps(arguments)}' <{path}", timeout=60))


def test_an_image_of_a_user(alice):
    assert send(alice, "Import", {"fileDescriptor": 0, "type": "tar", "local": "own"}, f"{HOME}/a.tar.gz") == \
        {"parameters": {}}
    assert alice.read(f"{POOL}/own/etc/os-release") == "ID=x"
    assert alice.out(f"stat -c %U {POOL}/own/etc/os-release") == "alice"
    assert "own" in out(alice, "skep --user list-images --no-legend")
    assert alice.out("ls -A /var/lib/machines") == ""
    assert alice.out("pgrep -u alice -fx '.*/skep-importd --user'")
    # What was done is in the user's own history, and in no other.
    for bus, there in (("--user", True), ("--system", False)):
        text = out(alice, f"busctl {bus} call org.freedesktop.import1 /org/freedesktop/import1 org.skep.ImportManager1 "
                   "ListHistory st '' 0")
        assert ('"own"' in text) == there


def test_classes_have_places_of_their_own(alice):
    for image_class, place in (("sysext", "extensions"), ("confext", "confexts"), ("portable", "portables")):
        assert send(alice, "Import", {"fileDescriptor": 0, "type": "tar", "local": "ext", "class": image_class},
                    f"{HOME}/a.tar.gz") == {"parameters": {}}
        assert alice.read(f"{HOME}/.local/state/{place}/ext/etc/os-release") == "ID=x"


def test_nobody_is_asked_and_others_may_nothing(alice):
    """All is the user's own; and the socket is there for nobody else."""
    assert alice.out("stat -Lc '%a %U' /run/user/1000/systemd/io.systemd.Import") == "600 alice"
    end = send(alice, "Import", {"fileDescriptor": 0, "type": "tar", "local": "own"}, f"{HOME}/a.tar.gz")
    assert end["error"] == "io.systemd.Import.TransferFailed" and "exists already" in end["parameters"]["message"]


def test_transfers_outlive_the_daemon(alice):
    as_alice(alice, f"mkfifo {HOME}/fifo; systemd-run --user -q --collect --unit=holder sh -c 'sleep 10000 <>{HOME}/fifo'")
    as_alice(alice, f"systemd-run --user -q --collect --unit=sender sh -c 'exec python3 {HOME}/client.py Import "
             '\'"\'"\'{"fileDescriptor": 0, "type": "tar", "local": "slow"}\'"\'"\' ' f"<>{HOME}/fifo'")
    alice.wait_for(f"ls -d {POOL}/.#skep.slow.*", timeout=20)
    as_alice(alice, "systemctl --user kill --kill-whom=main -s KILL skep-importd")
    listed = f"busctl --user call {MANAGER} ListTransfers"
    alice.wait_for("pgrep -u alice -fx '.*/skep-importd --user'", timeout=20)
    row = out(alice, listed).split()
    assert row[1] == "1" and '"slow"' in row
    out(alice, f"busctl --user call {MANAGER} CancelTransfer u {row[2]}")
    alice.wait_for(f"test -z \"$(ls -A {POOL} | grep slow)\"", timeout=20)
    assert out(alice, listed) == "a(usssdo) 0"
    as_alice(alice, "systemctl --user stop holder sender", check=False)
