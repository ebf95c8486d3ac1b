# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stages of tools/check. Each takes a Context and returns a Result, or raises StageFailed."""

import concurrent.futures
import dataclasses
import json
import os
import subprocess
import time
import xml.etree.ElementTree

from . import TOP
from . import builder

TIDY_SECONDS = 120
# More failures than this are no accident, and are not tried again.
UNSTEADY_MAX = 12
# The targets that stand for the two ways in that matter most; the others get a third of the time.
MAIN_FUZZERS = ("settings", "tar")


class StageFailed(Exception):
    """A stage cannot go on; the text says why."""


@dataclasses.dataclass
class Result:
    """What a stage counted, and what is to be said of it: a line for each failure and each unsteady test."""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    remarks: list = dataclasses.field(default_factory=list)

    def __add__(self, other):
        return Result(self.passed + other.passed, self.failed + other.failed,
                      self.skipped + other.skipped, self.remarks + other.remarks)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class Context:
    """What a stage needs to run things: its log, the folder of builds, the options."""

    def __init__(self, name, log, options):
        self.name = name
        self.options = options
        self._log = log

    def build(self, name):
        """The build folder called @name."""
        return self.options.builds / name

    def note(self, text):
        """Write a line to the log."""
        self._log.write(text + "\n")
        self._log.flush()

    def call(self, *argv, env=None, timeout=1800):
        """Run a command with its output in the log. Return: its exit status."""
        argv = [str(a) for a in argv]
        self.note("$ " + " ".join(argv[:8]) + (f" ... ({len(argv)} words)" if argv[8:] else ""))
        done = subprocess.run(argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=self._log,
                              stderr=subprocess.STDOUT, env={**os.environ, **(env or {})},
                              timeout=timeout, check=False)
        return done.returncode

    def must(self, *argv, **options):
        """Run a command that the stage cannot do without."""
        if self.call(*argv, **options):
            raise StageFailed(f"{argv[0]} failed")


def _sources(*patterns):
    out = subprocess.run(["git", "ls-files", *patterns], cwd=TOP, stdout=subprocess.PIPE,
                         check=True, text=True)
    return [p for p in out.stdout.splitlines() if (TOP / p).exists()]


def _scripts():
    """Shell scripts, told by their first line."""
    found = []
    for path in _sources("tools/*", ".ci/*", "*.sh"):
        with open(TOP / path, "rb") as f:
            if f.readline().rstrip().endswith((b"bash", b"/sh")):
                found.append(path)
    return found


def guard(context):
    """The cheap checks, each counted as one test."""
    c_files = _sources("*.c", "*.h")
    text = _sources("*.c", "*.h", "*.py", "*.md", "*.scd", "tools/*", "*.build", "units/*")
    python = _sources("*.py", "tools/check-*")
    checks = (
        ("format", ["tools/format", "--check"]),
        ("includes", ["tools/check-includes"]),
        ("spelling", ["codespell", "--ignore-words", "test/codespell-ignore", *text]),
        ("shell", ["shellcheck", *_scripts()]),
        ("python", ["pyflakes3", *python]),
        ("licence lines", ["sh", "-c", "! grep -L SPDX-License-Identifier: \"$@\" | grep .", "sh",
                           *c_files, *_sources("*.py", "*meson.build", "tools/*", ".ci/*")]),
    )
    result = Result()
    for name, argv in checks:
        status = context.call(*argv)
        if status == 77:
            context.note(f"skipped: {name}")
            result.skipped += 1
        elif status:
            context.note(f"FAILED: {name}")
            result.failed += 1
        else:
            result.passed += 1
    return result


def _configure(context, name, *options, compiler="gcc", only=None, run=()):
    """Make a build folder what it should be; with @only just the targets whose name starts so. @run comes before each
    command."""
    build = context.build(name)
    if not (build / "build.ninja").exists():
        context.must(*run, "meson", "setup", build, TOP, "-Db_colorout=never", *options,
                     env={"CC": compiler})
    wanted = []
    if only:
        context.must("ninja", "-C", build, "build.ninja")
        listed = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], check=True,
                                stdout=subprocess.PIPE, text=True).stdout
        paths = [line.rpartition(": ")[0] for line in listed.splitlines()]
        wanted = [p for p in paths if p.rpartition("/")[2].startswith(only) and p.count(".") == 0]
        if not wanted:
            raise StageFailed(f"nothing is called {only}*")
    context.must(*run, "ninja", "-C", build, *(wanted or ["all", "meson-test-prereq"]))
    return build


