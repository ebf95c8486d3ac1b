# SPDX-License-Identifier: LGPL-2.1-or-later
"""The spawner on the kernel of the oldest distribution that we support, with real controllers."""

import pytest

_LOOK = ("id -u; cat /proc/self/uid_map; wc -c </proc/kallsyms; "
         "touch /etc/x 2>/dev/null && echo rw; ls -ldn /etc | cut -d' ' -f3; ls /sys/class/net; cat /proc/1/comm")


@pytest.mark.parametrize("options", [
    "-a", "-x", "--read-only", "--private-users=identity", "--private-users=pick",
    "--private-users=pick --private-network", "--private-users=pick -n -x -a",
    "--private-users=pick --bind=/srv/guest/etc:/tmp/etc:rootidmap",
    # That it starts means that it can read the device, and not write to it.
    "--device=/dev/kmsg:/dev/mine:r", "--private-users=pick --device=/dev/kmsg:/dev/mine:r",
])
def test_options(vm, options):
    done = vm.run(f"skep-spawn -q --register=no --console=pipe "
                  f"-M oldest {options} -D /srv/guest /bin/sh -c \"{_LOOK}\"",
                  check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[0] == "0"
    assert lines[1].split()[0] == "0" and lines[1].split()[2] == (
        "65536" if "users" in options else "4294967295")
    assert ("pick" in options) == (lines[1].split()[1] != "0")
    assert lines[2] == "0"
    assert ("rw" in lines) == ("read-only" not in options)
    assert ("host0" in lines) == (options.startswith("-n") or " -n" in options)
    assert ("skep-init" in lines) == ("-a" in options.split())
    left = vm.out("find /run/skep /sys/fs/cgroup -name '*oldest*'")
    assert not left, left
