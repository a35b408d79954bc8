"""Real timers, threads and tasks: that they behave as the virtual ones do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from policy_support import Failure, fail
from skidbladnir import (
    Bulkhead,
    BulkheadWaitTimeoutError,
    Cache,
    CallTimeoutError,
    CircuitBreaker,
    CircuitOpenError,
    Retry,
    ServiceHealthMonitor,
    Timeout,
    cancellation,
)


class TestAsync:
    def test_timeout_cancels_and_returns_soon(self) -> None:
        ended: list[str] = []

        async def operation() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        began = time.monotonic()
        with pytest.raises(CallTimeoutError):
            asyncio.run(Timeout(0.02).execute(operation))
        assert 0.02 <= time.monotonic() - began < 10
        assert ended == ["cancelled"]

    def test_retry_waits(self) -> None:
        times: list[float] = []

        async def operation() -> None:
            times.append(time.monotonic())
            fail()

        with pytest.raises(Failure):
            asyncio.run(Retry(max_retries=2, initial_delay=0.01, backoff_factor=2).execute(operation))
        assert times[1] - times[0] >= 0.01
        assert times[2] - times[1] >= 0.02

    def test_bulkhead_gives_up_waiting(self) -> None:
        async def main() -> None:
            bulkhead = Bulkhead(max_concurrent_calls=1, max_wait=0.02)
            holder = asyncio.create_task(bulkhead.execute(lambda: asyncio.sleep(0.2)))
            await asyncio.sleep(0)
            with pytest.raises(BulkheadWaitTimeoutError):
                await bulkhead.execute(lambda: asyncio.sleep(0))
            await holder

        asyncio.run(main())

    def test_stale_value_is_refreshed_in_the_background(self) -> None:
        async def main() -> list[int]:
            cache, values = Cache(ttl=0.01), iter(range(9))

            async def fetch() -> int:
                await asyncio.sleep(0.001)
                return next(values)

            answers = []
            for _ in range(3):
                answers.append(await cache.execute(fetch, key="key"))
                await asyncio.sleep(0.03)
            return answers

        assert asyncio.run(main()) == [0, 0, 1]

    def test_health_is_checked_at_intervals(self) -> None:
        checks: list[float] = []

        async def main() -> None:
            async with ServiceHealthMonitor(["a"], {"a": lambda: not checks.append(1.0)}, check_interval=0.01):
                await asyncio.sleep(0.1)

        asyncio.run(main())
        assert 3 <= len(checks) <= 12


class TestSync:
    def test_timeout_leaves_its_operation(self) -> None:
        told = threading.Event()

        def operation() -> None:
            signal = cancellation()
            assert signal is not None
            if signal.wait(60):
                told.set()

        began = time.monotonic()
        with pytest.raises(CallTimeoutError):
            Timeout(0.02).call(operation)
        assert 0.02 <= time.monotonic() - began < 10
        assert told.wait(10)

    def test_circuit_is_tried_after_its_reset_timeout(self) -> None:
        breaker = CircuitBreaker(failure_threshold=1, reset_timeout=0.02, half_open_success_threshold=1)
        with pytest.raises(Failure):
            breaker.call(fail)
        with pytest.raises(CircuitOpenError) as raised:
            breaker.call(fail)
        assert raised.value.retry_after is not None
        time.sleep(raised.value.retry_after)
        breaker.call(lambda: None)
        assert breaker.state == "CLOSED"

    def test_retry_waits(self) -> None:
        began = time.monotonic()
        with pytest.raises(Failure):
            Retry(max_retries=1, initial_delay=0.02).call(fail)
        assert time.monotonic() - began >= 0.02

    def test_bulkhead_gives_up_waiting(self) -> None:
        bulkhead, began = Bulkhead(max_concurrent_calls=1, max_wait=0.02), time.monotonic()
        with bulkhead.guard(), pytest.raises(BulkheadWaitTimeoutError):
            bulkhead.call(lambda: None)
        assert time.monotonic() - began >= 0.02

    def test_stale_value_is_refreshed_in_the_background(self) -> None:
        cache, refreshed = Cache(ttl=0), threading.Event()
        cache.add_listener(lambda event: refreshed.set() if event.type == "cache_refreshed" else None)
        assert cache.call(lambda: 1, key="key") == 1
        assert cache.call(lambda: 2, key="key") == 1
        assert refreshed.wait(10)
        assert cache.call(lambda: 3, key="key") == 2

    def test_health_is_checked_at_intervals(self) -> None:
        thrice = threading.Semaphore(0)

        def check() -> bool:
            thrice.release()
            return True

        with ServiceHealthMonitor(["a"], {"a": check}, check_interval=0.005):
            for _ in range(3):
                assert thrice.acquire(timeout=10)


PROCESSES = {
    "abandoned operation": """
        try:
            Timeout(0.01).call(lambda: time.sleep(600))
        except CallTimeoutError:
            print("done")
        """,
    "refresh": """
        cache = Cache(ttl=0)
        cache.call(lambda: 1, key="key")
        cache.call(lambda: time.sleep(600), key="key")
        print("done")
        """,
    "monitor that was not stopped": """
        monitor = ServiceHealthMonitor(["a"], {"a": lambda: bool(time.sleep(600))})
        monitor.start()
        print("done")
        """,
    "monitor in a loop": """
        async def main():
            ServiceHealthMonitor(["a"], {"a": lambda: True}, check_interval=0.01).start()
            await asyncio.sleep(0.05)
        asyncio.run(main())
        print("done")
        """,
    "refresh in a loop": """
        async def main():
            cache = Cache(ttl=0)
            await cache.execute(lambda: asyncio.sleep(0, 1), key="key")
            await cache.execute(lambda: asyncio.sleep(600), key="key")
        asyncio.run(main())
        print("done")
        """,
}


@pytest.mark.parametrize("name", PROCESSES)
def test_nothing_keeps_the_process_alive(name: str, tmp_path: Path) -> None:
    """GN-15."""
    body = "\n".join(line[8:] for line in PROCESSES[name].splitlines())
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, logging, time\n"
        "logging.getLogger('asyncio').setLevel(logging.ERROR)  # on a busy machine it warns of callbacks that took long\n"
        "from skidbladnir import Cache, CallTimeoutError, ServiceHealthMonitor, Timeout\n" + body
    )
    ended = subprocess.run([sys.executable, "-X", "dev", script], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_stopped_monitor_leaves_no_thread() -> None:
    """GN-15."""
    before = threading.active_count()
    monitor = ServiceHealthMonitor(["a"], {"a": lambda: True}, check_interval=0.005)
    with monitor:
        monitor.check_all_sync()
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert threading.active_count() == before
