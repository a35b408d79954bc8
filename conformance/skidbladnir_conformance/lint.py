"""Lint of the catalogue: every fault with its file and line, before any driver is started."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from skidbladnir_conformance import SPEC_VERSION
from skidbladnir_conformance.lint_trace import EXPECTS_NOTHING, trace_faults
from skidbladnir_conformance.paths import SCHEMA
from skidbladnir_conformance.spec import Spec
from skidbladnir_conformance.trace import Trace, make_trace
from skidbladnir_conformance.yaml_nodes import Document, Fault, Path_, read

TEST_FILES = {
    "python": ("python/tests", "*.py"),
    "go": ("go", "*_test.go"),
    "typescript": ("typescript/test", "*.ts"),
}
VERSION_FILE = "spec_version"
# Clauses of the package tests that speak of one language alone.
ONLY_IN = {"TO-8": "python"}


def lint(catalogue: Path, spec: Spec) -> tuple[list[Trace], list[Fault]]:
    """Reads all files of a catalogue; returns its traces, those with faults left out, and the faults."""
    traces: list[Trace] = []
    faults: list[Fault] = []
    places: dict[str, str] = {}
    validator = _validator()
    faults += _version_faults(catalogue / VERSION_FILE)
    for file in sorted(catalogue.glob("*/*.yaml")):
        document = read(file)
        faults += document.faults
        if document.faults:
            continue
        if not isinstance(document.value, list) or not document.value:
            faults.append(Fault(file, 1, "a file of the catalogue is a list of traces"))
            continue
        for index, raw in enumerate(document.value):
            found = list(_schema_faults(validator, document, index)) or [
                document.fault((index, *path), f"{raw['id']}: {what}")
                for path, what in trace_faults(raw, spec, file.parent.name)
            ]
            if not found and raw["id"] in places:
                found = [document.fault((index, "id"), f"{raw['id']}: the id is taken already, at {places[raw['id']]}")]
            if not found:
                try:
                    traces.append(make_trace(file, document.line((index,)), raw))
                except (TypeError, ValueError) as error:
                    found = [document.fault((index,), f"{raw['id']}: the protocol cannot carry it: {error}")]
                else:
                    places[raw["id"]] = traces[-1].place
            faults += found
    return traces, sorted(faults)


def _version_faults(file: Path) -> list[Fault]:
    """A catalogue may say of which specification it is; without the file it is of this runner's."""
    if not file.exists():
        return []
    version = file.read_text(encoding="utf-8", errors="replace").strip()
    if version == SPEC_VERSION:
        return []
    return [Fault(file, 1, f"the catalogue is of specification {version[:40]!r}; this runner is of {SPEC_VERSION!r}")]


def makes_sense(raw: dict[str, Any], spec: Spec) -> bool:
    """Whether a trace without expectations could stand in a catalogue once it had some."""
    if next(_validator().iter_errors(raw), None) is not None:
        return False
    folder = raw["id"].partition("/")[0]
    return all(what == EXPECTS_NOTHING for _, what in trace_faults(raw, spec, folder))


def uncovered(traces: list[Trace], spec: Spec) -> list[Fault]:
    """The clauses that no trace names."""
    covered = {clause for trace in traces for clause in trace.clauses}
    return [
        Fault(clause.file, clause.line, f"no trace names {clause.id}")
        for clause in spec.by_traces
        if clause.id not in covered
    ]


def lint_packages(root: Path, spec: Spec) -> list[Fault]:
    """The clauses marked for package tests that no test of a package names."""
    faults: list[Fault] = []
    for language, (folder, glob) in TEST_FILES.items():
        text = "\n".join(file.read_text(encoding="utf-8") for file in sorted((root / folder).rglob(glob)))
        for clause in spec.by_tests:
            if ONLY_IN.get(clause.id, language) == language and not re.search(rf"\b{clause.id}\b", text):
                faults.append(Fault(clause.file, clause.line, f"no test in {folder} names {clause.id}"))
    return faults


@cache
def _validator() -> Any:
    import jsonschema

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator({"$ref": "#/$defs/trace", "$defs": schema["$defs"]})


def _schema_faults(validator: Any, document: Document, index: int) -> Iterator[Fault]:
    for error in validator.iter_errors(document.value[index]):
        path: Path_ = tuple(error.absolute_path)
        where = _dotted(path)
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            for key in (key for key in error.instance if key not in known):
                near = difflib.get_close_matches(key, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                inside = f" in {where}" if where else ""
                yield document.fault((index, *path, key), f"unknown key {key!r}{inside}{hint}")
        else:
            yield document.fault((index, *path), f"{where or 'trace'}: {_message(error)}")


def _message(error: Any) -> str:
    match error.validator:
        case "oneOf":
            names = [name for branch in error.validator_value for name in branch["required"]]
            given = [name for name in names if name in error.instance]
            return f"exactly one of {', '.join(names)} is needed, not {' and '.join(given) or 'none'}"
        case "not":
            return f"{' and '.join(error.validator_value['required'])} exclude each other"
        case "minProperties" | "minItems":
            return "nothing is given here"
        case "maxProperties":
            return f"only one of {', '.join(error.schema['properties'])} may be given"
        case "required":
            return str(error.message).replace(" is a required property", " is missing")
        case _:
            return re.sub(r"\s+", " ", str(error.message))[:200]


def _dotted(path: Path_) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
