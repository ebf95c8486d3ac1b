# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's own clients, each verb and option that they have for transfers, with our importer behind them: machinectl of
Debian 12, importctl of Debian 13."""

import hashlib
import json
import lzma
import pathlib
import random
import re
import subprocess

import pytest

from skeplib import archives, badweb, netns
from skeplib.archives import directory, file

LAB_SUITES = ("bookworm", "trixie")

POOL = "/var/lib/machines"
PLACES = {"machine": POOL, "portable": "/var/lib/portables", "sysext": "/var/lib/extensions", "confext": "/var/lib/confexts"}
RAW = random.Random(5).randbytes(300 * 512) + bytes(3000 * 512) + b"end" + bytes(509)
# Nothing that an importer sees.
GENERAL = {"j", "help", "version", "no-pager", "json", "host", "machine", "quiet", "no-ask-password"}


class Client:
    """The client of that release."""

    def __init__(self, lab):
        self.lab, self.is_old = lab, lab.suite == "bookworm"
        self.program = "machinectl" if self.is_old else "importctl"

    def line(self, verb, *args):
        """A command line, in which the options come first."""
        options = [a for a in args if a.startswith("-") and a != "-"]
        if not self.is_old and not any(re.match("-[mPSC]$|--class", o) for o in options):
            options.insert(0, "-m")
        return [self.program, *options, verb, *(a for a in args if a not in options)]

    def run(self, verb, *args, **more):
        return self.lab.run(self.line(verb, *args), timeout=60, **more)

    def fails(self, verb, *args):
        """What it says when it fails, as it has to."""
        done = self.run(verb, *args, check=False)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def offered(self):
        """Verbs and options that it has for transfers, says its help."""
        text = re.sub("\x1b[^m]*m", "", self.lab.out([self.program, "--help"]))
        commands = re.search(r"(?:Transfer Commands|\nCommands):\n((?:  .*\n)+)", text)[1]
        verbs = set(re.findall(r"^  ([a-z-]+)", commands, re.M))
        if self.is_old:     # whose other options are for other things
            return verbs, {"read-only", "verify", "format", "force"}
        return verbs, {long or short for short, long in re.findall(r"^ +(?:-(\w) ?)?(?:--([a-z-]+))?", text, re.M)} - {""}


@pytest.fixture(scope="module")
def client(lab):
    return Client(lab)


@pytest.fixture(scope="module")
def files(lab, tmp_path_factory):
    """A tree, packed and not, and a disk in three formats, in /root of the lab. Return: the archive's bytes."""
    where = tmp_path_factory.mktemp("files")
    entries = [directory("etc"), directory("usr"), file("etc/os-release", b"ID=x\n")]
    packed = archives.write(where / "a", entries, "xz").read_bytes()
    (where / "a.raw").write_bytes(RAW)
    subprocess.run(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", where / "a.raw", where / "a.qcow2"], check=True)
    for name, data in (("a.tar.xz", packed), ("a.raw", RAW), ("a.raw.xz", lzma.compress(RAW)),
                       ("a.qcow2", (where / "a.qcow2").read_bytes())):
        lab.write(f"/root/{name}", data)
    return packed


@pytest.fixture
def web(lab):
    with netns.network_of(lab.leader):
        server = badweb.Web()
    yield server
    server.close()


def checksum(lab, path, unpack="cat"):
    return lab.out(f"{unpack} <{path} | sha256sum").split()[0]


WANTED = hashlib.sha256(RAW).hexdigest()


def test_imports_and_exports(lab, client, files):
    client.run("import-tar", "/root/a.tar.xz")      # which says what to call it
    client.run("import-tar", "/root/a.tar.xz", "tree", "--read-only")
    assert lab.read(f"{POOL}/a/etc/os-release") == lab.read(f"{POOL}/tree/etc/os-release") == "ID=x\n"
    assert lab.run(f"touch {POOL}/tree/x", check=False).returncode != 0
    for source, name in (("a.raw", "disk"), ("a.raw.xz", "disk2"), ("a.qcow2", "disk3")):
        client.run("import-raw", f"/root/{source}", name)
        assert checksum(lab, f"{POOL}/{name}.raw") == WANTED
    client.run("import-fs", f"{POOL}/a", "copy")
    assert lab.read(f"{POOL}/copy/etc/os-release") == "ID=x\n"
    assert "exists already" in client.fails("import-raw", "/root/a.raw", "disk")
    client.run("import-raw", "/root/a.raw", "disk", "--force")

    for option, unpack in (("xz", "xz"), ("gzip", "gzip"), ("bzip2", "bzip2")):
        client.run("export-raw", "disk", "/root/out", f"--format={option}")
        assert checksum(lab, "/root/out", f"{unpack} -dc") == WANTED
    client.run("export-raw", "disk2", "/root/out.xz")       # by the name of the file
    assert checksum(lab, "/root/out.xz", "xz -dc") == WANTED
    client.run("export-tar", "tree", "/root/out.tar")
    assert lab.out("tar -xOf /root/out.tar ./etc/os-release") == "ID=x"
    said = lab.run([*client.line("export-tar", "a"), "-"], text=False).stdout
    lab.write("/root/piped.tar", said)
    assert "etc/os-release" in lab.out("tar -tf /root/piped.tar")
    assert "none" in client.fails("export-raw", "none", "/root/none")
    assert "FAIL" not in lab.out("ls /root")


def test_pulls(lab, client, files, web):
    lab.run(f"chattr -R -f -i {POOL}; rm -rf {POOL}/*", check=False)
    tar, raw = web.page("/a.tar.xz", files), web.page("/a.raw.xz", lzma.compress(RAW))
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in
                   (("a.tar.xz", files), ("a.raw.xz", lzma.compress(RAW))))
    assert "verify" in client.fails("pull-tar", tar)
    assert "verify" in client.fails("pull-raw", raw, "--verify=checksum")
    web.page("/SHA256SUMS", sums.encode())
    client.run("pull-tar", tar, "--verify=checksum")
    client.run("pull-raw", raw, "disk", "--verify=checksum", "--read-only")
    # Over what is kept of the download, where that can be shared in no other way.
    assert lab.out(f"cat {POOL}/a/etc/os-release || cat {POOL}/a.mstack/layer@0/etc/os-release") == "ID=x"
    assert checksum(lab, f"{POOL}/disk.raw") == WANTED
    # (The pull of those days has no such flag.)
    assert ("false", "true")[not client.is_old] in lab.out("busctl call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager "
                             "ListImages st machine 0 | grep -o '\"disk\" \"raw\" \"[^ ]* [a-z]*'")
    web.page("/SHA256SUMS", sums.replace(sums[0], "x").replace(sums[1], "0").encode())
    assert "exists already" in client.fails("pull-tar", tar, "a", "--verify=no")
    client.run("pull-tar", tar, "a", "--verify=no", "--force")
    assert client.fails("pull-raw", web.page("/none", status=[404] * 9), "none", "--verify=no")
    # Only what is downloaded, without an image of it.
    before = lab.out(f"ls {POOL}")
    client.run("pull-tar", tar, "-", "--verify=no")
    assert lab.out(f"ls {POOL}") == before
    if not client.is_old:
        lab.run("skep clean")
        client.run("pull-tar", tar, "unkept", "--verify=no", "--keep-download=no")
        client.run("pull-raw", raw, "unkept2", "--verify=no", "-N")
        kept = lab.out(f"ls -A {POOL}")
        other = web.page("/b.tar.xz", files + bytes(8))
        client.run("pull-tar", other, "kept", "--verify=no", "--keep-download=yes")
        assert ".tar-" in lab.out(f"ls -A {POOL}").replace(kept, "")


