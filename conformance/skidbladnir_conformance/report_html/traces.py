"""Each trace with what the languages saw of it: those that saw the same share a lane; differences are told path by path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.driver import Column
from skidbladnir_conformance.judge import Result, holds, text
from skidbladnir_conformance.observation import Flat, arranged, effective_of, faults_of, flat_expectation, flat_step, normalised
from skidbladnir_conformance.report_html.timeline import Data, instants, timeline
from skidbladnir_conformance.trace import Trace, action_of

WRONG, UNLIKE = "wrong", "unlike"
NOT_RUN = "not run"
"""Outcome of every trace in a column whose driver could not be used."""
ENDLESS = 1 << 20


def trace_data(result: Result, columns: Sequence[Column]) -> Data:
    """All that the page draws of one trace. Lanes name their columns by index."""
    trace = result.trace
    lanes: dict[Any, Data] = {}
    seen: list[pb.Observation] = []
    for index, column in enumerate(columns):
        answer = column.problem or column.answers.get(trace.id, "not answered")
        verdict = result.verdicts.get(column.language)
        outcome = NOT_RUN if verdict is None else str(verdict.outcome)
        if isinstance(answer, pb.Observation):
            key: Any = (normalised(answer, free_order=trace.free_order), answer.leftovers, outcome)
            if key not in lanes:
                lanes[key] = {"columns": [], "outcome": outcome, "seen": len(seen), **timeline(trace, answer)}
                seen.append(answer)
        else:
            key = (answer, outcome)
            lanes.setdefault(key, {"columns": [], "outcome": outcome})
        lanes[key]["columns"].append(index)
        reasons = [column.problem] if verdict is None else verdict.reasons
        if reasons:
            lanes[key]["reasons"] = list(dict.fromkeys([*lanes[key].get("reasons", []), *reasons]))
    data: Data = {
        "id": trace.id,
        "pattern": trace.pattern,
        "clauses": trace.clauses,
        "why": trace.why,
        "place": trace.place,
        "subject": yaml_text(trace.raw["subject"]),
        "steps": list(_steps(trace, seen)),
        "lanes": list(lanes.values()),
    }
    data |= {name: trace.raw[name] for name in ("random", "order") if name in trace.raw}
    if trace.expect is not None:
        failed = [lane["outcome"] == "failed" for lane in lanes.values() if "seen" in lane]
        data["whole"] = _whole(trace.expect, seen, failed)
    return data


def outcomes(result: Result, columns: Sequence[Column]) -> list[str]:
    """The outcome in each column."""
    return [str(result.verdicts[column.language].outcome) if column.language in result.verdicts else NOT_RUN for column in columns]


def yaml_text(value: Any, *, flow: bool = False) -> str:
    """A part of a trace as an author would write it."""
    dumped: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=ENDLESS if flow else 110)
    return dumped.removesuffix("\n").removesuffix("\n...").removesuffix("\n")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks."""


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _represent_text)
# The reader of the catalogue makes mappings and lists that know their lines.
_Dumper.add_multi_representer(dict, yaml.SafeDumper.represent_dict)
_Dumper.add_multi_representer(list, yaml.SafeDumper.represent_list)


def _steps(trace: Trace, seen: Sequence[pb.Observation]) -> Iterator[Data]:
    for index, (raw, now, expect) in enumerate(zip(trace.raw.get("steps", ()), instants(trace), trace.expects, strict=True)):
        action = action_of(raw)
        value = raw[action]
        step: Data = {"do": action, "at": now}
        if value is not None:
            step["with"] = yaml_text(value, flow=True)
        wanted = flat_expectation(expect or {})
        flats = [_flat(observation, index, expect or {}, free=trace.free_order) for observation in seen]
        rows = list(_rows(wanted, flats))
        if rows:
            step["rows"] = rows
        yield step


def _flat(observation: pb.Observation, index: int, expect: dict[str, Any], *, free: bool) -> Flat:
    if index >= len(observation.steps):
        return {}
    step = observation.steps[index]
    return flat_step(step, arranged(expect, step.events) if free else None)


def _rows(wanted: Flat, flats: Sequence[Flat]) -> Iterator[list[Any]]:
    """What is expected and holds, as path and value; where it does not, or lanes differ, also what each lane saw, and whether that is wrong."""
    for path in dict.fromkeys([*wanted, *(path for flat in flats for path in flat)]):
        expected = _shown(path, wanted)
        cells = [_shown(path, flat) for flat in flats]
        common = Counter(cells).most_common(1)[0][0] if cells else None
        marks = [
            WRONG if path in wanted and not holds(path, wanted[path], flat) else UNLIKE if path not in wanted and cell != common else ""
            for flat, cell in zip(flats, cells, strict=True)
        ]
        if any(marks):
            yield [path, expected, cells, marks]
        elif path in wanted:
            yield [path, expected]


def _shown(path: str, flat: Flat) -> str | None:
    return text(flat[path]) if path in flat else None


def _whole(expect: Mapping[str, Any], seen: Sequence[pb.Observation], failed: Sequence[bool]) -> Data:
    """The expectation of a trace without steps, and what the lanes saw that failed."""
    return {
        "expected": yaml_text(dict(expect)),
        "seen": [yaml_text(_whole_seen(observation)) if wrong else None for observation, wrong in zip(seen, failed, strict=True)],
    }


def _whole_seen(seen: pb.Observation) -> Data:
    if seen.faults:
        return {"faults": [{"code": code, "path": path, "line": line} for code, path, line in faults_of(seen)]}
    return {"effective": effective_of(seen)}
