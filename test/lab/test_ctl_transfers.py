# SPDX-License-Identifier: LGPL-2.1-or-later
"""Transfers at the command line: each verb end to end, how they are watched, left and cancelled, and that as
importctl skep says what Debian's own importctl says."""

import json
import re

import pytest

LAB_SUITES = ("trixie",)

POOL = "/var/lib/machines"


@pytest.fixture(scope="module")
def bed(lab):
    """A web server with an archive, and ours as importctl."""
    lab.run("mkdir -p /run/ours /srv/web /tmp/t/etc && ln -s /usr/bin/skep /run/ours/importctl && "
            "echo hello >/tmp/t/etc/hello && tar -C /tmp/t -cf /srv/web/tiny.tar . && "
            "cd /srv/web && sha256sum tiny.tar >SHA256SUMS && echo x >disk.raw && truncate -s 1M disk.raw")
    lab.run("systemd-run -q -p WorkingDirectory=/srv/web python3 -m http.server --bind 127.0.0.1 8080")
    lab.wait_for("bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080'")
    return lab


@pytest.fixture(autouse=True)
def clean(bed):
    yield
    bed.run(f"chattr -R -f -i {POOL}; rm -rf {POOL}/* {POOL}/.[!.]* /var/lib/extensions/* /tmp/out*", check=False)


def lines(done):
    """What was told as JSON lines; all of one transfer."""
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({line["transfer"] for line in told}) == 1
    return told


def test_pull_tar(bed):
    done = bed.run("skep pull-tar --verify=checksum http://127.0.0.1:8080/tiny.tar")
    assert lines(done)[-1]["result"] == "done" and done.stderr == ""
    bed.run("skep show-image tiny")
    kept = [name for name in bed.out(f"ls -A {POOL}").split() if name.startswith(".tar-")]
    assert len(kept) == 1 and bed.read(f"{POOL}/{kept[0]}/etc/hello") == "hello\n"
    bed.run("skep -q pull-tar --verify=no --keep-download=no http://127.0.0.1:8080/tiny.tar other")
    assert bed.read(f"{POOL}/other/etc/hello") == "hello\n"


def test_pull_with_a_digest(bed):
    digest = bed.out("sha256sum </srv/web/tiny.tar").split()[0]
    wrong = ("0" if digest[0] != "0" else "1") + digest[1:]
    done = bed.run(f"skep -q pull-tar --verify={wrong} http://127.0.0.1:8080/tiny.tar", check=False)
    assert done.returncode == 1 and re.fullmatch(r"skep: cannot pull 'tiny': the transfer failed: [^\n]+\n", done.stderr)
    assert bed.run("skep show-image tiny", check=False).returncode == 1
    bed.run(f"skep -q pull-tar --verify={digest} http://127.0.0.1:8080/tiny.tar")
    bed.run("skep show-image tiny")


def test_import_and_export(bed):
    """A tree, as a directory and as an archive of the format that the name says."""
    bed.run("skep -q import-fs /tmp/t && skep -q export-tar t /tmp/out.tar.zst && "
            "zstd -dc /tmp/out.tar.zst | tar -xOf - ./etc/hello | grep -x hello")
    assert bed.out("skep -q export-tar t | tar -xOf - ./etc/hello") == "hello"
    bed.run("skep -q export-tar --format=gzip t /tmp/out && gzip -t </tmp/out")
    bed.run("cd /tmp/t/etc && skep -q import-fs . && skep show-image etc")


def test_export_options(bed):
    """How hard, how reproducibly; a checksum beside the archive, and what the caller's gpg makes of that; a digest that a
    local file has to have. (This gpg repeats what it was told. How real ones sign: test/root/test_export_sign.py.)"""
    bed.run("skep -q import-fs /tmp/t && mkdir /tmp/out.bin /tmp/out.web && "
            "printf '#!/bin/sh\\necho $*; exec cat\\n' >/tmp/out.bin/gpg && chmod +x /tmp/out.bin/gpg")
    export = "skep -q export-tar --level=1 --threads=1 --clamp-mtime=1000000000"
    bed.run(f"cd /tmp/out.web && PATH=/tmp/out.bin:$PATH {export} --sign=me t x.tar.gz && {export} --checksum t y.tar.gz && "
            "cmp x.tar.gz y.tar.gz && sha256sum --check --strict --quiet x.tar.gz.sha256 y.tar.gz.sha256")
    assert bed.read("/tmp/out.web/x.tar.gz.sha256.asc") == (
        "--batch --armor --output - --local-user me --detach-sign\n" + bed.read("/tmp/out.web/x.tar.gz.sha256"))
    assert bed.out("tar -tvzf /tmp/out.web/x.tar.gz --full-time --utc ./etc/hello").split()[3] == "2001-09-09"
    assert bed.out("ls /tmp/out.web").split() == ["x.tar.gz", "x.tar.gz.sha256", "x.tar.gz.sha256.asc", "y.tar.gz",
                                                  "y.tar.gz.sha256"]
    for kind in ("sha256", "sha512"):
        digest = bed.out(f"{kind}sum </tmp/out.web/x.tar.gz").split()[0]
        wrong = ("0" if digest[0] != "0" else "1") + digest[1:]
        assert bed.run(f"skep -q import-tar --verify={wrong} /tmp/out.web/x.tar.gz no", check=False).returncode == 1
        bed.run(f"skep -q import-tar --force --verify={digest} /tmp/out.web/x.tar.gz yes && ! skep show-image no")
    done = bed.run("cd /tmp && skep -q export-tar --sign=nobody t out.no", check=False)
    assert done.returncode == 1 and "is it installed?" in done.stderr and bed.out("ls /tmp/out.no* || true") == ""


