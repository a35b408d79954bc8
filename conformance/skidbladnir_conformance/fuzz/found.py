"""A finding as a trace that the catalogue would take: with what the reference saw as its expectations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.fuzz.explore import Finding
from skidbladnir_conformance.fuzz.generate import Document
from skidbladnir_conformance.fuzz.order import is_sequential


def write_finding(folder: Path, finding: Finding) -> Path:
    """Writes the trace below ``folder``, as a file of a catalogue of its own; returns where."""
    document = dict(finding.document)
    if finding.reference is not None:
        document = _with_expectations(document, finding.reference)
    path = folder / f"{document['id']}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump([document], sort_keys=False, default_flow_style=None, width=130, allow_unicode=True)
    origin = f"# {finding.reason}\n# found by: conformance fuzz --seed {finding.seed}, in trace {finding.number}\n"
    path.write_text(origin + text, "utf-8")
    return path


def _with_expectations(document: Document, seen: pb.Observation) -> Document:
    ordered = is_sequential(document, seen)
    steps: list[Document] = []
    ended: set[str] = set()
    for step, observed in zip(document["steps"], seen.steps, strict=True):
        expect: Document = {"running": observed.running}
        calls = {call.id: _end(call) for call in observed.calls if call.HasField("ended_ms") and call.id not in ended}
        ended |= set(calls)
        if calls:
            expect["calls"] = calls
        if observed.events or ordered:
            expect["events"] = [event.type for event in observed.events]
        if observed.reported:
            expect["reported"] = observed.reported
        steps.append({**step, "expect": expect})
    head = {key: value for key, value in document.items() if key != "steps"}
    return {**head, **({} if ordered else {"order": "free"}), "steps": steps}


def _end(call: pb.CallObservation) -> dict[str, Any]:
    if call.HasField("error"):
        return {"error": call.error.code, "ended_ms": call.ended_ms}
    return {"ok": call.ok.text if call.ok.HasField("text") else None, "ended_ms": call.ended_ms}
