"""A service under load while what it stands on breaks, again and again.

    python -m tests.benchmarks.bench_soak [--minutes 10] [--share 0.7] [--events 20]

A real `gatehouse serve` with its consumer, on a small made shop with Redis as its online
store, is asked at 70 % of the rate that it can answer; other clients send events, each
again until it is accepted. Every 20 seconds something breaks for 5: Redis is killed, the
disk of the event log is full (a small disk in memory where this user may mount one, else
simulated by a limit of the front's files), and in the first half the engine is killed and
the consumer is killed.
Printed are the outcomes: whole answers, flagged ones, requests refused by 503 with
Retry-After, and errors, which are all others; what the log and the online histories hold
of the accepted events; and the memory of each process.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from feature_repo.schema import Entity
from feature_repo.store.sqlite_online import open_store
from serving.settings import Settings
from tests.benchmarks.service.clients import DEGRADED, ERROR, REFUSED, WHOLE, Readers, Writers
from tests.benchmarks.service.faults import OF_STORES, Fault, durable_redis, faults, small_disk
from tests.benchmarks.service.memory import WARM_SECONDS, Memory
from tests.benchmarks.service.open_loop import Load, capacity
from tests.integration.fresh_world import SCHEMA, fresh_release, fresh_tables
from tests.integration.online_servers import Server
from tests.integration.release_world import DATASET, ITEMS
from tests.integration.serving_world import Served, serving

K, USERS, CONNECTIONS = 10, 40, 16
RECOVERY_SECONDS = 60.0
"""Longest wait, after the load, until all events are online."""


@dataclass(frozen=True)
class Soaked:
    """What came of a soak."""

    readers: Readers
    writers: Writers
    broken: list[tuple[str, float, float, float]]
    """Each fault: its name, its begin, its end, and the end of the time that counts as its own."""
    memory: Memory
    lost: int
    """Accepted events that the log does not hold exactly once, and others that it holds."""
    wrong: int
    """Counts of online histories that are not those of the accepted events."""
    problems: dict[str, str]
    """What the service says to be wrong at the end."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--share", type=float, default=0.7, help="of the measured capacity")
    parser.add_argument("--events", type=float, default=20.0, help="events a second")
    parser.add_argument("--every", type=float, default=20.0, help="seconds from a fault to the next")
    parser.add_argument("--lasting", type=float, default=5.0, help="seconds that a fault lasts")
    arguments = parser.parse_args()
    with world() as (served, redis):
        most = capacity(served.address, Readers(_users(), K).ask, seconds=10)
        rate, seconds = arguments.share * most, 60 * arguments.minutes
        times = {"seconds": seconds, "every": arguments.every, "lasting": arguments.lasting}
        found = soak(served, redis, rate=rate, events=arguments.events, **times)
    cores = f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
    print(f"{cores}; {rate:,.0f} requests/s, {arguments.share:.0%} of {most:,.0f}, and {arguments.events:g} events/s")
    print(report(found))


@contextmanager
def world() -> Iterator[tuple[Served, Server]]:
    """A running service on a made shop, with Redis online and a small disk for its event log."""
    with tempfile.TemporaryDirectory() as folder, durable_redis() as redis:
        settings = fresh_release(Path(folder), fresh_tables(USERS, events=2), redis.online)
        with small_disk(settings.event_log(DATASET).parent), serving(settings) as served:
            served.wait(1)
            yield served, redis


def soak(
    served: Served,
    redis: Server,
    *,
    rate: float,
    events: float,
    seconds: float,
    every: float,
    lasting: float,
    warm: float = WARM_SECONDS,
) -> Soaked:
    """Ask and send events while things break.

    Args:
        served: the service.
        redis: its online store.
        rate: requests for recommendations a second.
        events: events a second.
        seconds: length of the load.
        every: seconds from a fault to the next.
        lasting: seconds that a fault lasts.
        warm: age of a process from which on its memory counts.
    """
    readers, writers = Readers(_users(), K), Writers(_event)
    before = _history_counts(served.settings)
    front = psutil.Process(served.process.pid)
    memory = Memory(lambda: {"front": [front], "engine": served.engines(), "consumer": served.consumers()}, warm=warm)
    loads = [
        Load(served.address, readers.ask, readers.take, rate=rate, connections=CONNECTIONS),
        Load(served.address, writers.ask, writers.take, rate=events, connections=CONNECTIONS),
    ]
    for thread in (memory, *loads):
        thread.start()
    found = faults(served, redis, served.settings.event_log(DATASET))
    broken = _break(found, seconds=seconds, every=every, lasting=lasting)
    memory.stop()
    loads[0].stop()
    _until(lambda: not writers.outcomes.between(time.monotonic() - 1, time.monotonic())[REFUSED])
    loads[1].stop()
    _until(lambda: served.metric("gatehouse_consumer_lag_events") == 0 and not served.state()["problems"])
    lost = _lost(served.settings.event_log(DATASET), writers)
    after, wanted = _history_counts(served.settings), before + _counted(writers)
    wrong = sum(after[key] != wanted[key] for key in after.keys() | wanted.keys())
    return Soaked(readers, writers, broken, memory, lost, wrong, served.state()["problems"])


