# SPDX-License-Identifier: LGPL-2.1-or-later
"""The filter of system calls, as settings change it, by each entry that this kernel has."""

import errno
import os
import re
import shutil
import subprocess

import pytest

from skeplib import build, trees

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")

X32 = 0x40000000
SWAPON, SETTIME, FSYNC, SOCKET, GETPID, IO_URING, CHMOD = 167, 227, 74, 41, 39, 425, 90
I386_SWAPON, I386_FSYNC, I386_SOCKET, I386_SOCKETCALL, I386_CHMOD = 87, 118, 359, 102, 15
AF_UNIX, AF_INET, SOCK_DGRAM = 1, 2, 2


def calls(spawn, tree, *args, options=(), probe="/probe", **rest):
    """Errnos by name of system calls "NUMBER[,ARGUMENT…]" made by a payload, in their order."""
    found = spawn.out(tree, *options, "--", probe, *(["calls"] if probe == "/probe" else []),
                      *map(str, args), **rest)
    return [line.split()[-1] for line in found.splitlines() if line.split()[0] != "machine"]


@pytest.fixture
def calls32(spawn, busybox):
    """The same by a program of i386, whose results are numbers."""
    shutil.copy(build.build_dir() / "test/root/probe-i386", busybox / "probe32")

    def ask(*args, options=(), **rest):
        found = calls(spawn, busybox, *args, options=options, probe="/probe32", **rest)
        return [errno.errorcode[-int(v)] if int(v) < 0 else "ok" for v in found]
    return ask


def test_allowed_and_denied(spawn, busybox):
    asked = (f"{SWAPON},0", f"{CHMOD},0", f"{GETPID}", "999")
    assert calls(spawn, busybox, *asked) == ["EPERM", "EFAULT", "ok", "ENOSYS"]
    options = ("--system-call-filter=@swap perf_event_open", "--system-call-filter=~chmod")
    got = calls(spawn, busybox, *asked, options=options)
    assert got[0] in ("EFAULT", "EPERM", "ENOENT") and got[1:] == ["EPERM", "ok", "ENOSYS"]


def test_what_is_denied_stays_denied(spawn, busybox):
    for options in (("--system-call-filter=chmod", "--system-call-filter=~chmod"),
                    ("--system-call-filter=~chmod", "--system-call-filter=chmod @file-system")):
        assert calls(spawn, busybox, f"{CHMOD},0", options=options) == ["EPERM"]


def test_value_may_be_a_word_of_its_own(spawn, busybox):
    options = ("--system-call-filter", "~chmod", "--restrict-address-families", "~AF_INET")
    assert calls(spawn, busybox, f"{CHMOD},0", f"{SOCKET},{AF_INET},{SOCK_DGRAM}",
                 options=options) == ["EPERM", "EAFNOSUPPORT"]


def test_allowing_reaches_the_kernel(spawn, busybox):
    """With the capability the default filter lets the clock be set; here the list does, and the kernel
    says what it thinks of a clock 99."""
    assert calls(spawn, busybox, f"{SETTIME},99") == ["EPERM"]
    assert calls(spawn, busybox, f"{SETTIME},99", options=("--system-call-filter=@clock",)) == [
        "EINVAL"]


def test_each_architecture(spawn, busybox, calls32):
    """The kernel may lack x32, but the filter comes before that shows."""
    deny = ("--system-call-filter=~chmod",)
    assert calls(spawn, busybox, f"{X32 | CHMOD},0") != ["EPERM"]
    assert calls(spawn, busybox, f"{X32 | CHMOD},0", options=deny) == ["EPERM"]
    assert calls32(f"{I386_CHMOD},0", I386_SWAPON, 999) == ["EFAULT", "EPERM", "ENOSYS"]
    assert calls32(f"{I386_CHMOD},0", options=deny) == ["EPERM"]
    assert calls32(f"{I386_SWAPON},0", options=("--system-call-filter=swapon",)) != ["ENOSYS"]


def test_a_denied_call_of_the_payload_itself(spawn, busybox):
    done = spawn.run(busybox, "--system-call-filter=~chroot", "--", "chroot", "/", "true",
                     check=False)
    assert done.returncode and "not permitted" in done.stderr
    done = spawn.run(busybox, "--system-call-filter=~execve", "--", "true", check=False)
    assert done.returncode == 126


