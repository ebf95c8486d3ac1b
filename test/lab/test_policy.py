# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: the bus lets everybody call each method there is, so that polkit decides; every action
is known to polkit; the units are sound."""

import importlib.util

import pytest

from skeplib import TOP

LAB_SUITES = ("bookworm", "trixie")


def _load():
    spec = importlib.util.spec_from_file_location("policy", TOP / "units/policy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


policy = _load()

SERVICES = {
    "org.freedesktop.machine1": (policy.MACHINE1, ("/org/freedesktop/machine1",
                                                   "/org/freedesktop/machine1/machine/_2ehost",
                                                   "/org/freedesktop/machine1/image/_2ehost")),
    "org.freedesktop.import1": (policy.IMPORT1, ("/org/freedesktop/import1",)),
}


def offered(lab, name, path):
    """{(interface, method): signature} of what a service has on a path."""
    found, interface = {}, None
    for line in lab.out(["busctl", "introspect", name, path]).splitlines()[1:]:
        word = line.split()
        if word[1] == "interface":
            interface = word[0]
        elif word[1] == "method":
            found[interface, word[0].lstrip(".")] = word[2].replace("-", "")
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_the_bus_lets_each_method_through(lab, name):
    rows, paths = SERVICES[name]
    ours = ("org.freedesktop.machine1.", "org.freedesktop.import1.", "org.skep.")
    seen = 0
    for path in paths:
        for (interface, method) in offered(lab, name, path):
            if interface.startswith(ours):
                seen += 1
                assert method in rows[interface].split(), f"{interface}.{method} is root's alone"
    assert seen > 10


def as_nobody(lab, *call):
    return lab.run(["runuser", "-u", "nobody", "--", "busctl", "call", *call], check=False)


def test_everybody_may_ask_who_is_there(lab):
    name, path = "org.freedesktop.machine1", "/org/freedesktop/machine1"
    manager = name + ".Manager"
    assert ".host" in as_nobody(lab, name, path, manager, "ListMachines").stdout
    assert ".host" in as_nobody(lab, name, path, manager, "ListImages").stdout
    assert as_nobody(lab, "org.freedesktop.import1", "/org/freedesktop/import1",
                     "org.freedesktop.import1.Manager", "ListTransfers").returncode == 0


@pytest.mark.parametrize("interface,call", [
    ("org.freedesktop.machine1.Manager", ("TerminateMachine", "s", "x")),
    ("org.freedesktop.machine1.Manager", ("RemoveImage", "s", "x")),
    ("org.freedesktop.machine1.Manager",
     ("OpenMachineShell", "sssasas", ".host", "root", "/bin/sh", "0", "0")),
    ("org.skep.Manager1", ("OpenMachineShell", "sssasas", ".host", "root", "/bin/sh", "0", "0")),
])
def test_polkit_refuses_not_the_bus(lab, interface, call):
    lab.run(["mkdir", "-p", "/var/lib/machines/x"])
    done = as_nobody(lab, "org.freedesktop.machine1", "/org/freedesktop/machine1", interface, *call)
    assert done.returncode != 0
    # The bus would speak of rejected messages; what is not there is told before who may have it.
    assert "reject" not in done.stderr.lower() and "not authorized" not in done.stderr.lower()
    if call[0] == "TerminateMachine":
        assert "No machine" in done.stderr
    else:
        assert "authentication required" in done.stderr.lower() or "denied" in done.stderr.lower()
    lab.run(["test", "-d", "/var/lib/machines/x"])


def test_polkit_knows_every_action(lab):
    known = set(lab.out(["pkaction"]).split())
    defined = lab.out("cat /usr/share/polkit-1/actions/*")
    for action, *_, implied in policy.ACTIONS:
        assert action in known
        # Of two definitions polkit takes any.
        assert defined.count(f'<action id="{action}">') == 1
        text = lab.out(["pkaction", "--verbose", "--action-id", action])
        assert "implicit any:      auth_admin" in text
        assert implied in text
    seated = lab.out(["pkaction", "-v", "-a", "org.freedesktop.machine1.host-login"])
    assert "implicit active:   yes" in seated


def test_the_units_are_sound(lab):
    units = ["skep-machined.service", "skep-importd.service", "skep-machined.socket", "skep-join.service", "skep-join.socket",
             "skep@web.service", "systemd-nspawn@web.service"]
    done = lab.run(["systemd-analyze", "verify", "--man=no", *units], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit,most", [("skep-machined", 6.5), ("skep-importd", 5)])
def test_the_services_are_shut_in(lab, unit, most):
    lab.run(["busctl", "call", "org.freedesktop." + {"skep-machined": "machine1",
                                                     "skep-importd": "import1"}[unit],
             "/", "org.freedesktop.DBus.Peer", "Ping"])
    line = lab.out(["systemd-analyze", "security", "--no-pager", unit]).splitlines()[-1]
    assert float(line.split(": ")[1].split()[0]) <= most, line
