# SPDX-License-Identifier: LGPL-2.1-or-later
"""OCI bundles on the host, and who can run them: skep-oci and skep-spawn --oci-bundle=; crun and runc as
well, to see what a test is worth."""

import itertools
import json
import os
import shutil
import subprocess

from . import build
from . import kernel
from . import trees

_serial = itertools.count(1)

CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD", "CAP_NET_RAW",
                "CAP_SETGID", "CAP_SETUID", "CAP_SYS_CHROOT"]


def document(*args, **process):
    """A document as engines write it."""
    def mount(where, kind, *options, source=None):
        return {"destination": where, "type": kind, "source": source or kind, "options": list(options)}

    return {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": list(args), "cwd": "/",
                    "env": ["PATH=/bin:/usr/bin"], "noNewPrivileges": True,
                    "capabilities": {k: CAPABILITIES for k in ("bounding", "effective", "permitted")},
                    **process},
        "root": {"path": "rootfs"},
        "hostname": "box",
        "mounts": [
            mount("/proc", "proc", "nosuid", "noexec", "nodev"),
            mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
            mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
            mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        ],
        "linux": {
            "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


class Bundle:
    """A bundle with a busybox of its own, that a test makes a bad one of before it is run."""

    def __init__(self, where, *args, **process):
        self.path = where
        self.rootfs = where / "rootfs"
        shutil.copytree(trees.tree("busybox"), self.rootfs, symlinks=True)
        where.chmod(0o755)
        self.rootfs.chmod(0o755)
        self.config = document(*args, **process)

    @property
    def process(self):
        return self.config["process"]

    @property
    def linux(self):
        return self.config["linux"]

    def sh(self, script):
        """Have it run a shell script."""
        self.process["args"] = ["/bin/sh", "-c", script]

    def mount(self, destination, source, *options, kind="bind"):
        """Add a mount."""
        self.config["mounts"].append({"destination": destination, "source": str(source), "type": kind,
                                      "options": list(options or (["rbind"] if kind == "bind" else []))})

    def without_mount(self, *destinations):
        """Take mounts away, as one may whose image has it all."""
        self.config["mounts"] = [m for m in self.config["mounts"] if m["destination"] not in destinations]

    def write(self):
        (self.path / "config.json").write_text(json.dumps(self.config), encoding="utf-8")


class Runner:
    """Who runs bundles."""

    def __init__(self, name, state):
        self.name = name
        self.state = state
        if name == "skep-spawn":
            self.command = [str(build.program("skep-spawn")), "-q", "--register=no", "--settings=no"]
        elif name == "skep-oci":
            self.command = [str(build.program("skep-oci")), f"--root={state}"]
        elif name == "crun":
            kernel.show_pure_cgroup2()      # it knows no other
            self.command = ["crun", "--cgroup-manager=disabled", f"--root={state}"]
        else:
            self.command = [name, "--root", str(state)]

    def argv(self, bundle, name, options=()):
        """The command line that runs a bundle to its end."""
        if self.name == "skep-spawn":
            return [*self.command, f"--machine={name}", *options, f"--oci-bundle={bundle.path}"]
        return [*self.command, "run", "--bundle", str(bundle.path), *options, name]

    def run(self, bundle, check=False, name=None, timeout=20, before=(), options=(), **popen):
        """Write the document and run it to its end; @before: words before the command line; @options: in it."""
        bundle.write()
        name = name or f"box-{os.getpid()}-{next(_serial)}"
        argv = [*before, *self.argv(bundle, name, options)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                              timeout=timeout, **{"stdin": subprocess.DEVNULL, **popen})
        if check:
            assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def __call__(self, *argv, check=True, **popen):
        """Another command of a runtime."""
        done = subprocess.run([*self.command, *[str(a) for a in argv]], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=20,
                              **{"stdin": subprocess.DEVNULL, **popen})
        if check:
            assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def create(self, bundle, name, *options, **popen):
        """Create a container, with streams that nobody reads."""
        bundle.write()
        with open(bundle.path / "streams", "w+b") as streams:
            done = subprocess.run([*self.command, "create", "--bundle", str(bundle.path), *options, name],
                                  stdout=streams, stderr=streams, check=False, timeout=20,
                                  **{"stdin": subprocess.DEVNULL, **popen})
        said = (bundle.path / "streams").read_text(encoding="utf-8")
        assert done.returncode == 0, f"create: {done.returncode}\n{said}"
        return json.loads(self("state", name).stdout)["pid"]

    def said(self, bundle):
        """What a created container has written."""
        return (bundle.path / "streams").read_text(encoding="utf-8")


def runners(*ours):
    """Names of those the tests are run with: ours, or those in SKEP_OCI_RUNTIMES."""
    return os.environ.get("SKEP_OCI_RUNTIMES", " ".join(ours)).split()
