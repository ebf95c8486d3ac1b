# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole interfaces of the importer, on the bus and in varlink, called with made up arguments: it neither dies nor
leaks, answers everybody, and nothing of the transfers that come of it stays. The programs are those of the build under
test, so that sanitizers see what happens in the daemon and in its workers.

SKEP_FUZZ_SECONDS is how long (default 6), SKEP_FUZZ_SEED what it goes by (default: another one each time)."""

import os
import random
import time

import pytest

from skeplib import TOP, build, builder

# The daemon is the one that was built for this host.
LAB_SUITES = ("trixie" if builder.newer_than_labs() else "bookworm",)

HERE = "/run/importfuzz"
PROGRAMS = ("skep-importd", "skep-import", "skep-fetch")
STATE = "/run/skep/import"
SOCKET = "/run/systemd/io.systemd.Import"

# What a sanitizer needs, and the limits of the unit would keep from it.
DROP_IN = f"""[Service]
ExecStart=
ExecStart={HERE}/skep-importd
Environment=SKEP_LIBEXECDIR={HERE} ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99
Environment=UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
Restart=no
MemoryDenyWriteExecute=no
SystemCallFilter=
NoNewPrivileges=no
"""

PREPARE = """
mkdir -p /tmp/fuzz/a/sub /var/lib/machines/tree/etc /var/lib/machines/.hidden
echo box >/var/lib/machines/tree/etc/hostname
echo x >/tmp/fuzz/a/sub/file
truncate -s 1M /var/lib/machines/disk.raw /tmp/fuzz/a.raw
tar -C /tmp/fuzz/a -cf /tmp/fuzz/a.tar .
chmod 1777 /tmp/fuzz
systemctl daemon-reload; systemctl restart skep-importd; systemctl is-active skep-importd
"""


@pytest.fixture(scope="module", autouse=True)
def prepared(lab):
    lab.run(["mkdir", "-p", HERE])
    for name in PROGRAMS:
        lab.copy_in(str(build.program(name)), f"{HERE}/{name}")
    for part in ("wire", "busfuzz", "varlinkfuzz"):
        lab.write(f"{HERE}/{part}.py", (TOP / f"test/skeplib/{part}.py").read_text(encoding="utf-8"))
    lab.write("/etc/systemd/system/skep-importd.service.d/90-fuzz.conf", DROP_IN)
    assert lab.out(PREPARE) == "active", lab.journal("-u", "skep-importd", "-n", "20")


def test_nothing_comes_of_nonsense(lab):
    seconds = float(os.environ.get("SKEP_FUZZ_SECONDS", "6"))
    seed = int(os.environ.get("SKEP_FUZZ_SEED", random.SystemRandom().randrange(2**31)))
    limit = seconds * 2 + 150

    def bus(seed):
        return ["python3", f"{HERE}/busfuzz.py", "import1", str(seconds), str(seed)]

    def varlink(seed):
        return ["python3", f"{HERE}/varlinkfuzz.py", SOCKET, str(seconds), str(seed),
                "/tmp/fuzz/a.tar", "/tmp/fuzz/a.raw", "/tmp/fuzz/a", "/dev/null"]

    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    running = {what: lab.spawn(command, stdout=-1, stderr=-2, text=True) for what, command in {
        "bus": bus(seed), "varlink": varlink(seed + 1), "bus of a stranger": [*nobody, *bus(seed + 2)],
        "varlink of a stranger": [*nobody, *varlink(seed + 3)]}.items()}
    said = {what: process.communicate(timeout=limit)[0] for what, process in running.items()}
    for what, text in said.items():
        print(f"{what}, seed {seed}:\n{text[-4000:]}")
    assert {what: process.returncode for what, process in running.items()} == dict.fromkeys(running, 0), \
        lab.journal("-u", "skep-importd", "-o", "cat")[-3000:]

    # Whatever waits for more to read is told to give up; all else has come to an end.
    end = time.monotonic() + 60
    while numbers := lab.out("busctl --json=short call org.freedesktop.import1 /org/freedesktop/import1 "
                             "org.freedesktop.import1.Manager ListTransfers | grep -o '\\[[0-9]*,' | tr -d '[,'").split():
        assert time.monotonic() < end, numbers
        for number in numbers:
            lab.run(["busctl", "call", "org.freedesktop.import1", "/org/freedesktop/import1",
                     "org.freedesktop.import1.Manager", "CancelTransfer", "u", number], check=False)
    lab.wait_for("! pgrep -x 'skep-import|skep-fetch|skep-worker' && ! ls -A /run/skep/import | grep -v 'ended$' && "
                 "! ls -dA /var/lib/*/.#* /tmp/fuzz/.#*", timeout=60)
    # Leaks are told at the end.
    lab.run("systemctl stop skep-importd")
    journal = lab.journal("-u", "skep-importd", "-o", "cat")
    assert "Sanitizer" not in journal and "runtime error" not in journal, journal[-6000:]
    assert lab.out("systemctl show -P Result skep-importd") == "success"
