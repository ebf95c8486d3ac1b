# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual pages of the D-Bus interfaces say what the services say of themselves, member by member.

If they do not, run this with SKEP_WRITE=1 and look at what has changed."""

import os
import subprocess

from skeplib import TOP, machine1


def check(lab, scratch, name, paths):
    """Compare a page with what is made of the objects of a service."""
    files = []
    for number, path in enumerate(paths):
        files.append(scratch / f"{number}.xml")
        files[-1].write_text(lab.out(["busctl", "introspect", "--xml-interface", f"org.freedesktop.{name}",
                                      f"/org/freedesktop/{name}{path}"]))
    made = subprocess.run([TOP / "tools/interface-page", name, *files], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    page = TOP / f"man/org.skep.{name}.5.scd"
    if os.environ.get("SKEP_WRITE"):
        page.write_text(made)
    assert made == page.read_text()


def test_registry(lab, scratch):
    lab.run("mkdir -p /var/lib/machines/any")
    check(lab, scratch, machine1.NAME.rpartition(".")[2], ("", "/machine/_2ehost", "/image/any"))


def test_importer(lab, scratch):
    """Of the transfers there is one that waits for what does not come."""
    waiting = lab.spawn(["machinectl", "import-tar", "-", "page"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
    lab.wait_for("busctl tree --list org.freedesktop.import1", text="transfer/_1")
    check(lab, scratch, "import1", ("", "/transfer/_1"))
    lab.run("machinectl cancel-transfer 1")
    waiting.wait()
