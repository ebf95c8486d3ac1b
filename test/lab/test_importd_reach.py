# SPDX-License-Identifier: LGPL-2.1-or-later
"""Transfers elsewhere: on another host, over Debian's own ssh; in a machine that has an importer of its own; and of a
user. With our client and Debian's."""

import hashlib
import json

import pytest

from skeplib import archives, badweb, netns
from skeplib.archives import directory, file
from skeplib.session import HOME, log_in, out

LAB_SUITES = ("bookworm", "trixie")

POOL = "/var/lib/machines"

# A machine out of what the lab is made of, which has an importer of its own in it.
INNER = f"""
mkdir -p {POOL}/inner/usr {POOL}/inner/var; cp -a /etc {POOL}/inner; cp -a /bin /sbin /lib* {POOL}/inner
cp --remove-destination /usr/lib/os-release {POOL}/inner/etc/; rm -f {POOL}/inner/etc/machine-id
mkdir -p /etc/systemd/nspawn
printf '[Files]\\nBindReadOnly=/usr\\n[Network]\\nVirtualEthernet=no\\nPrivate=no\\n' >/etc/systemd/nspawn/inner.nspawn
skep start inner; skep wait inner
"""
SSH = """
mkdir -p -m 700 /root/.ssh /run/sshd; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
printf 'Host there\\n HostName 127.0.0.1\\n StrictHostKeyChecking no\\n BatchMode yes\\n' >/root/.ssh/config
systemd-run -q -u far-sshd -p KillMode=process /usr/sbin/sshd -D
"""


@pytest.fixture(scope="module")
def archive(lab, tmp_path_factory):
    """In the lab, as /srv/a.tar.gz. Return: its bytes."""
    entries = [directory("etc"), file("etc/os-release", b"ID=x\n")]
    data = archives.write(tmp_path_factory.mktemp("a") / "a", entries, "gz").read_bytes()
    lab.write("/srv/a.tar.gz", data)
    lab.run("chmod 755 /srv")
    return data


@pytest.fixture
def web(lab):
    with netns.network_of(lab.leader):
        server = badweb.Web()
    yield server
    server.close()


@pytest.fixture
def url(web, archive):
    web.page("/a.tar.gz.sha256", f"{hashlib.sha256(archive).hexdigest()}  a.tar.gz\n".encode())
    return web.page("/a.tar.gz", archive)


def client(lab, *args):
    return ["machinectl", *args] if lab.suite == "bookworm" else ["importctl", "-m", *args]


def slow_pull_is_seen_and_cancelled(lab, web, where):
    """A pull that one client begins is listed to another, which ends it."""
    slow = web.page("/slow.tar", b"x" * 100000, stall=600)
    pull = lab.spawn(["skep", *where, "pull-tar", "--verify=no", slow, "slow"], stdout=-3, stderr=-3)
    row = json.loads(lab.wait_for(["skep", *where, "list-transfers", "-j"], text="pull-tar").stdout)[0]
    assert row["remote"] == slow and row["local"] == "slow"
    lab.run(client(lab, *where, "cancel-transfer", str(row["id"])))
    assert pull.wait(timeout=30) != 0
    assert "slow" not in lab.out(["skep", *where, "list-images", "--no-legend"])


@pytest.mark.suites("bookworm")     # which has ssh
def test_host(lab, archive, url, web):
    lab.run(SSH)
    lab.wait_for("ssh there true 2>/dev/null", timeout=30)
    here = ("-H", "there")
    lab.run(["skep", *here, "pull-tar", "--verify=checksum", url, "far"], timeout=60)
    lab.run(client(lab, *here, "--verify=checksum", "pull-tar", url, "far2"), timeout=60)
    assert {"far", "far2"} <= set(lab.out(["skep", *here, "list-images", "--no-legend"]).split())
    slow_pull_is_seen_and_cancelled(lab, web, here)
    # Descriptors stay on their host; it says so, makes no file, and names what does it.
    for words in (("import-tar", "/srv/a.tar.gz", "near"), ("export-tar", "far", "/srv/out.tar")):
        done = lab.run(["skep", *here, *words], check=False)
        assert done.returncode == 1 and "ssh" in done.stderr, done.stderr
    assert lab.run("test -e /srv/out.tar", check=False).returncode != 0
    lab.run("ssh there skep import-tar - near </srv/a.tar.gz", timeout=60)
    assert lab.read(f"{POOL}/near/etc/os-release") == "ID=x\n"


def test_machine(lab, archive, url, web):
    """Files are those of whoever asks, images those of the machine."""
    lab.run(INNER, timeout=90)
    # When the system is up, the bus may not be yet.
    lab.wait_for("busctl -M inner call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.DBus.Peer Ping",
                 timeout=60)
    here = ("-M", "inner")
    lab.run(["skep", *here, "import-tar", "/srv/a.tar.gz", "one"], timeout=60)
    lab.run(client(lab, *here, "import-tar", "/srv/a.tar.gz", "two"), timeout=60)
    lab.run(["skep", *here, "pull-tar", "--verify=checksum", url, "three"], timeout=60)
    lab.run(["skep", *here, "export-tar", "one", "/srv/out.tar"], timeout=60)
    lab.run(client(lab, *here, "export-tar", "two", "/srv/out2.tar"), timeout=60)
    for name in ("out", "out2"):
        assert lab.out(f"tar -xOf /srv/{name}.tar ./etc/os-release") == "ID=x"
    slow_pull_is_seen_and_cancelled(lab, web, here)
    names = {row["name"] for row in json.loads(lab.out(["skep", *here, "list-images", "-j"]))}
    assert names == {"one", "two", "three"}
    assert not names & set(lab.out("skep list-images --no-legend").split())


def test_user(lab, archive, url, web):
    """Of the user's own images; nobody is asked."""
    log_in(lab)
    place = f"{HOME}/.local/state/machines"
    out(lab, "skep --user import-tar /srv/a.tar.gz one", timeout=60)
    out(lab, f"skep --user pull-tar --verify=checksum {url} two", timeout=60)
    assert lab.read(f"{place}/one/etc/os-release") == "ID=x\n"
    assert lab.out(f"stat -c %U {place}/one/etc/os-release") == "alice"
    out(lab, f"skep --user export-tar one {HOME}/out.tar.xz && tar -tJf {HOME}/out.tar.xz | grep -q os-release", timeout=60)
    out(lab, f"head -c 1M /dev/zero >{HOME}/a.raw; skep --user import-raw {HOME}/a.raw disk; "
        f"skep --user export-raw disk {HOME}/b.raw; cmp {HOME}/a.raw {HOME}/b.raw", timeout=60)
    slow = web.page("/slow.tar", b"x" * 100000, stall=600)
    out(lab, f"skep --user pull-tar --verify=no {slow} slow >/dev/null 2>&1 &")
    lab.wait_for("runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000 skep --user list-transfers", text="slow")
    number = json.loads(out(lab, "skep --user list-transfers -j"))[0]["id"]
    assert str(number) not in lab.out("skep list-transfers --no-legend").split()
    out(lab, f"skep --user cancel-transfer {number}")
    lab.wait_for(f"! ls -A {place} | grep '#'")
    rows = {row["name"] for row in json.loads(out(lab, "skep --user list-images -j"))}
    assert {"one", "two", "disk"} <= rows and "slow" not in rows
