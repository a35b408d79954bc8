"""The Python driver with a mutant in one module of the package.

SKIDBLADNIR_MUTANT says which, as JSON: in the text of ``module`` the bytes ``start`` to ``end`` become ``after``.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

DRIVER = Path(__file__).parents[3] / "python" / "driver" / "main.py"


class MutantLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, start: int, end: int, after: str) -> None:
        super().__init__(fullname, path)
        self._start = start
        self._end = end
        self._after = after.encode()

    def get_code(self, fullname: str) -> CodeType:
        source = Path(self.path).read_bytes()
        mutated = source[: self._start] + self._after + source[self._end :]
        return compile(mutated, self.path, "exec", dont_inherit=True)


class MutantFinder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, start: int, end: int, after: str) -> None:
        self._module = module
        self._change = start, end, after

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(fullname, path) if fullname == self._module else None
        if spec is not None and spec.origin is not None:
            spec.loader = MutantLoader(fullname, spec.origin, *self._change)
        return spec


def run(arguments: Sequence[str], mutant: str | None) -> None:
    """Becomes the driver."""
    if mutant is not None:
        sys.meta_path.insert(0, MutantFinder(**json.loads(mutant)))
    sys.argv = [str(DRIVER), *arguments]
    sys.path[0] = str(DRIVER.parent)
    runpy.run_path(str(DRIVER), run_name="__main__")


if __name__ == "__main__":
    run(sys.argv[1:], os.environ.get("SKIDBLADNIR_MUTANT"))
