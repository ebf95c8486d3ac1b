# SPDX-License-Identifier: LGPL-2.1-or-later
"""As many transfers at once as there may be, half of them cancelled, while the importer is killed: each ends in
one of three ways, those that are done are complete, and nothing else is left.

SKEP_KILLS=50 kills it that often, SKEP_SEED chooses the moments."""

import os
import random

from skeplib import TOP

LAB_SUITES = ("bookworm",)

# What is in the folders that a transfer may leave something in.
LEFT = "find /tmp /run/skep /run/systemd/nspawn /var/tmp -mindepth 1 ! -name '*.ended' 2>/dev/null | sort"


def test_each_ends_and_nothing_is_left(lab):
    kills = int(os.environ.get("SKEP_KILLS", "5"))
    seed = int(os.environ.get("SKEP_SEED", str(random.randrange(10**6))))
    lab.run("busctl call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager ListTransfers")
    before = set(lab.out(LEFT).splitlines())
    for module in ("importing.py", "wire.py"):
        lab.write(f"/run/storm/{module}", (TOP / "test/skeplib" / module).read_bytes())
    print(seed, lab.run(["python3", "/run/storm/importing.py", kills, seed], timeout=400).stdout)
    lab.wait_for("! pgrep -x skep-import", timeout=60)
    assert set(lab.out(LEFT).splitlines()) - before <= {"/run/systemd/nspawn/locks"}
    lab.wait_for("test -z \"$(ls -d /var/lib/machines/.#* 2>/dev/null)\"", timeout=30)
