"""An outage from beginning to end: a server on loopback that fails, resets connections, stalls and recovers.

It is called with httpx through the facade of the preset ``zephyr``, whose minutes become fractions of a second. Prints the
events as they happen. Run it: ``python python/examples/outage.py``.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import Counter, deque
from datetime import timedelta
from typing import Any

import httpx

from skidbladnir import Event, ResilienceFacade
from skidbladnir.providers import presets

SCALE = 1 / 100
ANSWER = b"HTTP/1.1 %s\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwell"


class Server:
    """Does with each request what ``weather`` says; the last of it goes on."""

    def __init__(self) -> None:
        self.weather = deque(["well"])

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()  # the client gave up before it had asked
            return
        match self.weather.popleft() if len(self.weather) > 1 else self.weather[0]:
            case "well":
                writer.write(ANSWER % b"200 OK")
            case "unavailable":
                writer.write(ANSWER % b"503 Service Unavailable")
            case "resetting":
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case _:
                await reader.read()  # stalls until the client gives up
        writer.close()


def scaled(options: Any) -> Any:
    """The options with every duration scaled, in every section."""
    if isinstance(options, timedelta):
        return options * SCALE
    return {name: scaled(value) for name, value in options.items()} if isinstance(options, dict) else options


async def main() -> None:
    began = time.monotonic()
    seen: Counter[str] = Counter()

    def show(line: str) -> None:
        print(f"{(time.monotonic() - began) * 1000:6.0f} ms  {line}")

    def listener(event: Event) -> None:
        seen[f"{event.type} to {event.to_state}" if event.to_state else event.type] += 1
        fields = ("attempt", "delay", "timeout", "from_state", "to_state", "reason", "key")
        details = " ".join(f"{name}={value}" for name in fields if (value := getattr(event, name)) is not None)
        if event.error is not None:
            details += f" {type(event.error).__name__}: {str(event.error).partition(chr(10))[0]}"
        show(f"    {event.policy}: {event.type} {details}")

    weather = Server()
    server = await asyncio.start_server(weather.handle, "127.0.0.1")
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    facade = ResilienceFacade("zephyr", **scaled(presets()["zephyr"].options()), listeners=[listener])

    async with server, httpx.AsyncClient(trust_env=False) as client:

        async def fetch() -> str:
            response = await client.get(url)
            return response.raise_for_status().text

        async def get(key: str | None = None) -> None:
            show(f"-> {await facade.execute(key, fetch, lambda error: 'an answer of the fallback')}")

        await client.get(url)  # the client's first request also loads what it needs
        show("All is well.")
        await get("front page")

        show("Two answers are 503: the third attempt succeeds.")
        weather.weather = deque(["unavailable", "unavailable", "well"])
        await get()

        show("A connection is reset: the second attempt succeeds.")
        weather.weather = deque(["resetting", "well"])
        await get()

        show("The server stalls: the deadline ends the call.")
        weather.weather = deque(["stalled"])
        await get()

        show("The server is down: the circuit opens, and spares it the load.")
        weather.weather = deque(["unavailable"])
        while facade.status().circuit_state != "OPEN":
            await get()
        await get()

        show("What was fetched before is still answered.")
        await get("front page")

        show("The server is back: after the reset timeout, probes close the circuit.")
        weather.weather = deque(["well"])
        await asyncio.sleep(60 * SCALE + 0.02)
        while facade.status().circuit_state != "CLOSED":
            await get()
    facade.close()
    show("Summary:")
    for name, count in sorted(seen.items()):
        show(f"    {count:3} {name}")
    show(f"The circuit is {facade.status().circuit_state}.")


if __name__ == "__main__":
    asyncio.run(main())
