# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waiting for machines, forgetting them, what the registry is at work on, and what it tells of changes."""

import contextlib
import json
import re
import select
import subprocess

import pytest

from skeplib import machine1

LAB_SUITES = ("bookworm", "trixie")

SLOW = """[Unit]
Before=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'while ! test -e /go; do sleep 0.1; done; touch /done'
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture(scope="module", autouse=True)
def machines(lab):
    """One that boots and is not ready before it is told to be, and one that is a single process."""
    lab.add_machine("web", lab.suite + "-guest")
    lab.write("/var/lib/machines/web/etc/systemd/system/slow.service", SLOW)
    lab.run("systemctl --root=/var/lib/machines/web enable slow.service")
    lab.add_machine("box", "busybox")


def start_box(lab):
    lab.run("systemctl reset-failed box-machine; "
            "systemd-run -q --unit=box-machine -p Type=notify -p Delegate=yes -p KillMode=mixed "
            "skep-spawn -q --keep-unit --register=yes -M box -a /bin/sleep 100000", timeout=30)


def test_ready(lab):
    lab.run("rm -f /var/lib/machines/web/go /var/lib/machines/web/done; skep start web", timeout=60)
    done = lab.run("skep wait --timeout=1s web", check=False)
    assert done.returncode == 1 and "not ready yet" in done.stderr
    waiting = [lab.spawn(["skep", "wait", "web"]) for _ in range(3)]
    # Who waits does not mind that the registry is started anew.
    lab.run("systemctl restart skep-machined")
    with pytest.raises(subprocess.TimeoutExpired):
        waiting[0].wait(timeout=1)
    lab.write("/var/lib/machines/web/go", "")
    for process in waiting:
        assert process.wait(timeout=30) == 0
    lab.run("test -e /var/lib/machines/web/done")
    assert lab.out("systemctl -M web is-system-running; true") in ("running", "degraded")
    lab.run("skep wait web")
    start_box(lab)
    lab.run("skep wait box web")


def test_gone(lab):
    if "box" not in machine1.machines(lab):
        start_box(lab)
    gone = lab.spawn(["skep", "wait", "--until=gone", "box"])
    lab.wait_for("busctl call org.freedesktop.machine1 /org/freedesktop/machine1 "
                 "org.freedesktop.DBus.Peer Ping")
    done = lab.run("skep wait --until=gone --timeout=300ms box", check=False)
    assert done.returncode == 1 and "not gone yet" in done.stderr
    lab.run("skep terminate box")
    assert gone.wait(timeout=20) == 0
    lab.run("skep wait --until=gone box")
    done = lab.run("skep wait box nosuch", check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"(skep: waiting for '(box|nosuch)': No machine [^\n]+\n){2}", done.stderr)
    done = lab.run("skep wait --until=later box", check=False)
    assert done.returncode == 1 and "none of ready, gone" in done.stderr


def test_it_ends_before_it_is_ready(lab):
    lab.run("skep terminate --wait web; systemctl stop skep@web; rm -f /var/lib/machines/web/go",
            timeout=60)
    lab.run("skep start web", timeout=60)
    waiting = lab.spawn(["skep", "wait", "web"], stderr=subprocess.PIPE, text=True)
    lab.wait_for("pgrep -x skep-worker")
    lab.run("skep terminate --wait web", timeout=60)
    assert "has ended" in waiting.communicate(timeout=20)[1]
    assert waiting.returncode == 1


def test_only_who_may_look_waits_for_it(lab):
    start_box(lab)
    ask = ["runuser", "-u", "nobody", "--", "skep", "--no-ask-password"]
    done = lab.run([*ask, "wait", "box"], check=False)
    assert done.returncode == 1 and "inspect-machines" in done.stderr
    for command in (["forget", "box"], ["operations"], ["cancel", "1"]):
        done = lab.run([*ask, *command], check=False)
        assert done.returncode == 1 and "may need to be root" in done.stderr, (command, done)
    lab.run("skep terminate --wait box")


def test_forget(lab):
    start_box(lab)
    done = lab.run("skep forget box", check=False)
    assert done.returncode == 1 and "is alive" in done.stderr
    lab.run("skep forget --force box")
    assert "box" not in machine1.machines(lab)
    assert lab.run("test -e /run/systemd/machines/box", check=False).returncode == 1
    lab.run("pgrep -xf '/bin/sleep 100000'")
    lab.run("systemctl stop box-machine", timeout=30)


def test_operations(lab):
    """Work for a guest that stands still is seen and can be ended, and holds nobody else up."""
    lab.write("/var/lib/machines/web/go", "")
    lab.run("skep start web; skep wait web", timeout=60)
    leader = machine1.get(lab, "web", "Leader")
    lab.run(f"kill -STOP {leader}")
    try:
        shell = lab.spawn(["skep", "shell", "web", "/bin/true"], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
        lab.wait_for("skep operations --no-legend", text="running a command")
        row, = json.loads(lab.out("skep operations --json=short"))
        assert (row["operation"], row["name"], row["uid"]) == ("running a command", "web", 0)
        assert row["since"] > 0 and row["written"] >= 0 and row["total"] is None
        done = lab.run(f"skep cancel {row['id'] + 1000} x", check=False)
        assert done.returncode == 1 and done.stderr.count("\n") == 2
        lab.run(f"skep cancel {row['id']}")
        assert "cancelled" in shell.communicate(timeout=20)[1]
        assert shell.returncode != 0
        assert json.loads(lab.out("skep operations --json=short")) == []
    finally:
        lab.run(f"kill -CONT {leader}")


def test_progress_of_a_copy(lab):
    if "box" not in machine1.machines(lab):
        start_box(lab)
    lab.run("head -c 512M /dev/zero >/root/data")
    copying = lab.spawn(["skep", "copy-to", "box", "/root/data", "/data"], stderr=subprocess.PIPE,
                        text=True)
    # In the middle of it.
    lab.run("until pkill -STOP -x skep-worker; do :; done", timeout=20)
    row, = json.loads(lab.out("skep operations --json=short"))
    assert (row["operation"], row["name"], row["total"]) == ("copying", "box", 512 << 20)
    assert row["written"] <= row["total"] + 4096
    lab.run(f"skep cancel {row['id']}")
    assert "cancelled" in copying.communicate(timeout=20)[1] and copying.returncode == 1
    lab.wait_for("! pgrep -x skep-worker")
    lab.run("rm /root/data; skep terminate --wait box")


@contextlib.contextmanager
def signals(lab, path, interface):
    """What the bus carries meanwhile: a function that returns the next signal."""
    monitor = lab.spawn(["busctl", "monitor", "--json=short", "--match",
                         f"type=signal,path={path},interface={interface}"],
                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def following():
        while True:
            message = json.loads(monitor.stdout.readline())
            if message["member"] != "Probe":
                return message

    try:
        # It listens once it has heard of something.
        while not select.select([monitor.stdout], [], [], 0.1)[0]:
            lab.run(["busctl", "emit", path, interface, "Probe"])
        yield following
    finally:
        monitor.kill()
        monitor.wait()


def test_changes_of_state_are_told(lab):
    path = "/org/freedesktop/machine1/machine/web"
    assert json.loads(lab.out(["busctl", "--json=short", "get-property", machine1.NAME, path,
                               "org.skep.Machine1", "State"]))["data"] == "running"
    with signals(lab, path, "org.freedesktop.DBus.Properties") as following:
        lab.run("skep terminate --wait web", timeout=60)
        message = following()
    assert message["member"] == "PropertiesChanged"
    interface, changed, _ = message["payload"]["data"]
    assert interface == "org.skep.Machine1" and changed["State"]["data"] == "closing"


def test_images_that_come_and_go_are_told(lab):
    """Whoever makes them do so: the registry, or somebody at a shell."""
    def told(message):
        return message["member"], message["payload"]["data"]

    where = "/org/freedesktop/machine1/image/"
    with signals(lab, machine1.PATH, machine1.SKEP) as following:
        lab.run("mkdir -p /var/lib/machines/one/usr")
        assert told(following()) == ("ImageNew", ["one", where + "one"])
        lab.run("skep rename one t-wo")
        assert {told(following())[0]: told(following())[0]} == {"ImageRemoved": "ImageNew"}
        lab.run("truncate -s 1M /var/lib/machines/disk.raw")
        assert told(following()) == ("ImageNew", ["disk", where + "disk"])
        lab.run("skep read-only disk yes")
        assert told(following()) == ("ImageChanged", ["disk", where + "disk"])
        lab.run("skep remove disk t-wo", timeout=60)
        gone = sorted(told(following())[1][0] for _ in range(2))
        assert gone == ["disk", "t-wo"]
