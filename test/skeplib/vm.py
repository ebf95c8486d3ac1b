# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine: Debian's kernel and the tree of a lab in qemu, without hardware help. Slow to
boot (some 20 s), but with a kernel of its own: control group controllers, device policy, reboot."""

import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from . import TOP
from . import build
from . import hostfiles
from . import kernel
from . import trees
from .lab import CommandFailed

_MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "overlay")

# PID 1 of the initramfs: loads what the disks need, stacks them, and goes over to systemd.
_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
while read -r m; do insmod "/modules/$m"; done </modules/order
n=0; while [ ! -b /dev/vdd ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
for d in vda vdb vdc vdd; do mkdir -p /disk/$d; mount -t ext4 -o ro /dev/$d /disk/$d; done
mount -o remount,rw /disk/vdd
mkdir /upper /host; mount -t tmpfs upper /upper; mkdir /upper/u /upper/w
mount -t overlay -o lowerdir=/disk/vda:/disk/vdb:/disk/vdc,upperdir=/upper/u,workdir=/upper/w root /host
mkdir -p /host/srv/guest; mount -o move /disk/vdd /host/srv/guest
umount /proc /sys; mount -o move /dev /host/dev
exec switch_root /host /usr/lib/systemd/systemd
echo "the initramfs could not start systemd"
poweroff -f
"""

_AGENT_UNIT = """\
[Unit]
Description=Commands from the test host
DefaultDependencies=no
After=dbus.socket
[Service]
ExecStart=/usr/bin/python3 /usr/lib/skep-agent.py
StandardError=journal+console
[Install]
WantedBy=multi-user.target
"""


