"""Delays, and the errors of Python's HTTP clients that patterns find."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import urllib.error
from datetime import timedelta
from email.message import Message
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_support import Events, Failure, fail
from skidbladnir import CircuitOpenError, ConfigurationError, RejectedError, Retry
from skidbladnir.matching import error_text
from skidbladnir.retry import JITTERS, Backoff, Jitter


@given(
    initial=st.integers(0, 100_000),
    maximum=st.integers(0, 100_000),
    factor=st.floats(1, 1000),
    jitter=st.sampled_from(JITTERS),
    numbers=st.lists(st.floats(0, 1, exclude_max=True), min_size=12, max_size=12),
)
def test_delays_stay_within_their_formula(
    initial: int, maximum: int, factor: float, jitter: Jitter, numbers: list[float]
) -> None:
    source = iter(numbers)
    backoff = Backoff(initial, maximum, factor, jitter, lambda: next(source))
    number = backoff.first
    previous = float(initial)
    for k in range(10):
        full = min(initial * factor ** min(k, 40), maximum)
        delay, number = backoff.step(number)
        match jitter:
            case "none":
                assert delay == pytest.approx(full, abs=1, rel=1e-9)
            case "full":
                assert 0 <= delay <= full
            case "equal":
                assert full / 2 - 1 <= delay <= full
            case "decorrelated":
                assert min(initial, maximum) - 1 <= delay <= min(maximum, max(initial, 3 * previous))
                previous = delay + 1


def response_error(status: int) -> Exception:
    request = httpx.Request("GET", "http://example.test")
    return httpx.HTTPStatusError("refused", request=request, response=httpx.Response(status, request=request))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


class HasStatus(Exception):
    status = 503


@pytest.mark.parametrize(
    ("error", "pattern"),
    [
        (ConnectionResetError(errno.ECONNRESET, "reset by peer"), "ECONNRESET"),
        (ConnectionResetError("without a number"), "ECONNRESET"),
        (ConnectionRefusedError(), "ECONNREFUSED"),
        (BrokenPipeError(), "EPIPE"),
        (TimeoutError(), "ETIMEDOUT"),
        (OSError(errno.ENETUNREACH, "unreachable"), "ENETUNREACH"),
        (socket.gaierror(socket.EAI_NONAME, "not known"), "ENOTFOUND"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "EAI_AGAIN"),
        (urllib.error.URLError(ConnectionRefusedError(errno.ECONNREFUSED, "refused")), "refused"),
        (caused(httpx.ConnectError("failed"), ConnectionRefusedError()), "ECONNREFUSED"),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), "ECONNRESET"),
        (urllib.error.HTTPError("http://example.test", 503, "down", Message(), None), "503 Service Unavailable"),
        (response_error(503), "503 Service Unavailable"),
        (response_error(500), "500 Internal Server Error"),
        (response_error(429), "429 Too Many Requests"),
        (HasStatus("no text"), "503 Service Unavailable"),
        (caused(Failure("outer"), HasStatus()), "503"),
        (Failure("the text of the error"), "text of"),
        (Failure("by its type"), "Failure"),
        (Failure("a regex"), "/^a re.ex/"),
        (Failure("compiled"), re.compile("COMP", re.IGNORECASE)),
        (Failure("a mapping"), {"regex": "^a m"}),
    ],
    ids=str,
)
def test_patterns_find_errors_as_they_come(error: Exception, pattern: Any) -> None:
    assert _attempts(error, [pattern]) == 2
    assert _attempts(error, ["not in it"]) == 1
    if isinstance(error, urllib.error.HTTPError):
        error.close()


def test_text_of_errors_whose_causes_go_in_circles() -> None:
    first, second = Failure("first"), Failure("second")
    first.__cause__, second.__cause__ = second, first
    assert error_text(first) == "first\nFailure"


@pytest.mark.parametrize("hint", [2, 2.5])
def test_waits_as_long_as_the_error_asks(events: Events, hint: float) -> None:
    error = Failure()
    error.retry_after = hint  # type: ignore[attr-defined]

    async def main() -> None:
        retry = Retry(max_retries=1, initial_delay=0, max_retry_after=2.4, listeners=[events])
        task = asyncio.ensure_future(retry.execute(lambda: _raise(error)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    if hint == 2:
        assert (events.types(), events[0].delay) == (["retry_scheduled"], 2.0)
    else:
        assert (events.types(), events[0].reason) == (["retry_exhausted"], "retry_after")


def test_the_error_says_that_it_was_retried() -> None:
    with pytest.raises(Failure) as raised:
        Retry(max_retries=2, initial_delay=0, name="users").call(fail)
    assert raised.value.__notes__ == ["users: gave up after attempt 3 (max_retries)"]


def test_a_predicate_of_ones_own() -> None:
    asked: list[Exception] = []

    def only_once(error: Exception) -> bool:
        asked.append(error)
        return len(asked) < 2

    with pytest.raises(Failure):
        Retry(initial_delay=0, is_retryable=only_once).call(fail)
    assert len(asked) == 2


def test_rejections_are_retried_on_request_only() -> None:
    error = CircuitOpenError("users", "retry after 1 ms", 0.0)
    assert isinstance(error, RejectedError)
    assert _attempts(error, None) == 1
    assert _attempts(error, None, retry_rejections=True) == 2


def test_durations_may_be_timedeltas() -> None:
    assert _attempts(Failure(), None, initial_delay=timedelta(milliseconds=1), max_elapsed=timedelta(seconds=5)) == 2


@pytest.mark.parametrize(
    ("options", "fault", "path"),
    [
        ({"max_retries": -1}, "range", "retry.max_retries"),
        ({"max_retries": None}, "type", "retry.max_retries"),
        ({"initial_delay": -0.001}, "range", "retry.initial_delay_ms"),
        ({"max_delay": 2**40}, "range", "retry.max_delay_ms"),
        ({"backoff_factor": 0.9}, "range", "retry.backoff_factor"),
        ({"backoff_factor": float("nan")}, "range", "retry.backoff_factor"),
        ({"backoff_factor": "2"}, "type", "retry.backoff_factor"),
        ({"jitter": "some"}, "enum", "retry.jitter"),
        ({"jitter": None}, "type", "retry.jitter"),
        ({"retryable_errors": "ECONNRESET"}, "type", "retry.retryable_errors"),
        ({"retryable_errors": ["good", 7]}, "type", "retry.retryable_errors[1]"),
        ({"retryable_errors": ["/(/"]}, "regex", "retry.retryable_errors[0]"),
        ({"retryable_errors": [], "is_retryable": bool}, "conflict", "retry.is_retryable"),
        ({"retry_rejections": 1}, "type", "retry.retry_rejections"),
    ],
)
def test_refuses_wrong_options(options: dict[str, Any], fault: str, path: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Retry(**options)
    assert (raised.value.fault, raised.value.path) == (fault, path)


def _attempts(error: Exception, patterns: list[Any] | None, **options: Any) -> int:
    count = 0

    def operation() -> None:
        nonlocal count
        count += 1
        raise error

    with pytest.raises(type(error)):
        Retry(**{"max_retries": 1, "initial_delay": 0, "retryable_errors": patterns, **options}).call(operation)
    return count


async def _raise(error: Exception) -> None:
    raise error
