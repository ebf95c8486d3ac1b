# SPDX-License-Identifier: LGPL-2.1-or-later
"""The registry is killed while machines are registered and ended and images cloned, renamed and removed:
what it has answered stays so, and the rest happened wholly or not at all.

SKEP_KILLS=50 kills it that often, SKEP_SEED chooses the moments."""

import os
import pathlib
import random

from skeplib import killing

LAB_SUITES = ("bookworm",)


def test_nothing_is_lost(lab):
    kills = int(os.environ.get("SKEP_KILLS", "8"))
    seed = int(os.environ.get("SKEP_SEED", str(random.randrange(10**6))))
    lab.write("/run/killing.py", pathlib.Path(killing.__file__).read_bytes())
    print(lab.run(["python3", "/run/killing.py", kills, seed], timeout=60 + 5 * kills).stdout)
    lab.wait_for("test -z \"$(ls -A /run/systemd/machines)\"", timeout=30)
    lab.wait_for("! systemctl list-units --no-legend 'machine-*.scope' | grep .", timeout=30)
    lab.wait_for("! pgrep -x skep-worker", timeout=30)
