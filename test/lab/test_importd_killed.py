# SPDX-License-Identifier: LGPL-2.1-or-later
"""As many transfers of all kinds at once as there may be, half of them cancelled, while the importer is killed: each ends
in one of three ways, those that are done are complete, and nothing else is left.

SKEP_KILLS=30 kills it that often, SKEP_SEED chooses the moments."""

import os
import random
import subprocess

import pytest

from skeplib import TOP, nginx

LAB_SUITES = ("bookworm",)

# What is in the folders that a transfer may leave something in.
LEFT = "find /tmp /run/skep /run/systemd/nspawn /var/tmp -mindepth 1 ! -name '*.ended' 2>/dev/null | sort"

# All below any first folder, so that what is pulled twice is not one URL; and not at once.
SERVER = """server {{
  listen 127.0.0.1:80;
  location ~ ^/[^/]*/(.*[.]tar)$ {{ alias {files}/$1; limit_rate 80k; }}
  location ~ ^/[^/]*/(.*)$ {{ alias {files}/$1; limit_rate 350k; }}
}}"""


@pytest.fixture
def server(lab, tmp_path):
    """A web server in the lab's network, for what is prepared there."""
    for module in ("importing.py", "wire.py"):
        lab.write(f"/run/storm/{module}", (TOP / "test/skeplib" / module).read_bytes())
    lab.run("python3 /run/storm/importing.py prepare; chmod 755 /root")
    files = f"/proc/{lab.leader}/root/root/served"
    subprocess.run(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", f"{files}/a.raw", f"{files}/a.qcow2"],
                   check=True)
    tmp_path.chmod(0o755)
    with nginx.run(tmp_path, SERVER.format(files=files), network_of=lab.leader):
        yield "http://127.0.0.1"


def test_each_ends_and_nothing_is_left(lab, server):
    kills = int(os.environ.get("SKEP_KILLS", "5"))
    seed = int(os.environ.get("SKEP_SEED", str(random.randrange(10**6))))
    lab.run("busctl call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager ListTransfers")
    before = set(lab.out(LEFT).splitlines())
    print(seed, lab.run(["python3", "/run/storm/importing.py", "storm", kills, seed, server], timeout=400).stdout)
    lab.wait_for("! pgrep -x 'skep-import|skep-fetch'", timeout=60)
    assert set(lab.out(LEFT).splitlines()) - before <= {"/run/systemd/nspawn/locks"}
    lab.wait_for("skep clean >/dev/null; test -z \"$(ls -d /var/lib/machines/.* | grep -v '/[.]*$')\"", timeout=30)
