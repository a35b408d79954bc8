"""``python -m bench --output FILE``: measures everything, prints a table, writes the JSON."""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from bench import memory, patterns, stacks
from bench.measure import RUNNER, measure


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--output", type=Path, default=Path("build/bench/python.json"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="measures only cases whose id contains this, and replaces them in the output")
    options = parser.parse_args()
    cases = [case for cases in (patterns.cases, stacks.cases) for case in RUNNER.run(cases()) if options.only in case.id]
    gc.collect()
    gc.freeze()  # what the peers have loaded is not to be gone through again and again
    measure(cases, options.rounds, lambda number: print(f"\rround {number} of {options.rounds}", end="", file=sys.stderr, flush=True))
    print(file=sys.stderr)
    report: dict[str, Any] = {
        "language": "python",
        "runtime": f"{platform.python_implementation()} {platform.python_version()}",
        "cpus": os.cpu_count(),
        "rounds": options.rounds,
        "baseline": "a bare wrapper around the same operation, which does not suspend: `async def bare(op): return await op()`, "
        "for sync `def bare(op): return op()`; in each round the fastest of several slices of a millisecond, taken in turns",
        "cases": [case.result() for case in cases],
        "memory": [] if options.only else [measured.result() for measured in memory.measure()],
    }
    print_table(report)
    if options.only and options.output.exists():
        earlier = json.loads(options.output.read_text())
        anew = {case["id"]: case for case in report["cases"]}
        report = earlier | {"cases": [anew.get(case["id"], case) for case in earlier["cases"]]}
    if report["memory"]:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(report, indent=1) + "\n")
        print(f"\nwritten to {options.output}")


def print_table(report: dict[str, Any]) -> None:
    for case in report["cases"]:
        target = f"   target {case['target_source']}" if case["target"] else ""
        print(f"\n{case['title']}{target}")
        for result in case["results"]:
            mark = "*" if result["ours"] else " "
            print(f" {mark} {result['name']:48} {result['median']:8.3g} ({result['min']:.3g} to {result['max']:.3g}) {result['ns']:10,.0f} ns")
    for measured in report["memory"]:
        target = f"   target <= {measured['target']}" if measured["target"] else ""
        print(f"\n{measured['title']}{target}")
        for result in measured["results"]:
            print(f" {'*' if result['ours'] else ' '} {result['name']:48} {result['value']:10,}")


if __name__ == "__main__":
    main()
