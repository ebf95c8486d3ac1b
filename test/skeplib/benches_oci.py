# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benches of OCI runtimes: one document for all, which `runc spec` proposes, but for the command and
for what this host cannot give every one of them: limits that it cannot raise, and a device policy, for
which crun wants CAP_SYS_RESOURCE."""

import itertools
import json
import os
import shutil
import subprocess
import time

from . import benches
from . import build
from . import kernel
from . import trees

_serial = itertools.count(1)


class _Runtime:
    """One runtime with a state folder and a bundle of its own."""

    def __init__(self, folder, name, program, *options):
        self.name = name
        self.options = [str(program), *options, "--root", str(folder / f"state-{name}")]
        self.bundle = folder / f"bundle-{name}"
        self.bundle.mkdir()

    def write(self, *args):
        """Write the document for a command."""
        if shutil.which(self.options[0]) is None or shutil.which("runc") is None:
            raise benches.CannotRun(f"{self.name} or runc, which writes the document, is not installed")
        config = self.bundle / "config.json"
        config.unlink(missing_ok=True)
        subprocess.run(["runc", "spec"], cwd=self.bundle, check=True)
        data = json.loads(config.read_text(encoding="utf-8"))
        data["process"].update(args=list(args), terminal=False)
        data["process"].pop("rlimits", None)
        data["root"] = {"path": str(trees.tree("busybox")), "readonly": True}
        data["linux"].pop("resources", None)
        config.write_text(json.dumps(data), encoding="utf-8")

    def __call__(self, *argv):
        """Run a command of it, which must succeed. Return: ms it took."""
        return benches.timed([*self.options, *argv])()

    def create(self, name):
        return self("create", "--bundle", self.bundle, name)

    def forget(self, name):
        subprocess.run([*self.options, "delete", "--force", name], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _name():
    return f"bench-{os.getpid()}-{next(_serial)}"


def _runtimes(folder):
    try:
        ours = build.program("skep-oci")
    except FileNotFoundError:
        ours = "skep-oci"
    return [_Runtime(folder, "skep-oci", ours), _Runtime(folder, "crun", "crun"),
            _Runtime(folder, "runc", "runc")]


def _contenders(one_run, *command):
    """Of each runtime: write the document for @command, then one_run(runtime) each time."""
    def contenders(folder):
        def contender(runtime):
            def run():
                if not (runtime.bundle / "config.json").exists():
                    runtime.write(*command)
                return one_run(runtime)

            return benches.Contender(runtime.name, run)

        return [contender(r) for r in _runtimes(folder)]

    return contenders


def _run(runtime):
    return runtime("run", "--bundle", runtime.bundle, _name())


def _life(runtime):
    name = _name()
    try:
        return runtime.create(name) + runtime("start", name) + runtime("delete", "--force", name)
    finally:
        runtime.forget(name)


def _exec(runtime):
    name = _name()
    try:
        runtime.create(name)
        runtime("start", name)
        return runtime("exec", name, "/bin/true")
    finally:
        runtime.forget(name)


def _waiting(runtime):
    """kB (PSS) of all that is there for a container that has been created and not started."""
    name = _name()
    kernel.adopt_orphans()
    before = set(kernel.descendants(os.getpid()))
    try:
        runtime.create(name)
        time.sleep(0.3)
        return sum(benches.pss(p) for p in set(kernel.descendants(os.getpid())) - before)
    finally:
        runtime.forget(name)
        kernel.reap_orphans(set(kernel.descendants(os.getpid())) - before)


BENCHES = (
    benches.Bench("oci-run", "a container that runs a trivial command", "ms", 40,
                  _contenders(_run, "/bin/true")),
    benches.Bench("oci-life", "the same by create, start and delete", "ms", 30,
                  _contenders(_life, "/bin/true")),
    benches.Bench("oci-exec", "a trivial command in a container that runs", "ms", 30,
                  _contenders(_exec, "/bin/sleep", "600")),
    benches.Bench("oci-memory", "what is there between create and start, PSS", "kB", 3,
                  _contenders(_waiting, "/bin/sleep", "600")),
)
