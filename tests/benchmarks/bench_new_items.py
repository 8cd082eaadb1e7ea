"""Time from a new item to the first answer that has it, and from a hidden one to the first without it.

    python -m tests.benchmarks.bench_new_items [--items 100] [--there 0]

A real `gatehouse serve` on a small released world. Each item is posted, and a user who
likes nothing better is asked until the item is in the answer; then it is hidden, and the
user is asked until it is gone. Printed are p50, p95 and the slowest, in milliseconds,
from before the request is sent. `--there` puts so many new items there beforehand.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np

from feature_repo.items.item import parse_item
from feature_repo.items.store import ItemStore
from tests.integration.fresh_world import SCHEMA, fresh_release, fresh_tables
from tests.integration.release_world import DATASET, NOW
from tests.integration.serving_world import Served, serving

SECONDS = 30.0
"""Longest wait for an answer."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--there", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = fresh_release(Path(folder), fresh_tables())
        there = [{"item_id": f"there{n}", "department": "food", "price": 100.0} for n in range(arguments.there)]
        ItemStore(settings.item_store(DATASET)).put([parse_item(each, SCHEMA) for each in there], NOW)
        with serving(settings, "--no-consumer") as served:
            served.wait(1)
            added, hidden = [], []
            for number in range(arguments.items):
                item_id = f"new{number}"
                added.append(wait(lambda: post(served, item_id), lambda: item_id in items_of(served)))  # noqa: B023
                hidden.append(wait(lambda: hide(served, item_id), lambda: item_id not in items_of(served)))  # noqa: B023
            embedded = served.metric("gatehouse_new_item_seconds_sum") / arguments.items
    print(f"{arguments.items} items, {arguments.there:,} there before; load average {os.getloadavg()[0]:.1f}")
    tell("item posted to retrievable", added, "goal: 5,000 ms")
    print(f"of which the answer to the post: {1000 * embedded:.1f} ms on average")
    tell("item hidden to gone", hidden, "goal: the next answer")


def tell(what: str, waits: list[float], goal: str) -> None:
    """Print the quantiles of some waits."""
    p50, p95, slowest = (1000 * np.quantile(waits, share) for share in (0.5, 0.95, 1.0))
    print(f"{what}: p50 {p50:,.0f} ms, p95 {p95:,.0f} ms, slowest {slowest:,.0f} ms ({goal})")


def wait(act: Callable[[], None], holds: Callable[[], bool]) -> float:
    """Act, and return the seconds until it shows."""
    started = time.perf_counter()
    act()
    while not holds():
        if time.perf_counter() - started > SECONDS:
            raise RuntimeError(f"no answer of {SECONDS:g} s shows it")
    return time.perf_counter() - started


def post(served: Served, item_id: str) -> None:
    """Add an item that is the first for whoever likes food."""
    status, told, _ = served.get("/v1/items", {"item_id": item_id, "department": "food", "price": 0.0})
    if status != 200:
        raise RuntimeError(f"{item_id} was refused: {told['error']}")


def hide(served: Served, item_id: str) -> None:
    """Hide an item."""
    request = urllib.request.Request(f"{served.address}/v1/items/{item_id}/hidden", method="PUT")
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        answer.read()


def items_of(served: Served) -> list[str]:
    """Items for a user, of the department alone."""
    found = served.get("/v1/recommendations/user000?k=200&filter=department+%3D%3D+%22food%22")[1]["items"]
    return [item["item_id"] for item in found]


if __name__ == "__main__":
    main()
