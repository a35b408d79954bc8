"""The ways in which a program sends its calls through the package."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import skidbladnir as sk
from skidbladnir import HealthStatus, ProviderHealth
from skidbladnir.matching import regex_source


class Plain:
    """By ``execute`` and ``call``."""

    def execute(self, target: Any, operation: Callable[[], Any], *arguments: Any, **options: Any) -> Any:
        return target.execute(*arguments, operation, **options)

    def call(self, target: Any, operation: Callable[[], Any], *arguments: Any, **options: Any) -> Any:
        return target.call(*arguments, operation, **options)

    def compose(self, policies: Sequence[Any]) -> Any:
        return sk.compose(*policies)

    def patterns(self, patterns: Iterable[str]) -> list[Any]:
        return list(patterns)

    async def start(self, monitor: sk.ServiceHealthMonitor) -> None:
        monitor.start()

    def start_sync(self, monitor: sk.ServiceHealthMonitor) -> None:
        monitor.start()

    async def stop(self, monitor: sk.ServiceHealthMonitor) -> None:
        monitor.stop()

    def stop_sync(self, monitor: sk.ServiceHealthMonitor) -> None:
        monitor.stop()

    def health(self, monitor: sk.ServiceHealthMonitor) -> dict[str, ProviderHealth]:
        return monitor.all_health()


class Wrapped(Plain):
    """By guards, decorators and ``with``, where the package has them; compositions within compositions, and compiled patterns.

    Args:
        guards: whether a guard may take the place of ``execute``: it does not see a result.
    """

    def __init__(self, *, guards: bool) -> None:
        self._guards = guards

    async def execute(self, target: Any, operation: Callable[[], Any], *arguments: Any, **options: Any) -> Any:
        if isinstance(target, sk.ResilienceFacade):
            return await target.execute(*arguments, operation, **options)
        if self._guards and hasattr(target, "guard"):
            async with target.guard() as guard:
                assert guard is not None
                return await operation()
        return await _decorated(target, operation, **options)()

    def call(self, target: Any, operation: Callable[[], Any], *arguments: Any, **options: Any) -> Any:
        if isinstance(target, sk.ResilienceFacade):
            return target.call(*arguments, operation, **options)
        if self._guards and hasattr(target, "guard"):
            with target.guard() as guard:
                assert guard is not None
                return operation()
        return _decorated(target, operation, **options)()

    def compose(self, policies: Sequence[Any]) -> Any:
        return sk.compose(sk.compose(*policies[:2]), *policies[2:])

    def patterns(self, patterns: Iterable[str]) -> list[Any]:
        sources = ((each, regex_source(each)) for each in patterns)
        return [each if source is None else _compiled(source) for each, source in sources]

    async def start(self, monitor: sk.ServiceHealthMonitor) -> None:
        assert await monitor.__aenter__() is monitor

    def start_sync(self, monitor: sk.ServiceHealthMonitor) -> None:
        assert monitor.__enter__() is monitor

    async def stop(self, monitor: sk.ServiceHealthMonitor) -> None:
        await monitor.__aexit__(None, None, None)

    def stop_sync(self, monitor: sk.ServiceHealthMonitor) -> None:
        monitor.__exit__(None, None, None)

    def health(self, monitor: sk.ServiceHealthMonitor) -> dict[str, ProviderHealth]:
        seen = {provider: monitor.provider_health(provider) for provider in monitor.all_health()}
        for provider, health in seen.items():
            assert monitor.is_healthy(provider) is (health.status is HealthStatus.UP)
            assert monitor.is_degraded(provider) is (health.status is HealthStatus.DEGRADED)
        return seen


def _compiled(source: str) -> object:
    try:
        return re.compile(source)
    except re.error:
        return {"regex": source}  # for the package to refuse


def _decorated(target: Any, operation: Callable[..., Any], key: str | None = None) -> Callable[[], Any]:
    if key is None:
        return target(operation)  # type: ignore[no-any-return]
    wrapped = target.wrap(operation, key=lambda given: given)
    return lambda: wrapped(key)
