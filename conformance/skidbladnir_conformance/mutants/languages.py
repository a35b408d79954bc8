"""How each language makes its mutants, and how a driver is started with one of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from skidbladnir_conformance.mutants.model import Mutant, content_hash
from skidbladnir_conformance.paths import REPOSITORY
from skidbladnir_conformance.process import DriverSpec

TOOLS = Path("conformance/mutants")
BUILD = Path("build/mutants")


class ToolFailed(Exception):
    """A mutation tool, or a build, did not do its work."""


class Language(ABC):
    """One language: its mutants, and its drivers. Paths are from ``root``, the repository."""

    name: ClassVar[str]
    # The drivers by their labels, with what each is told to do otherwise.
    ways: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(self, root: Path = REPOSITORY) -> None:
        self.root = root

    @abstractmethod
    def sources(self) -> list[str]:
        """The files of the package's core."""

    @abstractmethod
    def prepare(self) -> list[Mutant]:
        """All mutants, and whatever has to be built for them."""

    @abstractmethod
    def drivers(self, mutant: Mutant | None) -> list[DriverSpec]:
        """The drivers with a mutant, or without one."""

    def tools(self) -> AbstractContextManager[None]:
        """Whatever has to run beside the drivers."""
        return nullcontext()

    def _specs(self, command: tuple[str, ...], environment: tuple[tuple[str, str], ...]) -> list[DriverSpec]:
        return [DriverSpec(label, (*command, *flags), directory=self.root, environment=environment) for label, flags in self.ways.items()]

    def _files(self, folder: str, pattern: str, without: Iterable[str]) -> list[str]:
        found = sorted((self.root / folder).glob(pattern))
        return [str(file.relative_to(self.root)) for file in found if not any(file.match(each) for each in without)]

    def _mutants(self, listed: Sequence[dict[str, Any]]) -> list[Mutant]:
        """The mutants that a tool has listed."""
        contents = {file: (self.root / file).read_bytes() for file in self.sources()}
        mutants = []
        for number, each in enumerate(listed):
            content = contents[each["file"]]
            mutants.append(
                Mutant(
                    language=self.name,
                    number=each.get("number", number),
                    file=each["file"],
                    file_hash=content_hash(content),
                    line=each["line"],
                    text=content.splitlines()[each["line"] - 1].decode().strip(),
                    start=each["start"],
                    end=each["end"],
                    before=each["before"],
                    after=each["after"],
                )
            )
        return sorted(mutants, key=lambda mutant: (mutant.file, mutant.start, mutant.end, mutant.after))

    def _run(self, command: Sequence[str], folder: str = ".") -> bytes:
        try:
            ran = subprocess.run(command, cwd=self.root / folder, capture_output=True, check=True)
        except FileNotFoundError as error:
            raise ToolFailed(f"{error.filename} is missing: use `make mutants`, which installs the tools") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            raise ToolFailed(f"{' '.join(map(str, command))}: exit code {error.returncode}\n{said}") from error
        return ran.stdout


