# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/check: runs the stages of the whole check, a few at a time, and sums what they found."""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import subprocess
import sys
import threading
import time

from . import TOP
from . import stages


@dataclasses.dataclass(frozen=True)
class Stage:
    """One row of the check: why it exists, what it does, what must have passed before it."""
    name: str
    why: str
    run: object
    after: tuple = ()
    quick: bool = True


STAGES = (
    Stage("guard", "style: format, includes, spelling, shell", stages.guard),
    Stage("gcc", "builds without a warning; unit tests; what the beds run", stages.gcc),
    Stage("clang", "the other compiler's warnings", stages.clang),
    Stage("asan", "unit tests under AddressSanitizer and UBSan", stages.asan),
    Stage("root", "spawner and importer on this host", stages.root, ("gcc",)),
    Stage("lab", "everything that needs systemd and D-Bus", stages.lab, ("gcc",)),
    Stage("try", "what a newcomer runs first", stages.tour, ("gcc",)),
    Stage("asan-root", "the root tests under the sanitizers", stages.asan_root, ("asan",),
          quick=False),
    Stage("vm", "real cgroup controllers, in a virtual machine", stages.vm, ("gcc",), quick=False),
    Stage("release", "the other Debian's compiler, no assertions, link-time optimisation",
          stages.release, ("gcc",), quick=False),
    Stage("bare", "all that is optional left out", stages.bare, ("gcc",), quick=False),
    Stage("tidy", "clang-tidy, as far as it gets in its time", stages.tidy, ("clang",),
          quick=False),
    Stage("fuzz", "each parser of foreign bytes, for a while", stages.fuzz, ("clang",),
          quick=False),
)

_print_lock = threading.Lock()


def _say(text):
    with _print_lock:
        print(text, flush=True)


def _perform(stage, options):
    """Run one stage; never raises, for what goes wrong in it is its failure."""
    start = time.monotonic()
    log = options.logs / f"{stage.name}.log"
    with open(log, "w", encoding="utf-8") as f:
        context = stages.Context(stage.name, f, options)
        try:
            result = stage.run(context)
        except (stages.StageFailed, OSError, RuntimeError, subprocess.SubprocessError) as problem:
            f.write(f"\n{problem}\n")
            result = stages.Result(failed=1)
    took = time.monotonic() - start
    word = "FAILED" if result.failed else "ok"
    _say("\n        ".join([f"{word:6} {stage.name:10} {result} in {took:.0f} s", *result.remarks]))
    if result.failed:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        _say("\n".join("        " + line for line in lines[-60:]) + f"\n        (all in {log})")
    return result


def _run_all(chosen, options):
    """Run the stages, each as soon as those before it have passed and a slot is free."""
    results, waiting, running = {}, list(chosen), {}
    names = {s.name for s in chosen}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        while waiting or running:
            for stage in list(waiting):
                before = [a for a in stage.after if a in names]
                if any(a in results and results[a].failed for a in before):
                    _say(f"FAILED {stage.name:10} not run, for a stage before it failed")
                    results[stage.name] = stages.Result(failed=1)
                    waiting.remove(stage)
                elif all(a in results for a in before) and len(running) < options.jobs:
                    running[pool.submit(_perform, stage, options)] = stage
                    waiting.remove(stage)
            if running:
                done, _ = concurrent.futures.wait(running,
                                                  return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    results[running.pop(future).name] = future.result()
    return results


def _arguments():
    parser = argparse.ArgumentParser(
        prog="tools/check", description="Check all of skep.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="stages:\n" + "\n".join(f"  {s.name:10} {s.why}" for s in STAGES))
    parser.add_argument("--only", metavar="STAGE[,STAGE]", default="",
                        help="run these stages, and nothing they come after")
    parser.add_argument("--quick", action="store_true", help="leave out the slow stages")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1,
                        help="stages at a time (default: one more than there are processors)")
    parser.add_argument("--fuzz-seconds", type=int, default=10,
                        help="how long each main fuzzer runs (default 10)")
    parser.add_argument("--fuzz-seed", type=int, default=1,
                        help="where each fuzzer begins (default 1, so that two runs of a tree do the same; 0: anywhere)")
    parser.add_argument("--builds", type=pathlib.Path, default=TOP / "build-check",
                        help="where the builds and logs go (default build-check/)")
    return parser.parse_args()


def main():
    options = _arguments()
    known = {s.name: s for s in STAGES}
    only = [n for n in options.only.split(",") if n]
    unknown = [n for n in only if n not in known]
    if unknown:
        sys.exit(f"tools/check: no stage is called {', '.join(unknown)} (see --help)")
    if os.geteuid() != 0:
        sys.exit("tools/check: needs root, for namespaces and mounts")

    # Labs are built from what the first stage has compiled.
    os.environ.update(CCACHE_BASEDIR=str(TOP), CCACHE_NOHASHDIR="1")
    options.logs = options.builds / "log"
    options.logs.mkdir(parents=True, exist_ok=True)
    chosen = [s for s in STAGES if (s.name in only if only else s.quick or not options.quick)]
    total = stages.Result()
    for name, result in _run_all(chosen, options).items():
        total += result
        for remark in result.remarks:
            print(f"{name}: {remark}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
