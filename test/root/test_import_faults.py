# SPDX-License-Identifier: LGPL-2.1-or-later
"""Transfers of every kind are killed at a system call, or one of their calls fails, in whichever process: what is
seen is what was there before or all of what was to come, one line says why, and the next one finds nothing in
its way and leaves nothing."""

import collections
import errno
import hashlib
import os
import re
import shutil
import subprocess
import time

import pytest

from skeplib import archives, badweb
from skeplib.archives import directory, file, hardlink, symlink
from skeplib.faults import CANNOT_FAIL, CHANGES_NOTHING, STRIDE, TROUBLE, Faults, alone
from skeplib.netns import own_network

# All calls instead of a selection: for by hand.
EVERY = bool(os.environ.get("SKEP_EVERY_FAULT"))

# So many are tried at most.
KILLS, FAILURES = 20, 40

# What is under way, and locks of those who were killed, which mean nothing.
_TEMPORARY = re.compile(r"\.#skep\..*|\.skep-part\..*|\.#.*\.lck|(\.sysupdate)?\.skep-change\..*")


@pytest.fixture(scope="module", autouse=True)
def _alone():
    with alone("skep-import-faults"), own_network():
        yield


@pytest.fixture(scope="module", name="web")
def make_web():
    server = badweb.Web()
    yield server
    server.close()


class Place:
    """Where transfers are: what they read, the pool, and where exports go."""

    def __init__(self, scratch, program, web):
        self.program, self.web, self.scratch = program, web, scratch
        self.started = time.time_ns()   # what is made later is as new as any other
        self.inputs = scratch / "in"
        self.inputs.mkdir()
        self.homes = {"pool": scratch / "pool", "out": scratch / "out"}
        self.before = scratch / "before"
        for name in self.homes:
            (self.before / name).mkdir(parents=True)
        self.pool, self.out = self.before / "pool", self.before / "out"

    def archive(self, packed="none"):
        return archives.write(self.inputs / f"new.tar.{packed}", [
            directory(".", mode=0o751, mtime=5), directory("etc", mtime=6), file("etc/os-release", b"ID=new\n", mtime=7),
            file("noise", bytes(range(256)) * 200, mode=0o4755, uid=3, mtime=8), hardlink("again", "noise", mtime=8),
            symlink("link", "noise", mtime=9),
            file("marked", b"x", mtime=9, pax_headers={"SCHILY.xattr.user.note": "n"})], packed)

    def disk(self, how="raw"):
        raw = self.inputs / "new.raw"
        with open(raw, "wb") as f:
            f.truncate(1 << 20)
            for at in (0, 300_000, 900_000):
                f.seek(at)
                f.write(b"content" * 1000)
        if how == "qcow2":
            subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", raw, self.inputs / "new.qcow2"],
                           check=True)
            return self.inputs / "new.qcow2"
        if how != "raw":
            (self.inputs / f"new.raw.{how}").write_bytes(archives.pack(raw.read_bytes(), how))
            return self.inputs / f"new.raw.{how}"
        return raw

    def old_tree(self, name="web"):
        """An image that is there before."""
        top = self.pool / name
        (top / "etc").mkdir(parents=True)
        (top / "etc/os-release").write_text("ID=old\n")
        (top / "hard").hardlink_to(top / "etc/os-release")
        os.setxattr(top / "etc", "user.note", b"x")
        with open(top / "sparse", "wb") as f:
            f.truncate(3 << 20)
            f.seek(1 << 20)
            f.write(b"middle")
        return top

    def old_disk(self):
        shutil.copy(self.disk(), self.pool / "web.raw")

    def page(self, path, source):
        """A file on the server."""
        return self.web.page(path, source.read_bytes())

    def reset(self):
        """The pool and the folder of exports as they were."""
        for name, home in self.homes.items():
            if home.exists():
                subprocess.run(["chattr", "-R", "-f", "-i", home], check=False)
                subprocess.run(["rm", "-rf", home], check=True)
            subprocess.run(["cp", "-a", self.before / name, home], check=True)

    def argv(self, *words):
        return [str(w) for w in (self.program("skep-import"), "-q", f"--image-root={self.homes['pool']}", *words)]

    def seen(self):
        """What users see. Return: it; what is temporary beside it."""
        found, temporary = {}, []
        for home in self.homes.values():
            for path in sorted(home.iterdir()):
                if _TEMPORARY.fullmatch(path.name):
                    temporary.append(path)
                elif path.is_dir():
                    found[path] = {name: (*about[:3], min(about[3], self.started), *about[4:])
                                   for name, about in archives.describe(path).items()}
                else:
                    found[path] = (oct(path.stat().st_mode), hashlib.sha256(path.read_bytes()).hexdigest())
        return found, temporary