def test_disks(bed):
    bed.run("skep -q import-raw --read-only /srv/web/disk.raw && skep -q export-raw disk /tmp/out.raw && "
            "cmp /tmp/out.raw /srv/web/disk.raw")
    assert bed.out("skep show-image -P ReadOnly disk") == "yes"
    bed.run("skep -q pull-raw --verify=no http://127.0.0.1:8080/disk.raw pulled && skep show-image pulled")


def test_classes(bed):
    bed.run("skep -q import-tar --class=sysext /srv/web/tiny.tar ext && test -e /var/lib/extensions/ext/etc/hello")
    assert "ext" in bed.out("skep list-images --class=sysext") and "ext" not in bed.out("skep list-images")
    done = bed.run("skep import-tar --class=nosuch /srv/web/tiny.tar", check=False)
    assert (done.returncode, done.stderr) == (
        1, "skep: --class: 'nosuch' is none of machine, portable, sysext, confext\n")


def test_failed_export_leaves_what_was_there(bed):
    bed.run("echo old >/tmp/out.tar")
    done = bed.run("skep -q export-tar nosuch /tmp/out.tar", check=False)
    assert done.returncode == 1 and done.stderr.startswith("skep: cannot export 'nosuch': ")
    assert bed.out("cat /tmp/out.tar; ls /tmp/out*").split() == ["old", "/tmp/out.tar"]


def test_hung_up_is_left_to_the_importer(bed):
    """A terminal that goes away ends nothing: what is exported has its name from then on, and no other."""
    bed.run(f"mkdir {POOL}/slow && head -c 64M /dev/urandom >{POOL}/slow/noise")
    bed.run("(skep export-tar --level=9 --threads=1 slow /tmp/out.tar.xz >/tmp/out.lines 2>/tmp/out.err; "
            "echo $? >/tmp/out.status) </dev/null >/dev/null 2>&1 &")
    bed.wait_for("test -s /tmp/out.lines")   # from then on it minds signals
    bed.run("pkill -HUP -x skep")
    bed.wait_for("test -s /tmp/out.status")
    number = json.loads(bed.read("/tmp/out.lines").splitlines()[0])["transfer"]
    try:
        assert bed.read("/tmp/out.status") == "130\n"
        assert f"skep cancel-transfer {number}" in bed.read("/tmp/out.err")
        assert bed.out("ls -d /tmp/out.tar.xz*") == "/tmp/out.tar.xz"
    finally:
        bed.run(f"skep cancel-transfer {number}", check=False)
    bed.wait_for("test \"$(skep list-transfers)\" = 'No transfers.'")


