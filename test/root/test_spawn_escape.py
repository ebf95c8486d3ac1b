# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ways out that other engines had and that lie in how a payload is started: descriptors that are
still open while paths of the image are followed, and our own program as seen from inside."""

import os
import shutil
import subprocess
import threading
import time

import pytest

from skeplib.faults import Faults
from skeplib.spawner import CHOWNED


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


    def test_first_process_is_not_its_users_to_look_at(spawn, busybox, scratch):
        """Until it has become the payload it knows what is the host's: whoever has its ID may neither look
        into it nor have its memory in a core file."""
        faults, seen = Faults(scratch), []
        argv = spawn.argv(busybox, f"--private-users={CHOWNED}", "--", "/bin/true")
        faults.plain(argv)
        calls, _ = faults.calls(argv)
        first = max(call.process for call in calls if call.name == "seccomp")
        ours = [call for call in calls if call.process == first]
        since = next(i for i, call in enumerate(ours) if call.name == "setresuid")
        for call in ours[since + 1::15]:
            runner = threading.Thread(target=faults.hold, args=(argv, call, 150))
            runner.start()
            while runner.is_alive():
                for pid in filter(str.isdigit, os.listdir("/proc")):
                    seen += owner_while_set_up(pid)
                time.sleep(0.01)
            runner.join()
        assert len(seen) >= 5 and set(seen) == {0}, seen


def owner_while_set_up(pid):
    """[owner of its files in proc], which is root for who must not be looked at, while a process of the
    machine's root is our program; else []."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            uids = [line for line in f if line.startswith("Uid:")][0].split()[1:]
        if set(uids) != {str(CHOWNED)} or "skep-spawn" not in os.readlink(f"/proc/{pid}/exe"):
            return []
        owner = os.stat(f"/proc/{pid}/fd").st_uid
        # It may have become the payload in between.
        return [owner] if "skep-spawn" in os.readlink(f"/proc/{pid}/exe") else []
    except OSError:
        return []


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
