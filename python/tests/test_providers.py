"""Provider files: what they may be, and every way in which they may be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_support import Events, Failure
from skidbladnir.providers import (
    ProviderFileError,
    UnknownProviderError,
    load_providers,
    parse_providers,
    presets,
)

EVERY_FAULT = {
    "too_large": ("#" * 262_145, "", 1),
    "syntax": ("providers: {\n", "", None),
    "documents": ("providers: {}\n---\nproviders: {}\n", "", 2),
    "too_deep": ("[" * 17 + "]" * 17, "", 1),
    "alias": ("providers:\n  a: &x {}\n", "providers.a", 2),
    "tag": ("providers:\n  a: !!map {}\n", "providers.a", 2),
    "duplicate_key": ("providers:\n  a: {}\n  a: {}\n", "providers.a", 3),
    "type": ("providers:\n  a: {retry: {max_retries: many}}\n", "providers.a.retry.max_retries", 2),
    "range": ("providers:\n  a: {retry: {max_retries: -1}}\n", "providers.a.retry.max_retries", 2),
    "enum": ("providers:\n  a: {retry: {jitter: some}}\n", "providers.a.retry.jitter", 2),
    "unknown_key": ("providers:\n  a: {retries: {}}\n", "providers.a.retries", 2),
    "required": ("defaults: {}\n", "", 1),
    "unknown_extend": ("providers:\n  a: {extend: b}\n", "providers.a.extend", 2),
    "cyclic_extend": ("providers:\n  a: {extend: a}\n", "providers.a.extend", 2),
    "regex": ("providers:\n  a: {retry: {retryable_errors: ['/(/']}}\n", "providers.a.retry.retryable_errors[0]", 2),
    "conflict": (
        "providers:\n  a: {circuit_breaker: {failure_threshold: 2, window: {kind: time}}}\n",
        "providers.a.circuit_breaker.failure_threshold",
        2,
    ),
}


@pytest.mark.parametrize("code", EVERY_FAULT)
def test_fault_names_place_value_and_what_is_allowed(code: str) -> None:
    text, path, line = EVERY_FAULT[code]
    with pytest.raises(ProviderFileError) as raised:
        parse_providers(text, source="services.yaml")
    (fault,) = raised.value.faults
    assert (fault.code, fault.path) == (code, path)
    assert line is None or fault.line == line
    assert str(raised.value) == f"services.yaml: {fault}"
    assert f"line {fault.line}: {path or 'the file'}: " in str(fault)
    assert f"is not allowed: {fault.allowed} ({code})" in str(fault)
    assert len(str(fault)) < 300


def test_all_faults_of_a_file_at_once() -> None:
    with pytest.raises(ProviderFileError) as raised:
        parse_providers("providers:\n  a: {timeout: {timeout_ms: 0}}\n  b: {extend: c, cache: 5}\nversion: 1\n")
    assert [(fault.line, fault.code) for fault in raised.value.faults] == [
        (2, "range"),
        (3, "type"),
        (3, "unknown_extend"),
        (4, "unknown_key"),
    ]
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [lol,lol]\n" + "".join(f"{c}: &{c} [*{p},*{p},*{p},*{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
        "[" * 200_000,
        "{a: " * 60_000,
        "- " * 100_000,
        "? " * 100_000,
        "'" * 200_001,
        "&a " * 50_000,
        "9" * 250_000,
        "0x" + "f" * 250_000,
        "providers: {a: {timeout: {timeout_ms: " + "9" * 200_000 + "}}}",
    ],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_bombs_are_refused(text: str) -> None:
    with pytest.raises(ProviderFileError):
        parse_providers(text)


def test_ten_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"x" * 10_000_000)
    with pytest.raises(ProviderFileError, match=r"big\.yaml: line 1: the file: '10000000 bytes' is not allowed"):
        load_providers(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OPTIONS = st.dictionaries(
    st.sampled_from(
        ["max_retries", "jitter", "retryable_errors", "timeout_ms", "mode", "window", "kind", "slow_call", "ttl_ms"]
    ),
    VALUES
    | st.fixed_dictionaries({"kind": st.sampled_from(["count", "time", "consecutive", "x"])})
    | st.lists(st.text(st.sampled_from("/(a)*[\\C?"), max_size=5), max_size=3),
    max_size=3,
)
SECTIONS = st.dictionaries(
    st.sampled_from(["retry", "timeout", "circuit_breaker", "bulkhead", "cache", "extend", "other"]),
    OPTIONS | VALUES | st.sampled_from(["a", "b", "zephyr"]),
    max_size=4,
)
FILES = st.fixed_dictionaries(
    {"providers": st.dictionaries(st.sampled_from(["a", "b", "zephyr"]), SECTIONS | VALUES, max_size=3)},
    optional={"defaults": SECTIONS | VALUES},
)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60) | st.binary(max_size=60) | FILES.map(yaml.safe_dump) | FILES.map(json.dumps))
def test_nothing_but_its_own_error_comes_out(text: str | bytes) -> None:
    try:
        providers = parse_providers(text)
    except ProviderFileError as error:
        faults = error.faults
        assert faults
        assert faults == sorted(faults, key=lambda fault: (fault.line, fault.path))
    else:
        for provider in providers:
            providers[provider].facade()
            assert providers[provider].to_dict()


def test_presets_have_the_numbers_of_the_requirement() -> None:
    zephyr, qtest = (presets()[name].to_dict() for name in ("zephyr", "qtest"))
    for options in (zephyr, qtest):
        assert all(section is not None for section in options.values())
    assert zephyr["circuit_breaker"] is not None
    assert zephyr["circuit_breaker"]["reset_timeout_ms"] == 60_000
    assert qtest["retry"] is not None
    assert qtest["retry"]["backoff_factor"] == 1.5
    assert sorted(presets()) == ["qtest", "zephyr"]


def test_facade_of_a_provider(events: Events) -> None:
    providers = parse_providers(
        """
        defaults: {retry: {initial_delay_ms: 0, retryable_errors: [/^busy/]}}
        providers:
          users: {retry: {max_retries: 1}, cache: null, timeout: null}
          orders: {extend: users, bulkhead: {max_concurrent_calls: 3, max_wait_ms: 20}}
        """
    )
    facade = providers["orders"].facade(listeners=[events])
    attempts: list[str] = []

    def operation() -> None:
        attempts.append("busy" if not attempts else "broken")
        raise Failure(attempts[-1])

    with pytest.raises(Failure, match="broken"):
        facade.call("key", operation)
    assert attempts == ["busy", "broken"]
    assert (facade.name, facade.cache, facade.timeout) == ("orders", None, None)
    assert {event.policy for event in events} == {"orders"}


def test_unknown_provider_names_the_known_ones() -> None:
    providers = parse_providers("providers: {users: {}}")
    assert len(providers) == 1
    assert providers["qtest"].name == "qtest"
    with pytest.raises(UnknownProviderError, match=r"^unknown provider 'nobody'; known are qtest, users, zephyr$"):
        providers["nobody"]
    with pytest.raises(KeyError):
        presets()["nobody"]


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_providers(tmp_path / "missing.yaml")


def test_json_file(tmp_path: Path) -> None:
    path = tmp_path / "services.json"
    path.write_text(json.dumps({"providers": {"users": {"timeout": {"timeout_ms": 5}}}}))
    sections = load_providers(path)["users"].to_dict()
    assert sections["timeout"] == {"timeout_ms": 5}


def test_missing_extra_is_named() -> None:
    code = "import sys; sys.modules['jsonschema'] = None; import skidbladnir; import skidbladnir.providers"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stderr.strip().endswith("provider files need the extra, skidbladnir[providers]")
