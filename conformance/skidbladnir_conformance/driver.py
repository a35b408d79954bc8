"""Drivers: how they are started, asked, and kept from harming the run."""

from __future__ import annotations

import queue
import shlex
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from skidbladnir_conformance import PROTOCOL_VERSION, SPEC_VERSION
from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.judge import Answer
from skidbladnir_conformance.trace import Trace

SERVICE = "/skidbladnir.conformance.v1.TestDriver"
MAX_RESTARTS = 5
BUILT_IN = {
    "python": (sys.executable, "python/driver/main.py"),
    "python-sync": (sys.executable, "python/driver/main.py", "--sync"),
    "go": ("build/go-driver",),
    "typescript": ("node", "typescript/build/driver.cjs"),
}


class DriverError(Exception):
    """A driver cannot be used at all."""


@dataclass(frozen=True)
class DriverSpec:
    """How to reach a driver: a command to start, or the address of one that runs."""

    label: str
    command: tuple[str, ...] = ()
    address: str = ""
    directory: Path | None = None

    @classmethod
    def built_in(cls, name: str, root: Path) -> DriverSpec:
        return cls(label=name, command=BUILT_IN[name], directory=root)

    @classmethod
    def command_line(cls, command: str) -> DriverSpec:
        return cls(label=command, command=tuple(shlex.split(command)))


@dataclass
class Column:
    """What one driver answered. ``problem`` says why its whole column fails."""

    spec: DriverSpec
    language: str = ""
    package_version: str = ""
    features: frozenset[str] = frozenset()
    answers: dict[str, Answer | None] = field(default_factory=dict)
    problem: str = ""


class _Process:
    """A driver that was started here. Ends with the ``with`` block."""

    def __init__(self, spec: DriverSpec) -> None:
        self._spec = spec
        self._errors: deque[str] = deque(maxlen=20)

    def __enter__(self) -> _Process:
        if not self._spec.command:
            return self
        try:
            self._process = subprocess.Popen(
                self._spec.command,
                cwd=self._spec.directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise DriverError(f"cannot start {shlex.join(self._spec.command)}: {error}") from error
        threading.Thread(target=self._read_errors, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._spec.command:
            return
        process = self._process
        if process.stdin is not None:
            try:
                process.stdin.close()
            except BrokenPipeError:
                pass  # it has ended already, as it should
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def address(self, timeout: float) -> str:
        """The line the driver prints."""
        if not self._spec.command:
            return self._spec.address
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        stdout = self._process.stdout
        assert stdout is not None
        threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
        try:
            line = lines.get(timeout=timeout).strip()
        except queue.Empty:
            raise DriverError(f"printed no address within {timeout:g} s") from None
        if not line:
            raise DriverError(f"ended before it printed an address{self.last_words()}")
        if not line.startswith(("127.0.0.1:", "[::1]:", "localhost:", "unix:")):
            raise DriverError(f"printed {line[:80]!r}, which is no address of this machine")
        return line

    def last_words(self) -> str:
        """What it wrote to its standard error, and how it ended."""
        if not self._spec.command:
            return ""
        try:
            self._process.wait(timeout=0.5)
            ended = f" (exit code {self._process.returncode})"
        except subprocess.TimeoutExpired:
            ended = ""
        said = " | ".join(list(self._errors)[-5:])
        return ended + (f": {said}" if said else "")

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors.append(line.rstrip())


def replay(spec: DriverSpec, traces: Sequence[Trace], timeout: float, on_answer: Callable[[], None]) -> Column:
    """Replays traces in one driver. Whatever the driver does, this returns: a crash or a hang costs one trace."""
    column = Column(spec, language=spec.label)
    left = list(traces)
    restarts = 0
    while True:
        try:
            with _Process(spec) as process:
                channel = grpc.insecure_channel(
                    process.address(timeout), options=[("grpc.max_receive_message_length", 64 << 20)]
                )
                with channel:
                    _describe(channel, column, timeout)
                    runnable = [trace for trace in left if set(trace.needs) <= column.features]
                    for trace in left:
                        if trace not in runnable:
                            column.answers[trace.id] = None
                            on_answer()
                    problem = _replay(channel, column, runnable, timeout, on_answer)
                if problem:
                    problem += process.last_words()
        except DriverError as error:
            column.problem = str(error)
            return column
        left = [trace for trace in runnable if trace.id not in column.answers]
        if left and problem:
            column.answers[left[0].id] = problem
            on_answer()
            del left[0]
        if not left:
            return column
        restarts += 1
        if restarts > MAX_RESTARTS or not spec.command:
            for trace in left:
                column.answers[trace.id] = f"not replayed: {problem}"
                on_answer()
            return column


def _describe(channel: grpc.Channel, column: Column, timeout: float) -> None:
    ask = channel.unary_unary(
        f"{SERVICE}/Describe",
        request_serializer=pb.DescribeRequest.SerializeToString,
        response_deserializer=pb.DescribeResponse.FromString,
    )
    try:
        described: pb.DescribeResponse = ask(pb.DescribeRequest(), timeout=timeout, wait_for_ready=True)
    except grpc.RpcError as error:
        raise DriverError(f"Describe failed: {_text(error)}") from error
    if described.protocol_version != PROTOCOL_VERSION:
        raise DriverError(f"speaks protocol version {described.protocol_version}; this runner speaks {PROTOCOL_VERSION}")
    if described.spec_version != SPEC_VERSION:
        raise DriverError(f"is of specification {described.spec_version}; this catalogue is of {SPEC_VERSION}")
    if not described.language:
        raise DriverError("does not say its language")
    column.language = described.language
    column.package_version = described.package_version
    column.features = frozenset(described.features)


def _replay(
    channel: grpc.Channel, column: Column, traces: Sequence[Trace], timeout: float, on_answer: Callable[[], None]
) -> str:
    """Replays until all is answered or something goes wrong; says what."""
    if not traces:
        return ""
    call = channel.stream_stream(
        f"{SERVICE}/Replay",
        request_serializer=pb.ReplayRequest.SerializeToString,
        response_deserializer=pb.ReplayResponse.FromString,
    )
    responses = call(pb.ReplayRequest(trace=trace.message) for trace in traces)
    arrived: queue.SimpleQueue[pb.ReplayResponse | str | None] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(responses, arrived), daemon=True).start()
    try:
        for trace in traces:
            try:
                answer = arrived.get(timeout=timeout)
            except queue.Empty:
                return f"hangs: no answer within {timeout:g} s"
            if answer is None:
                return "ended the stream without an answer"
            if isinstance(answer, str):
                return f"crashed: {answer}"
            if answer.trace_id != trace.id:
                return f"answered {answer.trace_id!r} when {trace.id!r} was due"
            match answer.WhichOneof("result"):
                case "observation":
                    column.answers[trace.id] = answer.observation
                case "unsupported":
                    column.answers[trace.id] = f"unsupported: {answer.unsupported}"
                case _:
                    column.answers[trace.id] = "answered neither an observation nor a reason"
            on_answer()
    finally:
        responses.cancel()
    return ""


def _pump(
    responses: Iterator[pb.ReplayResponse], arrived: queue.SimpleQueue[pb.ReplayResponse | str | None]
) -> None:
    try:
        for response in responses:
            arrived.put(response)
        arrived.put(None)
    except grpc.RpcError as error:
        arrived.put(_text(error))


def _text(error: grpc.RpcError) -> str:
    return f"{error.code().name}: {error.details()}" if isinstance(error, grpc.Call) else str(error)
