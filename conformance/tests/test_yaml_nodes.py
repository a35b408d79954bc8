"""Reading YAML: data with lines, and nothing in a file that can harm."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from skidbladnir_conformance.yaml_nodes import Document, read


def document(tmp_path: Path, text: str | bytes) -> Document:
    file = tmp_path / "a.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(file)


def faults(found: Document) -> list[str]:
    return [f"{fault.line}: {fault.message}" for fault in found.faults]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("off", "off"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("0x1f", 31),
        ("0o17", 15),
        ("017", 17),
        ("-3", -3),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("'5'", "5"),
        ('"null"', "null"),
    ],
)
def test_scalars_follow_the_core_schema(tmp_path: Path, text: str, value: Any) -> None:
    found = document(tmp_path, f"a: {text}\n").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    found = document(tmp_path, "- a: 1\n  b:\n    - x\n    - {y: 2}\n- {}\n")
    assert found.value == [{"a": 1, "b": ["x", {"y": 2}]}, {}]
    lines = {(0,): 1, (0, "b"): 2, (0, "b", 0): 3, (0, "b", 1, "y"): 4, (1,): 5, (0, "b", 9): 2, (7,): 1}
    assert {path: found.line(path) for path in lines} == lines


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", ["3: the key 'a' stands here twice"]),
        ("a: &x 1\n", ["1: the anchor &x: write it out, a trace is read on its own"]),
        ("a: !!python/object:os.system 1\n", ["1: the tag tag:yaml.org,2002:python/object:os.system"]),
        ("a: 1\n---\nb: 2\n", ["2: a second document"]),
        ("? [a]\n: 1\n", ["1: a key must be text"]),
        ("a: [1\n", ["2: not YAML: did not find expected ',' or ']'"]),
        ("a: \x01\n", ["1: not YAML: "]),
        (b"a: \xff\n", ["1: not UTF-8: invalid start byte"]),
        ("[" * 100_000, ["1: nested deeper than 40 levels"]),
        ("a:\n" + "- " * 1000 + "x", ["2: nested deeper than 40 levels"]),
    ],
)
def test_what_could_harm_or_mislead_is_a_fault(tmp_path: Path, text: str | bytes, said: list[str]) -> None:
    found = faults(document(tmp_path, text))
    assert len(found) == len(said)
    assert all(fault.startswith(start) for fault, start in zip(found, said, strict=True)), found


def test_aliases_that_explode_are_not_followed(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    found = faults(document(tmp_path, "\n".join(lines)))
    assert found[-1] == "2: the alias *a0: write it out, a trace is read on its own"


def test_number_of_many_digits_is_no_integer(tmp_path: Path) -> None:
    assert document(tmp_path, f"a: {'9' * 10_000}\n").value["a"] == math.inf