class Python(Language):
    """As a module is loaded, its text is changed. The drivers are forks of a process that has imported all else."""

    name = "python"
    ways: ClassVar = {
        "python": (),
        "python-sync": ("--sync",),
        "python-free-threaded": ("--free-threaded",),
        "python-wrapped": ("--wrapped",),
        "python-wrapped-sync": ("--wrapped", "--sync"),
    }
    nest: Path | None = None

    def sources(self) -> list[str]:
        return self._files("python/skidbladnir", "*.py", ["testing.py"])

    def prepare(self) -> list[Mutant]:
        python = self.root / BUILD / "venv/bin/python"
        tool = str(TOOLS / "python/list_mutants.py")
        listing = self.root / BUILD / "python-listing.json"
        read = b"\0".join((self.root / file).read_bytes() for file in [tool, *self.sources()])
        if not listing.exists() or json.loads(listing.read_bytes())["of"] != content_hash(read):
            mutants = json.loads(self._run([str(python), tool, *self.sources()]))
            listing.write_text(json.dumps({"of": content_hash(read), "mutants": mutants}), encoding="utf-8")
        return self._mutants(json.loads(listing.read_bytes())["mutants"])

    @contextmanager
    def tools(self) -> Iterator[None]:
        with TemporaryDirectory(prefix="skidbladnir-") as folder:
            self.nest = Path(folder) / "nest"
            command = [sys.executable, str(TOOLS / "python/nest.py"), str(self.nest)]
            with subprocess.Popen(command, cwd=self.root, stdin=PIPE, stdout=PIPE, start_new_session=True) as process:
                assert process.stdout is not None
                if not process.stdout.readline():
                    raise ToolFailed(f"{' '.join(command)}: does not start")
                yield  # it ends when its standard input is closed, here or by the end of this process

    def drivers(self, mutant: Mutant | None) -> list[DriverSpec]:
        environment: tuple[tuple[str, str], ...] = ()
        if mutant is not None:
            module = ".".join(Path(mutant.file).relative_to("python").with_suffix("").parts).removesuffix(".__init__")
            change = {"module": module, "start": mutant.start, "end": mutant.end, "after": mutant.after}
            environment = (("SKIDBLADNIR_MUTANT", json.dumps(change)),)
        command = (sys.executable, "-I", "-S", str(TOOLS / "python/hatch.py"), str(self.nest))
        return self._specs(command, environment)


class Switched(Language):
    """All mutants are built into one driver, which a variable of the environment tells which one to be."""

    variable: ClassVar[str]
    command: ClassVar[tuple[str, ...]]

    def drivers(self, mutant: Mutant | None) -> list[DriverSpec]:
        environment = () if mutant is None else ((self.variable, str(mutant.number)),)
        return self._specs(self.command, environment)


class TypeScript(Switched):
    """Stryker's instrumenter writes the sources with all mutants in them; they are bundled with the driver as it is."""

    name = "typescript"
    variable = "__STRYKER_ACTIVE_MUTANT__"
    command = ("node", "build/mutants/typescript/driver.cjs")
    ways: ClassVar = {"typescript": (), "typescript --system-clock": ("--system-clock",)}

    def sources(self) -> list[str]:
        return self._files("typescript/src", "*.ts", ["testing.ts"])

    def prepare(self) -> list[Mutant]:
        out = self.root / BUILD / self.name
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(self.root / self.name, out, ignore=shutil.ignore_patterns("node_modules", "build", "dist"))
        (out / "node_modules").symlink_to(self.root / self.name / "node_modules")
        listed = self._run(["node", str(TOOLS / "typescript/instrument.mjs"), str(BUILD), *self.sources()])
        bundle = ("--bundle", "--platform=node", "--format=cjs", "--target=node20", "--loader:.yaml=text")
        self._run(
            ["node_modules/.bin/esbuild", "driver/main.ts", *bundle, "--outfile=driver.cjs", "--log-level=error"],
            str(BUILD / self.name),
        )
        return self._mutants(json.loads(listed))


class Go(Switched):
    """A tool of ours writes the sources with all mutants in them; they are compiled in place of the package's."""

    name = "go"
    variable = "SKIDBLADNIR_MUTANT"
    command = ("build/mutants/go/driver",)
    ways: ClassVar = {"go": ()}

    def sources(self) -> list[str]:
        return [
            *self._files("go", "*.go", ["*_test.go"]),
            *self._files("go/providers", "*.go", ["*_test.go"]),
        ]

    def prepare(self) -> list[Mutant]:
        out = self.root / BUILD / self.name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        tool = ["go", "-C", str(TOOLS / self.name), "run", ".", str(out), str(self.root / "go"), ".", "./providers"]
        listed = self._run(tool)
        overlay = str(out / "overlay.json")
        self._run(["go", "build", "-overlay", overlay, "-o", str(out / "driver"), "."], "go/driver")
        return self._mutants(json.loads(listed))


LANGUAGES: dict[str, type[Language]] = {language.name: language for language in (Python, Go, TypeScript)}