def test_transfers(lab, client, web):
    tar = web.page("/slow.tar", b"x" * 100000, stall=600)
    pull = lab.spawn(client.line("pull-tar", tar, "slow", "--verify=no"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    (line,) = lab.wait_for(client.line("list-transfers", "--no-legend"), text="slow").stdout.splitlines()
    assert tar in line and "pull-tar" in line
    if not client.is_old:
        (row,) = json.loads(lab.out([*client.line("list-transfers"), "--json=short"]))
        assert (row["class"], row["type"], row["local"], row["remote"]) == ("machine", "pull-tar", "slow", tar)
        assert "slow" not in client.run("list-transfers", "-S").stdout
    client.run("cancel-transfer", line.split()[0])
    assert pull.wait(timeout=20) != 0
    pull.stdout.close()
    assert "No transfers" in client.run("list-transfers", check=False).stdout + "No transfers" * client.is_old
    assert "4711" in client.fails("cancel-transfer", "4711")


def test_classes(lab, client, files):
    """Each goes to a place of its own, is listed there and comes out of it."""
    if client.is_old:
        assert "--class" not in lab.out("machinectl --help")
        return
    for option, name in (("-P", "portable"), ("-S", "sysext"), ("-C", "confext"), ("--class=machine", "machine")):
        client.run("import-tar", "/root/a.tar.xz", f"of-{name}", option)
        client.run("import-raw", "/root/a.raw", f"disk-{name}", option)
        assert lab.read(f"{PLACES[name]}/of-{name}/etc/os-release") == "ID=x\n"
        assert checksum(lab, f"{PLACES[name]}/disk-{name}.raw") == WANTED
        listed = client.run("list-images", option, "--no-legend").stdout
        assert f"of-{name}" in listed and f"disk-{name}" in listed
        assert not re.search(r"of-(?!%s)" % name, listed)
        client.run("export-tar", f"of-{name}", f"/root/{name}.tar", option)
        assert lab.out(f"tar -xOf /root/{name}.tar ./etc/os-release") == "ID=x"
    rows = json.loads(lab.out("importctl list-images --json=short"))
    assert {f"of-{name}" for name in PLACES} <= {row["name"] for row in rows}
    client.run("list-images", "-m")


def test_nothing_was_left_out(client):
    """What the client offers is in this file."""
    text = pathlib.Path(__file__).read_text(encoding="utf-8")
    verbs, options = client.offered()
    tried = set(re.findall(r'client[.](?:run|fails|line)\("([a-z-]+)"', text))
    assert verbs == tried - ({"list-images"} if client.is_old else set())
    missing = options - GENERAL - set(re.findall(r'"-+([A-Za-z-]+)', text))
    assert options and not missing, missing
