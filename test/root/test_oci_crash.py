# SPDX-License-Identifier: LGPL-2.1-or-later
"""skep-oci: several at work on one container, and whoever is killed in the middle of it."""

import os
import random
import signal
import subprocess
import threading
import time

import pytest

from skeplib import oci


@pytest.fixture
def runtime(scratch):
    r = oci.Runtime(scratch)
    yield r
    r.close()


def test_one_of_many_creates_wins(runtime):
    bundle = runtime.bundle("/bin/true")
    several = [runtime.spawn("create", "-b", str(bundle), "x", stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(8)]
    assert sorted(p.wait(30) for p in several) == [0] + 7 * [1]
    assert runtime.status("x") == "created"


def test_one_of_many_starts_wins(runtime):
    runtime.create("x", runtime.bundle("/bin/sleep", "100"))
    several = [runtime.spawn("start", "x", stderr=subprocess.DEVNULL) for _ in range(6)]
    assert sorted(p.wait(30) for p in several) == [0] + 5 * [1]


def test_create_delete_kill_and_state_at_once(runtime):
    """Whatever comes of each command: none hangs or crashes, and in the end nothing is left."""
    bundle = runtime.bundle("/bin/sleep", "100")
    end = time.monotonic() + 3
    seen = set()

    def work(seed):
        choose = random.Random(seed)
        while time.monotonic() < end:
            words = choose.choice([("create", "-b", str(bundle), "x"), ("delete", "x"), ("delete", "-f", "x"),
                                   ("start", "x"), ("kill", "x", "KILL"), ("state", "x"), ("list",)])
            p = runtime.spawn(*words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
            seen.add((words[0], p.wait(30)))

    several = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for t in several:
        t.start()
    for t in several:
        t.join()
    assert {status for _, status in seen} <= {0, 1}, seen
    assert ("create", 0) in seen and ("delete", 0) in seen
    runtime.run("delete", "--force", "x")
    assert runtime.names() == []


def test_a_pid_that_is_somebody_else_now_is_left_alone(runtime):
    runtime.create("x", runtime.bundle("/bin/sleep", "100"))
    time.sleep(0.03)        # a PID does not come again within one tick of the clock
    with subprocess.Popen(["sleep", "100"]) as other:
        record = runtime.root / "x/state.json"
        old = runtime.state("x")["pid"]
        record.write_text(record.read_text().replace(f'"pid":{old}', f'"pid":{other.pid}'))
        assert runtime.status("x") == "stopped"
        assert "container not running" in runtime.refuse("kill", "x", "KILL")
        runtime.run("delete", "--force", "x")
        time.sleep(0.05)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"ociVersion":"1","id":"other","bundle":"/b"}', '{"ociVersion":"1","id":"x","bundle":"/b","pid":-1}',
    '{"ociVersion":"1","id":"x","bundle":"/b","cgroup":"/../.."}', pytest.param("x" * (2 << 20), id="large"),
])
def test_a_record_that_is_broken_is_told_of(runtime, text):
    runtime.create("x", runtime.bundle("/bin/true"))
    good = (runtime.root / "x/state.json").read_text()
    (runtime.root / "x/state.json").write_text(text)
    assert "cannot read the state of 'x'" in runtime.refuse("state", "x")
    assert "level=warning" in runtime.run("list").stderr
    (runtime.root / "x/state.json").write_text(good)


def test_links_in_place_of_a_container(runtime, scratch):
    (scratch / "elsewhere").mkdir()
    (scratch / "elsewhere/state.json").write_text('{"ociVersion":"1","id":"x","bundle":"/b"}')
    runtime.root.mkdir()
    (runtime.root / "x").symlink_to(scratch / "elsewhere")
    assert "is no container of ours" in runtime.refuse("state", "x")
    assert "is no container of ours" in runtime.refuse("delete", "--force", "x")
    assert (scratch / "elsewhere/state.json").exists()
    (runtime.root / "x").unlink()


def test_a_directory_of_somebody_else(runtime):
    runtime.root.mkdir()
    (runtime.root / "x").mkdir()
    os.chown(runtime.root / "x", 1000, 1000)
    assert "is no container of ours" in runtime.refuse("delete", "--force", "x")
    (runtime.root / "x").rmdir()


def killed_after(runtime, words, delay):
    """Start a command, and kill it after a while. Return: whether it was killed in the middle."""
    with runtime.spawn(*words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL) as p:
        time.sleep(delay)
        p.kill()
        return p.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("kind", ["create", "start", "delete", "run"])
def test_killed_at_any_moment(runtime, kind):
    """Each leaves something that can be deleted, entirely."""
    bundle = runtime.bundle("/bin/sleep", "100")
    killed = 0
    for step in range(30):
        if kind in ("start", "delete"):
            runtime.create("x", bundle)
        words = {"create": ("create", "-b", str(bundle), "x"), "start": ("start", "x"), "delete": ("delete", "x"),
                 "run": ("run", "-b", str(bundle), "x")}[kind]
        killed += killed_after(runtime, words, 0.0002 * step)
        runtime.run("state", "x", check=False)
        runtime.run("delete", "--force", "x")
        assert runtime.names() == [] and runtime.groups() == []
        oci.wait_until(lambda: runtime.reap() == set())
    assert killed >= 1
