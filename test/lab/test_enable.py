# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machines that start at boot, each with a template, a slice and arguments of its own; and machines on a
throw-away view of their image."""

import pytest

from skeplib import trees

LAB_SUITES = ("bookworm", "trixie")

UNITS = "/etc/systemd/system"
DROP_IN = f"{UNITS}/skep@web.service.d/50-enable.conf"


def listing(lab):
    """Every file and link where units are configured."""
    return lab.out(f"cd {UNITS} && find . -mindepth 1 -printf '%y %p %l\\n' | sort").splitlines()


def show(lab, unit, *properties):
    shown = lab.out(["systemctl", "show", *(f"-p{p}" for p in properties), unit])
    return dict(line.split("=", 1) for line in shown.splitlines())


@pytest.fixture(scope="module")
def pool(lab):
    """Four images, and a template of the administrator's that says nothing of machines.target."""
    # A lab's pool is in memory: it is filled again as soon as it is mounted.
    archive = lab.shared(trees.tar(f"{lab.suite}-guest"))
    lab.write("/usr/local/sbin/fill-pool", "#!/bin/sh -e\n"
              "for name in web own plain old; do mkdir -p /var/lib/machines/$name; "
              f"tar -C /var/lib/machines/$name -xpf {archive} & done; wait\n", 0o755)
    lab.write(f"{UNITS}/fill-pool.service",
              "[Unit]\nDefaultDependencies=no\nAfter=var-lib-machines.mount var-tmp.mount\n"
              "Before=local-fs.target\n[Service]\nType=oneshot\nExecStart=/usr/local/sbin/fill-pool\n"
              "[Install]\nWantedBy=local-fs.target\n")
    lab.run("systemctl enable --now fill-pool", timeout=60)
    template = lab.read("/usr/lib/systemd/system/skep@.service").split("[Install]")[0]
    template = template.replace("PartOf=machines.target\nBefore=machines.target\n", "")
    assert "machines.target" not in template
    lab.write(f"{UNITS}/tenant@.service", template)
    lab.write("/srv/shared/with space/told", "it is shared\n")
    lab.run("systemctl daemon-reload")


def test_what_cannot_be_is_refused_before_anything_is_written(lab, pool):
    before = listing(lab)
    for options, said in ((["--argument=--no-such"], "unknown option '--no-such'"),
                          (["--argument=--tmpfs=relative"], "'relative'"),
                          (["--argument=-D"], "-D"),
                          (["--argument=one\ntwo"], "control character"),
                          (["--template=missing@.service"], "no unit missing@web.service"),
                          (["--template=tenant.service"], "NAME@.service"),
                          (["--slice=a//b"], "NAME.slice"),
                          (["--slice=x\nExecStartPre=/bin/touch /tmp/x.slice"], "NAME.slice"),
                          (["--template=tenant@.service", "--ephemeral"], "do not go together"),
                          (["-H", "nowhere", "--slice=a.slice"], "enable the machine over there")):
        done = lab.run(["skep", "enable", "web", *options], check=False)
        assert done.returncode == 1 and said in done.stderr, (options, done.stderr)
    assert [line for line in listing(lab) if "machines.target" not in line] == \
        [line for line in before if "machines.target" not in line]


