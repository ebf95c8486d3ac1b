# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/bench: paired runs. In each round every contender has its turn, in an order that changes, so that
what else happens on the machine strikes all alike; minimum and median are what counts. Where a turn is
several runs, as a loop would start them, each of them counts."""

import argparse
import dataclasses
import json
import pathlib
import statistics
import sys
import tempfile
import time

from . import benches
from . import benches_disk
from . import benches_import
from . import benches_machined
from . import benches_oci
from . import kernel


GROUPS = ("oci", "machined", "import", "export")
SETTLE = 0.05    # seconds between two turns


@dataclasses.dataclass
class Row:
    """What the runs of one contender came to."""
    name: str
    unit: str
    values: list
    peak: int = None        # kB

    def as_dict(self):
        """For --json."""
        cpu = [v.cpu for v in self.values if getattr(v, "cpu", None) is not None]
        return {"contender": self.name, "unit": self.unit, "runs": len(self.values),
                "min": min(self.values), "median": statistics.median(self.values),
                "max": max(self.values), "values": self.values,
                "cpu": min(cpu) if cpu else None, "peak_kb": self.peak}


def measure(bench, rounds, say):
    """Run a bench. Return: (rows, {contender that could not run: why})."""
    rows, missing = {}, {}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=kernel.scratch_dir(),
                                     ignore_cleanup_errors=True) as folder:
        contenders = bench.contenders(pathlib.Path(folder))
        for contender in list(contenders):
            try:
                contender.run()         # warms caches, and shows whether it works here at all
                rows[contender.name] = Row(contender.name, bench.unit, [],
                                           contender.peak() if contender.peak else None)
            except (benches.CannotRun, OSError) as problem:
                missing[contender.name] = "; ".join(str(problem).strip().splitlines()[-2:])
                contenders.remove(contender)
        for number in range(rounds):
            turn = number % max(1, len(contenders))
            for contender in contenders[turn:] + contenders[:turn]:
                for _ in range(bench.burst):
                    rows[contender.name].values.append(contender.run())
                # Some leave namespaces to be taken down when they have ended: not on the next one's
                # account.
                time.sleep(SETTLE)
            say(f"\r{bench.name}: round {number + 1} of {rounds}")
        say("\r" + " " * 40 + "\r")
    return [r for r in rows.values() if r.values], missing


def judge(bench, data, first):
    """What of a contender ours takes, where that has a target. Return: a word on that, or nothing."""
    words = []
    if data["contender"] in bench.targets:
        part, target = first["min"] / data["min"], bench.targets[data["contender"]]
        words.append(f"skep takes {part:.2f} of it, wanted: {target:.2f}{'' if part <= target else ', MISSED'}")
    if data is first and bench.peak and data["peak_kb"]:
        words.append(f"wanted: {bench.peak} MB{'' if data['peak_kb'] <= bench.peak * 1024 else ', MISSED'}")
    return "  " + "; ".join(words) if words else ""


def show(bench, rows, missing):
    """Print the table of a bench; ratios are against the first contender, which is skep."""
    print(f"{bench.name}: {bench.why} ({bench.unit}, less is better)")
    width = max([len(r.name) for r in rows] + [len(n) for n in missing] + [9])
    data = [r.as_dict() for r in rows]
    cpu, peak = (any(d[key] is not None for d in data) for key in ("cpu", "peak_kb"))
    print(f"  {'':{width}} {'min':>9} {'median':>9} {'x min':>7} {'x median':>9}"
          + f" {'cpu':>8}" * cpu + f" {'peak MB':>8}" * peak)
    for d in data:
        first = data[0]
        print(f"  {d['contender']:{width}} {d['min']:9.2f} {d['median']:9.2f} "
              f"{d['min'] / first['min']:7.2f} {d['median'] / first['median']:9.2f}"
              + (f" {d['cpu']:8.0f}" if d["cpu"] is not None else " " * 9 * cpu)
              + (f" {d['peak_kb'] / 1024:8.1f}" if d["peak_kb"] else " " * 9 * peak)
              + judge(bench, d, first))
    for name, why in missing.items():
        print(f"  {name:{width}} could not run: {why}")
    print()


def main():
    known = {b.name: b for b in benches.BENCHES + benches_oci.BENCHES + benches_machined.BENCHES
             + benches_import.BENCHES + benches_disk.BENCHES}
    parser = argparse.ArgumentParser(
        prog="tools/bench", description="Compare skep with its peers in paired runs.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="benches:\n" + "\n".join(f"  {b.name:10} {b.why}" for b in known.values()))
    parser.add_argument("bench", nargs="*", metavar="BENCH", help="which (default: all); oci, machined, import, export: all of those")
    parser.add_argument("--rounds", type=int, help="runs of each contender (default: by bench)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    args = parser.parse_args()
    args.bench = [n for b in args.bench
                  for n in ([k for k in known if k.startswith(b + "-")] if b in GROUPS else [b])]
    unknown = [n for n in args.bench if n not in known]
    if unknown:
        parser.error(f"no bench is called {', '.join(unknown)}")

    def say(text):
        if sys.stderr.isatty():
            print(text, end="", file=sys.stderr, flush=True)

    kernel.show_pure_cgroup2()
    kernel.show_run_in_memory()
    result = {}
    with kernel.own_cgroup("skep-bench"):
        for name in args.bench or known:
            bench = known[name]
            rows, missing = measure(bench, args.rounds or bench.rounds, say)
            result[name] = {"why": bench.why, "contenders": [r.as_dict() for r in rows],
                            "missing": missing}
            if not args.json:
                show(bench, rows, missing)
    if args.json:
        print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
