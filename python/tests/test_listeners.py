"""Listeners (GN-13)."""

from __future__ import annotations

import logging

import pytest

import skidbladnir.bulkhead
import skidbladnir.cache
import skidbladnir.circuit_breaker
import skidbladnir.fallback
import skidbladnir.retry
import skidbladnir.timeout
from policy_support import Events
from skidbladnir import Cache, CircuitBreaker, CircuitOpenError, Event, Fallback, Policy, ResilienceFacade, Retry

MODULES = (
    skidbladnir.bulkhead,
    skidbladnir.cache,
    skidbladnir.circuit_breaker,
    skidbladnir.fallback,
    skidbladnir.retry,
    skidbladnir.timeout,
)


def fail() -> None:
    raise ValueError("failed")


def test_no_event_is_built_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*arguments: object, **fields: object) -> Event:
        raise AssertionError("an event was built")

    facade = ResilienceFacade(
        "users", retry={"max_retries": 1, "initial_delay": 0}, circuit_breaker={"failure_threshold": 1}
    )
    for module in MODULES:
        monkeypatch.setattr(module, "Event", build)
    assert facade.call("a", lambda: 1) == facade.call("a", lambda: 2) == 1
    assert facade.call("b", lambda: fail(), lambda error: 3) == 3
    with pytest.raises(CircuitOpenError):
        facade.call("b", lambda: 4)
    facade.invalidate_cache("a")
    facade.add_listener(lambda event: None)
    with pytest.raises(AssertionError, match="an event was built"):
        facade.call("b", lambda: 4)


def test_are_called_in_the_order_they_were_added_after_the_state_changed() -> None:
    seen: list[tuple[str, str, str]] = []
    breaker = CircuitBreaker(
        failure_threshold=1, listeners=[lambda event: seen.append(("first", event.type, breaker.state))]
    )
    breaker.add_listener(lambda event: seen.append(("second", event.type, breaker.state)))
    with pytest.raises(ValueError):
        breaker.call(fail)
    assert seen == [
        ("first", "call_admitted", "CLOSED"),
        ("second", "call_admitted", "CLOSED"),
        ("first", "call_failed", "OPEN"),
        ("second", "call_failed", "OPEN"),
        ("first", "circuit_state_changed", "OPEN"),
        ("second", "circuit_state_changed", "OPEN"),
    ]


def test_may_call_back_into_the_policy() -> None:
    breaker = CircuitBreaker(failure_threshold=1)

    def close_again(event: Event) -> None:
        if event.to_state == "OPEN":
            breaker.reset()
            assert breaker.call(lambda: "called by the listener") == "called by the listener"

    breaker.add_listener(close_again)
    with pytest.raises(ValueError):
        breaker.call(fail)
    assert breaker.state == "CLOSED"
    assert breaker.stats().successes == 1


@pytest.mark.parametrize(
    "policy",
    [CircuitBreaker(), Retry(max_retries=1, initial_delay=0), Cache(), Fallback(lambda error: 2)],
    ids=lambda policy: policy.name,
)
def test_one_that_raises_is_logged_and_changes_nothing(
    policy: Policy, caplog: pytest.LogCaptureFixture, events: Events
) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("a broken listener")

    policy.add_listener(broken)
    policy.add_listener(events)
    attempts = iter([ValueError(), None])

    def second_time() -> int:
        error = next(attempts)
        if error is not None and isinstance(policy, (Retry, Fallback)):
            raise error
        return 2

    with caplog.at_level(logging.ERROR, "skidbladnir"):
        assert policy.call(second_time, key="key") == 2
    assert len(events) >= 1
    assert [record.getMessage() for record in caplog.records] == [
        f"a listener failed on {event.type} of {policy.name}" for event in events
    ]
    assert all(record.exc_info for record in caplog.records)


def test_removed_ones_hear_nothing_more(events: Events) -> None:
    breaker = CircuitBreaker()
    remove, remove_again = breaker.add_listener(events), breaker.add_listener(events)
    breaker.call(lambda: 1)
    assert events.types() == ["call_admitted", "call_admitted", "call_succeeded", "call_succeeded"]
    events.clear()
    remove()
    remove()
    breaker.call(lambda: 1)
    assert events.types() == ["call_admitted", "call_succeeded"]
    remove_again()
    events.clear()
    breaker.call(lambda: 1)
    assert events == []
