"""Driver processes: started with an open standard input, ended by closing it, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path

from skidbladnir_conformance.paths import IS_CHECKOUT, REPOSITORY

# How the drivers of this repository are started, from its root.
BUILT_IN = {
    "python": (sys.executable, "python/driver/main.py"),
    "python-sync": (sys.executable, "python/driver/main.py", "--sync"),
    "go": ("build/go-driver",),
    "typescript": ("node", "typescript/build/driver.cjs"),
}

START_SECONDS = 30.0
END_SECONDS = 3.0
LAST_WORDS_BYTES = 4000
LAST_WORDS_LINES = 8
LOOPBACK = ("127.0.0.1:", "[::1]:", "localhost:", "unix:")


class DriverError(Exception):
    """A driver that cannot be started or spoken with."""


@dataclass(frozen=True)
class DriverSpec:
    """How to reach a driver: a command to start, or the address of one that runs."""

    label: str
    command: tuple[str, ...] = ()
    address: str = ""
    directory: Path | None = None
    environment: tuple[tuple[str, str], ...] = ()

    @classmethod
    def built_in(cls, name: str) -> DriverSpec:
        """A driver of this repository.

        Raises:
            DriverError: when the runner was installed without it.
        """
        if not IS_CHECKOUT:
            raise DriverError(f"the driver {name} is in a checkout only: name another one by --exec or --connect")
        return cls(label=name, command=BUILT_IN[name], directory=REPOSITORY)

    @classmethod
    def command_line(cls, command: str) -> DriverSpec:
        return cls(label=command, command=tuple(shlex.split(command)))


class DriverProcess:
    """One start of a driver. Its process group does not outlive :meth:`end` or :meth:`kill`."""

    def __init__(self, process: Process, address: str, errors: asyncio.Task[None], words: bytearray) -> None:
        self._process = process
        self.address = address
        self._errors = errors
        self._words = words
        # What it prints after its address goes nowhere, but must not block it.
        self._output = asyncio.create_task(_drain(process.stdout, bytearray()))

    @classmethod
    async def start(cls, spec: DriverSpec) -> DriverProcess:
        """Starts a driver and waits for its address.

        Raises:
            DriverError: when it does not start, or prints no address of this machine.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                cwd=spec.directory,
                env={**os.environ, **dict(spec.environment)},
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise DriverError(f"cannot start {shlex.join(spec.command)}: {error.strerror}") from error
        words = bytearray()
        errors = asyncio.create_task(_drain(process.stderr, words))
        try:
            address = await _address(process)
        except BaseException as error:
            _kill_group(process)
            await process.wait()
            await errors
            if isinstance(error, DriverError):
                raise DriverError(f"{error}{_quote(words)}") from error
            raise
        return cls(process, address, errors, words)

    async def end(self) -> str:
        """Closes its standard input and waits; what is wrong with how it ended, or an empty text."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                code = await self._process.wait()
        except TimeoutError:
            await self.kill()
            return f"did not end within {END_SECONDS:g} s after its standard input closed, and was killed"
        await self._reap()
        return f"ended with {_status(code)}{_quote(self._words)}" if code else ""

    async def kill(self, patience: float = 0.3) -> str:
        """Ends it at once; how it ended if it had done so before, and the last it said.

        A process that has just crashed is given some seconds of ``patience`` to be dead.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._process.wait()
        code = self._process.returncode
        await self._reap()
        return ("" if code is None else f" ({_status(code)})") + _quote(self._words)

    async def _reap(self) -> None:
        _kill_group(self._process)
        await self._process.wait()
        await asyncio.gather(self._errors, self._output)


async def _address(process: Process) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            line = (await process.stdout.readline()).decode(errors="replace").strip()
            if not line:
                code = await process.wait()
                raise DriverError(f"ended before it printed an address ({_status(code)})")
    except TimeoutError:
        raise DriverError(f"printed no address within {START_SECONDS:g} s") from None
    except ValueError:
        raise DriverError("printed no address, but a line without end") from None
    if not line.startswith(LOOPBACK):
        raise DriverError(f"printed {line[:80]!r}, which is no address of this machine")
    return line


async def _drain(stream: asyncio.StreamReader | None, words: bytearray) -> None:
    assert stream is not None
    while chunk := await stream.read(1 << 16):
        words += chunk
        del words[:-LAST_WORDS_BYTES]


def _kill_group(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # the whole group has ended, as it should
        os.killpg(process.pid, signal.SIGKILL)


def _status(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"signal {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"signal {-code}"


def _quote(words: bytearray) -> str:
    lines = words.decode(errors="replace").strip().splitlines()[-LAST_WORDS_LINES:]
    return "".join(f"\n    | {line[:200]}" for line in lines)
