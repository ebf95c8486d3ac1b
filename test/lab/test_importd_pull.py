# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pulls over D-Bus, by the service as it is installed, with the rights that its unit leaves it."""

import hashlib
import io
import json
import tarfile

import pytest

from skeplib import badweb, netns

LAB_SUITES = ("bookworm", "trixie")

POOL = "/var/lib/machines"


def archive(size):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=0) as tar:
        for name in ("etc", "usr"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        info = tarfile.TarInfo("etc/os-release")
        info.size = size
        tar.addfile(info, io.BytesIO(b"ID=x\n" + b"#" * (size - 5)))
    return out.getvalue()


@pytest.fixture
def web(lab):
    with netns.network_of(lab.leader):
        server = badweb.Web()
    yield server
    server.close()


def client(lab, *args):
    return ["machinectl", *args] if lab.suite == "bookworm" else ["importctl", "-m", *args]


def test_pull(lab, web):
    """Debian's client: pulled, verified by a list of digests, and pulled again without fetching anything."""
    data = archive(20_000_000)
    url = web.page("/a.tar.gz", data, cut=[5_000_000])
    web.page("/a.tar.gz.sha256", f"{hashlib.sha256(data).hexdigest()}  a.tar.gz\n".encode())
    lab.run(client(lab, "--verify=checksum", "pull-tar", url, "web"), timeout=60)
    assert len(data) <= web.sent("/a.tar.gz") < len(data) * 1.05
    assert "web" in lab.out("skep list-images --no-legend")

    lab.run(f"busctl call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager "
            f"PullTarEx sssst {url} again machine checksum 4", timeout=60)
    lab.wait_for("skep list-images --no-legend | grep -q ^again", timeout=30)
    lab.wait_for("test -z \"$(skep list-transfers --no-legend 2>/dev/null)\"", timeout=30)
    before = web.sent("/a.tar.gz")
    lab.run(f"busctl call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager "
            f"PullTarEx sssst {url} third machine checksum 4", timeout=60)
    lab.wait_for("skep list-images --no-legend | grep -q ^third", timeout=30)
    assert web.sent("/a.tar.gz") == before

    # What is kept, and what is only there in part, goes with what is hidden, once nothing needs it.
    lab.write(f"{POOL}/.skep-part.{'0' * 32}", b"x")
    assert ".tar-" in lab.out(f"ls -A {POOL}")
    for name in ("web", "again", "third"):
        lab.run(["skep", "remove", name])
    lab.run("skep clean")
    lab.wait_for(f"test -z \"$(ls -A {POOL})\"")


def test_refused(lab, web):
    """What has no signature is not pulled unless that is asked for, and the client hears why."""
    url = web.page("/a.tar.gz", archive(1000))
    done = lab.run(client(lab, "pull-tar", url, "web"), check=False, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "nothing is there to verify it with" in said
    assert lab.out(f"ls -A {POOL}") == ""


def test_a_password_is_for_the_server_alone(lab, web):
    """Of what any user can see of a pull, command lines and the bus, nothing has the password of its URL in it."""
    data = archive(3_000_000)
    web.page("/secret.tar.gz", data, stall=60, user="Basic bWU6Z2VoZWlt")
    url = web.url("/secret.tar.gz", at="me:geheim@")
    started = json.loads(lab.out(f"busctl --json=short call org.freedesktop.import1 /org/freedesktop/import1 "
                                 f"org.freedesktop.import1.Manager PullTar sssb {url} secret no false"))["data"][0]
    lab.wait_for("pgrep -x skep-fetch", timeout=20)
    lines = lab.out("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; skep list-transfers -j", check=False)
    assert "pull-tar" in lines and "secret.tar.gz" in lines
    assert "geheim" not in lines
    lab.run(f"skep cancel-transfer {started}")
    lab.wait_for("! pgrep -x skep-fetch", timeout=20)
    assert web.sent("/secret.tar.gz") > 0
