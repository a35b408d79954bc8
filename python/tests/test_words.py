"""What people read: the catalogue holds codes, paths and lines, this the words of errors (GN-16, PF-6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skidbladnir import (
    Bulkhead,
    Cache,
    CallCancelledError,
    CircuitBreaker,
    ConfigurationError,
    ResilienceFacade,
    Retry,
    ServiceHealthMonitor,
    SlowCall,
    Timeout,
    Window,
    compose,
    error_code,
)
from skidbladnir.circuit_breaker import ResetTimeoutBackoff
from skidbladnir.providers import ProviderFileError, UnknownProviderError, load_providers, parse_providers


def breaker(**options: Any) -> Callable[[], object]:
    return lambda: CircuitBreaker(**options)


def window(**options: Any) -> Callable[[], object]:
    return breaker(window=Window(**options))


def retry(**options: Any) -> Callable[[], object]:
    return lambda: Retry(**options)


def monitor(providers: Any, checks: Any, **options: Any) -> Callable[[], object]:
    return lambda: ServiceHealthMonitor(providers, checks, **options)


def well() -> bool:
    return True


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (breaker(failure_threshold=0), "circuit_breaker.failure_threshold: 0 is not allowed: 1 to 2147483647"),
        (breaker(failure_threshold="5"), "circuit_breaker.failure_threshold: '5' is not allowed: a whole number"),
        (breaker(reset_timeout="5"), "circuit_breaker.reset_timeout_ms: '5' is not allowed: seconds as a number, or a timedelta"),
        (breaker(reset_timeout=float("nan")), "circuit_breaker.reset_timeout_ms: nan is not allowed: 0 to 2147483647 ms"),
        (breaker(reset_timeout=-1), "circuit_breaker.reset_timeout_ms: -1000.0 is not allowed: 0 to 2147483647 ms"),
        (
            breaker(reset_timeout=60, reset_timeout_backoff=ResetTimeoutBackoff(maximum=1)),
            "circuit_breaker.reset_timeout_backoff.max_ms: 1000 is not allowed: 60000 (reset_timeout_ms) to 2147483647",
        ),
        (breaker(window=Window(kind="time"), failure_threshold=3), "circuit_breaker.failure_threshold: 3 is not allowed: not with the window time"),
        (
            breaker(slow_call=SlowCall(duration=1)),
            "circuit_breaker.slow_call: SlowCall(duration=1, rate=1.0) is not allowed: only with the windows count and time",
        ),
        (window(kind="sliding"), "circuit_breaker.window.kind: 'sliding' is not allowed: one of consecutive, cumulative, count, time"),
        (window(kind=5), "circuit_breaker.window.kind: 5 is not allowed: one of consecutive, cumulative, count, time"),
        (window(kind="time", size=5), "circuit_breaker.window.size: 5 is not allowed: not with the window time"),
        (window(kind="count", size=5, minimum_calls=6), "circuit_breaker.window.minimum_calls: 6 is not allowed: 1 to size (5)"),
        (window(kind="count", failure_rate=0), "circuit_breaker.window.failure_rate: 0 is not allowed: above 0 to 1"),
        (window(kind="count", failure_rate="1"), "circuit_breaker.window.failure_rate: '1' is not allowed: a number"),
        (retry(backoff_factor=0.5), "retry.backoff_factor: 0.5 is not allowed: 1 to 1000"),
        (retry(retry_rejections=1), "retry.retry_rejections: 1 is not allowed: true or false"),
        (retry(retryable_errors="busy"), "retry.retryable_errors: 'busy' is not allowed: a list of patterns"),
        (
            retry(retryable_errors=["busy", 5]),
            "retry.retryable_errors[1]: 5 is not allowed: a string, a compiled pattern, or {'regex': ...}",
        ),
        (
            retry(retryable_errors=["/(/"]),
            "retry.retryable_errors[0]: '(' is not allowed: a regular expression (missing ), unterminated subpattern at position 0)",
        ),
        (
            retry(retryable_errors=[], is_retryable=bool),
            "retry.is_retryable: <class 'bool'> is not allowed: not with retryable_errors",
        ),
        (lambda: Timeout(0), "timeout.timeout_ms: 0.0 is not allowed: 1 to 2147483647 ms"),
        (lambda: Timeout(mode="kill"), "timeout.mode: 'kill' is not allowed: one of cancel, abandon"),
        (lambda: Bulkhead(name=7), "bulkhead.name: 7 is not allowed: a string"),  # type: ignore[arg-type]
        (lambda: Cache(max_entries=0), "cache.max_entries: 0 is not allowed: 1 to 2147483647"),
        (lambda: compose(), "compose: () is not allowed: at least one policy"),
        (lambda: compose(Retry(), "timeout"), "compose[1]: 'timeout' is not allowed: a policy"),  # type: ignore[arg-type]
        (lambda: ResilienceFacade(timeout=5), "timeout: 5 is not allowed: a mapping of options, or None"),  # type: ignore[arg-type]
        (lambda: ResilienceFacade(timeout={"time": 5}), "timeout.time: 5 is not allowed: timeout, mode"),  # type: ignore[typeddict-unknown-key]
        (monitor([], {}), "health.providers: [] is not allowed: at least one"),
        (monitor("a", {}), "health.providers: 'a' is not allowed: a list of names"),
        (monitor(["a", "a"], {"a": well}), "health.providers: 'a' is not allowed: each name once"),
        (monitor(["a"], {}), "health.checks.a: None is not allowed: a check for each provider"),
        (monitor(["a", "b"], {"a": well, "b": well, "c": well}), "health.checks.c: 'c' is not allowed: a, b"),
        (monitor(["a"], {"a": well}, circuits={"c": CircuitBreaker()}), "health.circuits.c: 'c' is not allowed: a"),
    ],
)
def test_error_of_an_option_says_what_is_allowed(build: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        build()
    assert str(raised.value) == words
    error = raised.value
    assert words == f"{error.path}: {error.value!r} is not allowed: {error.allowed}"
    assert (error.code, error_code(error)) == ("configuration", "configuration")


def test_cancelled_call_of_the_sync_face_says_by_whom() -> None:
    error = CallCancelledError("users")
    assert (str(error), error.code, error.policy) == ("Call cancelled: users", "cancelled", "users")


FAULTS = r"""
version: 1
providers:
  a: {extend: b, retry: {max_retries: -1, backoff_factor: 1001, jitter: all, retryable_errors: [5, {}, '/(/']}}
  c: {extend: c}
  d: {extend: e}
  e: {extend: d}
  f: null
  g: {circuit_breaker: {window: {kind: time, size: 5, failure_rate: 0}, failure_threshold: 3, reset_timeout_backoff: {max_ms: 5}}}
  h: {circuit_breaker: {slow_call: {duration_ms: 1}}}
  i: {circuit_breaker: {window: {kind: count, size: 5, minimum_calls: 6}}}
