"""Event log and consumer: events a second that are durable, users a second that are reflected.

    python -m tests.benchmarks.bench_events append [--callers 32] [--seconds 10] [--batch 1] [--folder DIR]
    python -m tests.benchmarks.bench_events reflect [--dataset tiny] [--rate 200] [--seconds 10] [--folder DIR]

`append`: callers that each send events one call after the other; prints events a second,
the latency of a call, and the size of a commit. `reflect`: one event of another user every
1/RATE seconds, while a consumer works; prints the time from an event's acknowledgement to
the commit of its user's features, and the seconds of CPU of a user. DIR lies on the disk
that is measured; `reflect` keeps the loaded features of the dataset in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from feature_repo.datasets import default_as_of, load
from feature_repo.events import sqlite_log
from feature_repo.events.base import Base
from feature_repo.events.consumer import Consumer
from feature_repo.events.event import Event, EventKind, parse_event
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.store.feast_push import open_pusher
from tests.integration.consumer_world import load as load_features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    append = commands.add_parser("append")
    append.add_argument("--callers", type=int, default=32)
    append.add_argument("--seconds", type=float, default=10.0)
    append.add_argument("--batch", type=int, default=1)
    append.add_argument("--folder", type=Path)
    append.set_defaults(run=measure_appends)
    reflect = commands.add_parser("reflect")
    reflect.add_argument("--dataset", default="tiny")
    reflect.add_argument("--rate", type=float, default=200.0)
    reflect.add_argument("--seconds", type=float, default=10.0)
    reflect.add_argument("--folder", type=Path)
    reflect.set_defaults(run=measure_reflections)
    arguments = parser.parse_args()
    arguments.run(arguments)


def measure_appends(arguments: argparse.Namespace) -> None:
    """Print how many events a log takes, and how long a caller waits."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        log = SqliteEventLog(Path(folder) / "log.db")
        commits, numbered = [], sqlite_log._numbered

        def counted(connection: object, calls: list[object]) -> object:
            commits.append(len(calls))
            return numbered(connection, calls)  # type: ignore[arg-type]

        sqlite_log._numbered = counted  # type: ignore[assignment]
        end, cpu = time.perf_counter() + arguments.seconds, time.process_time()
        with ThreadPoolExecutor(arguments.callers) as pool:
            calls = [pool.submit(_send, log, number, arguments.batch, end) for number in range(arguments.callers)]
        waits = np.concatenate([call.result() for call in calls])
        cpu = time.process_time() - cpu
        events = len(waits) * arguments.batch
        assert log.newest() == events
        p50, p95, p99 = np.percentile(waits, [50, 95, 99]) * 1e3
        rate, wait = f"{events / arguments.seconds:,.0f} a second", f"{p50:.1f} ms, {p95:.1f} at p95, {p99:.1f} at p99"
        print(
            f"{arguments.callers} callers, {arguments.batch} events a call: {rate}, "
            f"{1e6 * cpu / events:.0f} µs of CPU each; a call takes {wait}; {np.mean(commits):.1f} calls a commit"
        )
        log.close()


def measure_reflections(arguments: argparse.Namespace) -> None:
    """Print how long features take to follow their users' events."""
    folder = (arguments.folder or Path(tempfile.gettempdir())) / f"bench_events_{arguments.dataset}"
    tables = load(arguments.dataset)
    base = Base(key="bench", tables=tables, as_of=default_as_of(tables))
    if not folder.exists():
        load_features(tables, base.as_of, folder / "home", folder / "tables")
    log_path = folder / "log.db"
    for path in folder.glob("log.db*"):
        path.unlink()
    log = SqliteEventLog(log_path)
    consumer = Consumer(log, base, open_pusher(arguments.dataset, folder / "home"), schemas=[tables.schema])
    users, items = tables.users["user_id"].sample(fraction=1.0, shuffle=True, seed=0), tables.items["item_id"]
    count, sent, reflected = int(arguments.rate * arguments.seconds), [], []

    first = Event(
        event_id="first", kind=EventKind.CLICK, user_id=users[0], item_id=items[0], time=base.as_of, arrived=base.as_of
    )
    log.append([first])
    consumer.step()  # imports and first reads

    def produce() -> None:
        start = time.perf_counter()
        for number in range(count):
            time.sleep(max(0.0, start + number / arguments.rate - time.perf_counter()))
            at = base.as_of + timedelta(seconds=number / arguments.rate)
            ids = {
                "event_id": str(number),
                "user_id": users[number % len(users)],
                "item_id": items[number % len(items)],
            }
            log.append([Event(kind=EventKind.CLICK, time=at, arrived=at, **ids)])
            sent.append(time.perf_counter())

    with ThreadPoolExecutor(1) as pool:
        producer, steps, cpu = pool.submit(produce), 0, 0.0
        while len(reflected) < count:
            before = time.process_time()
            taken = consumer.step()
            cpu += time.process_time() - before if taken else 0.0
            steps += bool(taken)
            reflected += [time.perf_counter()] * taken
            time.sleep(0.0 if taken else 0.005)
        producer.result()
    waits = np.array(reflected) - np.array(sent)
    p50, p95, p99 = np.percentile(waits, [50, 95, 99])
    wait = f"{p50:.3f} s, {p95:.3f} at p95, {p99:.3f} at p99"
    print(
        f"{arguments.dataset}, {arguments.rate:g} users/s: reflected after {wait}; "
        f"{count / steps:.1f} users a batch; {1e3 * cpu / count:.2f} ms of CPU a user"
    )


def _send(log: SqliteEventLog, caller: int, batch: int, end: float) -> list[float]:
    """Send events until the end, and return the seconds of each call."""
    waits, number = [], 0
    while time.perf_counter() < end:
        events = [_event(caller, number + each) for each in range(batch)]
        number, start = number + batch, time.perf_counter()
        log.append(events)
        waits.append(time.perf_counter() - start)
    return waits


def _event(caller: int, number: int) -> Event:
    sent = {
        "event_id": f"{caller:08x}-{number:012x}-0000-4000",
        "kind": "click",
        "user_id": f"user {caller * 31 + number % 997}",
        "item_id": f"item {number % 5003}",
        "time": "2024-05-31T18:00:00Z",
        "value": 1.5,
        "request_id": f"{number:032x}",
    }
    return parse_event(sent, datetime(2024, 5, 31, 18))


if __name__ == "__main__":
    main()