def test_they_start_at_boot_in_order_as_configured(lab, pool):
    """Enabled, then booted twice; what was enabled with systemd's own name is started too."""
    lab.run("skep enable web --slice=tenant-web.slice '--argument=--bind-ro=/srv/shared/with space:/told' "
            "--argument='--setenv=ODD=100% \"sure\" \\ $HOME'")
    lab.run("skep enable own --template=tenant@.service")
    lab.run("skep enable plain && machinectl enable old")
    assert 'skep disable web' in lab.read(DROP_IN)
    assert DROP_IN in lab.out("systemctl cat skep@web")

    lab.reboot()
    units = {"web": "skep@web.service", "own": "tenant@own.service", "plain": "skep@plain.service",
             "old": "systemd-nspawn@old.service"}
    up = int(show(lab, "machines.target", "ActiveEnterTimestampMonotonic")
             ["ActiveEnterTimestampMonotonic"])
    assert up > 0
    for name, unit in units.items():
        at = show(lab, unit, "ActiveState", "ActiveEnterTimestampMonotonic")
        assert at["ActiveState"] == "active", unit
        assert 0 < int(at["ActiveEnterTimestampMonotonic"]) <= up, unit
        assert lab.out(["skep", "show", "-P", "Unit", name]) == unit
    assert show(lab, "skep@web", "Slice")["Slice"] == "tenant-web.slice"
    assert show(lab, "skep@plain", "Slice")["Slice"] == "machine.slice"
    leader = lab.out("skep show -P Leader web")
    assert lab.out(["cat", f"/proc/{leader}/root/told/told"]) == "it is shared"
    environ = lab.read(f"/proc/{leader}/environ").split("\0")
    assert 'ODD=100% "sure" \\ $HOME' in environ

    # By its first name the machine with the other template is the same machine, for all tools.
    assert "running already, in tenant@own.service" in lab.run("skep start own").stderr
    lab.run("systemctl start skep@own")
    assert lab.out("skep show -P Unit own") == "tenant@own.service"


def test_systemds_name_means_the_same(lab, pool):
    """Who starts the machine by systemd's template gets the arguments and the slice as well."""
    lab.run("systemctl stop skep@web && machinectl start web", timeout=60)
    leader = lab.out("skep show -P Leader web")
    assert lab.out(["cat", f"/proc/{leader}/root/told/told"]) == "it is shared"
    assert "/tenant-web.slice/systemd-nspawn@web.service" in lab.read(f"/proc/{leader}/cgroup")
    lab.run("machinectl terminate web")


def test_enable_moves_from_systemds_name(lab, pool):
    """One machine is started once: enabled by our name, it is no longer by systemd's."""
    done = lab.run("skep enable old")
    assert "systemd-nspawn@old.service" in done.stderr
    wants = lab.out(f"ls {UNITS}/machines.target.wants").split()
    assert "skep@old.service" in wants and "systemd-nspawn@old.service" not in wants


def test_disable_takes_all_back(lab, pool):
    lab.write(f"{UNITS}/skep@plain.service.d/mine.conf", "[Service]\nNice=1\n")
    lab.run("skep enable plain --slice=other.slice --ephemeral")
    assert lab.out(f"readlink {UNITS}/skep@plain.service").endswith("/skep-ephemeral@.service")
    assert show(lab, "skep@plain", "Slice", "Id", "Nice") == \
        {"Slice": "other.slice", "Id": "skep-ephemeral@plain.service", "Nice": "1"}
    lab.run("skep disable web own plain old")
    left = [line for line in listing(lab)
            if any(f"@{name}." in line for name in ("web", "own", "plain", "old"))]
    assert left == ["d ./skep@plain.service.d ", "f ./skep@plain.service.d/mine.conf "]
    assert show(lab, "skep@web", "Slice", "Id") == \
        {"Slice": "machine.slice", "Id": "skep@web.service"}
    lab.run("skep disable web own plain old")


def test_start_ephemeral_leaves_the_image_alone(lab, pool):
    lab.run("skep terminate --wait own", check=False)
    lab.run("skep start --ephemeral own", timeout=60)
    leader = lab.out("skep show -P Leader own")
    lab.run(["touch", f"/proc/{leader}/root/root/written"])
    assert lab.run("test -e /var/lib/machines/own/root/written", check=False).returncode == 1
    assert lab.out("skep show -P Unit own") == "skep-ephemeral@own.service"
    done = lab.run("skep start own")
    assert "running already, in skep-ephemeral@own.service" in done.stderr
    lab.run("skep terminate --wait own")
    lab.run("skep start own", timeout=60)
    leader = lab.out("skep show -P Leader own")
    assert lab.run(f"test -e /proc/{leader}/root/root/written", check=False).returncode == 1
    done = lab.run("skep start --ephemeral own", check=False)
    assert done.returncode == 1 and "running already, in skep@own.service" in done.stderr
