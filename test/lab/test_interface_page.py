# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual page of the D-Bus interfaces says what the service says of itself, member by member."""

import os
import subprocess

from skeplib import TOP, machine1


def test_page(lab, scratch):
    """If it does not, run this with SKEP_WRITE=1 and look at what has changed."""
    lab.run("mkdir -p /var/lib/machines/any")
    files = []
    for number, path in enumerate(("", "/machine/_2ehost", "/image/any")):
        files.append(scratch / f"{number}.xml")
        files[-1].write_text(lab.out(["busctl", "introspect", "--xml-interface", machine1.NAME,
                                      machine1.PATH + path]))
    made = subprocess.run([TOP / "tools/interface-page", *files], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    page = TOP / "man/org.skep.machine1.5.scd"
    if os.environ.get("SKEP_WRITE"):
        page.write_text(made)
    assert made == page.read_text()
