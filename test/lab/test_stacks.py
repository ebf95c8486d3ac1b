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