""".lstrip()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("#" * 262145, ["line 1: the file: '262145 bytes' is not allowed: at most 262144 bytes (too_large)"]),
        (b"a:\n\n \xff", ["line 3: the file: b'\\xff' is not allowed: UTF-8 (syntax)"]),
        ("", ["line 1: the file: 'no document' is not allowed: one document (documents)"]),
        ("a: 1\n---\nb: 1\n", ["line 2: the file: 'a second document' is not allowed: one document (documents)"]),
        ("[" * 17 + "]" * 17, ["line 1: the file: '17 levels' is not allowed: at most 16 levels (too_deep)"]),
        (
            "a: &b 1\nb: *b\nc: !!str 1\nc: 2\n? [1]\n: 2\n*b : 1\nd: *nobody\n",
            [
                "line 1: a: '&b' is not allowed: no anchors and aliases: use extend (alias)",
                "line 2: b: '*b' is not allowed: no anchors and aliases: use extend (alias)",
                "line 3: c: 'tag:yaml.org,2002:str' is not allowed: no tags (tag)",
                "line 4: c: 'c' is not allowed: each key once (duplicate_key)",
                "line 5: the file: 'a collection as a key' is not allowed: keys that are strings (type)",
                "line 7: *b: '*b' is not allowed: no anchors and aliases: use extend (alias)",
                "line 8: d: '*nobody' is not allowed: no anchors and aliases: use extend (alias)",
            ],
        ),
        (
            FAULTS,
            [
                "line 1: version: 'version' is not allowed: one of defaults, providers (unknown_key)",
                "line 3: providers.a.extend: 'b' is not allowed: one of a, c, d, e, f, g, h, i, zephyr, qtest (unknown_extend)",
                "line 3: providers.a.retry.backoff_factor: 1001 is not allowed: 1 to 1000 (range)",
                "line 3: providers.a.retry.jitter: 'all' is not allowed: one of none, full, equal, decorrelated (enum)",
                "line 3: providers.a.retry.max_retries: -1 is not allowed: 0 to 2147483647 (range)",
                "line 3: providers.a.retry.retryable_errors[0]: 5 is not allowed: string or object (type)",
                "line 3: providers.a.retry.retryable_errors[1]: {} is not allowed: with regex (required)",
                "line 3: providers.a.retry.retryable_errors[2]: '(' is not allowed: a regular expression of RE2 (missing ): () (regex)",
                "line 4: providers.c.extend: 'c' is not allowed: another provider (cyclic_extend)",
                "line 5: providers.d.extend: 'e -> d' is not allowed: no way back to itself (cyclic_extend)",
                "line 6: providers.e.extend: 'd -> e' is not allowed: no way back to itself (cyclic_extend)",
                "line 7: providers.f: None is not allowed: object (type)",
                "line 8: providers.g.circuit_breaker.failure_threshold: 3 is not allowed: not with the window time (conflict)",
                "line 8: providers.g.circuit_breaker.reset_timeout_backoff.max_ms: 5 is not allowed: at least reset_timeout_ms (30000) (range)",
                "line 8: providers.g.circuit_breaker.window.failure_rate: 0 is not allowed: above 0 to 1 (range)",
                "line 8: providers.g.circuit_breaker.window.size: 5 is not allowed: not with the window time (conflict)",
                "line 9: providers.h.circuit_breaker.slow_call: {'duration_ms': 1} is not allowed: only with the windows count and time (conflict)",
                "line 10: providers.i.circuit_breaker.window.minimum_calls: 6 is not allowed: 1 to size (5) (range)",
            ],
        ),
    ],
)
def test_faults_of_a_file_say_what_stands_there_and_what_is_allowed(file: str | bytes, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(file if isinstance(file, bytes) else file.encode())
    for source, parse in (("providers", lambda: parse_providers(file)), (str(path), lambda: load_providers(path))):
        with pytest.raises(ProviderFileError) as raised:
            parse()
        assert str(raised.value).splitlines() == [f"{source}: {line}" for line in words]


def test_unknown_provider_says_which_there_are() -> None:
    with pytest.raises(UnknownProviderError) as raised:
        parse_providers("providers: {zebra: {}, qtest: {}, ant: {}}").provider("bee")
    assert str(raised.value) == "unknown provider 'bee'; known are ant, qtest, zebra, zephyr"
    assert (raised.value.provider, raised.value.code) == ("bee", "configuration")


def test_value_in_a_message_is_no_longer_than_a_line() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Retry(max_retries="x" * 1000)  # type: ignore[arg-type]
    assert str(raised.value) == f"retry.max_retries: '{'x' * 56}... is not allowed: a whole number"
    assert raised.value.value == "x" * 1000
