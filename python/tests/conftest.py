from __future__ import annotations

from collections.abc import Iterator

import pytest

from policy_support import Events
from skidbladnir.testing import VirtualLoop, VirtualThreads


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """An event loop under virtual time, in which nothing may be left over."""
    loop = VirtualLoop()
    yield loop
    armed = loop.armed_timers()
    loop.close()
    assert armed == 0


@pytest.fixture
def threads() -> Iterator[VirtualThreads]:
    """Threads under virtual time, none of which may be left over."""
    threads = VirtualThreads()
    yield threads
    threads.close()
    assert (threads.alive, threads.armed_timers()) == (0, 0)


@pytest.fixture
def events() -> Events:
    return Events()
