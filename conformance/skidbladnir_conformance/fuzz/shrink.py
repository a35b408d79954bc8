"""Makes a trace smaller as long as it shows the same: step by step, option by option, number by number."""

from __future__ import annotations

import copy
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from skidbladnir_conformance.fuzz.generate import Document

MOST_TRIES = 600
# What has another default in each language, or makes no sense without.
KEPT = ("mode", "id", "kind")


async def shrink(document: Document, still_shows: Callable[[Document], Awaitable[bool]], seconds: float) -> Document:
    """The smallest trace found in that time. ``still_shows`` may be asked of traces that make no sense; it then answers no."""
    began = time.monotonic()
    tries = 0
    progress = True
    while progress:
        progress = False
        for candidate in _smaller(document):
            tries += 1
            if tries > MOST_TRIES or time.monotonic() - began > seconds:
                return document
            if await still_shows(candidate):
                document, progress = candidate, True
                break
    return document


def _smaller(document: Document) -> Iterator[Document]:
    """Traces that are smaller by one thing, the most promising first."""
    steps: list[Document] = document["steps"]
    for size in (len(steps) // 2, len(steps) // 4, 2, 1):
        if size:
            for start in range(0, len(steps), size):
                yield _with_steps(document, steps[:start] + steps[start + size :])
    for index in range(len(steps) - 1):
        if "advance_ms" in steps[index] and "advance_ms" in steps[index + 1]:
            both = {"advance_ms": steps[index]["advance_ms"] + steps[index + 1]["advance_ms"]}
            yield _with_steps(document, [*steps[:index], both, *steps[index + 2 :]])
    for part in ("random", "listeners"):
        if part in document:
            yield {key: value for key, value in document.items() if key != part}
    yield from _simpler_subject(document)
    yield from _fewer_providers(document)
    for path in _paths(document["subject"], ("subject",)):
        yield _without(document, path)
    for path in _paths(steps, ("steps",)):
        yield _without(document, path)
    for path, value in _numbers({"subject": document["subject"], "steps": steps}, ()):
        for smaller in (1, 10, 100, value // 2):
            if 0 < smaller < value:
                yield _with(document, path, smaller)


def _with_steps(document: Document, steps: list[Document]) -> Document:
    """With these steps, but for those that name a call which is no longer made."""
    made = {step["call"].get("id") for step in steps if "call" in step}
    kept = [step for step in steps if step.get("cancel") is None or step["cancel"] in made]
    return {**document, "steps": kept}


def _simpler_subject(document: Document) -> Iterator[Document]:
    facade = document["subject"].get("facade", {})
    for section in facade:
        if facade[section] is not None:
            yield {**document, "subject": {"facade": {**facade, section: None}}}
    compose = document["subject"].get("compose")
    if compose is None:
        return
    for index in range(len(compose)):
        yield {**document, "subject": {"compose": compose[:index] + compose[index + 1 :]}}
    if len(compose) == 1 and "name" not in compose[0]:
        pattern = next(iter(compose[0]))
        name = document["id"].partition("/")[2]
        yield {**document, "id": f"{pattern}/{name}", "subject": compose[0]}


def _fewer_providers(document: Document) -> Iterator[Document]:
    health = document["subject"].get("health", {})
    for provider in health.get("providers", ()) if len(health.get("providers", ())) > 1 else ():
        fewer = {key: dict(value) if isinstance(value, dict) else value for key, value in health.items()}
        fewer["providers"] = [name for name in health["providers"] if name != provider]
        fewer["checks"].pop(provider)
        fewer.get("circuits", {}).pop(provider, None)
        steps = [step for step in document["steps"] if provider not in step.values()]
        yield {**document, "subject": {"health": fewer}, "steps": steps}


Path = tuple[str | int, ...]


def _paths(value: Any, path: Path) -> Iterator[Path]:
    """Everything in a value that may be left out, the outer before the inner."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if key not in KEPT and (*path, key) != ("subject", "facade", "timeout"):
            yield (*path, key)
        yield from _paths(inner, (*path, key))


def _numbers(value: Any, path: Path) -> Iterator[tuple[Path, int]]:
    if isinstance(value, int) and not isinstance(value, bool):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _numbers(inner, (*path, key))


def _without(document: Document, path: Path) -> Document:
    result = copy.deepcopy(document)
    holder: Any = result
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return _with_steps(result, result["steps"])


def _with(document: Document, path: Path, value: int) -> Document:
    result = copy.deepcopy(document)
    holder: Any = result
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return result