@pytest.mark.parametrize("denied", ["prctl @setuid capset", "@privileged", "seccomp"])
def test_what_only_we_need_can_be_denied(spawn, busybox, denied):
    """The filter is the last thing that happens to root, so that it hits the payload alone."""
    assert spawn.sh(busybox, "echo up", f"--system-call-filter=~{denied}") == "up"


@pytest.mark.parametrize("users", ["no", "pick"])
def test_one_program_whatever_is_asked(spawn, busybox, users):
    def filters(text):
        return int(re.search(r"^Seccomp_filters:\s+(\d+)", text, re.M)[1])
    with open("/proc/self/status", encoding="utf-8") as f:
        own = filters(f.read())
    out = spawn.out(busybox, f"--private-users={users}", "--system-call-filter=~@swap",
                    "--restrict-address-families=AF_UNIX", "--suppress-sync=yes", "--", "cat",
                    "/proc/self/status")
    assert filters(out) == own + 1


def test_sets_are_those_of_the_service_manager(spawn, busybox):
    """What Debian's own tool prints for a set, we know; and more only where the kernel is newer."""
    text = subprocess.run(["chroot", trees.tree("trixie-lab"), "systemd-analyze", "--no-pager",
                           "syscall-filter"], check=True, stdout=subprocess.PIPE, text=True).stdout
    sets, at = {}, None
    for line in text.splitlines():
        name = line.strip()
        if line.startswith("@"):
            at = sets.setdefault(name, set())
        elif name and at is not None and not name.startswith("#"):
            at.add(name)
    known = spawn.run(None, "--system-call-filter=help", name=False).stdout.split()
    assert set(known) == set(sets) and len(sets) > 25
    for name in sets:
        sets[name] |= set().union(*(sets[s] for s in sets[name] if s.startswith("@")))
    for name in sorted(set(sets) - {"@known"}):
        out = spawn.out(busybox, "--dry-run", f"--system-call-filter={name}", "--", "true")
        ours = set(re.search(r"^system calls: (.*)$", out, re.M)[1].split())
        theirs = {n for n in sets[name] if not n.startswith("@")}
        # Names that stand in their lists and that no architecture of Linux has had.
        assert theirs - ours <= {"fstatat", "newfstat", "llseek"}, name
        assert ours - theirs <= {"open_tree_attr"}, name


def test_lists_of_a_file(spawn, busybox):
    settings = busybox.parent / f"{spawn.name}.nspawn"
    settings.write_text("[Exec]\nSystemCallFilter=@clock\nSystemCallFilter=~chmod\n"
                        "RestrictAddressFamilies=AF_UNIX AF_INET\n", encoding="ascii")
    asked = (f"{SETTIME},99", f"{CHMOD},0", f"{SOCKET},{AF_INET},{SOCK_DGRAM}",
             f"{SOCKET},{AF_UNIX},{SOCK_DGRAM}")
    trusted = ("--settings=trusted",)
    assert calls(spawn, busybox, *asked, options=trusted) == ["EINVAL", "EPERM", "ok", "ok"]

    # Beside the image nobody is trusted: such a file may take away, and give nothing.
    done = spawn.run(busybox, "--", "/probe", "calls", *asked, quiet=False)
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["EPERM", "EPERM", "ok", "ok"]
    assert f"{settings}:2: SystemCallFilter= is ignored" in done.stderr
    assert f"{settings}:3" not in done.stderr
    for mode in ("yes", "override"):
        options = ("--restrict-address-families=AF_UNIX", f"--settings={mode}")
        assert calls(spawn, busybox, *asked[2:], options=options) == ["EAFNOSUPPORT", "ok"]


def test_an_untrusted_file_lifts_nothing(spawn, busybox):
    settings = busybox.parent / f"{spawn.name}.nspawn"
    settings.write_text("[Exec]\nSystemCallFilter=\nRestrictAddressFamilies=\n", encoding="ascii")
    options = ("--system-call-filter=~chmod", "--restrict-address-families=AF_UNIX",
               "--settings=override")
    assert calls(spawn, busybox, f"{CHMOD},0", f"{SOCKET},{AF_INET},{SOCK_DGRAM}",
                 options=options) == ["EPERM", "EAFNOSUPPORT"]


