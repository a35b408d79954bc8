"""``python -m load --server PROGRAM``: a third of the time without the facade, then with it.

Exits with 1 when a call is not accounted for, more calls ran at once than the bulkhead lets, or memory grew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

from load.generator import PERCENTILES, Generator, growth
from load.target import SLOTS, Client, Guarded, Server

SCHEDULE = "healthy:4s,failing:2s,stalling:2s,resetting:2s,recovering:2s"
SLACK = 4 << 20


async def main(options: argparse.Namespace) -> dict[str, Any]:
    rate = options.rate or await find_rate(options.server)
    print(f"{rate} calls a second", file=sys.stderr)
    runs: list[dict[str, Any]] = []
    async with Server.started(options.server, options.schedule) as server, session() as http:
        client = Client(http, server.url)
        guarded = Guarded(client)
        third = options.seconds / 3
        for generator in (
            Generator("without the facade", rate, third, client.fetch_within),
            Generator("with the facade", rate, options.seconds - third, guarded.call),
        ):
            await client.restart()
            await generator.run()
            runs.append(generator.result() | {"highest_concurrency": client.highest})
        guarded.facade.close()
    return {
        "language": "python",
        "runtime": f"{platform.python_implementation()} {platform.python_version()}",
        "cpus": os.cpu_count(),
        "rate": rate,
        "schedule": options.schedule,
        "bulkhead_limit": SLOTS,
        "runs": runs,
    }


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def find_rate(program: Path) -> int:
    """Half of what tasks that call one after another reach while the server is healthy: the other phases need room too."""
    seconds, callers, calls = 2.0, 32, 0
    async with Server.started(program, "healthy:1h") as server, session() as http:
        client = Client(http, server.url)
        until = time.perf_counter() + seconds

        async def caller() -> None:
            nonlocal calls
            while time.perf_counter() < until:
                outcome = await client.fetch_within(0)
                calls += outcome == "ok"  # not with `await` in one: what others count meanwhile would be lost

        await asyncio.gather(*(caller() for _ in range(callers)))
    return min(max(round(calls / seconds / 2), 10), 20_000)


def faults(report: dict[str, Any]) -> list[str]:
    """What must not be."""
    found = []
    for run in report["runs"]:
        ended = sum(run["outcomes"].values())
        if ended != run["issued"]:
            found.append(f"{run['name']}: {run['issued']} calls were issued, {ended} are accounted for")
    guarded = report["runs"][-1]
    if guarded["highest_concurrency"] > SLOTS:
        found.append(f"{guarded['highest_concurrency']} calls ran at once, the bulkhead's limit is {SLOTS}")
    # A process keeps what it once occupied: its greatest extent must not grow. What is in use must come back to what it was.
    for what, pick, slack in (("rss", max, SLACK), ("blocks", min, SLACK // 64)):
        first, last = growth(guarded["memory"], what, pick)
        if last > 1.25 * first + slack:
            found.append(f"memory grew from {first} to {last} ({what})")
    return found


def print_table(report: dict[str, Any]) -> None:
    runs = report["runs"]
    print(f"{report['runtime']}, {report['cpus']} cores; {report['rate']} calls a second, open-loop; server: {report['schedule']}\n")

    def row(title: str, cells: list[Any]) -> None:
        print(f"{title:32}" + "".join(f"{cell:>20}" for cell in cells))

    row("", [run["name"] for run in runs])
    row("seconds", [f"{run['seconds']:.0f}" for run in runs])
    row("issued", [run["issued"] for run in runs])
    for outcome in sorted({outcome for run in runs for outcome in run["outcomes"]}):
        row(f"  {outcome}", [run["outcomes"].get(outcome, 0) for run in runs])
    for title, key in (("answered", "answered_ms"), ("all calls", "all_ms")):
        for name in PERCENTILES:
            row(f"{title}, {name} ms", [f"{run[key][name]:.1f}" for run in runs])
    row("at once, at most", [run["highest_concurrency"] for run in runs])
    for title, what, pick, unit in (("memory, first and last third, KiB", "rss", max, 1024), ("blocks in use, the same", "blocks", min, 1)):
        row(title, ["{}, {}".format(*(value // unit for value in growth(run["memory"], what, pick))) for run in runs])


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="load")
    parser.add_argument("--server", type=Path, required=True, help="the program that serves")
    parser.add_argument("--seconds", type=int, default=180, help="duration of both runs together, 4 to 3600")
    parser.add_argument("--rate", type=int, default=0, help="calls a second; 0: half of what the machine gives")
    parser.add_argument("--schedule", default=SCHEDULE, help="of the server")
    parser.add_argument("--output", type=Path, default=Path("build/load/python.json"))
    options = parser.parse_args()
    if not 4 <= options.seconds <= 3600 or not 0 <= options.rate <= 20_000:
        parser.error("--seconds must be 4 to 3600, --rate 0 to 20000")
    return options


if __name__ == "__main__":
    given = parsed()
    measured = asyncio.run(main(given))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(measured, indent=1) + "\n")
    print_table(measured)
    problems = faults(measured)
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(bool(problems))
