"""Replays one trace on one face, and observes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import skidbladnir as sk
from driver import subjects
from driver.async_face import AsyncFace
from driver.script import Record, Unsupported, milliseconds_up
from driver.sync_face import SyncFace
from driver.ways import Plain, Wrapped
from skidbladnir.providers import ProviderFileError, UnknownProviderError
from skidbladnir_conformance import test_driver_pb2 as pb

Face = AsyncFace | SyncFace
P = TypeVar("P")


def replay(trace: pb.Trace, face: Face, *, wrapped: bool = False) -> pb.Observation:
    face.begin()
    observation = pb.Observation()
    try:
        if trace.subject.WhichOneof("kind") == "provider_file":
            observation.effective_json = json.dumps(subjects.effective(trace.subject.provider_file))
            return observation
        run = _Run(trace, face, Wrapped(guards=not subjects.asks_predicates(trace.subject)) if wrapped else Plain())
    except sk.ConfigurationError as error:
        observation.faults.add(code=error.fault, path=error.path, message=str(error))
        return observation
    except UnknownProviderError as error:
        observation.faults.add(code="unknown_provider", message=str(error))
        return observation
    except ProviderFileError as error:
        for fault in error.faults:
            observation.faults.add(code=fault.code, path=fault.path, line=fault.line, message=str(fault))
        return observation
    for step in trace.steps:
        run.perform(step)
        run.observe(observation.steps.add())
    observation.tied_ms.extend(face.ties())
    observation.leftovers = 0 if run.monitoring else face.leftovers()
    return observation


class _Run:
    """The subject of a trace, and what has been seen of it."""

    def __init__(self, trace: pb.Trace, face: Face, way: Plain) -> None:
        self._face = face
        self._way = way
        self._records: dict[str, Record] = {}
        self._events: list[pb.Event] = []
        # Every error that a script made: an error that reaches a caller is "the same" when it is one of them.
        self._made: list[BaseException] = []
        self.monitoring = False
        self._policies: list[Any] = []
        self._circuits: dict[str, sk.CircuitBreaker] = {}
        self._facade: sk.ResilienceFacade | None = None
        self._monitor: sk.ServiceHealthMonitor | None = None
        self._target: Any = None
        self._watched: list[_Watched] = []
        subject = trace.subject
        listeners = () if trace.unheard else trace.listeners or (pb.LISTENER_RECORDING,)
        given = {"listeners": [self._listen]} if pb.LISTENER_GIVEN in listeners else {}
        build = subjects.Builder(trace, way, {"clock": face.clock, **given}, self._fallback_handler)
        match subject.WhichOneof("kind"):
            case "composition":
                self._policies = [build.policy(each) for each in subject.composition.policies]
                if "compose" in trace.misfits:
                    sk.compose(*build.misfitting("")["compose"])  # which refuses them
                self._target = self._policies[0] if len(self._policies) == 1 else way.compose(self._policies)
            case "facade":
                self._facade = self._target = build.facade(subject.facade)
            case "health":
                self._monitor, self._circuits = build.health(subject.health, face.check)
                self._target = self._monitor
                self._policies = list(self._circuits.values())
            case kind:
                raise Unsupported(f"the kind of the subject is not known to this driver: {kind}")
        for heard in (self._target, *self._circuits.values()):
            for listener in listeners:
                self._add_listener(heard, listener)
        prefix = "" if self._facade is None else f"{self._facade.name}."
        self._watched = [
            _Watched(f"{prefix}{policy.pattern}" if prefix else policy.name, policy.stats)
            for policy in self._everything()
            if isinstance(policy, sk.CircuitBreaker | sk.Bulkhead | sk.Cache)
        ]
        if self._facade is not None:
            self._watched.append(_Watched(self._facade.name, self._facade.status))

    def _add_listener(self, heard: Any, listener: int) -> None:
        match listener:
            case pb.LISTENER_RECORDING:
                heard.add_listener(self._listen)
            case pb.LISTENER_GIVEN:
                return  # handed over with the options
            case pb.LISTENER_FAILING:
                heard.add_listener(_reports.fail)
            case pb.LISTENER_REMOVED:
                remove = heard.add_listener(self._listen)
                remove()
                remove()
            case pb.LISTENER_LOOKING:
                heard.add_listener(lambda event: [each.read() for each in self._watched])
            case _:
                raise Unsupported(f"the listener is not known to this driver: {listener}")

    def _fallback_handler(self, script: pb.Script) -> Callable[[Exception], Any]:
        return self._face.handler(Record("handler", made=self._made), [script])

    def perform(self, step: pb.Step) -> None:
        match step.WhichOneof("action"):
            case "call":
                self._call(step.call)
            case "cancel":
                self._face.cancel(self._records[step.cancel])
            case "advance_ms":
                self._face.advance(step.advance_ms)
                return  # has settled
            case "invalidate":
                if self._facade is not None:
                    self._facade.invalidate_cache(step.invalidate)
                else:
                    for cache in self._of(sk.Cache):
                        cache.invalidate(step.invalidate)
            case "clear":
                self._the(sk.Cache, step.clear).clear()
            case "close":
                (self._facade or self._the(sk.Cache, step.close)).close()
            case "force_open":
                self._the(sk.CircuitBreaker, step.force_open).force_open()
            case "disable":
                self._the(sk.CircuitBreaker, step.disable).disable()
            case "reset":
                self._the(sk.CircuitBreaker, step.reset).reset()
            case "check_health":
                self._face.check_all(self._monitor)
            case "start":
                assert self._monitor is not None
                self._face.start(self._way, self._monitor)
                self.monitoring = True
            case "stop":
                assert self._monitor is not None
                self._face.stop(self._way, self._monitor)
                self.monitoring = False
            case action:
                raise Unsupported(f"the action is not known to this driver: {action}")
        self._face.settle()

    def _call(self, call: pb.Call) -> None:
        record = self._records[call.id] = Record(call.id, made=self._made)
        if self._facade is not None:
            key = call.key if call.HasField("key") else None
            fallback = self._face.handler(Record(call.id, made=self._made), [call.fallback])
            options = {"fallback": fallback} if call.HasField("fallback") else {}
            self._face.call(record, self._way, self._facade, call.op, key, **options)
        else:
            self._face.call(record, self._way, self._target, call.op, **({"key": call.key} if call.HasField("key") else {}))
        if call.cancelled:
            self._face.cancel(record)

    def _of(self, kind: type[P]) -> list[P]:
        return [policy for policy in self._everything() if isinstance(policy, kind)]

    def _everything(self) -> list[Any]:
        if self._facade is None:
            return self._policies
        return [self._facade.circuit_breaker, self._facade.bulkhead, self._facade.cache]

    def _the(self, kind: type[P], target: pb.Target) -> P:
        for policy in self._of(kind):
            if not target.HasField("policy") or getattr(policy, "name", None) == target.policy:
                return policy
        raise Unsupported(f"there is no {kind.__name__} {target.policy!r} in the subject")

    def _listen(self, event: sk.Event) -> None:
        seen = pb.Event(type=event.type, policy=event.policy, at_ms=self._face.now())
        for name in ("state", "generation", "reason", "attempt", "queue_size", "outcome", "key", "provider"):
            value = getattr(event, name)
            if value is not None:
                setattr(seen, name, str(value) if isinstance(value, str) else value)
        for name, seconds in (("retry_after_ms", event.retry_after), ("delay_ms", event.delay), ("timeout_ms", event.timeout)):
            if seconds is not None:
                setattr(seen, name, milliseconds_up(seconds))
        if event.error is not None:
            seen.error = sk.error_code(event.error)
        if event.from_state is not None and event.to_state is not None:
            setattr(seen, "from", str(event.from_state))
            seen.to = str(event.to_state)
        self._events.append(seen)

    def observe(self, seen: pb.StepObservation) -> None:
        seen.now_ms = self._face.now()
        seen.running = self._face.running
        seen.reported = _reports.take()
        seen.events.extend(self._events)
        self._events.clear()
        for record in self._records.values():
            if record.is_news():
                record.observe(seen.calls.add())
        for watched in self._watched:
            if watched.is_news():
                watched.observe(seen.policies.add())
        if self._monitor is not None:
            for provider, health in self._way.health(self._monitor).items():
                seen.health.add(
                    provider=provider,
                    status=health.status,
                    response_time_ms=round(health.response_time * 1000),
                    circuit_state=health.circuit_state,
                    failure_rate=health.failure_rate,
                )


class _Reports(logging.Handler):
    """A listener that fails, and how often its failure has been logged."""

    def __init__(self) -> None:
        super().__init__()
        self._failure = RuntimeError("this listener fails")
        self._count = 0

    def fail(self, event: sk.Event) -> None:
        """The listener."""
        raise self._failure

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None and record.exc_info[1] is self._failure:
            self._count += 1
        elif logging.lastResort is not None:
            logging.lastResort.handle(record)  # what else is logged is to be seen, as without this handler

    def take(self) -> int:
        """How often since this was last asked."""
        count, self._count = self._count, 0
        return count


_reports = _Reports()
_log = logging.getLogger("skidbladnir")
_log.addHandler(_reports)
_log.propagate = False


class _Watched:
    """Something that has statistics: a policy, or the facade."""

    def __init__(self, name: str, read: Callable[[], Any]) -> None:
        self._name = name
        self.read = read
        self._stats: Any = None

    def is_news(self) -> bool:
        """Whether they are not as they were when this was last asked."""
        before, self._stats = self._stats, self.read()
        return bool(before != self._stats)

    def observe(self, seen: pb.PolicyState) -> None:
        seen.name = self._name
        match self._stats:
            case sk.CircuitBreakerStats() as stats:
                seen.circuit_breaker.CopyFrom(_circuit_state(stats))
            case sk.BulkheadStats(concurrent_executions=running, queue_size=waiting):
                seen.bulkhead.CopyFrom(pb.BulkheadState(concurrent_executions=running, queue_size=waiting))
            case sk.CacheStats(size=size):
                seen.cache.CopyFrom(pb.CacheState(size=size))
            case status:
                seen.facade.CopyFrom(
                    pb.FacadeStatus(
                        circuit_state=status.circuit_state,
                        concurrent_executions=status.concurrent_executions,
                        queue_size=status.queue_size,
                    )
                )


def _circuit_state(stats: sk.CircuitBreakerStats) -> pb.CircuitBreakerState:
    return pb.CircuitBreakerState(
        state=str(stats.state),
        failure_count=stats.failure_count,
        success_count=stats.success_count,
        running_probes=stats.running_probes,
        generation=stats.generation,
        retry_after_ms=None if stats.retry_after is None else milliseconds_up(stats.retry_after),
        calls=stats.calls,
        successes=stats.successes,
        failures=stats.failures,
        ignored=stats.ignored,
        cancelled=stats.cancelled,
        rejected=stats.rejected,
        slow=stats.slow,
    )
