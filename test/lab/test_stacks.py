# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stack in the pool is an image like any other, under systemd and for Debian's own clients."""


def test_stack_is_an_image(lab):
    lab.add_machine("base")
    lab.run(["sh", "-c", "cd /var/lib/machines && mkdir -p web.mstack/layer@1/etc web.mstack/rw && "
             "ln -s ../base web.mstack/layer@0 && echo hello >web.mstack/layer@1/etc/motd"])
    listed = lab.out("skep list-images --no-legend").splitlines()
    assert [line.split()[:2] for line in listed if line.startswith("web ")] == [["web", "mstack"]]
    assert "web" in lab.out("machinectl list-images --no-legend")

    lab.run(["skep", "start", "web"])
    assert "web" in lab.out("skep list --no-legend")
    assert lab.out(["skep", "shell", "web", "/bin/cat", "/etc/motd"]).strip() == "hello"
    lab.run(["skep", "shell", "web", "/bin/sh", "-c", "echo x >/etc/made"])
    lab.run(["skep", "poweroff", "web"])
    lab.wait_for("! systemctl is-active skep@web.service")
    assert lab.read("/var/lib/machines/web.mstack/rw/data/etc/made") == "x\n"
    assert lab.out("stat -c %u /var/lib/machines/web.mstack/rw/data/etc/made").strip() == "0"

    lab.run(["skep", "clone", "web", "other"])
    lab.run(["skep", "rename", "other", "third"])
    assert lab.out("ls /var/lib/machines/third.mstack").split() == ["layer@0", "layer@1", "rw"]
    lab.run(["skep", "remove", "third"])
    assert "third" not in lab.out("ls /var/lib/machines")


def test_layer_on_an_original(lab):
    """It runs like any machine, what it writes is its own, and what is below it stays as it is till it is gone."""
    lab.add_machine("gold")
    lab.run("skep read-only gold")
    before = lab.out("find /var/lib/machines/gold -xdev -newer /etc/machine-id -type f")
    lab.run("skep clone --layer gold worker")
    lab.run("skep start worker", timeout=60)
    assert lab.out("skep list --no-legend").split()[:3] == ["worker", "container", "skep"]
    lab.wait_for("systemctl -M worker is-system-running | grep -E 'running|degraded'", timeout=30)
    lab.run(["skep", "shell", "worker", "/bin/sh", "-c", "echo x >/etc/made; rm /etc/motd; echo y >>/etc/profile"])
    assert lab.out(["skep", "shell", "worker", "/bin/cat", "/etc/made"]).strip() == "x"

    def refused():
        for change in ("remove gold", "rename gold silver", "read-only gold no"):
            done = lab.run(f"skep {change}", check=False)
            assert done.returncode == 1 and "gold" in done.stderr and "worker" in done.stderr, done.stderr
        lab.run("test -e /var/lib/machines/gold/etc/profile && test -L /var/lib/machines/worker.mstack/layer@0")

    refused()       # while it runs
    lab.run("skep poweroff --wait worker", timeout=60)
    assert lab.out("find /var/lib/machines/gold -xdev -newer /etc/machine-id -type f") == before
    assert lab.read("/var/lib/machines/worker.mstack/rw/data/etc/made") == "x\n"
    lab.run("skep clone --layer gold second; skep remove second")
    # Debian's client is told the same by the daemon.
    done = lab.run("machinectl remove gold", check=False)
    assert done.returncode == 1 and "worker" in done.stderr
    lab.run("skep start worker", timeout=60)        # a second time, on what it wrote
    lab.wait_for("systemctl -M worker is-system-running | grep -E 'running|degraded'", timeout=30)
    assert lab.out(["skep", "shell", "worker", "/bin/cat", "/etc/made"]).strip() == "x"
    lab.run("skep terminate --wait worker", timeout=60)
    lab.run("skep remove worker; skep read-only gold no")
    lab.run("skep remove gold")
