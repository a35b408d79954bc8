"""Asks one driver: replays traces in it, and keeps what it does from harming the run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from skidbladnir_conformance import PROTOCOL_VERSION, SPEC_VERSION
from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.judge import Answer
from skidbladnir_conformance.process import DriverError, DriverProcess, DriverSpec
from skidbladnir_conformance.trace import Trace

SERVICE = "/skidbladnir.conformance.v1.TestDriver"
# Traces sent ahead of their answers, and how many of them make a batch for a driver that takes batches.
WINDOW = 100
BATCH = 25
# A batch may take so many times as long as a trace: machines are busy, and no single trace of it may be slow.
BATCH_PATIENCE = 3
MAX_RESTARTS = 10
NOT_REPLAYED = "not replayed"
CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]


M = TypeVar("M", bound=Message)

OnAnswer = Callable[[DriverSpec, Trace, Answer | None], None]
"""Told of each answer; whatever it raises ends the replay."""


class TraceLost(Exception):
    """A driver that was asked for a trace did something else than answer."""


class TraceHangs(TraceLost):
    """It did nothing at all."""


@dataclass
class Column:
    """What one driver answered, by trace. ``problem`` says why its whole column fails."""

    spec: DriverSpec
    language: str = field(init=False)
    package_version: str = ""
    features: frozenset[str] = frozenset()
    answers: dict[str, Answer | None] = field(default_factory=dict)
    batches: bool = False
    problem: str = ""
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.language = self.spec.label

    def described(self, described: pb.DescribeResponse) -> None:
        """Takes what the driver speaks for, at its first start."""
        if not self.package_version:
            self.language = described.language
            self.package_version = described.package_version or "unknown"
            self.features = frozenset(described.features)
            self.batches = described.batches


class Driver:
    """A driver and the connection to it. Who opens it ends or kills it."""

    def __init__(self, spec: DriverSpec, timeout: float, on_answer: OnAnswer) -> None:
        self.column = Column(spec)
        self._spec = spec
        self._timeout = timeout
        self._on_answer = on_answer
        self._process: DriverProcess | None = None
        self._channel: grpc.aio.Channel | None = None

    async def open(self) -> None:
        """Starts the driver and asks what it speaks for; what fails becomes the problem of the column."""
        try:
            await self._connect()
        except DriverError as error:
            self.column.problem = str(error)

    async def end(self) -> None:
        """Lets the driver end by itself."""
        await self._close_channel()
        process, self._process = self._process, None
        if process is not None and (warning := await process.end()):
            self.column.warnings.append(warning)

    async def kill(self, patience: float = 0.3) -> str:
        """Drops the connection and the process; the last it said. ``patience``: see :meth:`DriverProcess.kill`."""
        await self._close_channel()
        process, self._process = self._process, None
        return "" if process is None else await process.kill(patience)

    async def replay(self, traces: Sequence[Trace], most_restarts: int = MAX_RESTARTS) -> None:
        """Replays traces. Whatever the driver does, this returns: a crash or a hang costs a trace, not the run.

        After ``most_restarts`` what is left is answered with :data:`NOT_REPLAYED` and the reason.
        """
        if self._channel is None:
            await self.open()  # it broke on the last trace of an earlier replay
        if self.column.problem:
            return
        left = self._replayable(traces)
        restarts = 0
        # After a driver broke, so many traces are sent one at a time: only then it is certain which one breaks it.
        careful = 0
        suspect: Trace | None = None
        while left:
            batch = left[:careful] if careful else left
            try:
                await self._stream(batch, 1 if careful else WINDOW)
                if suspect is not None:
                    self.column.answers[suspect.id] = "broke the driver here or soon after, but not when sent again"
                    suspect = None
                careful = 0
            except TraceLost as lost:
                said = await self.kill()
                guilty = next(trace for trace in batch if trace.id not in self.column.answers)
                if careful:
                    suspect = None
                    self._answer(guilty, f"{lost}{said}")
                else:
                    suspect, careful = guilty, WINDOW
                restarts += 1
            left = [trace for trace in left if trace.id not in self.column.answers]
            if self._channel is None and left and not await self._restart(restarts, most_restarts, left):
                return

    async def replay_once(self, traces: Sequence[Trace], window: int) -> None:
        """As :meth:`replay`, without a second chance; ``window`` traces are sent ahead of their answers.

        Raises:
            TraceLost: at the first trace that costs the driver its life or its tongue.
        """
        if not self.column.problem:
            await self._stream(self._replayable(traces), window)

    def _replayable(self, traces: Sequence[Trace]) -> list[Trace]:
        """The traces whose features the driver has; the others are answered."""
        replayable = []
        for trace in traces:
            if self.column.features.issuperset(trace.needs):
                replayable.append(trace)
            else:
                self._answer(trace, None)
        return replayable

    async def _restart(self, restarts: int, most: int, left: Sequence[Trace]) -> bool:
        reason = f"the driver has been restarted {most} times"
        if restarts <= most:
            try:
                await self._connect()
                return True
            except DriverError as error:
                reason = f"the driver does not start again: {error}"
        for trace in left:
            self._answer(trace, f"{NOT_REPLAYED}: {reason}")
        return False

    async def _connect(self) -> None:
        address = self._spec.address
        if self._spec.command:
            self._process = await DriverProcess.start(self._spec)
            address = self._process.address
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        try:
            await self._describe(self._channel)
        except DriverError as error:
            raise DriverError(f"{error}{await self.kill()}") from error

    async def _close_channel(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def _answer(self, trace: Trace, answer: Answer | None) -> None:
        self.column.answers[trace.id] = answer
        self._on_answer(self._spec, trace, answer)

    async def _describe(self, channel: grpc.aio.Channel) -> None:
        ask: Any = channel.unary_unary(f"{SERVICE}/Describe")
        try:
            answer = await ask(b"", timeout=self._timeout, wait_for_ready=True)
            described = pb.DescribeResponse.FromString(answer)
        except grpc.aio.AioRpcError as error:
            raise DriverError(f"does not describe itself: {_text(error)}") from error
        except DecodeError as error:
            raise DriverError("describes itself with bytes that are no DescribeResponse") from error
        if described.protocol_version != PROTOCOL_VERSION:
            raise DriverError(
                f"speaks protocol version {described.protocol_version}; this runner speaks {PROTOCOL_VERSION}"
            )
        if described.spec_version != SPEC_VERSION:
            raise DriverError(f"is of specification {described.spec_version!r}; this catalogue is of {SPEC_VERSION!r}")
        if not described.language:
            raise DriverError("does not say its language")
        self.column.described(described)

    async def _stream(self, traces: Sequence[Trace], window: int) -> None:
        """Replays traces in one stream; raises TraceLost where an answer that is due does not come as it should."""
        assert self._channel is not None
        size = min(BATCH, window) if self.column.batches else 1
        method = "ReplayBatches" if size > 1 else "Replay"
        open_stream: Any = self._channel.stream_stream(f"{SERVICE}/{method}")
        call = open_stream()
        batches = [traces[start : start + size] for start in range(0, len(traces), size)]
        places = asyncio.Semaphore(window // size)
        sender = asyncio.create_task(_send(call, batches, size > 1, places))
        try:
            for batch in batches:
                answer = await self._read(call, self._timeout if size == 1 else self._timeout * BATCH_PATIENCE)
                responses = _responses(answer, len(batch)) if size > 1 else [_parsed(pb.ReplayResponse, answer)]
                for trace, response in zip(batch, responses, strict=True):
                    self._answer(trace, _decode(trace, response))
                places.release()
            await self._expect_end(call)
        finally:
            sender.cancel()
            call.cancel()
            # Not by suppressing its cancellation: that of whoever waits here would be lost with it.
            await asyncio.gather(sender, return_exceptions=True)

    async def _read(self, call: Any, seconds: float) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                answer = await call.read()
        except TimeoutError:
            raise TraceHangs(f"hangs: no answer within {seconds:g} s") from None
        except grpc.aio.AioRpcError as error:
            raise TraceLost(f"crashed: {_text(error)}") from error
        if answer is grpc.aio.EOF:
            raise TraceLost("closed the stream without an answer")
        return bytes(answer)

    async def _expect_end(self, call: Any) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                more = await call.read()
        except TimeoutError:
            self.column.warnings.append("does not end the stream after the last trace")
        except grpc.aio.AioRpcError as error:
            self.column.warnings.append(f"ends the stream with {_text(error)}")
        else:
            if more is not grpc.aio.EOF:
                self.column.problem = "answers more than it was asked"


def _parsed(kind: type[M], answer: bytes) -> M:
    try:
        return kind.FromString(answer)
    except DecodeError as error:
        raise TraceLost(f"answered with bytes that are no {kind.__name__}") from error


def _responses(answer: bytes, due: int) -> Sequence[pb.ReplayResponse]:
    responses = _parsed(pb.ReplayBatchesResponse, answer).responses
    if len(responses) != due:
        raise TraceLost(f"answered {len(responses)} traces of a batch of {due}")
    return responses


def _decode(trace: Trace, response: pb.ReplayResponse) -> Answer:
    if response.trace_id != trace.id:
        raise TraceLost(f"answered {response.trace_id!r} when {trace.id!r} was due")
    match response.WhichOneof("result"):
        case "observation":
            return response.observation
        case "unsupported":
            return f"unsupported: {response.unsupported}"
        case _:
            return "answered neither an observation nor a reason"


async def _send(call: Any, batches: Sequence[Sequence[Trace]], as_batches: bool, places: asyncio.Semaphore) -> None:
    try:
        for batch in batches:
            await places.acquire()
            if as_batches:
                request = b"".join(trace.as_part_of_batch for trace in batch)
            else:
                request = pb.ReplayRequest(trace=batch[0].message).SerializeToString()
            await call.write(request)
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return  # the stream broke; who reads from it says how


def _text(error: grpc.aio.AioRpcError) -> str:
    return f"{error.code().name}: {error.details()}"


async def replay_all(
    specs: Sequence[DriverSpec],
    traces: Sequence[Trace],
    languages: Sequence[str],
    timeout: float,
    on_answer: OnAnswer,
) -> tuple[list[Column], float]:
    """Replays traces in all drivers at once, or in those of some languages; the columns, and the replay's seconds.

    Every process that it started has ended when it returns or raises.
    """
    drivers = [Driver(spec, timeout, on_answer) for spec in specs]
    try:
        await _together(driver.open() for driver in drivers)
        meant = [each for each in drivers if not languages or each.column.language in languages or each.column.problem]
        name_apart([driver.column for driver in meant])
        began = time.monotonic()
        await _together(driver.replay(traces) for driver in meant)
        seconds = time.monotonic() - began
        await _together(driver.end() for driver in drivers)
    finally:
        await _together(driver.kill() for driver in drivers)
    return [driver.column for driver in meant], seconds


async def _together(work: Iterable[Coroutine[Any, Any, object]]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)


def name_apart(columns: Sequence[Column]) -> None:
    """Two drivers of one language become two columns."""
    seen: set[str] = set()
    for column in columns:
        while column.language in seen:
            column.language += "'"
        seen.add(column.language)
