"""Which errors a retry takes up: the text of an error, and patterns over it (RT-6, RT-7)."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Protocol, cast

from skidbladnir.errors import ConfigurationError, ResilienceError

# Errors by which Python's standard library and HTTP clients report what other languages report by a system error.
_CODE_OF_TYPE: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionResetError, "ECONNRESET"),
    (ConnectionRefusedError, "ECONNREFUSED"),
    (ConnectionAbortedError, "ECONNABORTED"),
    (BrokenPipeError, "EPIPE"),
    (TimeoutError, "ETIMEDOUT"),
)
_CODE_OF_TYPE_NAME = {
    "RemoteProtocolError": "ECONNRESET",  # httpx, httpcore: the server disconnected without an answer
    "ServerDisconnectedError": "ECONNRESET",  # aiohttp
}
_CODE_OF_GAI = {socket.EAI_NONAME: "ENOTFOUND", socket.EAI_AGAIN: "EAI_AGAIN"}
# Phrases of RFC 9110 that some versions of Python have in an older form.
_PHRASES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    418: "I'm a teapot",
    422: "Unprocessable Content",
}


class SearchPattern(Protocol):
    """A compiled pattern: of ``re``, or of another engine with the same method."""

    def search(self, string: str, /) -> object | None: ...


Pattern = str | SearchPattern | Mapping[str, str]
"""A string (contained; ``"/.../"``: searched as a regex), a compiled pattern, or ``{"regex": ...}``."""

Compile = Callable[[str], SearchPattern]


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then its causes; each once."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        # The context counts even where it is hidden: anyio raises the reset of a connection "from None".
        current = current.__cause__ or current.__context__


def os_code(error: BaseException) -> str | None:
    """The symbolic code of a system error: ``ECONNRESET``."""
    if isinstance(error, ResilienceError):
        return None
    if isinstance(error, socket.gaierror):
        return _CODE_OF_GAI.get(error.errno or 0)
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return errno.errorcode[error.errno]
    for kind, code in _CODE_OF_TYPE:
        if isinstance(error, kind):
            return code
    return _CODE_OF_TYPE_NAME.get(type(error).__name__)


def http_status(error: BaseException) -> int | None:
    """The HTTP status an error carries, as requests, httpx, aiohttp and urllib store it."""
    response = getattr(error, "response", None)
    for holder, name in ((error, "status_code"), (error, "status"), (response, "status_code"), (response, "status")):
        status = getattr(holder, name, None)
        if isinstance(status, int) and 100 <= status <= 599:
            return status
    return None


def retry_after_hint(error: BaseException) -> float | None:
    """Seconds an error asks to wait: its attribute ``retry_after``."""
    hint = getattr(error, "retry_after", None)
    if hint is None:
        return None
    if isinstance(hint, (int, float)) and not isinstance(hint, bool) and hint >= 0:
        return float(hint)
    return None


def error_text(error: BaseException) -> str:
    """What patterns are matched against (RT-7)."""
    parts = [str(error), type(error).__name__]
    for link in chain(error):
        code = os_code(link)
        if code is not None:
            parts.append(code)
        status = http_status(link)
        if status is not None:
            parts.append(f"{status} {_phrase(status)}")
    return "\n".join(parts)


def _phrase(status: int) -> str:
    try:
        return _PHRASES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return ""


class Matcher:
    """A list of patterns, compiled."""

    __slots__ = ("_regexes", "_strings")

    def __init__(self, path: str, patterns: Sequence[Pattern], compile_regex: Compile = re.compile) -> None:
        if isinstance(patterns, (str, bytes, Mapping)) or not isinstance(patterns, Iterable):
            raise ConfigurationError("type", path, patterns, "a list of patterns")
        self._strings: list[str] = []
        self._regexes: list[SearchPattern] = []
        for index, pattern in enumerate(patterns):
            at = f"{path}[{index}]"
            source = regex_source(pattern)
            if source is not None:
                self._regexes.append(_compiled(at, source, compile_regex))
            elif isinstance(pattern, str):
                self._strings.append(pattern)
            elif hasattr(pattern, "search"):
                self._regexes.append(cast("SearchPattern", pattern))
            else:
                raise ConfigurationError("type", at, pattern, "a string, a compiled pattern, or {'regex': ...}")

    def matches(self, error: BaseException) -> bool:
        """Whether any pattern is found in the error's text."""
        text = error_text(error)
        return any(part in text for part in self._strings) or any(
            regex.search(text) is not None for regex in self._regexes
        )


def regex_source(pattern: Pattern) -> str | None:
    """The regex of ``"/.../"`` or ``{"regex": ...}``; None for another pattern."""
    if isinstance(pattern, str):
        return pattern[1:-1] if len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/") else None
    if isinstance(pattern, Mapping):
        return pattern.get("regex")
    return None


def _compiled(path: str, source: str, compile_regex: Compile) -> SearchPattern:
    try:
        return compile_regex(source)
    except Exception as error:
        raise ConfigurationError("regex", path, source, f"a regular expression ({error})") from error
