"""How much of the specification the catalogue reaches: clauses that traces name, and rows of the tables of states.

A row of such a table says by which event it is seen: ``call_failed in=CLOSED late=no``. An event has the fields of EV-1, and

- ``in``: the state of its circuit breaker, before the event,
- ``late``: whether it ends a call of an earlier generation,
- ``after`` and ``then``: the type of the event of the same policy before it in the trace, and after it in the same step,
- ``step``: the action of the step.

An action is an event too, of each policy that the subject has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.lint_trace import Subject
from skidbladnir_conformance.observation import present
from skidbladnir_conformance.trace import Trace, action_of

_HEADER = "| state | event | condition | next | seen as |"
_ROW = re.compile(r"^\| (.*?) \| (.*?) \| (.*?)\| (.*?) \| `(.*?)` \|$")

Happening = dict[str, str]


@dataclass(frozen=True)
class Transition:
    """A row of a table of states."""

    machine: str
    line: int
    state: str
    event: str
    condition: str
    next: str
    seen_as: Mapping[str, str] = field(hash=False)

    def is_seen_in(self, happening: Happening) -> bool:
        return all(happening.get(name) == value for name, value in self.seen_as.items())

    def __str__(self) -> str:
        condition = f", {self.condition}" if self.condition else ""
        return f"{self.machine}: {self.state} -- {self.event}{condition} --> {self.next}"


def read_transitions(spec: Path) -> list[Transition]:
    """The rows of all tables of states in the specification."""
    transitions = []
    for file in sorted(spec.glob("*.md")):
        lines = file.read_text("utf-8").splitlines()
        if _HEADER not in lines:
            continue
        first = lines.index(_HEADER) + 2
        for number, line in enumerate(lines[first:], first + 1):
            match = _ROW.match(line)
            if match is None:
                break
            state, event, condition, after, seen_as = (part.strip() for part in match.groups())
            kind, *fields = seen_as.split()
            wanted = {"type": kind} | dict(part.split("=", 1) for part in fields)
            transitions.append(Transition(file.stem, number, state, event.replace("`", ""), condition, after, wanted))
    return transitions


def happenings(trace: Trace, seen: pb.Observation) -> Iterator[tuple[str, Happening]]:
    """All events of a trace with the pattern of their policy, the actions among them."""
    patterns = _patterns(trace.raw["subject"])
    states = dict.fromkeys(patterns, "CLOSED")
    generations = dict.fromkeys(patterns, 0)
    before: dict[str, str] = {}
    for step, observed in zip(trace.raw.get("steps", ()), seen.steps, strict=False):
        action = action_of(step)
        found: list[tuple[str, Happening]] = []
        for policy in _targets(step, action, patterns):
            found.append((policy, {"type": action, "in": states[policy]}))
        for event in observed.events:
            fields = {name: str(value) for name, value in present(event) if name != "state"}
            for policy in _owners(event, patterns):
                known = {"in": states[policy], "late": "yes" if event.generation < generations[policy] else "no"}
                found.append((policy, fields | known))
                if event.type == "circuit_state_changed":
                    states[policy], generations[policy] = event.to, event.generation
        for index, (policy, happening) in enumerate(found):
            later = (other["type"] for name, other in found[index + 1 :] if name == policy)
            happening |= {"step": action, "after": before.get(policy, "none"), "then": next(later, "none")}
            if "at_ms" in happening:  # no action
                before[policy] = happening["type"]
            yield patterns[policy], happening


def _patterns(raw: Mapping[str, Any]) -> dict[str, str]:
    """The pattern of each policy of a subject, by its name; those of a facade share one."""
    kind, body = next(iter(raw.items()))
    if kind == "facade":
        off = {pattern for pattern, options in body.items() if options is None}
        names = ("circuit_breaker", "retry", "bulkhead", "timeout", "cache")
        return {f"facade.{name}": name for name in names if name not in off}
    if kind == "health":
        return {"health": "health", **dict.fromkeys(body.get("circuits", {}), "circuit_breaker")}
    return Subject.of(dict(raw)).named


def _targets(step: Mapping[str, Any], action: str, patterns: Mapping[str, str]) -> Iterable[str]:
    if action in ("force_open", "disable", "reset"):
        circuits = [name for name, pattern in patterns.items() if pattern == "circuit_breaker"]
        target = step[action]
        return [name for name in circuits if target is None or name.rpartition(".")[2] == target] or circuits[:1]
    return patterns if action in ("call", "cancel") else ()


_PREFIXES = {
    "circuit_breaker": ("call_admitted", "call_rejected", "call_succeeded", "call_failed", "call_ignored", "call_cancelled", "circuit"),
    "retry": ("retry",),
    "bulkhead": ("bulkhead",),
    "timeout": ("timed_out", "call_abandoned", "late_outcome"),
    "cache": ("cache",),
    "health": ("health",),
}


def _owners(event: pb.Event, patterns: Mapping[str, str]) -> list[str]:
    """The policy of an event; in a facade by its type, for all have one name."""
    return [
        name
        for name, pattern in patterns.items()
        if event.type.startswith(_PREFIXES.get(pattern, ("fallback",)))
        and (name == event.policy or name.startswith("facade."))
    ]


def unseen(transitions: Sequence[Transition], seen: Iterable[tuple[str, Happening]]) -> list[Transition]:
    """The transitions that no event shows."""
    left = list(transitions)
    for pattern, happening in seen:
        left = [each for each in left if each.machine != pattern or not each.is_seen_in(happening)]
    return left


DIAGRAM = re.compile(r"\n```mermaid\n.*?\n```\n", re.DOTALL)


def with_diagram(text: str, transitions: Sequence[Transition]) -> str:
    """A file of the specification with the diagram of its table behind the table."""
    last = max(each.line for each in transitions)
    lines = DIAGRAM.sub("", text).splitlines(keepends=True)
    drawn = f"\n```mermaid\n{_diagram(transitions)}\n```\n"
    return "".join([*lines[:last], drawn, *lines[last:]])


def _diagram(transitions: Sequence[Transition]) -> str:
    labels: dict[tuple[str, str], list[str]] = {}
    for each in transitions:
        if each.state != each.next:
            condition = f" ({each.condition})" if each.condition else ""
            labels.setdefault((each.state, each.next), []).append(each.event + condition)
    lines = [f"  {source} --> {target}: {'<br>'.join(dict.fromkeys(said))}" for (source, target), said in labels.items()]
    return "\n".join(["stateDiagram-v2", f"  [*] --> {transitions[0].state}", *lines]).replace("`", "")
