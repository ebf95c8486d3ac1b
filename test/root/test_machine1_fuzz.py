# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole bus interface of the registry, called with made up arguments: it neither dies nor leaks. The daemon is the
one of the build under test, so that sanitizers see what happens in it.

SKEP_FUZZ_SECONDS is how long (default 6), SKEP_FUZZ_SEED what it goes by (default: another one each time)."""

import os
import random
import time

from skeplib import TOP, build, builder

# The daemon is the one that was built for this host.
LAB_SUITES = ("trixie" if builder.newer_than_labs() else "bookworm",)

HERE = "/run/busfuzz"
DAEMON = "/run/busfuzz/skep-machined"

# What a sanitizer needs, and the limits of the unit would keep from it.
DROP_IN = f"""[Service]
ExecStart=
ExecStart={DAEMON}
Environment=SKEP_LIBEXECDIR=/usr/libexec/skep ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99
Environment=UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
Restart=no
MemoryDenyWriteExecute=no
SystemCallFilter=
NoNewPrivileges=no
"""

PREPARE = """
mkdir -p /tmp/fuzz/a /var/lib/machines/tree/etc /var/lib/machines/bare /var/lib/machines/.hidden
echo box >/var/lib/machines/tree/etc/hostname
truncate -s 1M /var/lib/machines/disk.raw
chmod 1777 /tmp/fuzz
systemctl daemon-reload; systemctl restart skep-machined; systemctl is-active skep-machined
"""


def test_nothing_comes_of_nonsense(lab):
    seconds = float(os.environ.get("SKEP_FUZZ_SECONDS", "6"))
    seed = int(os.environ.get("SKEP_FUZZ_SEED", random.SystemRandom().randrange(2**31)))
    libexec = lab.out("dirname $(systemctl show -P ExecStart skep-machined | grep -o 'path=[^ ;]*' | cut -d= -f2)")
    lab.run(["mkdir", "-p", HERE])
    lab.copy_in(str(build.program("skep-machined")), DAEMON)
    for part in ("wire", "busfuzz"):
        lab.write(f"{HERE}/{part}.py", (TOP / f"test/skeplib/{part}.py").read_text(encoding="utf-8"))
    lab.write("/etc/systemd/system/skep-machined.service.d/90-fuzz.conf",
              DROP_IN.replace("/usr/libexec/skep", libexec))
    assert lab.out(PREPARE) == "active", lab.journal("-u", "skep-machined", "-n", "20")
    pids = lab.out("for i in 1 2 3 4 5 6; do systemd-run -q -u victim$i sleep 10000; "
                   "systemctl show -PMainPID victim$i; done").split()
    end = time.monotonic() + seconds

    def fuzz(seed):
        return ["python3", f"{HERE}/busfuzz.py", "machine1", str(max(1, end - time.monotonic())), str(seed), *pids]

    stranger = lab.spawn(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *fuzz(seed + 1)],
                         stdout=-1, stderr=-2, text=True)
    done = lab.run(fuzz(seed), check=False, timeout=seconds * 2 + 150)
    # Without a leader the caller is it, so the caller may have ended itself as a machine.
    while done.returncode in (-9, -15) and time.monotonic() < end - 1:
        seed += 2
        done = lab.run(fuzz(seed), check=False, timeout=seconds * 2 + 150)
    theirs = stranger.communicate(timeout=seconds * 2 + 150)[0]
    print(f"seed {seed}\n{done.stdout[-4000:]}{done.stderr[-2000:]}\n{theirs[-4000:]}")
    journal = lab.journal("-u", "skep-machined", "-o", "cat")
    assert "Sanitizer" not in journal and "runtime error" not in journal, journal[-6000:]
    assert done.returncode in (0, -9, -15) and stranger.returncode in (0, -9, -15), journal[-3000:]
    assert lab.out("systemctl is-active skep-machined") == "active"
    # Leaks are told at the end.
    lab.run("systemctl stop skep-machined")
    journal = lab.journal("-u", "skep-machined", "-o", "cat")
    assert "Sanitizer" not in journal, journal[-6000:]
    assert lab.out("systemctl show -P Result skep-machined") == "success"
