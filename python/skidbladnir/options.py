"""Checks of options: each returns the value in the form used inside, or raises ConfigurationError (GN-16, GN-17)."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from skidbladnir.errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])
G = TypeVar("G")

Duration = float | timedelta
"""Seconds, or a ``timedelta``."""

MAXIMUM = 2_147_483_647
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


def nanoseconds(path: str, value: Duration, minimum_ms: int) -> int:
    """A duration as whole nanoseconds, at least ``minimum_ms`` milliseconds."""
    if isinstance(value, timedelta):
        ns = value // timedelta(microseconds=1) * 1000
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError("type", path, value, "seconds as a number, or a timedelta")
    elif not math.isfinite(value):
        raise ConfigurationError("range", path, value, f"{minimum_ms} to {MAXIMUM} ms")
    else:
        ns = round(value * NS_PER_S)
    if not minimum_ms * NS_PER_MS <= ns <= MAXIMUM * NS_PER_MS:
        raise ConfigurationError("range", path, ns / NS_PER_MS, f"{minimum_ms} to {MAXIMUM} ms")
    return ns


def optional_nanoseconds(path: str, value: Duration | None, minimum_ms: int) -> int | None:
    """As ``nanoseconds``, where None means that there is no limit."""
    return None if value is None else nanoseconds(path, value, minimum_ms)


def integer(path: str, value: int, minimum: int, maximum: int = MAXIMUM) -> int:
    """A whole number in a range."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError("type", path, value, "a whole number")
    if not minimum <= value <= maximum:
        raise ConfigurationError("range", path, value, f"{minimum} to {maximum}")
    return value


def number(path: str, value: float, minimum: float, maximum: float, *, above_minimum: bool = False) -> float:
    """A number in a range, which leaves out the minimum itself where ``above_minimum``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError("type", path, value, "a number")
    # Written so that NaN fails too.
    if not minimum <= value <= maximum or (above_minimum and value == minimum):
        raise ConfigurationError("range", path, value, f"{'above ' if above_minimum else ''}{minimum} to {maximum}")
    return float(value)


def boolean(path: str, value: bool) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ConfigurationError("type", path, value, "true or false")
    return value


def word(path: str, value: str, allowed: tuple[str, ...]) -> str:
    """One of a few words."""
    if not isinstance(value, str):
        raise ConfigurationError("type", path, value, "one of " + ", ".join(allowed))
    if value not in allowed:
        raise ConfigurationError("enum", path, value, "one of " + ", ".join(allowed))
    return value


def function(path: str, value: F) -> F:
    """Something that can be called."""
    if not callable(value):
        raise ConfigurationError("type", path, value, "a function")
    return value


def optional_function(path: str, value: F | None) -> F | None:
    """As ``function``, where None means that there is none."""
    return None if value is None else function(path, value)


def optional_group(path: str, value: G | None, kind: type[G]) -> G | None:
    """Options that have a class of their own, or None."""
    if value is not None and not isinstance(value, kind):
        raise ConfigurationError("type", path, value, f"a {kind.__name__}")
    return value
