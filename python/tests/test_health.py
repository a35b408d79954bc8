"""The health monitor as a Python service uses it: in an event loop, or in threads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from policy_support import Events
from skidbladnir import CircuitBreaker, ConfigurationError, HealthStatus, ResilienceFacade, ServiceHealthMonitor
from skidbladnir.testing import VirtualLoop, VirtualThreads


async def well() -> bool:
    return True


class TestInAnEventLoop:
    def test_checks_while_the_block_lasts(self, loop: VirtualLoop, events: Events) -> None:
        answers = iter([True, False, True])
        monitor = ServiceHealthMonitor(
            ["users"], {"users": lambda: next(answers)}, check_interval=10, listeners=[events], clock=loop.clock
        )
        seen: list[tuple[HealthStatus, bool, bool]] = []

        async def main() -> None:
            async with monitor:
                for _ in range(3):
                    await asyncio.sleep(1)
                    health = monitor.provider_health("users")
                    seen.append((health.status, monitor.is_healthy("users"), monitor.is_degraded("users")))
                    await asyncio.sleep(9)

        assert monitor.provider_health("users").last_checked is None
        task = loop.create_task(main())
        loop.advance(29)
        health = monitor.provider_health("users")
        loop.advance(100)
        task.result()
        assert seen == [
            (HealthStatus.UP, True, False),
            (HealthStatus.DOWN, False, False),
            (HealthStatus.UP, True, False),
        ]
        assert (health.failure_rate, health.last_checked is None) == (pytest.approx(0.08), False)
        assert [(event.from_state, event.to_state) for event in events] == [("UP", "DOWN"), ("DOWN", "UP")]

    def test_check_all_with_checks_of_both_kinds(self) -> None:
        def broken() -> bool:
            raise ConnectionError

        monitor = ServiceHealthMonitor(["a", "b", "c"], {"a": well, "b": lambda: True, "c": broken})
        asyncio.run(monitor.check_all())
        assert [health.status for health in monitor.all_health().values()] == ["UP", "UP", "DOWN"]

    def test_is_not_for_sync_rounds(self) -> None:
        async def main() -> None:
            monitor = ServiceHealthMonitor(["a"], {"a": well})
            with pytest.raises(RuntimeError, match=r"use check_all$"):
                monitor.check_all_sync()

        asyncio.run(main())


class TestInThreads:
    def test_checks_while_the_block_lasts(self, threads: VirtualThreads, events: Events) -> None:
        answers = iter([True, False])
        monitor = ServiceHealthMonitor(
            ["users"], {"users": lambda: next(answers)}, check_interval=10, listeners=[events], clock=threads
        )
        with monitor:
            threads.advance(1)
            assert monitor.is_healthy("users")
            threads.advance(10)
            assert monitor.provider_health("users").status is HealthStatus.DOWN
        threads.advance(100)
        assert [event.to_state for event in events] == ["DOWN"]

    def test_slow_check_is_left_behind(self, threads: VirtualThreads) -> None:
        def slow() -> bool:
            return threads.waiter().wait(50_000_000_000)

        monitor = ServiceHealthMonitor(["a", "b"], {"a": slow, "b": lambda: True}, clock=threads, check_timeout=2)
        threads.start_thread(monitor.check_all_sync, "round")
        threads.advance(2)
        assert [health.status for health in monitor.all_health().values()] == ["DOWN", "UP"]
        assert monitor.provider_health("a").response_time == 2.0
        threads.advance(48)

    def test_check_that_is_async_is_refused(self) -> None:
        monitor = ServiceHealthMonitor(["a"], {"a": well})
        for start in (monitor.start, monitor.check_all_sync):
            with pytest.raises(TypeError, match="the check of a is async: start this monitor in an event loop"):
                start()
        asyncio.run(monitor.check_all())
        assert monitor.is_healthy("a")

    def test_check_that_turns_out_to_be_async_is_down(self) -> None:
        monitor = ServiceHealthMonitor(["a"], {"a": lambda: well()})
        with pytest.warns(RuntimeWarning, match="never awaited"):
            monitor.check_all_sync()
        assert monitor.provider_health("a").status is HealthStatus.DOWN

    def test_is_not_for_async_rounds(self) -> None:
        monitor = ServiceHealthMonitor(["a"], {"a": lambda: True})
        monitor.check_all_sync()

        async def main() -> None:
            with pytest.raises(RuntimeError, match="use check_all_sync"):
                await monitor.check_all()

        asyncio.run(main())


@pytest.mark.parametrize("kind", ["breaker", "facade"])
def test_circuit_that_is_not_closed_degrades(kind: str) -> None:
    breaker = CircuitBreaker()
    facade = ResilienceFacade()
    assert facade.circuit_breaker is not None
    (breaker if kind == "breaker" else facade.circuit_breaker).force_open()
    circuits: dict[str, Any] = {"a": breaker if kind == "breaker" else facade}
    monitor = ServiceHealthMonitor(["a"], {"a": lambda: True}, circuits=circuits)
    monitor.check_all_sync()
    assert monitor.is_degraded("a")
    assert monitor.provider_health("a").circuit_state == "FORCED_OPEN"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([], {}), {}, r"health\.providers: \[\] is not allowed: at least one"),
        (("users", {}), {}, r"health\.providers: 'users' is not allowed: a list of names"),
        ((["a", "a"], {"a": well}), {}, r"health\.providers: 'a' is not allowed: each name once"),
        ((["a"], {}), {}, r"health\.checks\.a: None is not allowed: a check for each provider"),
        ((["a"], {"a": well, "b": well}), {}, r"health\.checks\.b: 'b' is not allowed: a"),
        ((["a"], {"a": well}), {"circuits": {"b": CircuitBreaker()}}, r"health\.circuits\.b: 'b' is not allowed: a"),
        ((["a"], {"a": well}), {"check_interval": 0}, r"health\.check_interval_ms: 0\.0 is not allowed"),
        ((["a"], {"a": well}), {"degraded_failure_rate": 1.5}, r"health\.degraded_failure_rate: 1\.5 is not allowed"),
    ],
)
def test_refuses_what_does_not_fit(arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ServiceHealthMonitor(*arguments, **options)


def test_unknown_provider() -> None:
    with pytest.raises(KeyError):
        ServiceHealthMonitor(["a"], {"a": well}).provider_health("b")
