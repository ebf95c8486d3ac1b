# SPDX-License-Identifier: LGPL-2.1-or-later
"""Imports under Debian's own kernel, which is years older than those that skep is built on: its
Landlock, its mounts and its tmpfs have to do."""

import base64

from skeplib import archives
from skeplib.archives import directory, file, hardlink, symlink


def put(vm, scratch, entries, packed="gz"):
    """Make an archive and put it into the machine."""
    data = archives.write(scratch / "x", entries, packed).read_bytes()
    vm.run("base64 -d >/root/x", input=base64.b64encode(data))


def test_import(vm, scratch):
    put(vm, scratch, [
        directory("etc"), file("etc/os-release", b"ID=test\n"), directory("d", mode=0o2750, gid=5),
        file("d/f", b"1", uid=1000, pax_headers={"SCHILY.xattr.user.note": "kept"}),
        hardlink("h", "d/f"), symlink("s", "d"), archives.node("null", "c", 1, 3)])
    vm.run("machinectl import-tar /root/x imported", timeout=120)
    shown = vm.out("cd /var/lib/machines/imported && cat h && stat -c ' %a %u:%g %h %F' d d/f s null")
    assert shown.split("\n") == [
        "1 2750 0:5 2 directory", " 644 1000:0 2 regular file", " 777 0:0 1 symbolic link",
        " 644 0:0 1 character special file"]
    assert vm.out("ls -A /var/lib/machines | grep -c '^[.]#skep' || true") == "0"


def test_refused(vm, scratch):
    put(vm, scratch, [directory("d"), symlink("l", "/root"), file("l/escaped", b"x")])
    done = vm.run("machinectl import-tar /root/x evil", check=False, timeout=120)
    assert done.returncode != 0 and "is not a directory" in done.stdout + done.stderr
    vm.run("test ! -e /root/escaped && test ! -e /var/lib/machines/evil")


def test_confined(vm):
    """The unpacker's name spaces, rights and read-only mounts are there with this kernel, too."""
    vm.write("/root/look", """
trap 'kill $(jobs -p)' EXIT
mkfifo /root/slow
sleep 60 >/root/slow &
/usr/libexec/skep/skep-import -q import-tar - held </root/slow &
for i in $(seq 100); do
        read -r u _ </proc/$!/task/$!/children
        [ -n "$u" ] && [ "$(ls /proc/$u/task | wc -l)" -gt 1 ] && break
        sleep 0.1
done
set -e
grep -q 'NoNewPrivs:.1' /proc/$u/status
[ "$(readlink /proc/$u/ns/net)" != "$(readlink /proc/self/ns/net)" ]
[ -z "$(awk '{print $6}' /proc/$u/mountinfo | grep -v '^ro')" ]
grep -q 'CapEff:.000000008800001b' /proc/$u/status
""")
    vm.run("bash -x /root/look", timeout=120)