def _unit(context, build, env=None, multiplier=1, run=()):
    """Run the unit suite of a build. Return: Result with the build itself counted as passed."""
    context.call(*run, "meson", "test", "-C", build, "--no-rebuild", "--suite", "unit",
                 "--print-errorlogs", "--timeout-multiplier", multiplier, "--logbase", "unit",
                 env=env)
    result = Result(passed=1)
    with open(build / "meson-logs/unit.json", encoding="utf-8") as f:
        for line in f:
            outcome = json.loads(line)["result"]
            if outcome in ("OK", "EXPECTEDFAIL"):
                result.passed += 1
            elif outcome == "SKIP":
                result.skipped += 1
            else:
                result.failed += 1
    return result


def _cases(report):
    """The outcomes of a report of pytest's: {test: (word, message)}; a test is called as pytest takes it, without its
    folder."""
    outcomes = {}
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}.py::{case.get('name')}"
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        if bad is not None:
            outcomes[name] = ("failed", (bad.get("message") or "").strip().splitlines()[:1])
        elif case.find("skipped") is not None:
            outcomes.setdefault(name, ("skipped", []))
        else:
            outcomes.setdefault(name, ("passed", []))
    return outcomes


def _pytest_once(context, env, *what):
    report = context.build("log") / f"{context.name}.xml"
    report.unlink(missing_ok=True)
    status = context.call("/usr/bin/python3", "-m", "pytest", *what, f"--junit-xml={report}",
                          "--durations=30", env=env)
    if not report.exists():
        raise StageFailed(f"pytest ended with status {status} and no report")
    return status, _cases(report)


def _pytest(context, folder, env=None):
    """Run the system tests of a folder. The few that fail are tried once more, in beds of their own: who passes then
    is counted as passed and named as unsteady."""
    if not list((TOP / folder).glob("test_*.py")):
        raise StageFailed(f"no tests in {folder}")
    status, outcomes = _pytest_once(context, env, folder)
    failed = [name for name, (word, _) in outcomes.items() if word == "failed"]
    unsteady = []
    if 0 < len(failed) <= UNSTEADY_MAX:
        _, again = _pytest_once(context, env, *[f"{folder}/{name}" for name in failed])
        unsteady = [name for name in failed if again.get(name, ("failed",))[0] == "passed"]
    remarks = [f"{'unsteady' if name in unsteady else 'failed'}: {name}: {' '.join(outcomes[name][1])[:200]}"
               for name in failed]
    words = [word for word, _ in outcomes.values()]
    result = Result(words.count("passed") + len(unsteady), len(failed) - len(unsteady),
                    words.count("skipped"), remarks)
    if status and not failed:
        result.failed = 1
    return result


def gcc(context):
    """The reference build."""
    return _unit(context, _configure(context, "gcc", "--werror"))


def clang(context):
    """The same with clang, whose warnings need no optimisation."""
    return _unit(context, _configure(context, "clang", "--werror", "-Doptimization=0", compiler="clang"))


_ASAN_ENV = {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1",
             "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1"}


def asan(context):
    """Sanitizers over the unit tests."""
    build = _configure(context, "asan", "-Db_sanitize=address,undefined", "-Doptimization=1", "--werror")
    return _unit(context, build, env=_ASAN_ENV, multiplier=4)


def asan_root(context):
    """Sanitizers over the root tests."""
    return _pytest(context, "test/root",
                   env={**_ASAN_ENV, "SKEP_BUILD": str(context.build("asan")), "SKEP_SANITIZED": "1"})


def release(context):
    """What distributions build, with the tools of the release of Debian that this host is not."""
    run = builder.inside(builder.other_suite())
    build = _configure(context, "release", "--werror", "--buildtype=release", "-Db_lto=true", "-Db_ndebug=true",
                       run=run)
    return _unit(context, build, run=run)


