# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits, CPUs, OOM score, personality and ambient capabilities of a payload."""

import os
import re
import resource
import shutil
import subprocess

import pytest

from skeplib import build

CAP_CHOWN, CAP_KILL = 1 << 0, 1 << 5

USERS = pytest.mark.parametrize("users", ["no", "pick"])


def limits(text):
    """/proc/self/limits as {name: (soft, hard)}."""
    return {m[1]: (m[2], m[3]) for m in
            re.finditer(r"^(Max [a-z -]+?) {2,}(\S+) +(\S+)", text, re.M)}


def caps(text):
    return {k: int(v, 16) for k, v in re.findall(r"^(Cap\w+):\s+(\w+)$", text, re.M)}


@USERS
def test_limits_are_set(spawn, busybox, users):
    got = limits(spawn.out(busybox, f"--private-users={users}", "--rlimit=NOFILE=100:200",
                           "--rlimit=RLIMIT_CORE=1M", "--rlimit=cpu=2min:1h",
                           "--rlimit=NPROC=50", "--", "cat", "/proc/self/limits"))
    assert got["Max open files"] == ("100", "200")
    assert got["Max core file size"] == ("1048576", "1048576")
    assert got["Max cpu time"] == ("120", "3600")
    assert got["Max processes"] == ("50", "50")


@pytest.mark.parametrize("options", [(), ("-a",), ("-U",), ("--uid=1000",)])
def test_limits_are_for_the_payload_alone(spawn, busybox, options):
    """What we do on the way there would not fit into these."""
    limits_ = ("NOFILE=3", "FSIZE=0", "NPROC=1", "STACK=64K")
    assert spawn.out(busybox, *options, *(f"--rlimit={x}" for x in limits_), "--", "/bin/echo",
                     "up") == "up"


def test_limits_hold(spawn, busybox):
    done = spawn.run(busybox, "--rlimit=FSIZE=4096", "--", "/bin/sh", "-c",
                     "dd if=/dev/zero of=/tmp/x bs=8192 count=1; wc -c </tmp/x", check=False)
    assert done.stdout.strip() == "4096"


@USERS
def test_limit_that_cannot_be_had_is_an_error(spawn, busybox, users):
    """Nobody gets more than the kernel's own bound on open files."""
    with open("/proc/sys/fs/nr_open", encoding="ascii") as f:
        more = int(f.read()) + 1
    assert "NOFILE" in spawn.refuse(busybox, f"--private-users={users}",
                                    f"--rlimit=NOFILE={more}", "--", "true")


@USERS
@pytest.mark.parametrize("options", [(), ("--keep-unit",)])
def test_limits_of_the_caller_are_the_payloads(spawn, busybox, unit, users, options):
    """A unit's limits are those of the spawner, which nothing else may change on the way."""
    with open("/proc/self/limits", encoding="ascii") as f:
        own = limits(f.read())
    old = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (4 << 20, old[1]))
    try:
        out = spawn.out(busybox, *options, f"--private-users={users}", "--rlimit=NOFILE=77",
                        "--", "cat", "/proc/self/limits", cgroup=unit)
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, old)
    got = limits(out)
    assert len(got) == 16
    assert got == own | {"Max stack size": (str(4 << 20), own["Max stack size"][1]),
                         "Max open files": ("77", "77")}


def test_limit_of_a_file_is_the_weaker(spawn, busybox):
    settings = busybox.parent / f"{spawn.name}.nspawn"
    settings.write_text("[Exec]\nLimitNOFILE=10:20\nLimitCORE=30\n", encoding="ascii")
    got = limits(spawn.out(busybox, "--settings=trusted", "--rlimit=NOFILE=40", "--", "cat",
                           "/proc/self/limits"))
    assert got["Max open files"] == ("40", "40")
    assert got["Max core file size"] == ("30", "30")
    got = limits(spawn.out(busybox, "--", "cat", "/proc/self/limits"))
    assert got["Max core file size"] != ("30", "30"), "an untrusted file set a limit"


