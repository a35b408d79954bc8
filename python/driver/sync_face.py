"""The sync face under virtual time: threads that run one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import skidbladnir as sk
from driver.script import Record
from driver.ways import Plain
from skidbladnir.testing import VirtualThreads
from skidbladnir_conformance import test_driver_pb2 as pb


class SyncFace:
    """Runs each call of a trace in a thread of its own."""

    def __init__(self) -> None:
        self._threads = VirtualThreads()
        self._began = 0
        self.running = 0

    @property
    def clock(self) -> sk.Clock:
        return self._threads

    def begin(self) -> None:
        self._began = self._threads.now()
        self.running = 0

    def now(self) -> int:
        return (self._threads.now() - self._began) // 1_000_000

    def ties(self) -> list[int]:
        """It does not tell; the async face does."""
        return []

    def settle(self) -> None:
        self._threads.settle()

    def advance(self, ms: int) -> None:
        self._threads.advance(ms / 1000)

    def call(
        self, record: Record, way: Plain, target: Any, scripts: Sequence[pb.Script], *arguments: Any, **options: Any
    ) -> None:
        def run() -> None:
            try:
                operation = self.operation(record, scripts)
                result = way.call(target, operation, *arguments, **options)
            except BaseException as error:
                record.end(self.now(), None, error)
            else:
                record.end(self.now(), result, None)

        self._threads.start_thread(run, record.id)

    def operation(self, record: Record, scripts: Sequence[pb.Script]) -> Callable[[], Any]:
        def operate(*_: object) -> Any:
            script = record.next_script(scripts, self.now())
            self.running += 1
            try:
                return self._perform(record, script)
            finally:
                self.running -= 1

        return operate

    handler = operation

    def check(self, scripts: Sequence[pb.Script]) -> Callable[[], Any]:
        operate = self.operation(Record("check"), scripts)
        return lambda: operate() == "true"

    def start(self, way: Plain, monitor: sk.ServiceHealthMonitor) -> None:
        way.start_sync(monitor)

    def stop(self, way: Plain, monitor: sk.ServiceHealthMonitor) -> None:
        way.stop_sync(monitor)

    def check_all(self, monitor: Any) -> None:
        self._threads.start_thread(monitor.check_all_sync, "round")

    def cancel(self, record: Record) -> None:
        raise NotImplementedError("a thread cannot be cancelled: the feature 'cancel' is not declared")

    def _perform(self, record: Record, script: pb.Script) -> Any:
        end = None if script.WhichOneof("end") == "never" else self._threads.now() + script.after_ms * 1_000_000
        signal = sk.cancellation()
        if signal is None or (end is not None and end <= self._threads.now()):
            self._sleep(end)
            return record.finish(script)
        if not signal.wait(None if end is None else (end - self._threads.now()) / 1e9):
            return record.finish(script)
        record.signals.append(self.now())
        match script.on_cancel.WhichOneof("reaction"):
            case "ignore":
                self._sleep(end)
                return record.finish(script)
            case "settle_after_ms":
                self._sleep(self._threads.now() + script.on_cancel.settle_after_ms * 1_000_000)
            case _:
                pass
        if script.on_cancel.WhichOneof("end") is None:
            raise sk.CallCancelledError("operation")
        return record.finish(script.on_cancel)

    def _sleep(self, end: int | None) -> None:
        if end is None or end > self._threads.now():
            self._threads.waiter().wait(end)

    def leftovers(self) -> int:
        """Threads and timed waits that are left; a clock that has any is not used again."""
        alive = self._threads.alive
        count = 0 if self.running else alive + self._threads.armed_timers()
        if alive or count:
            self._threads.close()
            self._threads = VirtualThreads()
        return count

    def close(self) -> None:
        self._threads.close()