def import_tar(place, packed="gz"):
    return "import-tar", place.archive(packed), "web"


def replace_tar(place):
    place.old_tree()
    return "--force", "import-tar", place.archive(), "web"


def import_raw(place, how):
    return "import-raw", place.disk(how), "web"


def replace_raw(place):
    place.old_disk()
    (place.pool / "web.raw").write_bytes(b"old" * 4096)
    return "--force", "--read-only", "import-raw", place.disk(), "web"


def import_fs(place):
    tree = place.old_tree()
    tree.rename(place.inputs / "tree")
    return "import-fs", place.inputs / "tree", "web"


def export_tar(place, *options):
    place.old_tree()
    return *options, "export-tar", "web", place.homes["out"] / "web.tar.gz"


def replace_export(place):
    (place.out / "web.tar.gz").write_text("old")
    return export_tar(place, "--force")


def export_raw(place, suffix=""):
    place.old_disk()
    return "export-raw", "web", place.homes["out"] / f"web.raw{suffix}"


def pull_tar(place):
    return "--verify=no", "--retries=0", "pull-tar", place.page("/new.tar", place.archive()), "web"


def pull_kept(place):
    return "--keep-download=yes", *pull_tar(place)


def replace_kept(place):
    place.old_tree()
    return "--force", *pull_kept(place)


def pull_tar_file(place):
    return "--verify=no", "pull-tar", f"file://{place.archive()}", "web"


def pull_raw(place):
    """With what lies beside it."""
    disk = place.disk("zst")
    (place.inputs / "new.nspawn").write_text("[Exec]\nBoot=no\n")
    (place.inputs / "new.roothash").write_text("ab" * 32 + "\n")
    sums = ""
    for path in (disk, place.inputs / "new.nspawn", place.inputs / "new.roothash"):
        place.page(f"/{path.name}", path)
        sums += f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
    (place.inputs / "SHA256SUMS").write_text(sums)
    place.page("/SHA256SUMS", place.inputs / "SHA256SUMS")
    return "--verify=checksum", "--retries=0", "pull-raw", place.web.url(f"/{disk.name}"), "web"


def replace_beside(place):
    """All that lies beside it is of the old image, or of the new one."""
    place.old_disk()
    for suffix in ("nspawn", "roothash", "usrhash"):
        (place.pool / f"web.{suffix}").write_text("old")
    return "--force", *pull_raw(place)


def pull_raw_file(place):
    return "--verify=no", "pull-raw", f"file://{place.disk('qcow2')}", "web"


KINDS = {
    "import-tar": import_tar,
    "replace-tar": replace_tar,
    "import-raw": lambda p: import_raw(p, "raw"),
    "import-raw-packed": lambda p: import_raw(p, "xz"),
    "import-qcow2": lambda p: import_raw(p, "qcow2"),
    "replace-raw": replace_raw,
    "import-fs": import_fs,
    "export-tar": export_tar,
    "replace-export": replace_export,
    "export-raw": export_raw,
    "export-raw-packed": lambda p: export_raw(p, ".xz"),
    "pull-tar": pull_tar,
    "pull-kept": pull_kept,
    "replace-kept": replace_kept,
    "pull-tar-file": pull_tar_file,
    "pull-raw": pull_raw,
    "replace-beside": replace_beside,
    "pull-raw-file": pull_raw_file,
}


@pytest.fixture(name="harm", params=KINDS)
def make_harm(request, scratch, program, web):
    """(the Place, the Faults, the command line, the calls to be harmed, what is seen before, and after)."""
    place = Place(scratch, program, web)
    argv = place.argv(*KINDS[request.param](place))
    faults = Faults(scratch)
    place.reset()
    before, left = place.seen()
    assert left == []
    calls, done = faults.calls(argv)
    assert (done.returncode, done.stderr) == (0, "")
    after, left = place.seen()
    assert after != before and left == []
    return place, faults, argv, after_loading(calls), before, after


