"""The cache beside a model, and shared by threads and tasks."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from policy_support import Events, Failure, HandClock, fail
from skidbladnir import Cache, ConfigurationError, ResilienceFacade, cancellation
from skidbladnir.testing import VirtualLoop, VirtualThreads


class CacheMachine(RuleBasedStateMachine):
    """Calls one after the other, beside a dictionary with times (CA-1, CA-2, CA-9 to CA-11)."""

    TTL, MAX_STALE, MAX_ENTRIES = 10.0, 20.0, 3

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.cache = Cache(
            ttl=self.TTL,
            stale_while_revalidate=False,
            stale_if_error=True,
            max_stale=self.MAX_STALE,
            max_entries=self.MAX_ENTRIES,
            clock=self.clock,
        )
        self.now = 0.0
        self.fetches = 0
        self.values: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @rule(key=st.sampled_from("abcde"), works=st.booleans())
    def get(self, key: str, works: bool) -> None:
        value, fetched = self.values.get(key, (0, float("-inf")))
        age = self.now - fetched
        asked: list[int] = []

        def fetch() -> int:
            asked.append(1)
            if not works:
                raise Failure
            return self.fetches + 1

        try:
            answer = self.cache.call(fetch, key=key)
        except Failure:
            assert not works
            assert age >= self.TTL + self.MAX_STALE
            return
        if age < self.TTL:
            assert (answer, asked) == (value, [])
        elif works:
            self.fetches += 1
            value, fetched = self.fetches, self.now
            assert (answer, asked) == (value, [1])
        else:
            assert (answer, asked) == (value, [1])
            assert age < self.TTL + self.MAX_STALE
        self.values[key] = value, fetched
        self.values.move_to_end(key)
        if len(self.values) > self.MAX_ENTRIES:
            self.values.popitem(last=False)

    @rule(key=st.sampled_from("abcde"))
    def invalidate(self, key: str) -> None:
        self.cache.invalidate(key)
        self.values.pop(key, None)

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.values.clear()

    @rule(seconds=st.sampled_from([1.0, 9.0, 10.0, 20.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.clock.advance(seconds)

    @invariant()
    def agrees(self) -> None:
        assert self.cache.stats().size == len(self.values)


CacheMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestCacheMachine = CacheMachine.TestCase


class TestSharing:
    def test_one_fetch_for_threads_and_tasks(self) -> None:
        cache = Cache(ttl=60)
        fetching, go_on = threading.Event(), threading.Event()
        fetches: list[int] = []

        def fetch() -> str:
            fetches.append(1)
            fetching.set()
            assert go_on.wait(10)
            return "fetched"

        answers: list[str] = []
        leader = threading.Thread(target=lambda: answers.append(cache.call(fetch, key="key")))
        leader.start()
        assert fetching.wait(10)

        async def tasks() -> None:
            async def other() -> str:
                pytest.fail("a second fetch")

            calls = [asyncio.create_task(cache.execute(other, key="key")) for _ in range(5)]
            await asyncio.sleep(0.01)
            go_on.set()
            answers.extend(await asyncio.gather(*calls))

        followers = [
            threading.Thread(target=lambda: answers.append(cache.call(lambda: pytest.fail("a second"), key="key")))
            for _ in range(3)
        ]
        for thread in followers:
            thread.start()
        asyncio.run(tasks())
        for thread in (leader, *followers):
            thread.join(10)
        assert (fetches, answers) == ([1], ["fetched"] * 9)

    def test_fetch_handed_to_a_closed_loop_passes_on(self) -> None:
        cache = Cache(ttl=60)
        fetching, go_on = threading.Event(), threading.Event()
        lost = asyncio.new_event_loop()

        def cancelled() -> str:
            fetching.set()
            assert go_on.wait(10)
            raise SystemExit

        def lead() -> None:
            with pytest.raises(SystemExit):
                cache.call(cancelled, key="key")

        leader = threading.Thread(target=lead)
        leader.start()
        assert fetching.wait(10)
        task = lost.create_task(cache.execute(lambda: asyncio.sleep(0, "lost"), key="key"))
        lost.call_soon(lost.call_later, 0, lost.stop)
        lost.run_forever()
        lost.close()
        answers: list[str] = []
        next_one = threading.Thread(target=lambda: answers.append(cache.call(lambda: "fetched", key="key")))
        next_one.start()
        while len(cache._store.flights["key"].joiners or ()) < 2:
            pass
        go_on.set()
        for thread in (leader, next_one):
            thread.join(10)
        del task
        gc.collect()
        assert answers == ["fetched"]
        assert cache.call(lambda: "again", key="key") == "fetched"

    def test_crowd_on_few_keys(self) -> None:
        """GN-14: at most one fetch for each key at once, and no value of another key."""
        cache = Cache(ttl=0.0005, stale_while_revalidate=False, max_entries=2)
        lock = threading.Lock()
        fetching: dict[str, int] = dict.fromkeys("abc", 0)
        wrong: list[object] = []

        def fetch(key: str) -> str:
            with lock:
                fetching[key] += 1
                if fetching[key] > 1:
                    wrong.append(key)
            with lock:
                fetching[key] -= 1
            return key

        def crowd() -> None:
            for number in range(300):
                key = "abc"[number % 3]
                if cache.call(lambda key=key: fetch(key), key=key) != key:  # type: ignore[misc]
                    wrong.append(key)

        threads = [threading.Thread(target=crowd) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert cache.stats().size <= 2


class TestRefreshes:
    def test_in_a_thread_for_sync_callers(self, threads: VirtualThreads, events: Events) -> None:
        cache = Cache(ttl=1, clock=threads, listeners=[events])
        answers: list[Any] = []
        values = iter("abc")

        def call() -> None:
            answers.append(cache.call(lambda: next(values), key="key"))

        for _ in range(3):
            threads.start_thread(call, "caller")
            threads.advance(1)
        assert answers == ["a", "a", "b"]
        assert events.types() == [
            "cache_miss",
            "cache_stale_hit",
            "cache_refreshed",
            "cache_stale_hit",
            "cache_refreshed",
        ]

    def test_close_ends_those_under_way(self, threads: VirtualThreads) -> None:
        facade = ResilienceFacade(cache={"ttl": 1}, retry=None, timeout=None, clock=threads)
        seen: list[bool] = []

        def slow() -> str:
            signal = cancellation()
            assert signal is not None
            seen.append(signal.wait(60))
            return "refreshed"

        threads.start_thread(lambda: facade.call("key", lambda: "value"), "caller")
        threads.advance(1)
        threads.start_thread(lambda: facade.call("key", slow), "caller")
        threads.settle()
        assert threads.alive == 1
        facade.close()
        threads.settle()
        assert seen == [True]

    def test_task_of_a_refresh_survives_the_garbage_collector(self, loop: VirtualLoop, events: Events) -> None:
        cache = Cache(ttl=0, clock=loop.clock, listeners=[events])

        async def main() -> None:
            await cache.execute(lambda: asyncio.sleep(0, 1), key="key")
            await cache.execute(lambda: asyncio.sleep(5, 2), key="key")

        task = loop.create_task(main())
        loop.settle()
        task.result()
        gc.collect()
        loop.advance(5)
        assert events.types() == ["cache_miss", "cache_stale_hit", "cache_refreshed"]

    def test_error_of_a_refresh_is_never_unhandled(self, loop: VirtualLoop, events: Events) -> None:
        unhandled: list[object] = []
        loop.set_exception_handler(lambda _, context: unhandled.append(context))
        cache = Cache(ttl=0, clock=loop.clock, listeners=[events])

        async def refuse() -> int:
            fail()
            return 2

        async def main() -> None:
            await cache.execute(lambda: asyncio.sleep(0, 1), key="key")
            assert await cache.execute(refuse, key="key") == 1

        task = loop.create_task(main())
        loop.settle()
        task.result()
        gc.collect()
        assert (unhandled, events.types()[-1]) == ([], "cache_refresh_failed")


@pytest.mark.parametrize(
    ("options", "fault", "path"),
    [
        ({"ttl": -1}, "range", "cache.ttl_ms"),
        ({"ttl": None}, "type", "cache.ttl_ms"),
        ({"max_stale": -1}, "range", "cache.max_stale_ms"),
        ({"max_entries": 0}, "range", "cache.max_entries"),
        ({"stale_while_revalidate": "yes"}, "type", "cache.stale_while_revalidate"),
        ({"stale_if_error": 1}, "type", "cache.stale_if_error"),
    ],
)
def test_refuses_wrong_options(options: dict[str, Any], fault: str, path: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Cache(**options)
    assert (raised.value.fault, raised.value.path) == (fault, path)


def test_key_that_cannot_be_one() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        Cache().call(lambda: 1, key=[])  # type: ignore[arg-type]
