"""Event log and consumer: events a second that are durable, users a second that are reflected.

    python -m tests.benchmarks.bench_events append [--callers 32] [--seconds 10] [--batch 1] [--folder DIR]
    python -m tests.benchmarks.bench_events reflect [--dataset tiny] [--rate 200] [--seconds 10] [--folder DIR]
    python -m tests.benchmarks.bench_events cost [--dataset tiny] [--folder DIR]

`append`: callers that each send events one call after the other; prints events a second,
the latency of a call, and the size of a commit. `reflect`: one event of another user every
1/RATE seconds, while a consumer works, without a pause between its batches and with the
one of the product; prints the time from an event's acknowledgement to the commit of its
user's features, and the CPU of a user in both. `cost`: the CPU of a user by the size of
a batch, the least of some batches, which other processes change little. DIR lies on the disk
that is measured; `reflect` keeps the loaded features of the dataset in it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from feature_repo.datasets import default_as_of, load
from feature_repo.events import follow as follow_module
from feature_repo.events import sqlite_log
from feature_repo.events.base import Base
from feature_repo.events.consumer import EVENTS_AT_ONCE, Consumer
from feature_repo.events.event import Event, EventKind, parse_event
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.store.feast_push import open_pusher
from tests.integration.consumer_world import load as load_features

SIZES = (1, 4, 20, 100)
"""Users of a batch."""
BATCHES = 12
"""Batches of each size, of which one is not counted."""


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
    cost = commands.add_parser("cost")
    cost.add_argument("--dataset", default="tiny")
    cost.add_argument("--folder", type=Path)
    cost.set_defaults(run=measure_costs)
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
    folder, base = _loaded(arguments)
    costs = {}
    for pace in (0.0, follow_module.BATCH_SECONDS):
        follow_module.BATCH_SECONDS = pace
        costs[pace] = _reflect(arguments, folder, base)
    without, paced = costs.values()
    print(f"CPU of a user: batches {pace:g} s apart cost {paced / without:.2f} of batches without a pause")


def measure_costs(arguments: argparse.Namespace) -> None:
    """Print the CPU of a user in batches of some sizes."""
    folder, base = _loaded(arguments)
    log = _empty_log(folder)
    consumer = Consumer(
        log, base, open_pusher(arguments.dataset, folder / "home"), schemas=[base.tables.schema], folder=folder
    )
    for number in range(BATCHES * sum(SIZES)):
        log.append([_click(base, number, base.as_of + timedelta(milliseconds=number))])
    consumer.step(SIZES[0])  # imports and first reads
    for size in SIZES:
        spent = []
        for _ in range(BATCHES - 1):
            before = time.process_time()
            consumer.step(size)
            spent.append(time.process_time() - before)
        least = 1e3 * min(spent)
        print(f"{arguments.dataset}, {size:3} users a batch: {least:.1f} ms of CPU, {least / size:.2f} a user")
    log.close()


def _loaded(arguments: argparse.Namespace) -> tuple[Path, Base]:
    """Folder with the loaded features of a dataset, and its data."""
    folder = (arguments.folder or Path(tempfile.gettempdir())) / f"bench_events_{arguments.dataset}"
    tables = load(arguments.dataset)
    base = Base(key="bench", tables=tables, as_of=default_as_of(tables), folder=Path())
    if not folder.exists():
        load_features(tables, base.as_of, folder / "home", folder / "tables")
    return folder, base


def _empty_log(folder: Path) -> SqliteEventLog:
    for path in folder.glob("log.db*"):
        path.unlink()
    return SqliteEventLog(folder / "log.db")


def _click(base: Base, number: int, at: datetime) -> Event:
    """Click number n: of another user each, in no order."""
    users, items = base.tables.users["user_id"], base.tables.items["item_id"]
    ids = {"user_id": users[number * 7919 % len(users)], "item_id": items[number % len(items)]}
    return Event(event_id=str(number), kind=EventKind.CLICK, time=at, arrived=at, **ids)


def _reflect(arguments: argparse.Namespace, folder: Path, base: Base) -> float:
    """Print the waits of one round, and return the seconds of CPU of a user."""
    log, tables = _empty_log(folder), base.tables
    count, sent = int(arguments.rate * arguments.seconds), []
    consumer = Timed(log, base, open_pusher(arguments.dataset, folder / "home"), schemas=[tables.schema])

    consumer.reset()
    log.append([_click(base, count, base.as_of)])
    consumer.step()  # imports and first reads
    consumer.reset()
    stop = threading.Event()
    loop = threading.Thread(target=follow_module.follow, args=(lambda: consumer, stop, print))
    loop.start()
    start, cpu = time.perf_counter(), time.process_time() - time.thread_time()
    for number in range(count):
        time.sleep(max(0.0, start + number / arguments.rate - time.perf_counter()))
        log.append([_click(base, number, base.as_of + timedelta(seconds=number / arguments.rate))])
        sent.append(time.perf_counter())
    while len(consumer.reflected) < count and loop.is_alive():
        time.sleep(0.01)
    cpu = time.process_time() - time.thread_time() - cpu  # without that of the sender
    stop.set()
    loop.join()
    p50, p95, p99 = np.percentile(np.array(consumer.reflected) - np.array(sent), [50, 95, 99])
    print(
        f"{arguments.dataset}, {arguments.rate:g} users/s, batches at least {follow_module.BATCH_SECONDS:g} s apart: "
        f"reflected after {p50:.3f} s, {p95:.3f} at p95, {p99:.3f} at p99; {count / consumer.steps:.1f} users a "
        f"batch; {1e3 * cpu / count:.2f} ms of CPU a user"
    )
    log.close()
    return cpu / count


class Timed(Consumer):
    """Consumer that notes when each event was reflected."""

    def reset(self) -> None:
        """Forget what was noted."""
        self.reflected: list[float] = []
        self.steps = 0

    def step(self, limit: int = EVENTS_AT_ONCE) -> int:
        """Take a step as of `Consumer.step`."""
        taken = super().step(limit)
        if taken:
            self.steps += 1
            self.reflected += [time.perf_counter()] * taken
        return taken


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
