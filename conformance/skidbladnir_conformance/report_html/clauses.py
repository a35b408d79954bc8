"""The clauses of the specification with their text, as HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markupsafe import Markup

from skidbladnir_conformance.spec import Clause, Spec

_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_LEAD = re.compile(r"\*\*[A-Z]{2}-[0-9]+\*\*\s*(?:\*\(package tests\)\*)?\s*")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


@dataclass(frozen=True)
class ClauseText:
    """A clause as the page tells it."""

    clause: Clause
    html: Markup


def clause_texts(spec: Spec) -> dict[str, ClauseText]:
    """By id. The links of the specification lead to its own files, which are not beside the report: their text remains."""
    return {clause.id: ClauseText(clause, _html(_paragraph(clause))) for clause in spec.clauses.values()}


def _paragraph(clause: Clause) -> str:
    """The paragraph, and the list or table that it announces."""
    blocks = "\n".join(clause.file.read_text(encoding="utf-8").splitlines()[clause.line - 1 :]).split("\n\n")
    text = blocks[0]
    if text.endswith(":") and blocks[1:]:
        text += "\n\n" + blocks[1]
    return _LINK.sub(r"\1", _LEAD.sub("", text, count=1))


def _html(text: str) -> Markup:
    # markdown-it escapes what is no Markdown, and HTML in it is off.
    return Markup(_MARKDOWN.render(text))


def in_order(ids: Iterable[str], texts: dict[str, ClauseText], pattern: str) -> list[str]:
    """Ids in the order of the specification's files and numbers, those of the pattern's own file first."""

    def place(each: str) -> tuple[bool, str, int]:
        clause = texts[each].clause
        return clause.file.stem != pattern, clause.file.name, clause.line

    return sorted(set(ids), key=place)
