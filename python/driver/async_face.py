"""The async face under virtual time."""

from __future__ import annotations

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVarTuple, Unpack

import skidbladnir as sk
from driver.script import Record
from driver.ways import Plain
from skidbladnir import Clock
from skidbladnir.testing import VirtualLoop
from skidbladnir_conformance import test_driver_pb2 as pb

Ts = TypeVarTuple("Ts")

LONG_NS = 10**15
"""A loop that has run for so long is not used again: asyncio's time is a float, which grows coarse."""


class _Loop(VirtualLoop):
    """Notes the instants at which more than one timer is due, and the tasks of a trace."""

    def __init__(self) -> None:
        self.ties: list[int] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self._due: defaultdict[int, list[asyncio.TimerHandle]] = defaultdict(list)
        self._failed: list[Mapping[str, Any]] = []
        super().__init__()
        self.set_exception_handler(lambda _, context: self._failed.append(context))

    def begin(self) -> None:
        self.ties.clear()
        self.tasks.clear()
        self._due.clear()

    def end(self) -> None:
        """Raises what failed where nobody waits for it."""
        if self._failed:
            raise RuntimeError(self._failed[0]["message"]) from self._failed[0].get("exception")

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = super().create_task(coro, **options)
        self.tasks.append(task)
        return task

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        self._due[round(when * 1e9)].append(timer)
        return timer

    def idle(self, timeout: float | None) -> None:
        super().idle(timeout)
        due = self._due.pop(self.now(), ())
        if len(due) > 1 and sum(not timer.cancelled() for timer in due) > 1:
            self.ties.append(self.now())


class AsyncFace:
    """Runs the calls of one trace after another in a virtual event loop."""

    def __init__(self) -> None:
        self._loop = _Loop()
        self._began = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._operations: set[object] = set()

    @property
    def running(self) -> int:
        """Operations that run now."""
        return len(self._operations)

    @property
    def clock(self) -> Clock:
        return self._loop.clock

    def begin(self) -> None:
        self._began = self._loop.now()
        self._loop.begin()
        self._tasks = {}
        # A new set for each trace: operations that outlive theirs must not count in the next.
        self._operations = set()

    def now(self) -> int:
        return (self._loop.now() - self._began) // 1_000_000

    def ties(self) -> list[int]:
        """Milliseconds at which more than one timer was due."""
        return [(at - self._began) // 1_000_000 for at in self._loop.ties]

    def settle(self) -> None:
        self._loop.settle()

    def advance(self, ms: int) -> None:
        self._loop.advance(ms / 1000)

    def call(
        self, record: Record, way: Plain, target: Any, scripts: Sequence[pb.Script], *arguments: Any, **options: Any
    ) -> None:
        async def run() -> None:
            try:
                operation = self.operation(record, scripts)
                result = await way.execute(target, operation, *arguments, **options)
            except BaseException as error:
                record.end(self.now(), None, error)
            else:
                record.end(self.now(), result, None)

        self._tasks[record.id] = self._loop.create_task(run())

    def cancel(self, record: Record) -> None:
        self._tasks[record.id].cancel()
        # A task that is cancelled before it began does not notice.
        self._tasks[record.id].add_done_callback(lambda task: self._never_ran(record))

    def _never_ran(self, record: Record) -> None:
        if record.ended is None:
            record.end(self.now(), None, asyncio.CancelledError())

    def operation(self, record: Record, scripts: Sequence[pb.Script]) -> Callable[[], Any]:
        operations = self._operations

        async def operate(*_: object) -> Any:
            script = record.next_script(scripts, self.now())
            running = object()
            operations.add(running)
            try:
                return await self._perform(record, script)
            finally:
                operations.discard(running)

        return operate

    handler = operation

    def check(self, scripts: Sequence[pb.Script]) -> Callable[[], Any]:
        operate = self.operation(Record("check"), scripts)

        async def healthy() -> bool:
            return bool(await operate() == "true")

        return healthy

    def start(self, way: Plain, monitor: sk.ServiceHealthMonitor) -> None:
        self._tasks["start"] = self._loop.create_task(way.start(monitor))

    def stop(self, way: Plain, monitor: sk.ServiceHealthMonitor) -> None:
        self._tasks["stop"] = self._loop.create_task(way.stop(monitor))

    def check_all(self, monitor: Any) -> None:
        self._tasks["round"] = self._loop.create_task(_ended(monitor.check_all()))

    async def _perform(self, record: Record, script: pb.Script) -> Any:
        end = None if script.WhichOneof("end") == "never" else self._loop.now() + script.after_ms * 1_000_000
        heard = False
        while end is None or self._loop.now() < end:
            try:
                await self._sleep(end)
            except asyncio.CancelledError:
                if not heard:
                    record.signals.append(self.now())
                heard = True
                reaction = script.on_cancel.WhichOneof("reaction")
                if reaction == "ignore":
                    continue
                if reaction == "settle_after_ms":
                    await self._settle_after(script.on_cancel.settle_after_ms)
                if script.on_cancel.WhichOneof("end") is None:
                    raise
                return record.finish(script.on_cancel)
        return record.finish(script)

    async def _settle_after(self, ms: int) -> None:
        end = self._loop.now() + ms * 1_000_000
        while self._loop.now() < end:
            try:
                await self._sleep(end)
            except asyncio.CancelledError:
                continue  # it is ending already

    async def _sleep(self, end: int | None) -> None:
        if end is None:
            await self._loop.create_future()
        else:
            await asyncio.sleep((end - self._loop.now()) / 1e9)

    def leftovers(self) -> int:
        """Timers and tasks that are left; a loop that has any is not used again."""
        for task in self._tasks.values():
            if task.done() and not task.cancelled():
                task.result()  # what a call raises is in its record; nothing else may fail
        self._loop.end()
        tasks = [task for task in self._loop.tasks if not task.done()]
        count = 0 if self.running else len(tasks) + self._loop.armed_timers()
        if tasks or count or self._loop.now() > LONG_NS:
            self.close()
            self._loop = _Loop()
        return count

    def close(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.set_exception_handler(lambda loop, context: None)
        self._loop.close()


async def _ended(round_: Any) -> None:
    try:
        await round_
    except asyncio.CancelledError:
        return  # the monitor was stopped
