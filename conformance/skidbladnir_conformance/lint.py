"""Lint of the catalogue: every fault with its file and line, before any driver is started."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from skidbladnir_conformance.trace import action_of
from skidbladnir_conformance.yaml_nodes import Document, Path_, YamlError, read

_CLAUSE = re.compile(r"^\*\*([A-Z]{2}-\d+)\*\*( \*\(package tests\)\*)?", re.MULTILINE)
_EVENT_ROW = re.compile(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| (.*?) \|", re.MULTILINE)
_CODE = re.compile(r"`([a-z_]+)`")
UNCOVERED = "no trace names"
TEST_FILES = {
    "python": ("python/tests", "*.py"),
    "go": ("go", "*_test.go"),
    "typescript": ("typescript/test", "*.ts"),
}


@dataclass(frozen=True)
class Spec:
    """The clauses: those that traces hold, and those that package tests do; and the fields of each event."""

    by_traces: frozenset[str]
    by_tests: frozenset[str]
    events: dict[str, frozenset[str]]


def read_spec(directory: Path) -> Spec:
    """The clauses and the event table of the specification."""
    by_traces: set[str] = set()
    by_tests: set[str] = set()
    for file in sorted(directory.glob("*.md")):
        for clause, marked in _CLAUSE.findall(file.read_text(encoding="utf-8")):
            (by_tests if marked else by_traces).add(clause)
    events: dict[str, frozenset[str]] = {}
    for names, fields in _EVENT_ROW.findall((directory / "events.md").read_text(encoding="utf-8")):
        for name in _CODE.findall(names):
            events[name] = frozenset(_CODE.findall(fields)) | {"type", "policy", "at_ms"}
    return Spec(frozenset(by_traces), frozenset(by_tests), events)


def lint(catalogue: Path, spec: Spec) -> tuple[list[Document], list[str]]:
    """Reads all files of a catalogue; returns them, and the faults, ``file:line: what``."""
    documents: list[Document] = []
    faults: list[str] = []
    for file in sorted(catalogue.rglob("*.yaml")):
        try:
            document = read(file)
        except YamlError as error:
            faults.append(str(error))
            continue
        documents.append(document)
        schema_faults = list(_schema_faults(document, catalogue))
        faults.extend(schema_faults)
        if not schema_faults:
            for index, raw in enumerate(document.value):
                for path, what in _trace_faults(raw, spec, file.parent.name):
                    faults.append(f"{file}:{document.line((index, *path))}: {raw['id']}: {what}")
    if not faults:
        faults.extend(_catalogue_faults(documents, spec))
    return documents, faults


def lint_packages(root: Path, spec: Spec) -> list[str]:
    """The clauses marked for package tests that no test of a package names."""
    faults: list[str] = []
    for language, (folder, glob) in TEST_FILES.items():
        text = "\n".join(file.read_text(encoding="utf-8") for file in sorted((root / folder).rglob(glob)))
        for clause in sorted(spec.by_tests):
            if clause == "TO-8" and language != "python":
                continue  # it is about Python alone
            if not re.search(rf"\b{clause}\b", text):
                faults.append(f"{folder}: no test names {clause}")
    return faults


@cache
def _validator(schema: Path) -> Any:
    return jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))


def _schema_faults(document: Document, catalogue: Path) -> Iterator[str]:
    schema = Path(__file__).parents[1] / "catalogue" / "trace.schema.json"
    for error in _validator(schema).iter_errors(document.value):
        # Under a "oneOf", the deepest error tells most.
        best = error
        while best.context:
            best = max(best.context, key=lambda one: (len(one.absolute_path), one.validator != "required"))
        path: Path_ = tuple(best.absolute_path)
        where = ".".join(str(part) for part in path[1:])
        yield f"{document.file}:{document.line(path)}: {where or 'trace'}: {best.message[:200]}"


def _trace_faults(raw: dict[str, Any], spec: Spec, folder: str) -> Iterator[tuple[Path_, str]]:
    if raw["id"].partition("/")[0] != folder:
        yield ("id",), f"a trace in the folder {folder} is named {folder}/..."
    for index, clause in enumerate(raw["clauses"]):
        if clause not in spec.by_traces:
            known = "is held by package tests" if clause in spec.by_tests else "does not exist"
            yield ("clauses", index), f"{clause} {known}"
    calls: set[str] = set()
    expects = False
    for index, step in enumerate(raw.get("steps", [])):
        path: Path_ = ("steps", index)
        action = action_of(step)
        if action == "call":
            if step["call"]["id"] in calls:
                yield (*path, "call"), f"a second call {step['call']['id']}"
            calls.add(step["call"]["id"])
            if step["call"].get("cancelled") and "cancel" not in raw.get("needs", []):
                yield (*path, "call"), "a cancelled call needs the feature cancel"
        if action == "cancel":
            if step["cancel"] not in calls:
                yield (*path, "cancel"), f"there is no call {step['cancel']} before this step"
            if "cancel" not in raw.get("needs", []):
                yield (*path, "cancel"), "the step cancel needs the feature cancel"
        expect = step.get("expect")
        if expect is not None:
            expects = True
            for place, what in _expect_faults(raw, expect, calls, spec):
                yield (*path, "expect", *place), what
    if "steps" in raw and not expects:
        yield (), "expects nothing"


def _expect_faults(raw: dict[str, Any], expect: dict[str, Any], calls: set[str], spec: Spec) -> Iterator[tuple[Path_, str]]:
    for name in expect.get("calls", {}):
        if name not in calls:
            yield ("calls", name), f"there is no call {name} before this step"
    names = _policy_names(raw["subject"])
    for name in expect.get("policies", {}):
        if names is not None and name not in names:
            yield ("policies", name), f"there is no policy {name}; there are {', '.join(sorted(names))}"
    for index, event in enumerate(expect.get("events", [])):
        kind = event if isinstance(event, str) else event["type"]
        if kind not in spec.events:
            yield ("events", index), f"there is no event {kind}"
        elif isinstance(event, dict):
            for field in event:
                if field not in spec.events[kind]:
                    yield ("events", index), f"{kind} has no field {field}"
    if set(expect) == {"calls"} and all(value == "pending" for value in expect["calls"].values()):
        if all(_never_runs(raw, name) for name in expect["calls"]):
            yield ("calls",), "vacuous: these calls never end by themselves"


def _never_runs(raw: dict[str, Any], name: str) -> bool:
    """Whether a call cannot have ended, whatever the package does: its first operation is ``never`` and nothing cancels it."""
    call = next(step["call"] for step in raw["steps"] if "call" in step and step["call"]["id"] == name)
    script = call["op"][0] if isinstance(call["op"], list) else call["op"]
    return bool(script.get("never")) and len(raw["steps"]) == 1


def _policy_names(subject: dict[str, Any]) -> set[str] | None:
    kind, body = next(iter(subject.items()))
    if kind == "compose":
        return {policy.get("name") or next(iter(policy)) for policy in body}
    if kind == "facade":
        name = body.get("name") or body.get("provider") or "facade"
        return {name, *(f"{name}.{pattern}" for pattern in ("circuit_breaker", "bulkhead", "cache"))}
    if kind == "health":
        return set(body.get("circuits", {}))
    return None if kind == "provider_file" else {kind}


def _catalogue_faults(documents: list[Document], spec: Spec) -> Iterator[str]:
    seen: dict[str, str] = {}
    covered: set[str] = set()
    for document in documents:
        for index, raw in enumerate(document.value):
            place = f"{document.file}:{document.line((index,))}"
            if raw["id"] in seen:
                yield f"{place}: {raw['id']}: the id is taken already, at {seen[raw['id']]}"
            seen[raw["id"]] = place
            covered.update(raw["clauses"])
    for clause in sorted(spec.by_traces - covered):
        yield f"{UNCOVERED} {clause}"
