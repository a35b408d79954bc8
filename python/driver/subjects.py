"""Builds what a trace is about, from the package's public API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import skidbladnir as sk
from driver.script import Unsupported
from skidbladnir import providers
from skidbladnir.matching import Pattern
from skidbladnir_conformance import test_driver_pb2 as pb

Predicate = Callable[[BaseException | None, object], bool]


def given(options: Any) -> dict[str, Any]:
    """The scalar options of a message that are present, durations as timedeltas under their names in Python."""
    result: dict[str, Any] = {}
    for descriptor, value in options.ListFields():
        if descriptor.message_type is None and not descriptor.is_repeated:
            name = descriptor.name
            result[name.removesuffix("_ms")] = timedelta(milliseconds=value) if name.endswith("_ms") else value
    return result


def matches(match: pb.Match) -> Predicate:
    def predicate(error: BaseException | None, result: object) -> bool:
        if error is not None:
            return any(part in str(error) for part in match.errors)
        return result in match.results

    return predicate


def circuit_breaker(options: pb.CircuitBreaker) -> dict[str, Any]:
    arguments = given(options)
    if options.HasField("window"):
        arguments["window"] = sk.Window(**given(options.window))
    if options.HasField("slow_call"):
        arguments["slow_call"] = sk.SlowCall(**{"duration": timedelta(0), **given(options.slow_call)})
    if options.HasField("reset_timeout_backoff"):
        backoff = {"max": timedelta(0), **given(options.reset_timeout_backoff)}
        arguments["reset_timeout_backoff"] = sk.ResetTimeoutBackoff(maximum=backoff.pop("max"), **backoff)
    for predicate in ("is_failure", "ignore"):
        if options.HasField(predicate):
            arguments[predicate] = matches(getattr(options, predicate))
    return arguments


def retry(options: pb.Retry, random: Callable[[], float]) -> dict[str, Any]:
    arguments = given(options) | {"random": random}
    if options.HasField("retryable_errors"):
        patterns: list[Pattern] = list(options.retryable_errors.patterns)
        arguments["retryable_errors"] = patterns
    if options.HasField("is_retryable"):
        predicate = matches(options.is_retryable)
        arguments["is_retryable"] = lambda error: predicate(error, None)
    return arguments


def policy(message: pb.Policy, clock: sk.Clock, random: Callable[[], float], handler: Callable[[pb.Script], Any]) -> Any:
    """A policy with its options; ``handler`` makes a fallback's handler from its script."""
    pattern = message.WhichOneof("pattern")
    common: dict[str, Any] = {"clock": clock}
    if message.HasField("name"):
        common["name"] = message.name
    match pattern:
        case "circuit_breaker":
            return sk.CircuitBreaker(**circuit_breaker(message.circuit_breaker), **common)
        case "retry":
            return sk.Retry(**retry(message.retry, random), **common)
        case "bulkhead":
            return sk.Bulkhead(**given(message.bulkhead), **common)
        case "timeout":
            return sk.Timeout(**given(message.timeout), **common)
        case "cache":
            return sk.Cache(**given(message.cache), **common)
        case "fallback":
            if message.fallback.HasField("when"):
                predicate = matches(message.fallback.when)
                common["when"] = lambda error: predicate(error, None)
            return sk.Fallback(handler(message.fallback.handler), **common)
        case _:
            raise Unsupported(f"the pattern of policy {message.name or '?'} is not known to this driver")


def facade(message: pb.Facade, clock: sk.Clock, random: Callable[[], float]) -> sk.ResilienceFacade:
    if message.HasField("provider"):
        known = providers.parse_providers(message.file) if message.HasField("file") else providers.presets()
        config = known.provider(message.provider)
        options = config.options()
        if options["retry"] is not None:
            options["retry"]["random"] = random
        return sk.ResilienceFacade(config.name, **options, clock=clock)
    sections: dict[str, Any] = {}
    if message.HasField("circuit_breaker"):
        sections["circuit_breaker"] = circuit_breaker(message.circuit_breaker)
    sections["retry"] = retry(message.retry, random)
    for section in ("bulkhead", "timeout", "cache"):
        if message.HasField(section):
            sections[section] = given(getattr(message, section))
    sections.update(dict.fromkeys(message.off))
    name = {"name": message.name} if message.HasField("name") else {}
    return sk.ResilienceFacade(**name, **sections, clock=clock)


def effective(message: pb.ProviderFile) -> dict[str, Any]:
    """The effective options of a file, or of one provider."""
    known = providers.parse_providers(message.file) if message.HasField("file") else providers.presets()
    if message.HasField("provider"):
        return {message.provider: known.provider(message.provider).to_dict()}
    return {name: config.to_dict() for name, config in known.items()}


def health(
    message: pb.HealthMonitor, clock: sk.Clock, check: Callable[[Any], Any]
) -> tuple[Any, dict[str, sk.CircuitBreaker]]:
    """The monitor, and its circuits by provider."""
    circuits = {
        circuit.name: sk.CircuitBreaker(name=circuit.name, clock=clock, **circuit_breaker(circuit.circuit_breaker))
        for circuit in message.circuits
    }
    checks = {each.provider: check(each.rounds) for each in message.checks}
    monitor = sk.ServiceHealthMonitor(
        list(message.providers), checks, circuits=circuits, clock=clock, **given(message)
    )
    return monitor, circuits
