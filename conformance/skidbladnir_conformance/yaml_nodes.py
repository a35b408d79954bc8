"""YAML with the line of every value, refusing what could harm: aliases, deep nesting, a key twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MAX_DEPTH = 40
Path_ = tuple[str | int, ...]


class YamlError(Exception):
    """A file that cannot be read, with its place."""

    def __init__(self, file: Path, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")


class Document:
    """The value of a file, and the nodes it came from."""

    def __init__(self, file: Path, value: Any, root: yaml.Node | None) -> None:
        self.file = file
        self.value = value
        self._root = root

    def line(self, path: Path_) -> int:
        """The line, from 1, of the value at a path, or of the nearest value around it."""
        node = self._root
        line = 1
        for part in path:
            if isinstance(node, yaml.MappingNode):
                node = next((value for key, value in node.value if key.value == str(part)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
            else:
                node = None
            if node is None:
                break
            line = node.start_mark.line + 1
        return line


def read(file: Path) -> Document:
    """Reads one document.

    Raises:
        YamlError: for anything that is not plain YAML.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise YamlError(file, 1, str(error)) from error
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_events(file, yaml.parse(text, Loader=loader))
        root = yaml.compose(text, Loader=loader)
        if root is not None:
            _check_keys(file, root)
        return Document(file, yaml.load(text, Loader=loader), root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise YamlError(file, line, str(error.problem)) from error
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(file, 1, str(error)) from error


def _check_events(file: Path, events: Any) -> None:
    depth = 0
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(file, line, "aliases are not allowed")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise YamlError(file, line, f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_keys(file: Path, node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise YamlError(file, key.start_mark.line + 1, f"the key {key.value!r} stands here twice")
            seen.add(key.value)
            _check_keys(file, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(file, item)
