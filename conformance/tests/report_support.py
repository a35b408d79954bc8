"""What the tests of the report share."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.driver import Column
from skidbladnir_conformance.judge import judge
from skidbladnir_conformance.lint import lint
from skidbladnir_conformance.paths import SPEC
from skidbladnir_conformance.process import DriverSpec
from skidbladnir_conformance.report import Run
from skidbladnir_conformance.report_html.page import Report, render
from skidbladnir_conformance.spec import read_spec
from skidbladnir_conformance.trace import Trace

VOID = {"meta", "link", "input", "br"}
LOADS = {"src", "href", "data", "poster", "srcset", "action", "formaction", "xlink:href"}


@dataclass
class Page(HTMLParser):
    """A page, read strictly: every element that begins ends, and in order."""

    text: str
    ids: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(self.text)
        self.close()
        self.faults += [f"<{tag}> does not end" for tag, _ in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if len(given) != len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice: {attrs}")
        if "id" in given:
            self.ids.append(given["id"] or "")
        self.loads += [value or "" for name, value in attrs if name in LOADS]
        if tag not in VOID:
            self._open.append((tag, given))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            self.faults.append(f"</{tag}> where {self._open[-1:]} is open")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        tag, given = self._open[-1] if self._open else ("", {})
        if tag in ("script", "style"):
            key = given.get("id") or tag
            self.scripts[key] = self.scripts.get(key, "") + data
        else:
            self.words.append(data)

    @property
    def said(self) -> str:
        """All that can be read without JavaScript."""
        return re.sub(r"\s+", " ", "".join(self.words))

    @property
    def data(self) -> Any:
        return json.loads(self.scripts["data"])

    def trace(self, name: str) -> Any:
        return next(each for each in self.data["traces"] if each["id"] == name)


def traces_of(folder: Path, text: str) -> list[Trace]:
    """The traces of a catalogue with one file, for circuit breakers."""
    file = folder / "catalogue" / "circuit_breaker" / "some.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    traces, faults = lint(file.parents[1], read_spec(SPEC))
    assert not faults
    return traces


def page_of(traces: list[Trace], answers: dict[str, dict[str, pb.Observation | str]], **more: Any) -> Page:
    """The page of a run in which the drivers, by their language, answered the traces so."""
    columns = []
    for language, given in answers.items():
        column = Column(DriverSpec(label=language, address="nowhere"))
        column.package_version = "1.0"
        column.answers.update(given)
        columns.append(column)
    results = [judge(trace, {column.language: column.answers[trace.id] for column in columns}) for trace in traces]
    report = Report(Run(columns, results, [], 0.1), traces, "conformance run", datetime(2026, 1, 2, 3, 4, tzinfo=UTC), **more)
    return Page(render(report))