@USERS
def test_oom_score(spawn, busybox, users):
    with open("/proc/self/oom_score_adj", encoding="ascii") as f:
        own = int(f.read())
    args = (f"--private-users={users}",)
    assert spawn.out(busybox, *args, f"--oom-score-adjust={own + 100}", "--", "cat",
                     "/proc/self/oom_score_adj") == str(own + 100)
    assert spawn.out(busybox, *args, "--", "cat", "/proc/self/oom_score_adj") == str(own)


def test_oom_score_that_only_the_host_may_give(spawn, busybox):
    argv = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-all"]
    done = subprocess.run(argv + spawn.argv(busybox, "--oom-score-adjust=-999", "--", "true"),
                          stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 125 and "CAP_SYS_RESOURCE" in done.stderr


@USERS
def test_cpus(spawn, busybox, users):
    for cpu in sorted(os.sched_getaffinity(0)):
        out = spawn.out(busybox, f"--private-users={users}", f"--cpu-affinity={cpu}", "--",
                        "grep", "Cpus_allowed_list", "/proc/self/status")
        assert out.split() == ["Cpus_allowed_list:", str(cpu)]
    assert "CPUs" in spawn.refuse(busybox, "--cpu-affinity=8000", "--", "true")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names of another architecture")
def test_personality(spawn, busybox):
    assert spawn.out(busybox, "--personality=x86", "--", "uname", "-m") == "i686"
    assert spawn.out(busybox, "--personality=x86-64", "--", "uname", "-m") == "x86_64"
    assert spawn.out(busybox, "--", "uname", "-m") == "x86_64"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="an image of another architecture")
def test_personality_of_a_32_bit_image(spawn, busybox):
    """The init of the image says what it is; here it only begins like one of a 32-bit system."""
    shell = busybox / "bin/sh"
    shell.unlink()
    shutil.copy(build.build_dir() / "test/root/probe-i386", shell)
    assert spawn.run(busybox, "--console=pipe").stdout.splitlines()[0] == "machine i686"
    assert spawn.run(busybox, "--personality=x86-64").stdout.splitlines()[0] == "machine x86_64"


@USERS
def test_ambient_capabilities_of_a_user(spawn, busybox, users):
    args = (f"--private-users={users}", "--uid=1000")
    got = caps(spawn.out(busybox, *args, "--ambient-capability=CAP_CHOWN,kill", "--", "cat",
                         "/proc/self/status"))
    assert {got[k] for k in ("CapPrm", "CapEff", "CapAmb", "CapInh")} == {CAP_CHOWN | CAP_KILL}
    got = caps(spawn.out(busybox, *args, "--", "cat", "/proc/self/status"))
    assert {got[k] for k in ("CapPrm", "CapEff", "CapAmb", "CapInh")} == {0}


def test_ambient_capabilities_let_a_user_do_it(spawn, busybox):
    (busybox / "file").write_text("")
    script = "chown 5:6 /file && stat -c %u:%g /file"
    assert spawn.sh(busybox, script, "--uid=1000", "--ambient-capability=CAP_CHOWN") == "5:6"
    done = spawn.run(busybox, "--uid=1000", "--", "/bin/sh", "-c", script, check=False)
    assert done.returncode and done.stdout == ""


def test_nothing_is_inheritable(spawn, busybox):
    assert caps(spawn.out(busybox, "cat", "/proc/self/status"))["CapInh"] == 0


def test_capability_that_we_lack_is_told(spawn, busybox):
    argv = ["setpriv", "--bounding-set=-sys_time", "--inh-caps=-all"]
    for add, told in (("CAP_SYS_TIME", True), ("all", False)):
        done = subprocess.run(argv + spawn.argv(busybox, f"--capability={add}", "--", "true",
                                                quiet=False),
                              stderr=subprocess.PIPE, text=True, check=True)
        assert ("not have ourselves, nor will the machine: CAP_SYS_TIME" in done.stderr) == told


def test_names_are_listed(spawn):
    for option, name in (("rlimit", "NOFILE"), ("capability", "CAP_SYS_ADMIN"),
                         ("ambient-capability", "CAP_SYS_ADMIN"), ("personality", "x86-64")):
        assert name in spawn.run(None, f"--{option}=help", name=False).stdout.split()
