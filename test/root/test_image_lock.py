# SPDX-License-Identifier: LGPL-2.1-or-later
"""Locks on images, seen from both families: who runs an image keeps systemd-nspawn, skep-spawn and whoever
wants to change it away, and the other way round."""

import shutil
import subprocess
import time

import pytest

NSPAWN = shutil.which("systemd-nspawn")


def nspawn(tree, *command):
    # A mount name space of its own: where PID 1 is not systemd, nspawn leaves mounts behind.
    return ["unshare", "--mount", NSPAWN, "-q", "--register=no", "--keep-unit", "--pipe", "-D",
            str(tree), *command]


@pytest.fixture
def skep(program):
    def argv(tree, *command):
        return [program("skep-spawn"), "-q", "--register=no", "-P", "-D", str(tree), *command]

    return argv


@pytest.fixture
def tree(copied_tree):
    return copied_tree("busybox")


def run(argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30, check=False)


class Running:
    """A machine that holds its image until the end of the block."""

    def __init__(self, argv):
        self.argv = argv

    def __enter__(self):
        self.process = subprocess.Popen([*self.argv, "/bin/sh", "-c", "echo up; read line"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "up\n"
        return self.process

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=30)


def test_one_of_ours_at_a_time(skep, tree):
    with Running(skep(tree)):
        done = run([*skep(tree), "-M", "another", "/bin/true"])
        assert done.returncode == 125 and str(tree) in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert run(skep(tree, "/bin/true")).returncode == 0


def test_readers_share(skep, tree):
    """Whoever changes nothing of the image does not keep others of the kind away."""
    with Running([*skep(tree), "-x"]):
        assert run([*skep(tree), "-x", "-M", "another", "/bin/true"]).returncode == 0


def test_lock_goes_with_the_machine(skep, tree):
    with Running(skep(tree)) as process:
        process.kill()
        process.wait()
        for _ in range(50):
            done = run(skep(tree, "/bin/true"))
            if done.returncode == 0:
                break
            time.sleep(0.1)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not NSPAWN, reason="systemd-nspawn is not installed")
def test_systemd_nspawn_keeps_away_while_ours_runs(skep, tree):
    with Running(skep(tree)):
        done = run(nspawn(tree, "/bin/true"))
        assert done.returncode != 0 and "busy" in done.stderr
    assert run(nspawn(tree, "/bin/true")).returncode == 0


@pytest.mark.skipif(not NSPAWN, reason="systemd-nspawn is not installed")
def test_ours_keeps_away_while_systemd_nspawn_runs(skep, tree):
    with Running(nspawn(tree)):
        done = run(skep(tree, "/bin/true"))
        assert done.returncode == 125 and str(tree) in done.stderr
    assert run(skep(tree, "/bin/true")).returncode == 0
