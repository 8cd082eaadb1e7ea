"""A load at a fixed rate, whatever the answers take: latency counts from when a request was due.

So an answer that is late delays no request after it, and every wait is seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from threading import Event, Thread
from urllib.parse import urlsplit

import orjson

from tests.benchmarks.service.running import wait

ANSWER_SECONDS = 60.0
"""Longest wait for an answer; then its connection is closed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Outcome of one request."""

    number: int
    status: int
    """HTTP status; 0 without an answer."""
    headers: Mapping[str, str]
    """Headers by name in lower case."""
    body: bytes
    """Content; without an answer, the error."""
    at: float
    """End of the request, in seconds of `time.monotonic`."""
    seconds: float
    """Time since the request was due."""


class Load(Thread):
    """Requests over connections that stay open, from a thread of their own.

    Args:
        address: address of the service.
        ask: makes the request of a number, whole as it is sent.
        take: told the reply to each request.
        rate: requests a second; None for as many as the connections carry.
        connections: connections.
    """

    def __init__(
        self,
        address: str,
        ask: Callable[[int], bytes],
        take: Callable[[Reply], None],
        *,
        rate: float | None,
        connections: int,
    ) -> None:
        super().__init__(daemon=True)
        where = urlsplit(address)
        self._where = where.hostname, where.port
        self._ask, self._take, self._rate, self._connections = ask, take, rate, connections
        self._numbers, self._ending = count(), Event()

    def run(self) -> None:
        asyncio.run(self._all())

    def stop(self) -> None:
        """End after the requests that are on their way."""
        self._ending.set()
        self.join()

    async def _all(self) -> None:
        started = time.monotonic()
        await asyncio.gather(*(self._one_by_one(started) for _ in range(self._connections)))

    async def _one_by_one(self, started: float) -> None:
        """Send the requests of one connection, each when it is due."""
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        for number in self._numbers:
            due = started + number / self._rate if self._rate else time.monotonic()
            while (pause := due - time.monotonic()) > 0 and not self._ending.is_set():
                await asyncio.sleep(min(pause, 0.1))
            if self._ending.is_set():
                break
            try:
                connection = connection or await asyncio.open_connection(*self._where)
                found = await asyncio.wait_for(_exchange(*connection, self._ask(number)), ANSWER_SECONDS)
            except (OSError, EOFError, TimeoutError) as error:
                connection, found = None, (0, {}, repr(error).encode())
            at = time.monotonic()
            self._take(Reply(number, *found, at=at, seconds=at - due))
        if connection:
            connection[1].close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Send a request, and read the status, the headers and the body of its answer."""
    writer.write(request)
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(first.split()[1]), headers, body


def get(path: str) -> bytes:
    """Request of a path."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, told: object) -> bytes:
    """Request with a JSON body."""
    body = orjson.dumps(told)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def capacity(address: str, ask: Callable[[int], bytes], *, seconds: float, connections: int = 32) -> float:
    """Requests a second that are answered by 200 where every connection always asks.

    Args:
        address: address of the service.
        ask: makes the request of a number.
        seconds: length of the load, after a second that warms up.
        connections: connections.
    """
    wait(address)
    answered: list[float] = []

    def take(reply: Reply) -> None:
        if reply.status == 200:
            answered.append(reply.at)

    load = Load(address, ask, take, rate=None, connections=connections)
    load.start()
    time.sleep(1)
    started = time.monotonic()
    time.sleep(seconds)
    ended = time.monotonic()
    load.stop()
    return sum(started <= at <= ended for at in answered) / seconds
