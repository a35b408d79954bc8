"""State machines as drawings: the states in a row, transitions as brackets above (onwards) and below (back)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LETTER = 7.0
BOX_HEIGHT = 34.0
LEVEL = 30.0
MARGIN = 14.0
START = 34.0
MOST_LETTERS = 30


@dataclass(frozen=True)
class Box:
    """A state."""

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Edge:
    """All transitions from one state to another. ``arrow`` is the path of its head."""

    source: str
    target: str
    label: str
    title: str
    path: str
    arrow: str
    x: float
    y: float
    complete: bool


@dataclass(frozen=True)
class Diagram:
    width: float
    height: float
    start: str
    boxes: list[Box]
    edges: list[Edge]


@dataclass(frozen=True)
class Arrow:
    """What is to be drawn between two states: its events, and whether traces show all of them."""

    events: tuple[str, ...]
    complete: bool

    @property
    def label(self) -> str:
        text = ", ".join(dict.fromkeys(self.events))
        return text if len(text) <= MOST_LETTERS else f"{len(self.events)} transitions"


def draw(states: Sequence[str], arrows: Mapping[tuple[str, str], Arrow]) -> Diagram:
    """Places everything. A transition to the state itself is not drawn: its table tells it."""
    order = {state: index for index, state in enumerate(states)}
    spans = {key: (min(order[key[0]], order[key[1]]), max(order[key[0]], order[key[1]])) for key in arrows}
    above = [key for key in arrows if order[key[0]] < order[key[1]]]
    below = [key for key in arrows if order[key[0]] > order[key[1]]]
    levels = _levels(above, spans) | _levels(below, spans)
    top = MARGIN + LEVEL * max((levels[key] for key in above), default=0)
    boxes = _boxes(states, arrows, spans, top)
    ports = _ports(above, below, boxes, order, levels)
    edges = [_edge(key, arrows[key], ports[key], levels[key], top, up=key in above) for key in arrows]
    last = boxes[states[-1]]
    depth = LEVEL * max((levels[key] for key in below), default=0)
    first = boxes[states[0]]
    start = f"M{MARGIN:g} {top + BOX_HEIGHT / 2:g}H{first.x - 7:g}"
    return Diagram(last.x + last.width + MARGIN, top + BOX_HEIGHT + depth + MARGIN, start, list(boxes.values()), edges)


def _levels(keys: Sequence[tuple[str, str]], spans: Mapping[tuple[str, str], tuple[int, int]]) -> dict[tuple[str, str], int]:
    """How far out each bracket lies: those that would cross or cover each other on different levels, the short ones inside."""
    levels: dict[tuple[str, str], int] = {}
    for key in sorted(keys, key=lambda each: (spans[each][1] - spans[each][0], spans[each])):
        first, last = spans[key]
        crossed = [level for other, level in levels.items() if spans[other][0] < last and first < spans[other][1]]
        levels[key] = max(crossed, default=0) + 1
    return levels


def _boxes(
    states: Sequence[str], arrows: Mapping[tuple[str, str], Arrow], spans: Mapping[tuple[str, str], tuple[int, int]], top: float
) -> dict[str, Box]:
    boxes: dict[str, Box] = {}
    x = MARGIN + START
    for index, state in enumerate(states):
        touching = sum(state in key for key in arrows)
        width = max(LETTER * len(state) + 28, 16.0 * touching)
        boxes[state] = Box(state, x, top, width, BOX_HEIGHT)
        after = [len(arrow.label) for key, arrow in arrows.items() if spans[key] == (index, index + 1)]
        x += width + max(LETTER * max(after, default=0) + 16, 40.0)
    return boxes


def _ports(
    above: Sequence[tuple[str, str]],
    below: Sequence[tuple[str, str]],
    boxes: Mapping[str, Box],
    order: Mapping[str, int],
    levels: Mapping[tuple[str, str], int],
) -> dict[tuple[str, str], tuple[float, float]]:
    """Where each bracket leaves and enters, so that no two share a place: the nearer a state, the nearer the port to it."""
    ports: dict[tuple[tuple[str, str], str], float] = {}
    for keys in (above, below):
        for state, box in boxes.items():
            here = [key for key in keys if state in key]

            def place(key: tuple[str, str], state: str = state) -> tuple[bool, int]:
                other = key[1] if key[0] == state else key[0]
                onwards = order[other] > order[state]
                return onwards, -levels[key] if onwards else levels[key]

            for index, key in enumerate(sorted(here, key=place)):
                ports[key, state] = box.x + box.width * (index + 1) / (len(here) + 1)
    return {key: (ports[key, key[0]], ports[key, key[1]]) for key in (*above, *below)}


def _edge(key: tuple[str, str], arrow: Arrow, ports: tuple[float, float], level: int, top: float, *, up: bool) -> Edge:
    leave, enter = ports
    side = -1.0 if up else 1.0
    base = top if up else top + BOX_HEIGHT
    y = base + side * LEVEL * level
    way = 1.0 if enter > leave else -1.0
    turn = 7.0
    path = (
        f"M{leave:.1f} {base:g}V{y - side * turn:g}Q{leave:.1f} {y:g} {leave + way * turn:.1f} {y:g}"
        f"H{enter - way * turn:.1f}Q{enter:.1f} {y:g} {enter:.1f} {y - side * turn:g}V{base + side * 7:g}"
    )
    head = f"M{enter:.1f} {base + side:g}l-4.5 {side * 8:g}h9z"
    title = f"{key[0]} to {key[1]}: {', '.join(arrow.events)}"
    return Edge(key[0], key[1], arrow.label, title, path, head, (leave + enter) / 2, y, arrow.complete)
