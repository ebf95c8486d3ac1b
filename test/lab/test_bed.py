# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bed itself: what every lab test takes for granted."""

from skeplib import trees

LAB_SUITES = ("bookworm", "trixie")


def test_everything_is_up(lab):
    assert lab.out("systemctl --failed --no-legend") == ""
    assert lab.state == "running"


def test_pure_cgroup2(lab):
    assert lab.out("stat -f -c %T /sys/fs/cgroup") == "cgroup2fs"


def test_streams_and_status_are_apart(lab):
    done = lab.run("echo out; echo err >&2; exit 3", check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)


def test_input_and_files(lab):
    assert lab.run("cat", input="hello").stdout == "hello"
    lab.write("/root/deep/file", "content", mode=0o600)
    assert lab.read("/root/deep/file") == "content"
    assert lab.out("stat -c %a /root/deep/file") == "600"


def test_copy_in(lab, scratch):
    (scratch / "d").mkdir()
    (scratch / "d/x").write_text("copied", encoding="ascii")
    lab.copy_in(scratch / "d", "/root/copied")
    assert lab.read("/root/copied/x") == "copied"


def test_machines_both_ways(lab):
    for name, copy in (("bed-copied", True), ("bed-overlaid", False)):
        where = lab.add_machine(name, lab.suite + "-guest", copy=copy)
        assert "Debian" in lab.out(["cat", where + "/etc/os-release"])
        lab.run(["touch", where + "/written"])


def test_shared_cache_cannot_be_written(lab):
    assert lab.run(["touch", "/srv/skep/x"], check=False).returncode != 0
    assert lab.run(["test", "-e", lab.shared(trees.tree("busybox")) + "/bin/sh"]).returncode == 0