def test_background_follow_and_history(bed):
    """Started here, watched there, and known afterwards."""
    bed.run("mkfifo /tmp/feed")
    feeder = bed.spawn("sleep 60 >/tmp/feed & until test -e /tmp/go; do sleep 0.1; done; "
                       "cat /srv/web/tiny.tar >/tmp/feed; kill %1")
    number = bed.out("skep import-tar --background /tmp/feed slow")
    assert re.fullmatch(r"\d+", number)
    assert [t["id"] for t in json.loads(bed.out("skep -j list-transfers"))] == [int(number)]
    watcher = bed.spawn(f"skep list-transfers --follow {number} >/tmp/out; echo $? >>/tmp/out")
    bed.wait_for("test -s /tmp/out")
    bed.run("touch /tmp/go")
    assert watcher.wait(timeout=30) == 0 and feeder.wait(timeout=30) is not None
    *told, status = bed.out("cat /tmp/out").splitlines()
    assert (json.loads(told[-1])["result"], status) == ("done", "0")
    assert bed.read(f"{POOL}/slow/etc/hello") == "hello\n"
    ended = json.loads(bed.out("skep -j list-transfers --all"))
    assert {"id": int(number), "local": "slow", "result": "done"}.items() <= ended[-1].items()
    # Whoever comes late is told what became of it.
    assert lines(bed.run(f"skep list-transfers --follow {number}"))[-1]["result"] == "done"
    failed = bed.out("skep -q import-tar --background - broken </etc/passwd")
    bed.wait_for(f"! skep list-transfers --no-legend | grep -w {failed}")
    done = bed.run(f"skep -q list-transfers --follow {failed}", check=False)
    assert done.returncode == 1 and done.stderr.startswith("skep: the transfer failed: ")
    done = bed.run("skep list-transfers --follow 4711", check=False)
    assert done.returncode == 1 and "there is no transfer 4711" in done.stderr
    bed.run("rm /tmp/feed /tmp/go")


# The same for both; of failures the status alone, the words are our own.
SAME = ["", "list-transfers", "list-transfers --no-legend", "list-images", "list-images --no-legend",
        "list-images -m", "list-images -P", "list-images -S -j", "list-images --json=pretty", "list-images -j -C",
        "-N -m list-images --class=machine"]
SAME_FAILURE = ["nosuch", "cancel-transfer", "cancel-transfer 4000000", "cancel-transfer x", "pull-tar",
                "pull-tar http://127.0.0.1:8080/tiny.tar", "import-tar /srv/web/tiny.tar", "export-tar web",
                "-m import-tar /nosuch", "-m import-tar -", "-m --verify=x pull-tar http://127.0.0.1/x",
                "--class=x", "--format=x", "-m pull-tar ftp://127.0.0.1/x.tar", "-m export-tar nosuch /tmp/out",
                "-m import-tar /srv/web/disk.raw", "--nosuch", "-m pull-raw http://127.0.0.1:8080/nosuch.raw"]


def both(bed, line):
    return [bed.run(f"{tool} {line} </dev/null", check=False) for tool in ("importctl", "/run/ours/importctl")]


def test_same_output_as_importctl(bed):
    bed.run(f"mkdir -p {POOL}/web /var/lib/extensions/ext && cp /srv/web/disk.raw {POOL}/ && "
            f"chmod a-w {POOL}/disk.raw && mkdir {POOL}/größe")
    for line in SAME:
        theirs, ours = both(bed, line)
        if "-C" in line:    # where there is nothing theirs is no JSON at all
            assert (theirs.stdout, ours.stdout) == ("", "[]\n")
            continue
        assert ours.stdout.splitlines() == theirs.stdout.splitlines(), line
        assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr) == (0, "")


def test_same_transfer_as_importctl(bed):
    """A transfer that runs, in both lists; and what is exported, byte for byte."""
    bed.run("mkfifo /tmp/feed")
    feeder = bed.spawn("sleep 60 >/tmp/feed")
    number = bed.out("skep import-tar --background /tmp/feed slow")
    theirs, ours = both(bed, "list-transfers")
    assert ours.stdout == theirs.stdout and "slow" in ours.stdout
    assert both(bed, f"cancel-transfer {number}")[0].returncode == 0
    feeder.kill()
    bed.run("pkill -f '^sleep 60'; rm /tmp/feed", check=False)
    for tool in ("importctl", "/run/ours/importctl"):
        bed.run(f"{tool} -m -q import-tar --force /srv/web/tiny.tar && {tool} -m -q export-tar tiny >/tmp/out.{tool[:4].strip('/')}")
    bed.run("cmp /tmp/out.impo /tmp/out.run")


@pytest.mark.parametrize("line", SAME_FAILURE)
def test_same_failure_as_importctl(bed, line):
    theirs, ours = both(bed, line)
    assert (ours.returncode, theirs.returncode) == (1, 1)
    assert ours.stdout == "" and re.fullmatch(r"importctl: [^\n]+\n", ours.stderr.rpartition("\n")[0].split("\n")[-1] + "\n")


def test_progress_of_importctl_is_not_json(bed):
    """Who calls it by that name gets the lines on standard error, and standard output stays empty."""
    done = bed.run("/run/ours/importctl -m import-tar /srv/web/tiny.tar named")
    assert done.stdout == ""
    assert lines(bed.run("/run/ours/importctl -j -m import-tar --force /srv/web/tiny.tar named"))[-1]["result"] == "done"
