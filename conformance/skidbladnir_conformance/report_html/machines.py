"""The state machines of the specification: their transitions, the traces that show each, and a drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.coverage import Transition, happenings
from skidbladnir_conformance.report_html.diagram import Arrow, Diagram, draw
from skidbladnir_conformance.trace import Trace


@dataclass(frozen=True)
class Row:
    """A transition, with the ids of the traces in which it was seen."""

    transition: Transition
    traces: list[str]


@dataclass(frozen=True)
class Machine:
    """A table of states."""

    name: str
    rows: list[Row]
    diagram: Diagram

    @property
    def seen(self) -> int:
        return sum(bool(row.traces) for row in self.rows)


def machines(transitions: Sequence[Transition], seen: Iterable[tuple[Trace, pb.Observation]]) -> list[Machine]:
    """All machines; each observation counts for the transitions that its events show."""
    shown: dict[Transition, list[str]] = {each: [] for each in transitions}
    for trace, observation in seen:
        happened = list(happenings(trace, observation))
        for transition, ids in shown.items():
            if any(pattern == transition.machine and transition.is_seen_in(happening) for pattern, happening in happened):
                ids.append(trace.id)
    names = dict.fromkeys(each.machine for each in transitions)
    return [_machine(name, [Row(each, ids) for each, ids in shown.items() if each.machine == name]) for name in names]


def _machine(name: str, rows: list[Row]) -> Machine:
    states = list(dict.fromkeys(state for row in rows for state in (row.transition.state, row.transition.next)))
    arrows: dict[tuple[str, str], Arrow] = {}
    for row in rows:
        key = (row.transition.state, row.transition.next)
        if key[0] != key[1]:
            before = arrows.get(key, Arrow((), True))
            arrows[key] = Arrow((*before.events, row.transition.event), before.complete and bool(row.traces))
    return Machine(name, rows, draw(states, arrows))
