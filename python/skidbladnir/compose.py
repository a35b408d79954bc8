"""Composition: several policies as one, in any order (CO)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from skidbladnir.bulkhead import Bulkhead
from skidbladnir.errors import ConfigurationError
from skidbladnir.events import Listener
from skidbladnir.policy import AsyncOperation, Key, Layer, Operation, Policy, T
from skidbladnir.timeout import Timeout


class Composition(Layer):
    """Policies around an operation, the first outermost. Made by ``compose``."""

    def __init__(self, policies: tuple[Policy, ...]) -> None:
        self.policies = policies
        # A bulkhead keeps the slots of abandoned operations only where a timeout inside may abandon any (BH-7).
        async_layers: list[Callable[..., Coroutine[Any, Any, Any]]] = []
        sync_layers: list[Callable[..., Any]] = []
        abandons = abandons_sync = False
        for policy in reversed(policies):
            if isinstance(policy, Timeout):
                abandons |= policy.mode == "abandon"
                abandons_sync |= policy.mode != "cancel"
            bulkhead = policy if isinstance(policy, Bulkhead) else None
            async_layers.append(bulkhead.execute_holding if bulkhead and abandons else policy.execute)
            sync_layers.append(bulkhead.call_holding if bulkhead and abandons_sync else policy.call)
        *self._inner, self._outermost = async_layers
        self._sync_layers = sync_layers

    def execute(self, operation: AsyncOperation[T], key: Key = None) -> Coroutine[Any, Any, T]:
        for layer in self._inner:
            operation = partial(layer, operation, key)
        return self._outermost(operation, key)

    def call(self, operation: Operation[T], key: Key = None) -> T:
        for layer in self._sync_layers:
            operation = partial(layer, operation, key)
        return operation()

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        removals = [policy.add_listener(listener) for policy in self.policies]

        def remove() -> None:
            for one in removals:
                one()

        return remove


def compose(*policies: Policy | Composition) -> Composition:
    """Several policies as one, the first named outermost; compositions among them are unfolded.

    Raises:
        ConfigurationError: without any policy, or for something that is none.
    """
    flat: list[Policy] = []
    for index, policy in enumerate(policies):
        if isinstance(policy, Composition):
            flat.extend(policy.policies)
        elif isinstance(policy, Policy):
            flat.append(policy)
        else:
            raise ConfigurationError("type", f"compose[{index}]", policy, "a policy")
    if not flat:
        raise ConfigurationError("range", "compose", (), "at least one policy")
    return Composition(tuple(flat))
