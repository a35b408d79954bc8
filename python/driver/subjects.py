"""Builds what a trace is about, from the package's public API."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import skidbladnir as sk
from driver.script import Unsupported
from driver.ways import Plain
from skidbladnir import providers
from skidbladnir_conformance import test_driver_pb2 as pb

Predicate = Callable[[BaseException | None, object], bool]


def matches(match: pb.Match) -> Predicate:
    def predicate(error: BaseException | None, result: object) -> bool:
        if error is not None:
            return any(part in str(error) for part in match.errors)
        return result in match.results

    return predicate


def asks_predicates(subject: pb.Subject) -> bool:
    """Whether a circuit breaker of the subject asks the user about outcomes, results among them."""
    breakers = [policy.circuit_breaker for policy in subject.composition.policies]
    return any(breaker.HasField("is_failure") or breaker.HasField("ignore") for breaker in breakers)


class Builder:
    """Makes the policies of one trace.

    Args:
        trace: the trace, of which this reads the random numbers and the misfits.
        way: in which form patterns are given.
        common: options that everything is given: clock and listeners.
        handler: makes a fallback's handler from its script.
    """

    def __init__(
        self, trace: pb.Trace, way: Plain, common: dict[str, Any], handler: Callable[[pb.Script], Any]
    ) -> None:
        self._way = way
        self._common = common
        self._handler = handler
        numbers = iter(trace.random)
        self._random = {"random": lambda: next(numbers)}
        self._misfits = {path: json.loads(value) for path, value in trace.misfits.items()}

    def policy(self, message: pb.Policy) -> Any:
        pattern = message.WhichOneof("pattern")
        common = self._common | ({"name": message.name} if message.HasField("name") else {})
        match pattern:
            case "circuit_breaker":
                return sk.CircuitBreaker(**self._circuit_breaker(message.circuit_breaker) | common)
            case "retry":
                return sk.Retry(**self._retry(message.retry) | common)
            case "bulkhead":
                return sk.Bulkhead(**self._given("bulkhead", message.bulkhead) | common)
            case "timeout":
                return sk.Timeout(**self._given("timeout", message.timeout) | common)
            case "cache":
                return sk.Cache(**self._given("cache", message.cache) | common)
            case "fallback":
                options = self._fallback(message.fallback)
                return sk.Fallback(options.pop("handler"), **options | common)
            case _:
                raise Unsupported(f"the pattern of policy {message.name or '?'} is not known to this driver")

    def facade(self, message: pb.Facade) -> sk.ResilienceFacade:
        if message.HasField("provider"):
            config = known(message).provider(message.provider)
            options = config.options()
            if options["retry"] is not None:
                options["retry"].update(self._random)
            return sk.ResilienceFacade(config.name, **options | self._common)
        sections: dict[str, Any] = {"retry": self._retry(message.retry)}
        if message.HasField("circuit_breaker"):
            sections["circuit_breaker"] = self._circuit_breaker(message.circuit_breaker)
        for section in ("bulkhead", "timeout", "cache"):
            if message.HasField(section):
                sections[section] = self._given(section, getattr(message, section))
        sections.update(dict.fromkeys(message.off))
        if message.HasField("name"):
            sections["name"] = message.name
        return sk.ResilienceFacade(**sections | self.misfitting("") | self._common)

    def health(self, message: pb.HealthMonitor, check: Callable[[Any], Any]) -> tuple[Any, dict[str, sk.CircuitBreaker]]:
        """The monitor, and its circuits by provider."""
        circuits = {circuit.name: self.policy(circuit) for circuit in message.circuits}
        options: dict[str, Any] = {
            "providers": list(message.providers),
            "checks": {each.provider: check(each.rounds) for each in message.checks},
            **({"circuits": circuits} if circuits else {}),
            **self._given("health", message),
        }
        return sk.ServiceHealthMonitor(**options | self._common), circuits

    def _circuit_breaker(self, message: pb.CircuitBreaker) -> dict[str, Any]:
        parts: dict[str, Any] = {}
        if message.HasField("window"):
            parts["window"] = sk.Window(**self._given("circuit_breaker.window", message.window))
        if message.HasField("slow_call"):
            slow = self._given("circuit_breaker.slow_call", message.slow_call)
            parts["slow_call"] = sk.SlowCall(**{"duration": timedelta(0), **slow})
        if message.HasField("reset_timeout_backoff"):
            backoff = self._given("circuit_breaker.reset_timeout_backoff", message.reset_timeout_backoff)
            parts["reset_timeout_backoff"] = sk.ResetTimeoutBackoff(maximum=backoff.pop("max", timedelta(0)), **backoff)
        for predicate in ("is_failure", "ignore"):
            if message.HasField(predicate):
                parts[predicate] = matches(getattr(message, predicate))
        return parts | self._given("circuit_breaker", message)

    def _retry(self, message: pb.Retry) -> dict[str, Any]:
        parts: dict[str, Any] = dict(self._random)
        if message.HasField("retryable_errors"):
            parts["retryable_errors"] = self._way.patterns(message.retryable_errors.patterns)
        if message.HasField("is_retryable"):
            predicate = matches(message.is_retryable)
            parts["is_retryable"] = lambda error: predicate(error, None)
        return parts | self._given("retry", message)

    def _fallback(self, message: pb.Fallback) -> dict[str, Any]:
        parts: dict[str, Any] = {"handler": self._handler(message.handler)}
        if message.HasField("when"):
            predicate = matches(message.when)
            parts["when"] = lambda error: predicate(error, None)
        return parts | self._given("fallback", message)

    def _given(self, path: str, options: Any) -> dict[str, Any]:
        """The scalar options of a message that are present, durations as timedeltas under their names in Python."""
        result: dict[str, Any] = {}
        for descriptor, value in options.ListFields():
            if descriptor.message_type is None and not descriptor.is_repeated:
                name = descriptor.name
                result[name.removesuffix("_ms")] = timedelta(milliseconds=value) if name.endswith("_ms") else value
        return result | self.misfitting(path)

    def misfitting(self, path: str) -> dict[str, Any]:
        """The options directly under a path that have a type which the messages cannot carry."""
        places = ((at.rpartition("."), value) for at, value in self._misfits.items())
        return {name.removesuffix("_ms"): value for (parent, _, name), value in places if parent == path}


def known(message: pb.Facade | pb.ProviderFile) -> providers.Providers:
    """The providers of a file, or the presets."""
    return providers.parse_providers(message.file) if message.HasField("file") else providers.presets()


def effective(message: pb.ProviderFile) -> dict[str, Any]:
    """The effective options of a file, or of one provider."""
    if message.HasField("provider"):
        return {message.provider: known(message).provider(message.provider).to_dict()}
    return {name: config.to_dict() for name, config in known(message).items()}
