"""Writes docs/performance.md from its template and the measured runs in docs/bench (``make bench-docs``)."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "docs" / "bench"
TEMPLATE = RUNS / "performance.template.md"
PAGE = ROOT / "docs" / "performance.md"
NOTICE = "<!-- Written by `make bench-docs` from docs/bench: edit performance.template.md there. -->\n\n"

BLOCK = re.compile(r"^<!-- (?P<language>\w+) -->\n(?P<text>.*?)^<!-- end -->\n", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"^<!-- (?P<part>run|cases|memory) -->$", re.MULTILINE)
BEST_PEERS = 3


def render() -> str:
    """The page. The block of a language that has no run is left out."""

    def block(match: re.Match[str]) -> str:
        run = RUNS / f"{match['language']}.json"
        if not run.exists():
            return ""
        report = json.loads(run.read_text())
        return PLACEHOLDER.sub(lambda part: "\n".join(PARTS[part["part"]](report)), match["text"])

    return NOTICE + BLOCK.sub(block, TEMPLATE.read_text())


def run_line(report: dict[str, Any]) -> Iterator[str]:
    yield f"{report['runtime']}, {report['cpus']} CPUs, {report['rounds']} interleaved rounds. 1.0 is {report['baseline']}."


def cases(report: dict[str, Any]) -> Iterator[str]:
    yield "| case | ours | best peers | target | met |"
    yield "| --- | --- | --- | --- | --- |"
    for case in report["cases"]:
        ours = [result for result in case["results"] if result["ours"]]
        peers = sorted((result for result in case["results"] if not result["ours"]), key=lambda result: result["median"])
        target = case["target"]
        yield _row(
            case["title"],
            ", ".join(_spread(result, named=len(ours) > 1) for result in ours),
            ", ".join(f"{peer['name']} {_figure(peer['median'])}" for peer in peers[:BEST_PEERS]),
            case["target_source"] or "",
            "" if target is None else _met(all(result["median"] <= target for result in ours)),
        )


def memory(report: dict[str, Any]) -> Iterator[str]:
    yield "| | ours | peers | target | met |"
    yield "| --- | --- | --- | --- | --- |"
    for measured in report["memory"]:
        ours = [result for result in measured["results"] if result["ours"]]
        peers = sorted((result for result in measured["results"] if not result["ours"]), key=lambda result: result["value"])
        target = measured["target"]
        yield _row(
            measured["title"],
            ", ".join(f"{result['value']:,}" for result in ours),
            ", ".join(f"{peer['name']} {peer['value']:,}" for peer in peers),
            "" if target is None else f"<= {target:,}",
            "" if target is None else _met(all(result["value"] <= target for result in ours)),
        )


PARTS = {"run": run_line, "cases": cases, "memory": memory}


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _spread(result: dict[str, Any], *, named: bool) -> str:
    """The median, with the least and the greatest of all rounds."""
    figures = f"**{_figure(result['median'])}** ({_figure(result['min'])} to {_figure(result['max'])})"
    detail = re.search(r"\((.*)\)", result["name"])
    return f"{detail[1]}: {figures}" if named and detail else figures


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _met(met: bool) -> str:
    return "yes" if met else "**no**"


def main() -> None:
    parser = argparse.ArgumentParser(prog="tables")
    parser.add_argument("--check", action="store_true", help="only fails when the page is not what would be written")
    page = render()
    if parser.parse_args().check:
        if PAGE.read_text() != page:
            sys.exit(f"{PAGE.relative_to(ROOT)} is not in step with docs/bench: run `make bench-docs`")
    else:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