def after_loading(calls):
    """Without those of the dynamic linker, for each program that is executed."""
    loading, kept = collections.defaultdict(lambda: True), []
    executed = {0} | {c.process for c in calls if c.name.startswith("execve")}
    for call in calls:
        if call.name.startswith("execve"):
            kept.append(call)
            loading[call.process] = True
        elif call.process not in executed or not loading[call.process]:
            kept.append(call)
        elif call.name == "getrandom":      # of malloc(), after the last library
            loading[call.process] = False
    return kept


def selection(calls, skipped, most):
    """The first of each name by each process, then some of the others."""
    calls = [c for c in calls if c.name not in skipped]
    if EVERY:
        return calls
    first = {}
    for call in calls:
        first.setdefault((call.process, call.name), call)
    # What the worker does itself is what others see.
    chosen = sorted(first.values(), key=lambda c: c.process > 0)[:most]
    others = [c for c in calls if c not in chosen]
    return (chosen + others[::max(1, -(-len(others) // max(1, most - len(chosen))))])[::STRIDE]


def test_killed(harm):
    place, faults, argv, calls, before, after = harm
    killed = 0
    for call in selection(calls, CHANGES_NOTHING, KILLS):
        place.reset()
        done = faults.kill(argv, call)
        assert done.returncode != TROUBLE, f"{call}: {done.stderr}"
        if not faults.hit():
            continue
        killed += 1
        # What is noted down as half done is finished by whoever comes next.
        swept = faults.plain(place.argv("sweep"))
        assert swept.returncode == 0, f"{call}: {swept.stderr}"
        seen, _ = place.seen()
        # What is kept of it is there before the image is.
        image = {path: what for path, what in seen.items() if not path.name.startswith(".")}
        assert image == before or seen == after, f"{call}: {list(seen)}"
        if seen == after and "--force" not in argv:
            place.reset()
        again = faults.plain(argv)
        assert again.returncode == 0, f"{call}: {again.stderr}"
        assert place.seen() == (after, []), call
    assert killed > KILLS // 2 // STRIDE


def errors_of(name):
    yield errno.EMFILE if name.startswith(("open", "memfd", "pipe", "signalfd", "socket", "pidfd")) else \
        errno.ENOMEM if name in ("mmap", "clone3", "clone", "mremap", "munmap", "futex") else errno.EIO
    if name.startswith(("write", "pwrite", "mk", "openat", "ftruncate", "rename", "link", "symlink", "copy_file",
                        "fallocate", "fsync", "syncfs", "fsetxattr")):
        yield errno.ENOSPC


_NEVER_FAIL = CANNOT_FAIL | {"exit", "futex", "madvise", "munmap", "rt_sigreturn"}

# Without these nobody is confined.
CONFINES = {"unshare", "mount", "mount_setattr", "open_tree", "capset", "landlock_restrict_self",
            "landlock_add_rule", "seccomp", "setresuid", "setresgid", "setgroups"}


def test_failed(harm):
    place, faults, argv, calls, before, after = harm
    refused = 0
    for call in selection(calls, _NEVER_FAIL, FAILURES):
        for error in errors_of(call.name):
            place.reset()
            done = faults.fail(argv, call, error)
            if not faults.hit().endswith(f" {call.name}"):
                continue
            where = f"{faults.hit()}, {errno.errorcode[error]}: {done.returncode} {done.stderr}"
            assert done.returncode in (0, 1), where
            seen, left = place.seen()
            # Locks that nobody holds mean nothing; what was downloaded is kept, to be gone on with.
            left = [p for p in left if p.suffix != ".lck" and not p.name.startswith(".skep-part.")]
            if done.returncode == 0:
                assert call.name not in CONFINES, where
                assert seen == after, where
                # What was replaced cannot always be removed then.
                assert left == [] or "--force" in argv, f"{where} {left}"
                continue
            refused += 1
            lines = done.stderr.splitlines()
            assert len(lines) == 1 and lines[0].startswith("skep-import: "), where
            # What was kept is no image.
            seen = {path: what for path, what in seen.items() if not path.name.startswith(".")}
            assert (seen, left) == (before, []), where
    assert refused > 20 // STRIDE
