"""Reads YAML into plain data that remembers its lines.

Scalars follow YAML's 1.2 core schema, so that `yes` and `1_000` are text. Anchors, tags, duplicate keys and deep
nesting are faults: a trace is read by people, on its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MAX_DEPTH = 40
Path_ = tuple[str | int, ...]

# The C reader is several times as fast; PyYAML may be installed without it.
_READER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Python refuses to read integers of more than 4300 digits.
_INTEGER = re.compile(r"[-+]?[0-9]{1,4000}|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"([-+]?)\.(inf|Inf|INF|nan|NaN|NAN)")


@dataclass(frozen=True, order=True)
class Fault:
    """What is wrong with a file, and where."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}: {self.message}"


class Mapping(dict[str, Any]):
    """A mapping, the line it begins on, and those of its keys."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Sequence(list[Any]):
    """A list, the line it begins on, and those of its items."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


@dataclass
class Document:
    """The value of a file. With faults it may be incomplete."""

    file: Path
    value: Any = None
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Path_) -> int:
        """The line, from 1, of the key or item at a path, or of the nearest one around it."""
        node = self.value
        line: int = getattr(node, "line", 1)
        for part in path:
            if isinstance(node, Mapping) and part in node.lines and part in node:
                line, node = node.lines[str(part)], node[str(part)]
            elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node):
                line, node = node.lines[part], node[part]
            else:
                break
        return line

    def fault(self, path: Path_, message: str) -> Fault:
        """A fault at the line of what stands at a path."""
        return Fault(self.file, self.line(path), message)


def shown(file: Path) -> str:
    """A path as a person at this terminal would write it."""
    file, here = file.resolve(), Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)


def read(file: Path) -> Document:
    """Reads the only document of a file. Faults are in the document; nothing is raised but OSError."""
    builder = _Builder(file)
    try:
        for event in yaml.parse(file.read_bytes().decode(), Loader=_READER):
            builder.take(event)
            if builder.gave_up:
                break
    except UnicodeDecodeError as error:
        builder.fault(1, f"not UTF-8: {error.reason}")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        builder.fault(mark.line + 1 if mark else 1, f"not YAML: {error.problem}")
    except yaml.YAMLError as error:
        builder.fault(1, f"not YAML: {error}")
    return builder.document


class _Builder:
    """Builds the document from the reader's events, without recursion."""

    def __init__(self, file: Path) -> None:
        self.document = Document(file)
        self.gave_up = False
        self._documents = 0
        self._open: list[Mapping | Sequence] = []
        # For each open collection, the key whose value is due; None where a key is due, and in lists.
        self._keys: list[tuple[str, int] | None] = []

    def fault(self, line: int, message: str) -> None:
        self.document.faults.append(Fault(self.document.file, line, message))

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        match event:
            case yaml.ScalarEvent():
                self._refuse_extras(event, line)
                if self._key_is_due():
                    self._key(event.value, line)
                else:
                    self._put(_resolve(event.value) if event.implicit[0] else event.value, line)
            case yaml.MappingStartEvent():
                self._refuse_extras(event, line)
                self._begin(Mapping(line))
            case yaml.SequenceStartEvent():
                self._refuse_extras(event, line)
                self._begin(Sequence(line))
            case yaml.CollectionEndEvent():
                self._open.pop()
                self._keys.pop()
            case yaml.AliasEvent():
                self.fault(line, f"the alias *{event.anchor}: write it out, a trace is read on its own")
                self.gave_up = True
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self.fault(line, "a second document")
                    self.gave_up = True

    def _refuse_extras(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self.fault(line, f"the anchor &{event.anchor}: write it out, a trace is read on its own")
        if event.tag is not None and event.tag != "!":
            self.fault(line, f"the tag {event.tag}")

    def _key_is_due(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1], Mapping) and self._keys[-1] is None

    def _key(self, key: str, line: int) -> None:
        if key in self._open[-1]:
            self.fault(line, f"the key {key!r} stands here twice")
        self._keys[-1] = (key, line)

    def _begin(self, collection: Mapping | Sequence) -> None:
        if len(self._open) == MAX_DEPTH or self._key_is_due():
            deep = len(self._open) == MAX_DEPTH
            self.fault(collection.line, f"nested deeper than {MAX_DEPTH} levels" if deep else "a key must be text")
            self.gave_up = True
            return
        self._put(collection, collection.line)
        self._open.append(collection)
        self._keys.append(None)

    def _put(self, value: Any, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top is None:
            self.document.value = value
        elif isinstance(top, Sequence):
            top.append(value)
            top.lines.append(line)
        else:
            key = self._keys[-1]
            assert key is not None
            top[key[0]], top.lines[key[0]] = value, key[1]
            self._keys[-1] = None


def _resolve(text: str) -> Any:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if no_number := _NO_NUMBER.fullmatch(text):
        return float(no_number[1] + no_number[2])
    return text
