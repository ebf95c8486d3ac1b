# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/import.md, command by command."""

import re
import subprocess

from skeplib import TOP, trees

LAB_SUITES = ("bookworm",)

POOL = "/var/lib/machines"
SERVER = """cd /srv/web && zstd -q -1 -o web.tar.zst </tmp/web.tar && truncate -s 1M disk.raw && printf x | dd conv=notrunc of=disk.raw \
status=none && xz disk.raw && sha256sum * >SHA256SUMS && systemd-run -q --unit=web -p WorkingDirectory=/srv/web \
python3 -m http.server --bind 127.0.0.1 8000"""
SOURCES = """cp /srv/web/web.tar.zst /tmp && xz -0 -c </tmp/shop.tar >/tmp/shop.tar.xz && xz -dc /srv/web/disk.raw.xz >/tmp/disk.raw \
&& mkdir -p /srv/tree && echo x >/srv/tree/file"""


def commands():
    """Lines of the page's code blocks, without their remarks."""
    page = (TOP / "docs/import.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", page, re.M | re.S)
    lines = [re.sub(r"\s+# .*", "", line) for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"(\w+=\S+ )?skep ", line)]


def prepare(lab, scratch):
    lab.run("mkdir -p /srv/web /etc/skep/import-keys.d")
    tree = lab.shared(trees.tree("bookworm-guest"))
    small = " ".join(f"--exclude=./usr/{name}" for name in ("share/*/*", "lib/*/perl*", "lib/python*", "lib/*/gconv"))
    lab.run(f"tar -C {tree} {small} -cf /tmp/web.tar . && tar -C {tree}/etc -cf /tmp/shop.tar .", timeout=60)
    lab.run(SERVER, timeout=60)
    lab.run(SOURCES, timeout=60)
    # What the lab has no tools for.
    (scratch / "disk.raw").write_bytes(b"x" + bytes(1024 * 1024 - 1))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", scratch / "disk.raw", scratch / "disk.qcow2"], check=True)
    (scratch / "SHA256SUMS").write_text(lab.read("/srv/web/SHA256SUMS"))
    subprocess.run(["minisign", "-G", "-W", "-p", scratch / "our.pub", "-s", scratch / "key"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["minisign", "-S", "-s", scratch / "key", "-m", scratch / "SHA256SUMS"], check=True,
                   stdout=subprocess.DEVNULL)
    for name, target in (("disk.qcow2", "/tmp"), ("SHA256SUMS.minisig", "/srv/web"), ("our.pub", "/etc/skep/import-keys.d")):
        lab.copy_in(str(scratch / name), f"{target}/{name}")
    lab.run("mkdir -p /tmp/bin && printf '#!/bin/sh\\nexec cat\\n' >/tmp/bin/gpg && chmod +x /tmp/bin/gpg")
    lab.wait_for("bash -c 'exec 3<>/dev/tcp/127.0.0.1/8000'")


def test_each_command(lab, scratch):
    """What they make is there. The key is of a gpg that only repeats; how real ones sign: test/root/test_export_sign.py."""
    prepare(lab, scratch)
    lines = commands()
    assert len(lines) > 15
    digest = lab.out("sha256sum </srv/web/web.tar.zst").split()[0]
    number = None
    for line in lines:
        line = line.replace("DIGEST", digest).replace("ssh host", "sh -c")
        line = re.sub(r"(transfer|transfers) 1\b", lambda found: f"{found[1]} {number}", line)
        if "cancel-transfer" in line:
            lab.run("mkfifo /tmp/fifo && systemd-run -q sh -c 'exec sleep 100 >/tmp/fifo'")
            number = lab.out("skep import-tar - stuck --background </tmp/fifo").strip()
            line = f"skep cancel-transfer {number}"
        said = lab.run(["bash", "-c", f"set -e -o pipefail; PATH=/tmp/bin:$PATH; {line}"],
                       cwd="/tmp", timeout=120).stdout
        if "--background" in line:
            number = said.strip()
            assert re.fullmatch(r"\d+", number), line
    images = {"web", "shop", "lab", "signed", "pinned", "copy", "later"}
    seen = {line.split()[0] for line in lab.out("skep list-images --no-legend").splitlines()}
    assert images <= seen and "stuck" not in lab.out(f"ls -A {POOL}")
    for disk in ("vm.raw", "vm2.raw"):
        lab.run(f"cmp /tmp/disk.raw {POOL}/{disk}")
    lab.run("cd /tmp && cmp vm.raw disk.raw && sha256sum --quiet -c signed.tar.zst.sha256 && test -s signed.tar.zst.sha256.asc")
    lab.run("skep poweroff --wait web", timeout=60)
