# SPDX-License-Identifier: LGPL-2.1-or-later
"""Labels of payloads, on a kernel that runs AppArmor."""

import base64
import struct

import pytest

U32, NAME, STRING, STRUCT, STRUCT_END = 2, 4, 5, 7, 8
COMPLAIN = 1


def text(code, value):
    data = value.encode("ascii") + b"\0"
    return struct.pack("<BH", code, len(data)) + data


def number(value):
    return struct.pack("<BI", U32, value)


def profile(name):
    """The smallest profile, as its compiler would write it: nothing is allowed, nothing is held back."""
    flags = text(NAME, "flags") + bytes([STRUCT]) + number(0) + number(COMPLAIN) + number(0)
    body = text(STRING, name) + flags + bytes([STRUCT_END]) + number(0) * 4
    return (text(NAME, "version") + number(5) +
            text(NAME, "profile") + bytes([STRUCT]) + body + bytes([STRUCT_END]))


@pytest.fixture(scope="module")
def loaded(vm):
    data = base64.b64encode(profile("skep-test")).decode("ascii")
    vm.run(f"echo {data} | base64 -d >/tmp/profile && "
           "cat /tmp/profile >/sys/kernel/security/apparmor/.load")
    return "skep-test"


def spawn(vm, options):
    return vm.run("skep-spawn -q --register=no --console=pipe -M labelled -x -D /srv/guest "
                  f"{options} /bin/cat /proc/self/attr/apparmor/current", check=False, timeout=120)


@pytest.mark.parametrize("options", ["", "-a", "--private-users=pick"])
def test_profile(vm, loaded, options):
    done = spawn(vm, f"{options} --apparmor-profile={loaded}")
    assert (done.returncode, done.stdout.strip()) == (0, f"{loaded} (complain)"), done.stderr
    assert spawn(vm, options).stdout.strip() == "unconfined"


def test_profile_that_is_not_there(vm):
    done = spawn(vm, "--apparmor-profile=nobody-loaded-it")
    assert done.returncode == 125 and done.stdout == ""
    assert "'nobody-loaded-it'" in done.stderr and "is it loaded?" in done.stderr


def test_no_selinux_here(vm):
    for option in ("--selinux-context", "--selinux-apifs-context"):
        done = spawn(vm, f"{option}=system_u:object_r:container_t:s0")
        assert done.returncode == 125 and "does not run SELinux" in done.stderr
