"""Time from an event to the first answer that reflects it.

    python -m tests.benchmarks.bench_freshness [--users 100] [--rate 0]

A real `gatehouse serve` with its consumer and its engine, on a small released world whose
answers depend on the history. Each user clicks an item that no answer to the user has,
and asks until the item is there. Printed are p50, p95 and the slowest, in milliseconds,
from before the click is sent. With a rate, so many users click in a second, whatever the
others wait for; without one, a user clicks when the user before is done.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tests.integration.fresh_world import click, fresh_release, fresh_tables
from tests.integration.release_world import ITEMS
from tests.integration.serving_world import Served, serving

SECONDS = 30.0
"""Longest wait for an answer."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = fresh_release(Path(folder), fresh_tables(arguments.users))
        with serving(settings) as served:
            served.wait(1)
            users = [f"user{number:03}" for number in range(arguments.users)]
            reflect(served, arguments.users, users[0])  # the consumer's first batch
            waits = one_by_one(served, users) if not arguments.rate else at_rate(served, users, arguments.rate)
            durable = served.metric("gatehouse_event_seconds_sum") / served.metric("gatehouse_event_seconds_count")
    p50, p95, slowest = (1000 * np.quantile(waits, share) for share in (0.5, 0.95, 1.0))
    how = f"{arguments.rate:g} users a second" if arguments.rate else "one user after the other"
    print(f"{len(waits)} users, {how}; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"event to reflected: p50 {p50:,.0f} ms, p95 {p95:,.0f} ms, slowest {slowest:,.0f} ms (goal: p95 1,000 ms)")
    print(f"of which until the event is on the disk: {1000 * durable:.1f} ms on average")


def one_by_one(served: Served, users: list[str]) -> list[float]:
    """Wait of each user, one after the other."""
    return [reflect(served, number, user) for number, user in enumerate(users)]


def at_rate(served: Served, users: list[str], rate: float) -> list[float]:
    """Wait of each user, where so many click in a second."""
    with ThreadPoolExecutor(len(users)) as pool:
        waits = []
        for number, user in enumerate(users):
            waits.append(pool.submit(reflect, served, number, user))
            time.sleep(1 / rate)
        return [wait.result() for wait in waits]


def reflect(served: Served, number: int, user: str) -> float:
    """Click an item that the answer does not have, and return the seconds until it has it."""
    before = items_of(served, user)
    liked = [item for item in ITEMS["item_id"].to_list() if item[:4] == before[0][:4]]
    item = next(item for item in reversed(liked) if item not in before)
    started = time.perf_counter()
    status, told, _ = served.get("/v1/events", click(number, user, item))
    if status != 200:
        raise RuntimeError(f"the event of {user} was refused: {told['error']}")
    while item not in items_of(served, user):
        if time.perf_counter() - started > SECONDS:
            raise RuntimeError(f"{user} clicked {item}, and no answer of {SECONDS:g} s has it")
    return time.perf_counter() - started


def items_of(served: Served, user: str) -> list[str]:
    """Ids of the first items for a user."""
    return [item["item_id"] for item in served.get(f"/v1/recommendations/{user}?k=5")[1]["items"]]


if __name__ == "__main__":
    main()