def report(found: Soaked) -> str:
    """Figures of a soak, as Markdown."""
    lines = ["\n| clients | whole | degraded | refused | errors | p50 ms | p99 ms |", "|---|" + "---:|" * 6]
    for name, each in (("recommendations", found.readers.outcomes), ("events", found.writers.outcomes)):
        counts, (p50, p99) = each.count(), 1e3 * np.quantile(each.seconds, (0.5, 0.99))
        cells = " | ".join(f"{counts[outcome]:,}" for outcome in (WHOLE, DEGRADED, REFUSED, ERROR))
        lines.append(f"| {name} | {cells} | {p50:.1f} | {p99:.1f} |")
    lines += ["\n| fault | times | degraded | refused | events refused | whole again after |", "|---|" + "---:|" * 5]
    for name in dict.fromkeys(name for name, *_ in found.broken):
        own = [times for each, *times in found.broken if each == name]
        answers = sum((found.readers.outcomes.between(begin, until) for begin, _, until in own), Counter())
        events = sum((found.writers.outcomes.between(begin, until) for begin, _, until in own), Counter())
        both = (found.readers.outcomes, found.writers.outcomes)
        waits = [max(0, max(each.last_not_whole(begin, until) for each in both) - end) for begin, end, until in own]
        cells = f"{answers[DEGRADED]:,} | {answers[REFUSED]:,} | {events[REFUSED]:,}"
        lines.append(f"| {name} | {len(own)} | {cells} | {max(waits):.1f} s at most |")
    lines += [
        "\n| memory of | MB at first | at last | MB more in an hour |",
        "|---|---:|---:|---:|",
        *found.memory.rows(),
    ]
    accepted = len(found.writers.accepted)
    lines += [f"\n{accepted:,} accepted events; {found.lost} not in the log exactly once; {found.wrong} wrong counts"]
    lines += [f"errors: {(found.readers.outcomes.errors + found.writers.outcomes.errors)[:5]}"]
    return "\n".join([*lines, f"problems at the end: {found.problems}"])


def _break(
    found: Sequence[Fault], *, seconds: float, every: float, lasting: float
) -> list[tuple[str, float, float, float]]:
    """Break one thing after the other, as long as there is time for it."""
    started, broken, times = time.monotonic(), [], int(seconds // every)
    for number in range(times):
        time.sleep(max(0.0, started + number * every + (every - lasting) / 4 - time.monotonic()))
        # Processes live through the second half, so that their memory can be seen.
        kinds = len(found) if number < max(len(found), times / 2) else OF_STORES
        fault, begin = found[number % kinds], time.monotonic()
        fault.begin()
        time.sleep(lasting)
        fault.end()
        broken.append((fault.name, begin, time.monotonic()))
    time.sleep(max(0.0, started + seconds - time.monotonic()))
    untils = [begin for _, begin, _ in broken[1:]] + [time.monotonic()]
    return [(*each, until) for each, until in zip(broken, untils, strict=True)]


def _users() -> list[str]:
    return [f"user{number:03}" for number in range(USERS)]


def _event(number: int) -> dict[str, Any]:
    """Click of a user on the one item that the user ever clicks here."""
    user, item = number % USERS, ITEMS["item_id"][7 * number % USERS]
    return {"event_id": f"e{number}", "kind": "click", "user_id": f"user{user:03}", "item_id": item}


def _counted(writers: Writers) -> Counter[tuple[str, str]]:
    return Counter((event["user_id"], event["item_id"]) for event in writers.accepted.values())


def _history_counts(settings: Settings) -> Counter[tuple[str, str]]:
    """Count of each item in each online history."""
    store = open_store(SCHEMA, settings.feast_home, online=settings.online_store)
    rows = store.read_online(Entity.USER, _users())
    columns = (rows[name].to_list() for name in ("user_id", "history_items", "history_counts"))
    histories = (
        (user, zip(items or (), counts or (), strict=True)) for user, items, counts in zip(*columns, strict=True)
    )
    return Counter({(user, item): count for user, history in histories for item, count in history})


def _lost(path: Path, writers: Writers) -> int:
    """Ids that are not in the log exactly once, and ids of the log that were never accepted."""
    with closing(sqlite3.connect(path)) as connection:
        found = Counter(dict(connection.execute("SELECT event_id, count(*) FROM events GROUP BY event_id")))
    wanted = Counter(dict.fromkeys(writers.accepted, 1))
    return sum(found[id_] != wanted[id_] for id_ in found.keys() | wanted.keys())


def _until(holds: Any) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