class Vm:
    """One booted virtual machine. Its disks are the trees of tools/tree and are never written to;
    a guest's tree is at /srv/guest, where it can be written to until the machine is switched off: on
    ext4, for this kernel can idmap neither tmpfs nor overlays. Use it as a context manager."""

    def __init__(self, suite="bookworm", replace_systemd=True, install=True, memory=1536, cpus=2):
        """@memory in MiB; the rest as for a Lab."""
        self.suite = suite
        self.replace_systemd = replace_systemd
        self.install = install
        self.memory = memory
        self.cpus = cpus
        self._process = None
        self._socket = None
        self._pending = b""
        self._where = None

    def __enter__(self):
        return self.boot()

    def __exit__(self, *_):
        self.kill()

    def boot(self, timeout=240):
        """Boot, and wait until the host says that it is up."""
        self._where = pathlib.Path(tempfile.mkdtemp(prefix="vm-", dir=kernel.scratch_dir()))
        disks = [self._top_layer(), trees.ext4(self.suite + "-lab"), trees.ext4("bookworm-vm"),
                 trees.ext4(self.suite + "-guest")]
        boot = trees.tree("bookworm-vm") / "boot"
        argv = ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg,thread=multi",
                "-cpu", "Nehalem,-cx16", "-smp", self.cpus, "-m", self.memory, "-nodefaults",
                "-no-reboot", "-display", "none", "-serial", f"file:{self._where}/console",
                "-kernel", next(boot.glob("vmlinuz-*")), "-initrd", self._initramfs(),
                "-append", "console=ttyS0 quiet panic=-1 systemd.unified_cgroup_hierarchy=1 "
                "systemd.show_status=no mitigations=off",
                "-chardev", f"socket,id=agent,path={self._where}/agent,server=on,wait=off",
                "-device", "virtio-serial-pci",
                "-device", "virtserialport,chardev=agent,name=agent",
                "-device", "virtio-net-pci"]       # with nothing behind it
        for number, disk in enumerate(disks):
            how = "snapshot=on" if number == 3 else "readonly=on"
            argv += ["-drive", f"file={disk},if=none,id=d{number},format=raw,{how}",
                     "-device", f"virtio-blk-pci,drive=d{number}"]
        self._process = subprocess.Popen([str(a) for a in argv], preexec_fn=kernel.die_with_parent,
                                         stdin=subprocess.DEVNULL,
                                         env={**os.environ, "TMPDIR": str(self._where)})
        try:
            self._connect(time.monotonic() + timeout)
        except BaseException:
            self.kill()
            raise
        return self

    def _connect(self, end):
        self._socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._socket.connect(str(self._where / "agent"))
                break
            except OSError:
                self._still_there(end)
                time.sleep(0.05)
        self._answer(end)       # its greeting
        self.run(["systemctl", "is-system-running", "--wait"], check=False,
                 timeout=end - time.monotonic())

    def _still_there(self, end):
        if self._process.poll() is not None:
            raise RuntimeError("the virtual machine ended; its console:\n" + self.console())
        if time.monotonic() > end:
            raise TimeoutError("no answer from the virtual machine; its console:\n"
                               + self.console())

    def _answer(self, end):
        self._socket.settimeout(1)
        while b"\n" not in self._pending:
            try:
                piece = self._socket.recv(65536)
            except TimeoutError:
                piece = b""
            self._pending += piece
            if not piece:
                self._still_there(end)
        line, self._pending = self._pending.split(b"\n", 1)
        return json.loads(line)

    def console(self):
        """The end of what the serial console showed."""
        try:
            return (self._where / "console").read_text(errors="replace")[-4000:]
        except OSError:
            return ""

    def run(self, command, check=True, timeout=60, input=b""):
        """Run a command in the machine, as Lab.run() does."""
        argv = ["bash", "-c", command] if isinstance(command, str) else [str(a) for a in command]
        request = {"argv": argv, "timeout": timeout, "env": hostfiles.ENVIRONMENT,
                   "input": base64.b64encode(input).decode()}
        self._socket.settimeout(60)
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = self._answer(time.monotonic() + timeout + 30)
        out, err = (base64.b64decode(answer[k]).decode(errors="replace")
                    for k in ("stdout", "stderr"))
        if answer["status"] is None:
            raise TimeoutError(f"still running after {timeout} s: {command}\n{out}\n{err}")
        if check and answer["status"]:
            raise CommandFailed(f"status {answer['status']}: {command}\nstdout: {out}\n"
                                f"stderr: {err}")
        return subprocess.CompletedProcess(command, answer["status"], out, err)

    def out(self, command, **options):
        """Standard output of a command that must succeed, without the last newline."""
        return self.run(command, **options).stdout.rstrip("\n")

    def write(self, path, data):
        """Write a file in the machine; folders above it are made."""
        self.run(["sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "sh", path],
                 input=data.encode())

    def kill(self):
        """Switch the machine off, hard."""
        if self._socket:
            self._socket.close()
            self._socket = None
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._where:
            shutil.rmtree(self._where, ignore_errors=True)

    def _top_layer(self):
        """An image of what lies over Debian's tree: skep, the host's own files, the agent."""
        top = self._where / "top"
        if self.install:
            shutil.copytree(build.installed(self.replace_systemd), top, symlinks=True)
        top.mkdir(exist_ok=True)
        hostfiles.prepare(top, self.suite + "-vm")
        (top / "usr/lib").mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / "test/skeplib/agent.py", top / "usr/lib/skep-agent.py")
        units = top / "etc/systemd/system"
        (units / "skep-agent.service").write_text(_AGENT_UNIT, encoding="ascii")
        wants = units / "multi-user.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        (wants / "skep-agent.service").symlink_to("../skep-agent.service")
        image = self._where / "top.ext4"
        size = sum(p.lstat().st_size for p in top.rglob("*")) // 1024 * 2 + 16384
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", top, image,
                        f"{size}k"], check=True, stdout=subprocess.DEVNULL)
        return image

    def _initramfs(self):
        """busybox, the modules that reach the disks, and _INIT."""
        root = self._where / "initramfs"
        for folder in ("bin", "modules", "proc", "sys", "dev"):
            (root / folder).mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin/busybox")
        (root / "init").write_text(_INIT, encoding="ascii")
        (root / "init").chmod(0o755)
        order = _module_order(next((trees.tree("bookworm-vm") / "lib/modules").iterdir()))
        for module in order:
            shutil.copy(module, root / "modules" / module.name)
        (root / "modules/order").write_text("".join(m.name + "\n" for m in order), encoding="ascii")
        image = self._where / "initramfs.cpio"
        with open(image, "wb") as f:
            names = subprocess.run(["find", "."], cwd=root, stdout=subprocess.PIPE, check=True)
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names.stdout,
                           stdout=f, check=True)
        return image


def _module_order(folder):
    """Files of _MODULES and of what they need, in an order to load them in."""
    needs = {}
    for line in (folder / "modules.dep").read_text(encoding="ascii").splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {pathlib.Path(p).stem.replace("-", "_"): p for p in needs}
    order = []
    for name in _MODULES:
        for path in [*reversed(needs[by_name[name]]), by_name[name]]:
            if folder / path not in order:
                order.append(folder / path)
    return order
