"""What the operations of a trace do, as far as both faces share it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import skidbladnir as sk
from skidbladnir_conformance import test_driver_pb2 as pb


class Unsupported(Exception):
    """The trace asks for something this driver does not know."""


class ScriptedError(OSError):
    """The error of a script: its text is the message alone, whatever else it carries."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self.message = message

    def __str__(self) -> str:
        return self.message


def _like(kind: type[Exception]) -> type[ScriptedError]:
    """An error that is also of another type, by which Python says what other languages say by a code."""
    return cast("type[ScriptedError]", type("ScriptedError", (ScriptedError, kind), {}))


_BY_TYPE: dict[str, tuple[type[ScriptedError], ...]] = {
    "ECONNRESET": (
        _like(ConnectionResetError),
        type("RemoteProtocolError", (ScriptedError,), {}),  # httpx
        type("ServerDisconnectedError", (ScriptedError,), {}),  # aiohttp
    ),
    "ECONNREFUSED": (_like(ConnectionRefusedError),),
    "ECONNABORTED": (_like(ConnectionAbortedError),),
    "EPIPE": (_like(BrokenPipeError),),
    "ETIMEDOUT": (_like(TimeoutError),),
}
_OF_RESOLVER = {"ENOTFOUND": socket.EAI_NONAME, "EAI_AGAIN": socket.EAI_AGAIN}
_NameError = _like(socket.gaierror)


def make_error(script: pb.Error, turn: int) -> ScriptedError:
    """An error as a script wants it. ``turn``: which of the ways in which Python's errors carry codes and statuses."""
    kinds = _BY_TYPE.get(script.os_code, ())
    kind = turn % (len(kinds) + 1)
    if script.os_code in _OF_RESOLVER:
        error = _NameError(script.message)
        error.errno = _OF_RESOLVER[script.os_code]
    elif kind:
        error = kinds[kind - 1](script.message)
    else:
        error = ScriptedError(script.message)
        if script.HasField("os_code"):
            error.errno = getattr(errno, script.os_code)
    if script.HasField("http_status"):
        _set_status(error, script.http_status, turn)
    if script.HasField("retry_after_ms"):
        error.retry_after = script.retry_after_ms / 1000  # type: ignore[attr-defined]
    if script.HasField("cause"):
        error.__cause__ = make_error(script.cause, turn)
    return error


def _set_status(error: Any, status: int, turn: int) -> None:
    """As urllib, requests, httpx and aiohttp do."""
    holder = error if turn % 4 < 2 else SimpleNamespace()
    setattr(holder, "status" if turn % 2 else "status_code", status)
    if holder is not error:
        error.response = holder


def value_of(value: pb.Value) -> str | None:
    return value.text if value.HasField("text") else None


@dataclass
class Record:
    """What is seen of one call, or of the checks of one provider."""

    id: str
    starts: list[int] = field(default_factory=list)
    signals: list[int] = field(default_factory=list)
    made: list[BaseException] = field(default_factory=list)
    ended: int | None = None
    result: Any = None
    error: BaseException | None = None
    _told: tuple[int, int, int | None] = (-1, -1, None)

    def next_script(self, scripts: Sequence[pb.Script], now: int) -> pb.Script:
        self.starts.append(now)
        return scripts[min(len(self.starts), len(scripts)) - 1]

    def finish(self, end: pb.Script | pb.OnCancel) -> Any:
        """The value an operation ends with; raises its error."""
        if end.HasField("error"):
            error = make_error(end.error, len(self.made))
            self.made.append(error)
            raise error
        return value_of(end.ok)

    def end(self, now: int, result: Any, error: BaseException | None) -> None:
        self.ended, self.result, self.error = now, result, error

    def observe(self, seen: pb.CallObservation) -> None:
        seen.id = self.id
        seen.starts_ms.extend(self.starts)
        seen.signals_ms.extend(self.signals)
        if self.ended is None:
            seen.pending.SetInParent()
            return
        seen.ended_ms = self.ended
        if self.error is None:
            seen.ok.SetInParent()
            if self.result is not None:
                seen.ok.text = self.result
        else:
            seen.error.CopyFrom(self._observe_error(self.error))

    def is_news(self) -> bool:
        """Whether there is something to see that was not there when this was last asked."""
        told, self._told = self._told, (len(self.starts), len(self.signals), self.ended)
        return told != self._told

    def _observe_error(self, error: BaseException) -> pb.CallError:
        if not isinstance(error, Exception):
            return pb.CallError(code="cancelled")
        seen = pb.CallError(code=sk.error_code(error), message=str(error), same=any(error is each for each in self.made))
        if isinstance(error, sk.PolicyError):
            seen.policy = error.policy
        if isinstance(error, sk.CircuitOpenError) and error.retry_after is not None:
            seen.retry_after_ms = milliseconds_up(error.retry_after)
        if error.__cause__ is not None:
            seen.cause = sk.error_code(error.__cause__)
        return seen


def milliseconds_up(seconds: float) -> int:
    return -(-round(seconds * 1e9) // 1_000_000)
