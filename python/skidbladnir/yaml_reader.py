"""Reads YAML as plain values with the line of each, and refuses what has no place in a configuration (PF-5 to PF-8).

Built from the parser's events, not from its nodes: a nesting that would exhaust the stack is refused while it is read.
"""

# The libraries behind this have no complete types.
# pyright: basic

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from skidbladnir.errors import shorten

MAX_BYTES = 262_144
MAX_DEPTH = 16
MAX_KEY_DEPTH = 100
"""Within a key, whose levels do not count otherwise."""
NO_ALIAS = "no anchors and aliases: use extend"

# The core schema of YAML 1.2, in which "yes" and "1_000" are strings.
_CORE_SCHEMA: tuple[tuple[re.Pattern[str], Callable[[str], object]], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"[-+]?[0-9]+"), lambda text: _integer(text, 10)),
    (re.compile(r"0o[0-7]+"), lambda text: _integer(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: _integer(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN"), lambda text: float(text.lower().replace(".", ""))),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a file: a code of PF-7, the path, the line from 1, the value there, and what is allowed."""

    code: str
    path: str
    line: int
    value: object
    allowed: str

    def __str__(self) -> str:
        place = self.path or "the file"
        return f"line {self.line}: {place}: {shorten(self.value)} is not allowed: {self.allowed} ({self.code})"


@dataclass(slots=True)
class Document:
    """The values of a file, the lines of its values and keys by path, and its faults."""

    value: Any = None
    lines: dict[str, int] = field(default_factory=dict[str, int])
    key_lines: dict[str, int] = field(default_factory=dict[str, int])
    faults: list[Fault] = field(default_factory=list[Fault])

    def line(self, path: str) -> int:
        """The line of the value at a path."""
        return self.lines.get(path, 1)


def join(path: str, key: object) -> str:
    """The path of a key in the mapping at ``path`` (PF-8)."""
    return f"{path}.{key}" if path else str(key)


def read_yaml(data: bytes) -> Document:
    """Reads one document. With faults, its value is not to be used."""
    document = Document()
    if len(data) > MAX_BYTES:
        document.faults.append(Fault("too_large", "", 1, f"{len(data)} bytes", f"at most {MAX_BYTES} bytes"))
        return document
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        document.faults.append(Fault("syntax", "", line, data[error.start : error.end], "UTF-8"))
        return document
    try:
        _Builder(document).build(_without_json_escapes(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        document.faults = [Fault("syntax", "", line, error.problem, "YAML")]
    except yaml.YAMLError as error:
        document.faults = [Fault("syntax", "", 1, str(error), "YAML")]
    return document


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    path: str
    value: dict[str, Any] | list[Any]
    is_nowhere: bool
    """Within a key that is a collection, or beneath one: nothing in it has a path."""
    key: str | None = None
    is_key_collection: bool = False

    def hides(self) -> bool:
        """Whether what follows in it is nowhere."""
        return self.is_nowhere or self.is_key_collection

    def expects_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None

    def next_path(self) -> str:
        return f"{self.path}[{len(self.value)}]" if isinstance(self.value, list) else join(self.path, self.key)

    def add(self, value: object) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
        else:
            self.value[str(self.key)] = value
            self.key = None
            self.is_key_collection = False


class _Builder:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[_Open] = []
        self._documents = 0

    def build(self, text: str) -> None:
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self._fault("documents", "", event, "a second document", "one document")
                    return
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event, f"*{event.anchor}")
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                if not self._begin(event):
                    return
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                done = self._open.pop()
                if not self._open:
                    self._document.value = done.value
        if self._documents == 0:
            self._document.faults.append(Fault("documents", "", 1, "no document", "one document"))

    def _begin(self, event: Any) -> bool:
        """Opens a collection; False when it is too deep."""
        if len(self._open) >= (MAX_KEY_DEPTH if self._open and self._open[-1].hides() else MAX_DEPTH):
            levels, line = f"{MAX_DEPTH + 1} levels", event.start_mark.line + 1
            self._document.faults = [Fault("too_deep", "", line, levels, f"at most {MAX_DEPTH} levels")]
            return False
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.expects_key():
            self._fault("type", parent.path, event, "a collection as a key", "keys that are strings")
            parent.key, parent.is_key_collection = "?", True  # of the value that follows
            self._open.append(_Open(self._path(), value, is_nowhere=True))
            return True
        path = self._path()
        self._check_properties(event, path)
        self._document.lines[path] = event.start_mark.line + 1
        is_nowhere = parent is not None and parent.hides()
        if parent is not None:
            parent.add(value)
        self._open.append(_Open(path, value, is_nowhere))
        return True

    def _alias(self, event: Any, name: str) -> None:
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.expects_key():
            parent.key = name
            self._fault("alias", self._path(), event, name, NO_ALIAS)
        else:
            self._fault("alias", self._path(), event, name, NO_ALIAS)
            self._add(None, event)

    def _scalar(self, event: Any) -> None:
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.expects_key():
            path = join(parent.path, event.value)
            self._check_properties(event, path)
            if event.value in parent.value:
                self._fault("duplicate_key", path, event, event.value, "each key once")
            parent.key = event.value
            self._document.key_lines[path] = event.start_mark.line + 1
            return
        self._check_properties(event, self._path())
        self._add(_resolve(event.value) if event.implicit[0] else event.value, event)

    def _add(self, value: object, event: Any) -> None:
        if self._open or value is not None:  # an empty document stands nowhere
            self._document.lines[self._path()] = event.start_mark.line + 1
        if self._open:
            self._open[-1].add(value)
        else:
            self._document.value = value

    def _path(self) -> str:
        return self._open[-1].next_path() if self._open else ""

    def _check_properties(self, event: Any, path: str) -> None:
        if event.anchor is not None:
            self._fault("alias", path, event, f"&{event.anchor}", NO_ALIAS)
        if event.tag is not None:
            self._fault("tag", path, event, event.tag, "no tags")

    def _fault(self, code: str, path: str, event: Any, value: object, allowed: str) -> None:
        if not (self._open and self._open[-1].hides()):
            self._document.faults.append(Fault(code, path, event.start_mark.line + 1, value, allowed))


def _resolve(text: str) -> object:
    for pattern, convert in _CORE_SCHEMA:
        if pattern.fullmatch(text):
            return convert(text)
    return text


def _integer(digits: str, base: int) -> float:
    """A whole number; a float where it is far beyond any range."""
    if len(digits) <= 18:
        return int(digits, base)
    return float(digits) if base == 10 else sys.float_info.max


_JSON_ESCAPES = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)", re.DOTALL)


def _without_json_escapes(text: str) -> str:
    """JSON without the escapes that the parser, of YAML 1.1, does not know: ``\\/`` and pairs of surrogates."""
    if "\\" not in text:
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text

    def plain(escape: re.Match[str]) -> str:
        pair = escape[0]
        return str(json.loads(f'"{pair}"')) if pair == "\\/" or len(pair) > 2 else pair

    return _JSON_ESCAPES.sub(plain, text)
