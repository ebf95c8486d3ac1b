# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures and rules for all system tests (docs/testing.md).

A module chooses its labs with LAB_SUITES = ("bookworm", "trixie") (default: bookworm alone) and
LAB_REPLACE = False (default True: skep stands in for systemd's own units); LAB_INSTALL = False leaves
the host to Debian alone; LAB_KIND = "engines" boots the tree that has podman and containerd."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from skeplib import build, kernel, trees  # noqa: E402
from skeplib.lab import Lab  # noqa: E402


# They choose a system call of a program by its number and trace it; a sanitizer makes calls of its own,
# and would trace the program itself.
collect_ignore = (["root/test_spawn_inject.py", "root/test_spawn_crash.py", "root/test_oci_inject.py",
                   "root/test_join_faults.py", "root/test_import_faults.py"]
                  if os.environ.get("SKEP_SANITIZED") else [])


def pytest_addoption(parser):
    parser.addoption("--suite", action="append", choices=["bookworm", "trixie"],
                     help="run lab tests in labs of this suite only (may be repeated)")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than ten seconds")
    config.addinivalue_line("markers", "suites(NAME...): the labs of this test, of those of its module")
    if os.geteuid() != 0:
        raise pytest.UsageError("system tests need root")
    kernel.scratch_dir()
    # Who runs us in the background may have it ignored, which programs under test would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Programs under test find each other in the build folder, not where some skep is installed.
    os.environ.setdefault("SKEP_LIBEXECDIR", str(build.build_dir().resolve() / "libexec"))


def pytest_generate_tests(metafunc):
    if "lab" in metafunc.fixturenames:
        suites = getattr(metafunc.module, "LAB_SUITES", ("bookworm",))
        marker = metafunc.definition.get_closest_marker("suites")
        suites = marker.args if marker else suites
        chosen = metafunc.config.getoption("--suite") or suites
        metafunc.parametrize("lab", [s for s in suites if s in chosen], indirect=True,
                             scope="module")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("MUST_RUN") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"MUST_RUN=1, and this was skipped: {report.longrepr[-1]}"
    lab = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if report.failed and report.when == "call" and isinstance(lab, Lab) and lab.leader:
        report.sections.append(("journal of the lab", lab.journal("-b", "-n", "60", "-o", "short")))


def _wishes(module):
    return {"replace_systemd": getattr(module, "LAB_REPLACE", True),
            "install": getattr(module, "LAB_INSTALL", True),
            "kind": getattr(module, "LAB_KIND", "lab")}


@pytest.fixture(scope="module")
def lab(request):
    """A booted lab, shared by the tests of a module."""
    with Lab(request.param, **_wishes(request.module)) as booted:
        yield booted


@pytest.fixture(scope="session")
def tree():
    """tree("bookworm-guest") is the path of a cached tree, not to be written to."""
    return trees.tree


@pytest.fixture
def fresh_tree(scratch):
    """fresh_tree("busybox") is a writable tree of the test's own, an overlay in memory."""
    def make(name, *above):
        where = scratch / f"tree-{name}-{len(list(scratch.iterdir()))}"
        where.mkdir()
        return trees.overlay(where, *above, trees.tree(name))

    return make


@pytest.fixture
def copied_tree(scratch):
    """copied_tree("busybox") is a writable copy in memory, on a file system that can be idmapped."""
    def make(name):
        where = scratch / f"copy-{name}-{len(list(scratch.iterdir()))}"
        where.mkdir()
        subprocess.run(["tar", "-C", where, "--numeric-owner", "-xpf", trees.tar(name)], check=True)
        return where

    return make


@pytest.fixture(scope="session")
def guest_tar():
    """guest_tar("bookworm-guest", "xz") is the path of an archive; packed none, gz, xz, zst, bz2."""
    return trees.tar


@pytest.fixture(scope="session")
def program():
    """program("skep-spawn") is the path of that program in the build under test."""
    return build.program


@pytest.fixture
def scratch(request):
    """A folder in memory for one test, gone after it, with all that the test mounted there."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
    where = kernel.scratch_dir() / f"t-{os.getpid()}-{name}"
    where.mkdir()
    kernel.mount("skep-test", where, "tmpfs", 0, "mode=0755")
    yield where
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        points = [line.split()[4].replace("\\040", " ") for line in f]
    for point in sorted((p for p in points if p.startswith(str(where))), reverse=True):
        kernel.umount(point)
    where.rmdir()


@pytest.fixture(scope="session")
def vm():
    """A booted virtual machine, shared by all tests: it takes long to boot."""
    from skeplib.vm import Vm  # qemu is wanted by few

    with Vm() as booted:
        yield booted
