"""Lists the mutants of Python files as JSON: ``list_mutants.py FILE...``.

The operators are those of mutmut, applied everywhere, also where mutmut's own runner cannot reach (decorated functions,
properties, defaults). Some are added that a state machine needs: statements that are forgotten, conditions that are fixed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libcst as cst
from libcst import metadata
from mutmut.mutation import mutators

# Not used: the removal of arguments and the swap of case, which hardly ever make a program that runs otherwise; and
# what is done in another way below.
LEFT_OUT = (
    mutators.operator_arg_removal,
    mutators.operator_assignment,
    mutators.operator_dict_arguments,
    mutators.operator_match,
    mutators.operator_string,
)
NAMING_CALLS = ("TypeVar", "ParamSpec", "cast", "NewType", "getLogger")

Operator = Callable[[Any], Iterator[cst.CSTNode]]


def string(node: cst.SimpleString) -> Iterator[cst.CSTNode]:
    """Another text."""
    if not node.value.lstrip("rRbBuU").startswith(('"""', "'''")):
        yield node.with_changes(value=f"{node.value[:-1]}XX{node.value[-1]}")


def formatted_text(node: cst.FormattedStringText) -> Iterator[cst.CSTNode]:
    yield node.with_changes(value=f"{node.value}XX")


def condition(node: cst.If | cst.IfExp | cst.While | cst.CompIf) -> Iterator[cst.CSTNode]:
    """A condition that always holds, and one that never does."""
    if not isinstance(node, cst.While) and not isinstance(node, cst.IfExp):
        yield cst.Name("True")
    if not isinstance(node, cst.IfExp):
        yield cst.Name("False")


def case(node: cst.MatchCase) -> tuple[cst.CSTNode, list[str]]:
    """A case that is never taken; of one with a guard, the guard."""
    if node.guard is not None:
        return node.guard, ["True", "False"]
    return node.pattern, [f"{cst.Module([]).code_for_node(node.pattern)} if False"]


def nothing(node: cst.Assign | cst.AnnAssign) -> Iterator[cst.CSTNode]:
    """A variable that gets no value. (An attribute keeps the one it has: see `forgotten`.)"""
    target = node.targets[0].target if isinstance(node, cst.Assign) else node.target
    if not isinstance(target, cst.Attribute | cst.Subscript):
        yield from mutators.operator_assignment(node)


def forgotten(node: cst.BaseSmallStatement) -> Iterator[cst.CSTNode]:
    """A statement that is left out."""
    match node:
        case cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString() | cst.Ellipsis() | cst.Yield()):
            return
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Attribute() | cst.Subscript()), *_]):
            yield cst.Pass()
        case cst.AnnAssign(target=cst.Attribute(), value=cst.BaseExpression()):
            yield cst.Pass()
        case cst.Expr() | cst.AugAssign() | cst.Raise() | cst.Del() | cst.Return(value=cst.BaseExpression()):
            yield cst.Pass()


OPERATORS: list[tuple[type, Operator]] = [
    *((kind, operator) for kind, operator in mutators.mutation_operators if operator not in LEFT_OUT),
    (cst.Assign, nothing),
    (cst.AnnAssign, nothing),
    (cst.SimpleString, string),
    (cst.FormattedStringText, formatted_text),
    (cst.BaseSmallStatement, forgotten),
]


class Lister(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (metadata.ByteSpanPositionProvider, metadata.PositionProvider)

    def __init__(self, file: str, source: bytes) -> None:
        super().__init__()
        self.mutants: list[dict[str, Any]] = []
        self._file = file
        self._source = source
        self._module = cst.Module([])
        self._functions = 0

    def visit_Module(self, node: cst.Module) -> None:
        self._module = node

    # What is no behaviour: annotations, names for type checkers, imports, lists of names.
    def visit_Annotation(self, node: cst.Annotation) -> bool:
        return False

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def visit_Decorator(self, node: cst.Decorator) -> bool:
        return False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._functions += 1

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        self._functions -= 1

    def visit_Call(self, node: cst.Call) -> bool:
        return not (isinstance(node.func, cst.Name) and node.func.value in NAMING_CALLS)

    def visit_Assign(self, node: cst.Assign) -> bool:
        target = node.targets[0].target
        names_only = isinstance(target, cst.Name) and target.value in ("__all__", "__slots__")
        alias = self._functions == 0 and isinstance(node.value, cst.Subscript | cst.BinaryOperation)
        return not (names_only or alias)

    def on_visit(self, node: cst.CSTNode) -> bool:
        deeper = super().on_visit(node)
        if deeper:
            for kind, operator in OPERATORS:
                if isinstance(node, kind):
                    for mutated in operator(node):
                        self._add(node, mutated)
            if isinstance(node, cst.If | cst.While | cst.CompIf):
                for mutated in condition(node):
                    self._add(node.test, mutated)
            if isinstance(node, cst.MatchCase):
                place, texts = case(node)
                for text in texts:
                    self._add_text(place, text)
        return deeper

    def _add(self, node: cst.CSTNode, mutated: cst.CSTNode) -> None:
        # The text that a node stands for may begin with white space or end with a line; its span does not.
        self._add_text(node, self._module.code_for_node(mutated).strip())

    def _add_text(self, node: cst.CSTNode, after: str) -> None:
        span = self.get_metadata(metadata.ByteSpanPositionProvider, node)
        start, end = span.start, span.start + span.length
        before = self._source[start:end].decode()
        if before.strip() and before != after:
            line = self.get_metadata(metadata.PositionProvider, node).start.line
            mutant = {"file": self._file, "line": line, "start": start, "end": end, "before": before, "after": after}
            if mutant not in self.mutants:
                self.mutants.append(mutant)


def mutants(file: str) -> list[dict[str, Any]]:
    source = Path(file).read_bytes()
    lister = Lister(file, source)
    metadata.MetadataWrapper(cst.parse_module(source)).visit(lister)
    return lister.mutants


def main() -> None:
    json.dump([mutant for file in sys.argv[1:] for mutant in mutants(file)], sys.stdout)


if __name__ == "__main__":
    main()
