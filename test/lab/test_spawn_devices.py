# SPDX-License-Identifier: LGPL-2.1-or-later
"""--device= under a service manager: what the device policy of a scope or unit lets a machine do, and what
is said when it forbids it."""

import pytest

USERS = ["--private-users=no", "--private-users=pick"]
# Opens the device both ways; a failed redirection of exec would end the shell.
LOOK = "for way in '<' '>'; do (eval \"exec 3$way/dev/mine\") 2>/dev/null && echo \"$way\"; done; true"


@pytest.fixture(scope="module")
def tree(lab):
    lab.add_machine("plain", f"{lab.suite}-guest")
    lab.run("mknod -m 0660 /root/dev c 10 235")     # opened by anybody, it does nothing
    return "/var/lib/machines/plain"


def machine(tree, name, *options):
    return ["skep-spawn", "-q", "-D", tree, "-x", "-M", name, "--console=pipe", *options,
            "/bin/sh", "-c", LOOK]


@pytest.mark.parametrize("users", USERS)
@pytest.mark.parametrize("access, ways", [("", "<>"), (":rw", "<>"), (":r", "<"), (":w", ">")])
def test_scope(lab, tree, users, access, ways):
    done = lab.run(machine(tree, "scoped", users, f"--device=/root/dev:/dev/mine{access}"))
    assert "".join(done.stdout.split()) == ways


@pytest.mark.parametrize("users", USERS)
def test_bound_device(lab, tree, users):
    """--bind= of a device lets it be used as well, but for its owner."""
    lab.run("chmod 0666 /root/dev")
    try:
        out = lab.out(machine(tree, "bound", users, "--bind=/root/dev:/dev/mine"))
        read_only = lab.out(machine(tree, "bound", users, "--bind-ro=/root/dev:/dev/mine"))
    finally:
        lab.run("chmod 0660 /root/dev")
    assert out.split() == ["<", ">"] and read_only.split() == ["<"]


@pytest.mark.parametrize("users, allow, ways, words", [
    (USERS[0], None, None, ["'unit.service'", "'DeviceAllow=/dev/char/10:235 rw'"]),
    (USERS[1], None, None, ["'unit.service'", "'DeviceAllow=/dev/char/10:235 rwm'"]),
    (USERS[0], "r", None, ["forbids writing", "'DeviceAllow=/dev/char/10:235 rw'"]),
    (USERS[0], "rw", "<>", []),     # the host's own node is bound
    (USERS[1], "rw", None, ["'unit.service' lets no node", "'DeviceAllow=/dev/char/10:235 rwm'"]),
    (USERS[1], "rwm", "<>", []),
])
def test_unit(lab, tree, users, allow, ways, words):
    done = lab.run(["systemd-run", "-q", "--wait", "--pipe", "--collect", "--unit=unit", "-pDelegate=yes",
                    "-pDevicePolicy=closed", *([f"-pDeviceAllow=/dev/char/10:235 {allow}"] if allow else []),
                    *machine(tree, "in-unit", "--keep-unit", users, "--device=/root/dev:/dev/mine:rw")],
                   check=False)
    if ways:
        assert "".join(done.stdout.split()) == ways, done.stderr
        return
    assert done.returncode == 125 and len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr
