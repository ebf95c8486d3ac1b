# SPDX-License-Identifier: LGPL-2.1-or-later
"""--set-credential and --load-credential."""

import os
import socket
import threading

import pytest

from skeplib.spawner import CHOWNED

WHERE = "/run/host/credentials"


def test_values(spawn, busybox, scratch):
    (scratch / "file").write_bytes(b"from\0a file\n")
    out = spawn.sh(busybox, f"cd {WHERE}; cat one; od -An -c two; wc -c <three; "
                   "echo $CREDENTIALS_DIRECTORY",
                   "--set-credential=one:a:b\\n", "--set-credential=two:\\x00\\101\\t",
                   f"--load-credential=three:{scratch}/file")
    assert out == f"a:b\n  \\0   A  \\t\n12\n{WHERE}"


def test_nobody_else_reads_or_changes_them(spawn, busybox):
    script = (f"cd {WHERE}; stat -c '%a %u:%g' . x; stat -f -c %T .; "
              "(echo y >x) 2>/dev/null || echo no; su -s /bin/sh nobody -c 'cat x' 2>/dev/null || echo no; "
              f"grep ' {WHERE} ' /proc/self/mountinfo | cut -d' ' -f6")
    (busybox / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nnobody:x:99:99::/:/bin/sh\n")
    out = spawn.sh(busybox, script, "--set-credential=x:secret").splitlines()
    assert out[:5] == ["500 0:0", "400 0:0", "ramfs", "no", "no"]
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(out[5].split(","))


def test_with_a_user_namespace(spawn, busybox):
    out = spawn.sh(busybox, f"cd {WHERE}; stat -c '%a %u:%g' . x; cat x", "--set-credential=x:secret",
                   f"--private-users={CHOWNED}:65536")
    assert out == "500 0:0\n400 0:0\nsecret"


def test_a_user_that_stays_one_reads_them(spawn, busybox):
    (busybox / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:99:99::/:/bin/sh\n")
    (busybox / "etc/group").write_text("root:x:0:\nann:x:99:\n")
    options = ["--set-credential=x:secret", "--uid=ann"]
    assert spawn.sh(busybox, f"cat {WHERE}/x", "--no-new-privileges=yes", *options) == "secret"
    assert spawn.sh(busybox, f"cat {WHERE}/x 2>/dev/null || echo no", *options) == "no"


def test_none(spawn, busybox):
    assert spawn.sh(busybox, f"ls {WHERE} 2>&1 || :; echo $CREDENTIALS_DIRECTORY").count(WHERE) == 1


def test_from_a_service(spawn, busybox, scratch):
    path = scratch / "socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve():
            peer, _ = listening.accept()
            with peer:
                for part in (b"said ", b"in parts"):
                    peer.sendall(part)

        thread = threading.Thread(target=serve)
        thread.start()
        assert spawn.out(busybox, f"--load-credential=x:{path}", "cat", f"{WHERE}/x") == "said in parts"
        thread.join(5)


def test_one_of_our_own(spawn, busybox, scratch):
    (scratch / "mine").write_text("passed on\n")
    env = dict(os.environ, CREDENTIALS_DIRECTORY=str(scratch))
    assert spawn.out(busybox, "--load-credential=theirs:mine", "ls", WHERE, env=env) == "theirs"
    assert spawn.out(busybox, "--load-credential=theirs:mine", "cat", f"{WHERE}/theirs", env=env) \
        == "passed on"
    env.pop("CREDENTIALS_DIRECTORY")
    line = spawn.refuse(busybox, "--load-credential=theirs:mine", "true", env=env)
    assert "'theirs'" in line and "given none" in line


@pytest.mark.parametrize("option, text", [
    ("--set-credential=a", "'a' is not ID:VALUE"),
    ("--set-credential=:x", "is not a name for a credential"),
    ("--set-credential=a/b:x", "'a/b' is not a name"),
    ("--set-credential=..:x", "'..' is not a name"),
    ("--set-credential=a:\\q", "bad escape"),
    ("--load-credential=a", "'a' is not ID:PATH"),
    ("--load-credential=a:../x", "'../x' is neither"),
    ("--load-credential=a:/x/../y", "is neither"),
    ("--load-credential=a:/nonexistent/file", "cannot read credential 'a' from '/nonexistent/file'"),
    ("--load-credential=a:/dev/zero", "cannot read credential 'a'"),
    ("--load-credential=a:/usr", "cannot read credential 'a'"),
])
def test_refused(spawn, busybox, option, text):
    assert text in spawn.refuse(busybox, option, "true")


def test_twice_and_too_big(spawn, busybox, scratch):
    line = spawn.refuse(busybox, "--set-credential=a:1", "--load-credential=a:/etc/passwd", "true")
    assert "'a' is given twice" in line
    with open(scratch / "big", "wb") as f:
        f.truncate((1 << 20) + 1)
    assert "'a'" in spawn.refuse(busybox, f"--load-credential=a:{scratch}/big", "true")