def bare(context):
    """No optional feature, and no optimisation."""
    return _unit(context, _configure(context, "bare", "--werror", "--auto-features=disabled",
                                     "--buildtype=debug", "-Doptimization=0"))


def root(context):
    """System tests on this host."""
    return _pytest(context, "test/root", env={"SKEP_BUILD": str(context.build("gcc"))})


def lab(context):
    """System tests in labs."""
    return _pytest(context, "test/lab", env={"SKEP_BUILD": str(context.build("gcc"))})


def tour(context):
    """tools/try, from its first line to its last."""
    context.must("tools/try", timeout=600)
    return Result(passed=1)


def vm(context):
    """System tests in a virtual machine."""
    return _pytest(context, "test/vm", env={"SKEP_BUILD": str(context.build("gcc"))})


def tidy(context):
    """clang-tidy over the sources, the most recently changed first, until the time is over.

    A file that it has found nothing in is not looked at again until something changes."""
    build = context.build("clang")
    stamps = context.build("tidy")
    stamps.mkdir(exist_ok=True)
    newest = max((TOP / p).stat().st_mtime for p in _sources("*.h", ".clang-tidy"))
    files = sorted(_sources("src/**.c"), key=lambda p: -(TOP / p).stat().st_mtime)
    result, end, left = Result(), time.monotonic() + TIDY_SECONDS, 0
    for path in files:
        stamp = stamps / path.replace("/", "-")
        if stamp.exists() and stamp.stat().st_mtime > max((TOP / path).stat().st_mtime, newest):
            result.passed += 1
        elif time.monotonic() > end:
            left += 1
        elif context.call("clang-tidy", "--quiet", "-p", build, path):
            result.failed += 1
        else:
            stamp.touch()
            result.passed += 1
    context.note(f"{left} files not looked at, for the time was over")
    return result


def fuzz(context):
    """Every fuzz target, two at a time, from its corpus."""
    build = _configure(context, "fuzz", "-Dfuzz=true", "-Db_sanitize=address,undefined", "-Doptimization=1",
                       compiler="clang", only="fuzz-")
    targets = sorted(p for p in build.glob("test/fuzz/fuzz-*") if p.is_file())
    if not targets:
        raise StageFailed("there is no fuzz target")
    names = {t.name.removeprefix("fuzz-") for t in targets}
    missing = [m for m in MAIN_FUZZERS if not any(m in n for n in names)]
    if missing:
        raise StageFailed(f"no fuzz target for {' and '.join(missing)}")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        clean = list(pool.map(lambda t: _fuzz_one(context, build, t), targets))
    return Result(passed=sum(clean), failed=len(clean) - sum(clean))


def _fuzz_one(context, build, target):
    """Run one target. Return: whether it found nothing."""
    name = target.name.removeprefix("fuzz-")
    seconds = context.options.fuzz_seconds
    if not any(m in name for m in MAIN_FUZZERS):
        seconds = max(5, seconds // 3)
    work = build / "corpus" / name
    work.mkdir(parents=True, exist_ok=True)
    found = build / "findings" / name
    found.mkdir(parents=True, exist_ok=True)
    log = build / f"fuzz-{name}.log"
    argv = [target, f"-max_total_time={seconds}", f"-seed={context.options.fuzz_seed}",
            "-timeout=10", "-rss_limit_mb=2048",
            # What a length in an archive asks for is memory only when something is written there.
            "-malloc_limit_mb=8192",
            f"-artifact_prefix={found}/", "-print_final_stats=1", work,
            TOP / "test/fuzz/corpus" / name]
    with open(log, "wb") as f:
        done = subprocess.run([str(a) for a in argv], stdout=f, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, env={**os.environ, **_ASAN_ENV},
                              timeout=seconds * 3 + 60, check=False)
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
    if done.returncode == 0:
        context.note(f"{name}: clean, {next((t for t in tail if 'executed_units' in t), '')}")
        return True
    # The input itself comes first: who reads of it may not have the folder.
    tail.sort(key=lambda line: not line.startswith(("Base64:", "SUMMARY:")))
    context.note(f"{name}: status {done.returncode}, finding in {found}\n" + "\n".join(tail))
    return False
