"""The server, and what calls it: bare, or by a facade with every pattern."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from skidbladnir import PolicyError, ResilienceFacade, Window, error_code

TIMEOUT = 0.25
SLOTS = 64


class Refused(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class Server:
    """The process, which ends with its standard input."""

    def __init__(self, url: str) -> None:
        self.url = url

    @staticmethod
    @asynccontextmanager
    async def started(program: Path, schedule: str) -> AsyncIterator[Server]:
        process = await asyncio.create_subprocess_exec(
            program, "-schedule", schedule, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = (await process.stdout.readline()).decode().strip()
            if not url.startswith("http://127.0.0.1:"):
                raise RuntimeError(f"{program} did not say where it listens")
            yield Server(url)
        finally:
            process.stdin.close()
            await process.wait()


class Client:
    """Calls the server, and knows how many of its calls ran at once."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._running = 0
        self.highest = 0

    async def restart(self) -> None:
        """Begins the server's schedule, and the count, anew."""
        self.highest = 0
        async with self._session.post(f"{self._url}/-/start") as response:
            response.raise_for_status()

    async def fetch(self) -> str:
        self._running += 1
        self.highest = max(self.highest, self._running)
        try:
            async with self._session.get(self._url) as response:
                body = await response.text()
                if response.status != 200:
                    raise Refused(response.status)
                return body
        finally:
            self._running -= 1

    async def fetch_within(self, number: int) -> str:
        """What people write without a library: the operation with a timeout."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self.fetch()
        except Refused as error:
            return f"http_{error.status}"
        except TimeoutError:
            return "timeout"
        except (aiohttp.ClientConnectionError, ConnectionResetError):
            return "connection_reset"
        return "ok"


class Guarded:
    """The client behind a facade. A third of its keys is asked for again while it is fresh or stale."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.facade = ResilienceFacade(
            "load",
            circuit_breaker={"window": Window(kind="time", duration=1.0, minimum_calls=20), "reset_timeout": 0.5},
            bulkhead={"max_concurrent_calls": SLOTS, "max_queue_size": 4 * SLOTS, "max_wait": 0.1},
            timeout={"timeout": TIMEOUT},
            retry={"max_retries": 2, "initial_delay": 0.005, "jitter": "full"},
            cache={"ttl": 0.1, "max_stale": 0.1},
        )

    async def call(self, number: int) -> str:
        key = str(number) if number % 3 else f"shared {number % 300}"
        try:
            await self.facade.execute(key, self._client.fetch)
        except PolicyError as error:
            return error_code(error)
        except (Refused, aiohttp.ClientError, OSError):
            return "operation"
        return "ok"
