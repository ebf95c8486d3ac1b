# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ways out that other engines had and that lie in how a payload is started: descriptors that are
still open while paths of the image are followed, and our own program as seen from inside."""

import os
import shutil
import subprocess

import pytest

from skeplib.faults import Faults


@pytest.mark.parametrize("fds", [range(3, 12), range(12, 40)], ids=["low", "high"])
def test_working_directory_behind_a_descriptor(spawn, busybox, fds):
    for fd in fds:
        (busybox / f"way{fd}").symlink_to(f"/proc/self/fd/{fd}")
        line = spawn.refuse(busybox, f"--chdir=/way{fd}", "--", "/bin/sh", "-c", "pwd; ls -la ..")
        assert f"/way{fd}" in line


def test_home_behind_a_descriptor(spawn, busybox):
    for fd in range(3, 20):
        (busybox / "etc/passwd").write_text(f"ann:x:1000:1000::/way{fd}:/bin/sh\n")
        (busybox / f"way{fd}").symlink_to(f"/proc/self/fd/{fd}")
        out = spawn.out(busybox, "-u", "ann", stdin=subprocess.PIPE, input="pwd\n")
        assert out == "/", f"descriptor {fd}: {out}"


@pytest.fixture
def program(spawn, scratch):
    """A copy of skep-spawn that may be harmed."""
    copy = scratch / "spawner"
    shutil.copy(spawn.program, copy)
    spawn.program = copy
    before = (copy.stat().st_mode, copy.stat().st_uid, copy.read_bytes())
    yield copy
    assert (copy.stat().st_mode, copy.stat().st_uid, copy.read_bytes()) == before


if not os.environ.get("SKEP_SANITIZED"):     # which makes calls of its own
    def test_stub_is_confined_before_anybody_sees_it(spawn, busybox, scratch):
        """However late PID 1 is on its way to being the stub, its payload finds in it neither rights nor
        descriptors that are not for machines."""
        script = "grep -E 'CapEff|Seccomp:' /proc/1/status; ls /proc/1/fd | wc -l; cat /proc/1/comm"
        faults = Faults(scratch)
        argv = spawn.argv(busybox, "-a", "--", "/bin/sh", "-c", script)
        faults.plain(argv)
        calls, done = faults.calls(argv)
        assert done.stdout.split()[-2:] == ["0", "skep-init"], done
        last = [call for call in calls if call.process == 1][-30:]
        assert "seccomp" in [call.name for call in last]
        for call in last[::3]:
            slow = faults.hold(argv, call, 30)
            assert faults.hit() and slow.stdout == done.stdout, f"{call}: {slow}"


_HARM = ("exec 2>/dev/null; for p in /proc/[0-9]*; do chmod 4777 $p/exe; chown 5 $p/exe; "
         "echo x >$p/exe; done; readlink /proc/1/exe")


def test_stub_is_no_file_of_the_host(spawn, busybox, program):
    out = spawn.sh(busybox, _HARM, "-a")
    assert str(program) not in out and "skep-init" in out


@pytest.mark.parametrize("how", ["script", "link", "interpreter"])
def test_payload_is_not_our_own_program(spawn, busybox, program, how):
    evil = busybox / "bin/evil"
    if how == "script":
        evil.write_text("#!/proc/self/exe\n")
    elif how == "link":
        evil.symlink_to("/proc/self/exe")
    else:
        (busybox / "bin/inter").symlink_to("/proc/self/exe")
        evil.write_text("#!/bin/inter --version\n")
    if how != "link":
        evil.chmod(0o755)
    done = spawn.run(busybox, "/bin/evil", "--version", check=False)
    assert done.returncode != 0 and "skep 0" not in done.stdout
    os.stat(program)
