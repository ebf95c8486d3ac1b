# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machines that start and end beside one another, and what they need that goes away under them."""

import os
import shutil
import subprocess
import threading

import pytest

from skeplib import kernel
from skeplib.spawner import leader_of, traces


def started(process):
    """Wait until the probe "signal" of @process runs. Return: whether it does."""
    return process.stdout.readline() == "waiting\n"


def end(*processes):
    for process in processes:
        process.terminate()
    for process in processes:
        process.communicate(timeout=10)


@pytest.mark.parametrize("options", [("-x",), ("--read-only",), ("--private-users=pick", "-x")])
def test_one_name_is_given_once(spawn, new_tree, options):
    """Of ten that start under one name at once, one runs; the others say so and harm nothing of it."""
    trees = [new_tree() for _ in range(2)]
    processes = [spawn.start(trees[i % 2], *options, "--", "/probe", "signal") for i in range(10)]
    said = [(p, p.stdout.readline()) for p in processes]
    runs = [p for p, line in said if line == "waiting\n"]
    assert len(runs) == 1
    for process in processes:
        if process not in runs:
            err = process.communicate(timeout=10)[1]
            assert process.returncode == 125 and err.count("\n") == 1, err
            assert f"'{spawn.name}' is running already" in err, err
    assert runs[0].poll() is None and kernel.is_init(leader_of(runs[0]))
    end(*runs)


def test_one_image_is_written_to_by_one(spawn, busybox):
    processes = [spawn.start(busybox, "/probe", "signal", name=f"{spawn.name}-{i}") for i in range(10)]
    runs = [p for p in processes if started(p)]
    assert len(runs) == 1
    for process in set(processes) - set(runs):
        err = process.communicate(timeout=10)[1]
        assert process.returncode == 125 and "in use" in err, err
    end(*runs)


def test_crowd(spawn, busybox):
    """Twenty at a time, of all kinds, on one image, for several rounds."""
    kinds = [("-x",), ("-x", "--private-users=pick"), ("--read-only",), ("-x", "-n"), ("-x", "-a")]
    failures = []

    def run(i):
        for turn in range(3):
            argv = spawn.argv(busybox, *kinds[(i + turn) % len(kinds)], "--", "/bin/echo", f"{i}",
                              name=f"{spawn.name}-{i}")
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            if (done.returncode, done.stdout, done.stderr) != (0, f"{i}\n", ""):
                failures.append(done)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


@pytest.mark.parametrize("options", [(), ("-n",), ("--private-users=pick",), ("--keep-unit",)])
def test_start_right_after_the_end(request, spawn, busybox, options):
    """What held the name, the group, the link and the range is gone when the supervisor is."""
    where = request.getfixturevalue("unit") if "--keep-unit" in options else None
    for _ in range(6):
        process = spawn.start(busybox, *options, "--", "/bin/sh", "-c",
                              "sleep 100 & sleep 100 & exec /probe signal", cgroup=where)
        assert started(process), process.stderr.read()
        end(process)
        if where:       # as the service manager does between two runs of a unit
            for below in ("payload", "supervisor"):
                if (where / below).exists():
                    os.rmdir(where / below)
            (where / "cgroup.subtree_control").write_text(
                " ".join("-" + c for c in (where / "cgroup.subtree_control").read_text().split()),
                encoding="ascii")


def test_start_while_the_end_is_near(spawn, busybox):
    """One that comes too early is told so, at once, and does not disturb the one that ends."""
    script = "trap 'sleep 0.3; exit 0' TERM; echo waiting; while :; do sleep 0.05; done"
    first = spawn.start(busybox, "--kill-signal=SIGTERM", "--", "/bin/sh", "-c", script)
    assert started(first)
    first.terminate()
    assert "running already" in spawn.refuse(busybox, "true")
    assert first.wait(5) == 0
    spawn.run(busybox, "true")


def test_image_is_removed_under_its_machine(spawn, busybox):
    process = spawn.start(busybox, "/probe", "signal")
    assert started(process)
    shutil.rmtree(busybox)
    end(process)
    assert process.returncode == 128 + 9
    assert "No such file" in spawn.refuse(busybox, "true")


@pytest.mark.parametrize("options", [(), ("-x", "--private-users=pick"), ("-n",)])
def test_run_is_emptied_under_a_machine(spawn, busybox, own_run, options):
    """Somebody tidied up: the machine goes on and ends well, its successor starts."""
    process = spawn.start(busybox, *options, "--", "/probe", "signal")
    assert started(process), process.stderr.read()
    for entry in os.listdir("/run"):
        shutil.rmtree(f"/run/{entry}")
    other = spawn.run(busybox, "-x", "true", name=spawn.name + "-b", check=False)
    assert other.returncode in (0, 125)
    end(process)
    assert process.returncode == 128 + 9
    spawn.run(busybox, *options, "--", "true")
    assert not traces(spawn.name)


@pytest.mark.parametrize("size", ["nr_inodes=2", "nr_inodes=4", "nr_inodes=6", "size=4k"])
def test_no_room_in_run(spawn, busybox, own_run, size):
    kernel.mount(None, own_run, None, 0x20, f"mode=0755,{size}")       # MS_REMOUNT
    if "size" in size:
        with open("/run/fill", "wb", buffering=0) as f:
            with pytest.raises(OSError):
                while True:
                    f.write(b"x" * 4096)
    done = spawn.run(busybox, "--private-users=pick", "--", "true", check=False)
    if done.returncode:
        assert done.returncode == 125 and done.stderr.count("\n") == 1, done
        assert "No space left" in done.stderr and "/run/" in done.stderr, done
    else:
        assert size == "size=4k"
