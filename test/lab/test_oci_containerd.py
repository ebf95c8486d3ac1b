# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containerd with skep-oci behind its shim, by ctr."""

import time

import pytest

from skeplib import engines
from skeplib.terminal import Terminal

LAB_SUITES = ("bookworm", "trixie")
LAB_KIND = "engines"


@pytest.fixture(scope="module")
def store(lab):
    """A containerd that is started as on a host: services of a lab have fewer system calls."""
    engines.prepare(lab)
    lab.write("/etc/resolv.conf", "")
    lab.run("systemctl stop containerd && podman save -q --format oci-archive -o /var/tmp/box-oci.tar "
            + engines.IMAGE)
    daemon = lab.spawn("exec containerd >/var/log/containerd 2>&1")
    lab.wait_for("ctr version")
    lab.run("ctr image import /var/tmp/box-oci.tar")
    yield lab
    assert lab.out("ctr containers list --quiet") == ""
    daemon.terminate()
    daemon.wait()


class Ctr:
    """ctr with one runtime."""

    def __init__(self, lab, runtime):
        self.lab = lab
        self.options = [f"--runc-binary={engines.path_of(runtime)}", engines.IMAGE]

    def run(self, name, *command, options=(), **more):
        """ctr run --rm, to the command's end."""
        return self.lab.run(["ctr", "run", "--rm", *options, *self.options, name, *command], **more)

    def start(self, name, *command, options=()):
        """ctr run --detach."""
        self.lab.run(["ctr", "run", "--detach", *options, *self.options, name, *command])

    def task(self, *argv, **options):
        """ctr task."""
        return self.lab.run(["ctr", "task", *argv], **options)

    def state(self, name):
        """Of a task: RUNNING, PAUSED, STOPPED."""
        for line in self.lab.out("ctr task list").split("\n")[1:]:
            if line.split()[0] == name:
                return line.split()[2]
        return None

    def wait_state(self, name, state):
        end = time.monotonic() + 10
        while self.state(name) != state:
            assert time.monotonic() < end, f"{name} is {self.state(name)}, and not {state}"
            time.sleep(0.05)

    def remove(self, name):
        self.task("kill", "--signal=KILL", name, check=False)
        self.wait_state(name, "STOPPED")
        self.task("delete", name, check=False)
        self.lab.run(["ctr", "container", "rm", name])


@pytest.fixture(scope="module", params=engines.runtimes())
def ctr(store, request):
    return Ctr(store, request.param)


def test_run(ctr):
    done = ctr.run("one", "sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    assert (done.returncode, done.stdout) == (3, "out\n") and done.stderr.startswith("err\n")
    assert ctr.run("two", "head", "-n1", input="in\n").stdout == "in\n"
    missing = ctr.run("three", "no-such-program", check=False)
    assert missing.returncode != 0 and "no-such-program" in missing.stderr
    assert ctr.run("four", "sh", "-c", "echo $A; pwd; cat /file; touch /x 2>/dev/null || echo ro", options=(
        "--env=A=b", "--cwd=/home/app", "--read-only",
        "--mount=type=bind,src=/etc/hostname,dst=/file,options=rbind:ro")).stdout.split() == \
        ["b", "/home/app", ctr.lab.suite, "ro"]


def test_terminal(ctr):
    command = " ".join(["ctr run --rm -t", *ctr.options, "five sh"])
    with Terminal(ctr.lab, command, rows=33, columns=99) as terminal:
        terminal.expect(r"[#$] ")
        time.sleep(0.2)
        terminal.type("stty size\r")
        terminal.expect(r"33 99\r+\n")
        terminal.type("exit 5\r")
        assert terminal.end()[0] == 5


def test_task(ctr):
    ctr.start("six", "sleep", "600")
    try:
        ctr.wait_state("six", "RUNNING")
        done = ctr.task("exec", "--exec-id=e1", "six", "sh", "-c", "echo out; sleep 0.2; exit 5", check=False)
        assert (done.returncode, done.stdout) == (5, "out\n")
        assert ctr.task("exec", "--exec-id=e2", "--user=1000", "--cwd=/home/app", "six", "sh", "-c",
                        "id -u; pwd").stdout == "1000\n/home/app\n"
        assert ctr.task("exec", "--exec-id=e3", "six", "no-such-program", check=False).returncode != 0
        ctr.task("pause", "six")
        assert ctr.state("six") == "PAUSED"
        ctr.task("resume", "six")
        assert ctr.state("six") == "RUNNING"
        assert len(ctr.task("ps", "six").stdout.strip().split("\n")) == 2
        assert "cpu.usage_usec" in ctr.task("metrics", "six").stdout
        ctr.task("kill", "--signal=KILL", "six")
        ctr.wait_state("six", "STOPPED")
    finally:
        ctr.remove("six")


def test_namespaces_and_devices(ctr):
    assert ctr.run("seven", "readlink", "/proc/self/ns/net", options=("--net-host",)).stdout.strip() == \
        ctr.lab.out("readlink /proc/self/ns/net")
    seen = ctr.run("eight", "sh", "-c", "ls -l /dev/fuse | cut -c1; grep -c . /proc/net/dev; "
                   "grep Seccomp: /proc/self/status | cut -f2; grep CapEff /proc/self/status | cut -f2",
                   options=("--device=/dev/fuse", "--seccomp", "--cap-drop=CAP_CHOWN")).stdout.split()
    assert seen[:3] == ["c", "3", "2"] and int(seen[3], 16) & 1 == 0


def test_privileged(ctr):
    assert ctr.run("nine", "sh", "-c", "mount -t tmpfs none /tmp && echo mounted",
                   options=("--privileged",)).stdout == "mounted\n"


def test_nothing_is_left(ctr):
    lab = ctr.lab
    lab.wait_for("! pgrep -f '[c]ontainerd-shim'")
    assert lab.run("pgrep -a skep-oci", check=False).stdout == ""
    assert lab.out("ls /run/containerd/runc/default 2>/dev/null || true") == ""
    assert lab.out("ls /sys/fs/cgroup/default 2>/dev/null | grep -v '\\.' || true") == ""
