# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's libvirt makes its containers machines of ours: its driver for LXC registers them, finds them again by what
the registry says of them, and has it end them. It takes control groups that limit memory."""

import pytest

from skeplib import machine1

DOMAIN = """<domain type='lxc'>
  <name>box</name><uuid>00112233-4455-6677-8899-aabbccddeeff</uuid><memory unit='MiB'>64</memory>
  <os><type>exe</type><init>/bin/sleep</init><initarg>1000</initarg></os>
  <devices>
    <filesystem type='mount'><source dir='/srv/guest'/><target dir='/'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>
"""

VIRSH = "virsh -q -c lxc:///"
UP = f"for i in $(seq 300); do {VIRSH} version >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1"


@pytest.fixture(scope="module")
def libvirt(vm):
    # The other drivers want what the host has not.
    vm.run("cd /usr/lib/*/libvirt/connection-driver && rm -f $(ls | grep -v _lxc.so)")
    vm.run("systemd-run -q -u libvirtd -p KillMode=process /usr/sbin/libvirtd")
    vm.run(UP, timeout=120)
    vm.write("/root/box.xml", DOMAIN)
    yield vm
    vm.run(f"{VIRSH} destroy box; systemctl stop libvirtd libvirtd-again", check=False)


def created(vm):
    """Make the domain. Return: its name as a machine."""
    vm.run(f"{VIRSH} create /root/box.xml", timeout=120)
    assert vm.out(f"{VIRSH} list --name").split() == ["box"]
    name, = [n for n in machine1.machines(vm) if n.endswith("box")]
    return name


def gone(vm, name, unit):
    vm.run(f"for i in $(seq 300); do [ -z \"$({VIRSH} list --all --name)\" ] && exit; sleep 0.1; done; exit 1", timeout=90)
    assert name not in machine1.machines(vm)
    vm.run(f"test ! -e /run/systemd/machines/{name} && test ! -e '/run/systemd/machines/unit:{unit}'")
    assert vm.run(["systemctl", "is-active", "-q", unit], check=False).returncode


def test_domain_is_a_machine(libvirt):
    name = created(libvirt)
    assert machine1.machines(libvirt)[name][1:3] == ["container", "libvirt-lxc"]
    assert libvirt.out("skep list --no-legend").split()[:3] == [name, "container", "libvirt-lxc"]
    leader, unit = (machine1.get(libvirt, name, p) for p in ("Leader", "Unit"))
    assert libvirt.out(["cat", f"/proc/{leader}/comm"]) == "sleep"
    assert libvirt.out(["stat", "-c", "%d:%i", f"/proc/{leader}/root/"]) == libvirt.out("stat -c %d:%i /srv/guest")
    assert unit.startswith("machine-lxc") and unit.endswith(".scope")
    assert unit.replace("\\", "\\\\") in libvirt.out(["cat", f"/proc/{leader}/cgroup"]).replace("\\", "\\\\")
    assert bytes(machine1.get(libvirt, name, "Id")).hex() == "00112233445566778899aabbccddeeff"
    assert machine1.get(libvirt, name, "RootDirectory") == ""      # libvirt does not tell
    assert machine1.value(libvirt, "GetMachineByPID u", leader)[0].endswith("box")
    # What the daemon can find out by itself.
    assert dict(machine1.value(libvirt, "GetMachineOSRelease s", name)[0])["ID"] == "debian"
    assert libvirt.out(f"skep show -P Service {name}") == "libvirt-lxc"

    libvirt.run("systemctl restart systemd-machined; systemctl stop libvirtd; "
                "systemd-run -q -u libvirtd-again -p KillMode=process /usr/sbin/libvirtd")
    libvirt.run(UP, timeout=120)
    assert libvirt.out(f"{VIRSH} list --name").split() == ["box"]
    libvirt.run(f"{VIRSH} destroy box", timeout=120)
    gone(libvirt, name, unit)


def test_machine_is_ended_as_others_are(libvirt):
    name = created(libvirt)
    unit = machine1.get(libvirt, name, "Unit")
    libvirt.run(["machinectl", "terminate", name])
    gone(libvirt, name, unit)