def test_address_families(spawn, busybox, calls32):
    asked = [f"{SOCKET},{f},{SOCK_DGRAM}" for f in (AF_UNIX, AF_INET)]
    for value, want in (("AF_UNIX", ["ok", "EAFNOSUPPORT"]), ("~AF_UNIX", ["EAFNOSUPPORT", "ok"]),
                        ("none", ["EAFNOSUPPORT"] * 2), ("", ["ok", "ok"])):
        options = (f"--restrict-address-families={value}",)
        assert calls(spawn, busybox, *asked, options=options) == want, value
    options = ("--restrict-address-families=AF_UNIX",)
    assert calls(spawn, busybox, *(f"{X32 | SOCKET},{AF_INET},{SOCK_DGRAM}",),
                 options=options) == ["EAFNOSUPPORT"]
    assert calls32(f"{I386_SOCKET},{AF_UNIX},{SOCK_DGRAM}", f"{I386_SOCKET},{AF_INET},{SOCK_DGRAM}",
                   options=options) == ["ok", "EAFNOSUPPORT"]


def test_audit_of_the_host(spawn, busybox, calls32):
    """The kernel has one audit for all; whoever asks is told that there is none."""
    audit, route = "16,3,9", "16,3,0"
    assert calls(spawn, busybox, f"{SOCKET},{audit}", f"{SOCKET},{route}",
                 f"{X32 | SOCKET},{audit}") == ["EAFNOSUPPORT", "ok", "EAFNOSUPPORT"]
    assert calls32(f"{I386_SOCKET},{audit}", f"{I386_SOCKET},{route}") == ["EAFNOSUPPORT", "ok"]
    allow = ("--system-call-filter=@network-io",)   # names the call, not what it is for
    assert calls(spawn, busybox, f"{SOCKET},{audit}", options=allow) == ["EAFNOSUPPORT"]


def test_no_way_round_address_families(spawn, busybox, calls32):
    options = ("--restrict-address-families=AF_UNIX",)
    assert calls32(f"{I386_SOCKETCALL},1,0") == ["EFAULT"]
    assert calls32(f"{I386_SOCKETCALL},1,0", options=options) == ["EAFNOSUPPORT"]
    assert calls(spawn, busybox, f"{IO_URING},1,0", options=options) == ["EPERM"]


@pytest.mark.parametrize("how", ["option", "environment", "file"])
def test_suppressed_sync(spawn, busybox, calls32, how):
    """/dev/null cannot be written back to a disk: unless nothing is tried, that is an error."""
    asked = (f"{FSYNC},0", f"{FSYNC},-1")
    assert calls(spawn, busybox, *asked) == ["EINVAL", "EBADF"]
    options, env = (), dict(os.environ)
    if how == "option":
        options = ("--suppress-sync=yes",)
    elif how == "environment":
        env["SYSTEMD_SUPPRESS_SYNC"] = "1"
    else:
        (busybox.parent / f"{spawn.name}.nspawn").write_text("[Exec]\nSuppressSync=yes\n")
    assert calls(spawn, busybox, *asked, options=options, env=env) == ["ok", "EBADF"]
    assert calls32(f"{I386_FSYNC},0", options=options, env=env) == ["ok"]


@pytest.mark.parametrize("how", ["option", "environment"])
def test_no_filter(spawn, busybox, how):
    env = dict(os.environ)
    options = ()
    if how == "option":
        options = ("--seccomp=no",)
    else:
        env["SYSTEMD_SECCOMP"] = "0"
    assert calls(spawn, busybox, f"{SETTIME},99", options=options, env=env) == ["EINVAL"]
    options += ("--seccomp=yes",)
    assert calls(spawn, busybox, f"{SETTIME},99", options=options, env=env) == ["EPERM"]


def test_no_new_privileges(spawn, busybox):
    out = spawn.out(busybox, "--no-new-privileges=yes", "--", "grep", "NoNewPrivs",
                    "/proc/self/status")
    assert out.split() == ["NoNewPrivs:", "1"]


def test_names_are_listed(spawn):
    for option, name in (("system-call-filter", "@system-service"),
                         ("restrict-address-families", "AF_VSOCK")):
        assert name in spawn.run(None, f"--{option}=help", name=False).stdout.split()
