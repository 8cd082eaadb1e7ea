"""The service beside a naive chain, asked in turn by the same clients for the same users."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from tests.benchmarks.service.naive import Chain, Client

WARM_SECONDS = 2.0
Ask = Callable[[str], Any]


def side_by_side(
    address: str, chain: Chain, users: Sequence[str], *, k: int, connections: Sequence[int], seconds: float
) -> Iterator[str]:
    """Yield rows of Markdown: requests a second and p50 of both, and how many times those of the chain ours are.

    Args:
        address: address of the service.
        chain: the naive chain, which runs beside it and waits while the service is asked.
        users: users, who are asked for in turn.
        k: number of items.
        connections: numbers of clients at once.
        seconds: length of each load.
    """
    yield "| connections | naive: requests/s | p50 ms | service: requests/s | p50 ms | times the requests/s |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for clients in connections:
        slow, slow_p50 = measured(partial(_of_chain, chain, k), users, clients, seconds)
        fast, fast_p50 = measured(partial(_of_service, address, k), users, clients, seconds)
        yield f"| {clients} | {slow:,.1f} | {slow_p50:.1f} | {fast:,.1f} | {fast_p50:.1f} | {fast / slow:.1f} |"


def measured(make: Callable[[], Ask], users: Sequence[str], clients: int, seconds: float) -> tuple[float, float]:
    """Requests a second, and their median in milliseconds.

    Args:
        make: makes a client, which asks for a user.
        users: users, who are asked for in turn.
        clients: clients at once, each in a thread.
        seconds: length of the load, after a time to warm up.
    """
    started = time.monotonic() + WARM_SECONDS
    with ThreadPoolExecutor(clients) as pool:
        orders = [[*users[number:], *users[:number]] for number in range(clients)]
        calls = [pool.submit(_asked, make(), order, started, started + seconds) for order in orders]
        taken = np.concatenate([call.result() for call in calls])
    return len(taken) / seconds, 1e3 * float(np.median(taken))


def _asked(ask: Ask, users: Sequence[str], started: float, end: float) -> list[float]:
    """Ask until the end, and return the seconds of each request that began in time."""
    taken, number = [], 0
    while (begin := time.monotonic()) < end:
        ask(users[number % len(users)])
        if begin >= started:
            taken.append(time.monotonic() - begin)
        number += 1
    return taken


def _of_chain(chain: Chain, k: int) -> Ask:
    client = Client(chain, k)

    def ask(user: str) -> None:
        if not client.ask(user):
            raise RuntimeError(f"the naive chain found nothing for {user}")

    return ask


def _of_service(address: str, k: int) -> Ask:
    connection = HTTPConnection(urlsplit(address).netloc)

    def ask(user: str) -> None:
        connection.request("GET", f"/v1/recommendations/{quote(user, safe='')}?k={k}")
        told = json.loads(connection.getresponse().read())
        if told.get("source") != "two_tower":
            raise RuntimeError(f"the service answered {user} by {told}")

    return ask
