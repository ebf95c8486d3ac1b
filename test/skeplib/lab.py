# SPDX-License-Identifier: LGPL-2.1-or-later
"""A lab: a Debian test host with skep installed, booted as a machine. Commands run in it by entering
its namespaces, so it needs no network, no agent and no login."""

import atexit
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import time
import weakref

from . import PATIENCE
from . import booter
from . import build
from . import hostfiles
from . import kernel
from . import trees

ENVIRONMENT = {**hostfiles.ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb")}

_alive = weakref.WeakSet()


class CommandFailed(Exception):
    """A command in a lab failed; the text has all it said."""


class Lab:
    """One booted test host. Use it as a context manager, or call boot() and kill()."""

    def __init__(self, suite="bookworm", replace_systemd=True, install=True, kind="lab"):
        """@suite is bookworm or trixie; @replace_systemd installs skep under systemd's own unit
        names as well; without @install the host is Debian's alone. @kind is which of the suite's
        trees it is: lab, or engines."""
        self.suite = suite
        self.kind = kind
        self.replace_systemd = replace_systemd
        self.install = install
        self.leader = None
        self._process = None
        self._cgroup = None
        self._root = None
        self._log = None
        self.state = None

    def __enter__(self):
        return self.boot()

    def __exit__(self, *_):
        self.kill()

    def boot(self, timeout=60):
        """Boot, and wait until the host says that it is up."""
        lowers = [trees.tree(f"{self.suite}-{self.kind}")]
        if self.install:
            lowers.insert(0, build.installed(self.replace_systemd))
        where = pathlib.Path(tempfile.mkdtemp(prefix="lab-", dir=kernel.scratch_dir()))
        self._log = where / "log"
        self._root = trees.overlay(where, *lowers)
        hostfiles.prepare(self._root, self.suite)
        self._process, self._cgroup = booter.boot(self._root, kernel.cache_dir(), self.suite,
                                                    self._log)
        _alive.add(self)
        try:
            self._wait(timeout)
        except BaseException:
            self.kill()
            raise
        return self

    def reboot(self, timeout=60):
        """Boot again as after a power cut: nothing is shut down, and what is on the disk stays."""
        self._end()
        self._process, self._cgroup = booter.boot(self._root, kernel.cache_dir(), self.suite,
                                                    self._log)
        self._wait(timeout)

    def _wait(self, timeout):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise RuntimeError(f"the {self.suite} lab ended with {self._process.returncode}:\n"
                                   + self._log.read_text(errors="replace"))
            if self.leader is None:
                self.leader = next((p for p in kernel.descendants(self._process.pid)
                                    if kernel.is_init(p)), None)
            elif os.path.exists(f"/proc/{self.leader}/root/run/systemd/private"):
                state = self.run(["systemctl", "is-system-running", "--wait"], check=False,
                                 timeout=max(1, end - time.monotonic())).stdout.strip()
                if state in ("running", "degraded"):
                    self.state = state
                    self._unmask()
                    return
            time.sleep(0.02)
        raise TimeoutError(f"the {self.suite} lab did not come up in {timeout} s")

    def _unmask(self):
        """Mount a /proc that nothing covers parts of: on a host that is how it is, and the kernel
        lets nobody mount one in a user namespace who sees only some with covers."""
        self.run("mkdir /run/host-proc && mount -t proc proc /run/host-proc")

    def _enter(self):
        """What a child does to be in the lab's control group: PID 1's own, for it always exists."""
        path = kernel.cgroup_of(self.leader).lstrip("/")
        procs = str(kernel.cgroup2_mount() / path / "cgroup.procs")

        def enter():
            kernel.die_with_parent()
            with open(procs, "w", encoding="ascii") as f:
                f.write("0")

        return enter

    def spawn(self, command, env=None, cwd="/root", **popen):
        """Start a command in the lab and return its Popen.

        @command is a list, or a string for bash. The rest is Popen's."""
        if isinstance(command, str):
            command = ["bash", "-c", command]
        argv = ["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net", "--pid",
                "--cgroup", "--", "env", f"--chdir={cwd}", *[str(a) for a in command]]
        return subprocess.Popen(argv, preexec_fn=self._enter(), env={**ENVIRONMENT, **(env or {})},
                                cwd="/", **popen)

    def run(self, command, check=True, timeout=30, input=None, text=True, env=None, cwd="/root"):
        """Run a command in the lab to its end.

        Return: CompletedProcess with stdout and stderr apart. With @check a status other than 0 is
        CommandFailed, which shows both."""
        popen = {"stdin": subprocess.PIPE if input is not None else subprocess.DEVNULL,
                 "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": text}
        process = self.spawn(command, env=env, cwd=cwd, start_new_session=True, **popen)
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException as problem:
            os.killpg(process.pid, 9)
            out, err = process.communicate()
            if isinstance(problem, subprocess.TimeoutExpired):
                raise TimeoutError(f"still running after {timeout} s: {_show(command)}\n"
                                   f"{out}\n{err}") from None
            raise
        if check and process.returncode:
            raise CommandFailed(f"status {process.returncode}: {_show(command)}\n"
                                f"stdout: {out}\nstderr: {err}")
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def out(self, command, **options):
        """Standard output of a command that must succeed, without the last newline."""
        return self.run(command, **options).stdout.rstrip("\n")

    def wait_for(self, command, timeout=10, text=None):
        """Repeat a command until it succeeds (and prints @text); its last result when it has."""
        timeout *= PATIENCE
        end = time.monotonic() + timeout
        while True:
            done = self.run(command, check=False, timeout=max(1, timeout))
            if done.returncode == 0 and (text is None or text in done.stdout):
                return done
            if time.monotonic() > end:
                raise CommandFailed(f"not within {timeout} s: {_show(command)}\nlast status "
                                    f"{done.returncode}: {done.stdout}\n{done.stderr}")
            time.sleep(0.05)

    def write(self, path, data, mode=0o644):
        """Write a file in the lab; folders above it are made."""
        if isinstance(data, str):
            data = data.encode()
        self.run(["sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"', "sh",
                  str(path), f"{mode:o}"], input=data, text=False)

    def read(self, path, text=True):
        """Content of a file in the lab."""
        return self.run(["cat", str(path)], text=text).stdout

    def copy_in(self, source, target):
        """Copy a file or folder of the host to the path @target in the lab."""
        self._copy(["tar", "-C", os.path.dirname(source) or ".", "-c", os.path.basename(source)],
                   target)

    def _copy(self, packer, target):
        name = packer[-1]
        pack = subprocess.Popen(packer, stdout=subprocess.PIPE)
        unpack = self.spawn(["sh", "-c", 'd=$(mktemp -d -p "$(dirname "$1")") && tar -C "$d" -xp && '
                             'mv -T "$d/$2" "$1" && rmdir "$d"', "sh", str(target), name],
                            stdin=pack.stdout)
        pack.stdout.close()
        if unpack.wait() or pack.wait():
            raise CommandFailed(f"cannot copy {name} to {target}")

    def shared(self, host_path):
        """Path in the lab of something in the host's cache (trees, archives), read-only there."""
        return f"/srv/skep/{host_path.relative_to(kernel.cache_dir())}"

    def add_machine(self, name, tree="bookworm-guest", copy=True):
        """Put a tree into the lab's pool as /var/lib/machines/NAME.

        A copy is unpacked to memory (about half a second); else it is an overlay mount, at once.
        Return: its path in the lab."""
        target = f"/var/lib/machines/{name}"
        if copy:
            archive = self.shared(trees.tar(tree))
            self.run(["sh", "-c", 'mkdir "$1" && tar -C "$1" -xpf "$2"', "sh", target, archive])
        else:
            lower = self.shared(trees.tree(tree))
            extra = f"/var/tmp/machine-{name}"
            self.run(["sh", "-c", 'mkdir -p "$1" "$3/u" "$3/w" && mount -t overlay -o '
                      '"lowerdir=$2,upperdir=$3/u,workdir=$3/w" overlay "$1"', "sh", target, lower,
                      extra])
        return target

    def journal(self, *options):
        """The lab's journal, for the message of a test that failed."""
        return self.run(["journalctl", "--no-pager", "-q", *options], check=False).stdout

    def _end(self):
        """End what runs, and keep the tree."""
        if self.leader is not None and kernel.is_init(self.leader):
            os.kill(self.leader, 9)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.leader = None
        kernel.remove_cgroup(self._cgroup)

    def kill(self):
        """End the lab at once, whatever runs in it. Does nothing when it has ended."""
        if self._process is None:
            return
        self._end()
        self._process = None
        _alive.discard(self)
        kernel.umount(self._root)
        shutil.rmtree(self._root.parent, ignore_errors=True)


def _show(command):
    return command if isinstance(command, str) else shlex.join(str(a) for a in command)


@atexit.register
def _kill_all():
    for lab in list(_alive):
        lab.kill()
