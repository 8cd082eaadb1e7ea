"""Promotions under load: errors, mixed answers, latency, and the time until a promoted version serves.

    python -m tests.benchmarks.bench_swaps [--swaps 200] [--share 0.5]
    python -m tests.benchmarks.bench_swaps --home .gatehouse --dataset completejourney --versions 3 4

A real `gatehouse serve` is asked at half the rate that it can answer, over connections
that stay open, first in peace, then while the champion moves between two versions as fast
as each begins to serve. Every answer is held against the scores that its version gives,
computed before in another process. Without --home, the releases are those of a small
made shop, whose engines import PyTorch at their start, which real ones do not.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import quote

import numpy as np
import orjson

from serving.release.promotion import promote
from serving.settings import Settings
from tests.benchmarks.service.open_loop import Load, Reply, capacity, get, post
from tests.benchmarks.service.running import service
from tests.benchmarks.service.users import users_of
from tests.benchmarks.service.versions import VersionScores
from tests.integration.release_world import DATASET
from tests.integration.serving_world import released_home

K, CONNECTIONS, MANY = 10, 16, 6
SWAP_SECONDS = 120.0
"""Longest wait for a promoted version."""


@dataclass
class Seen:
    """What the answers of a load were."""

    scores: VersionScores
    seconds: list[float] = field(default_factory=list)
    """Latency of each answer."""
    errors: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    degraded: int = 0
    """Replies with answers of no version, which say so."""
    version: int | None = None
    """Version of the newest answer."""
    since: float = 0.0
    """Time of the first answer of it."""

    def take(self, reply: Reply) -> None:
        """Take a reply."""
        if reply.status != 200:
            self.errors.append(f"{reply.status}: {reply.body.decode()}")
            return
        self.seconds.append(reply.seconds)
        told = orjson.loads(reply.body)
        self.degraded += any("degraded" in each["flags"] for each in told.get("answers", [told]))
        if problem := self.scores.problem(told):
            self.mixed.append(problem)
        if told["version"] != self.version:
            self.version, self.since = told["version"], reply.at

    def p99(self) -> float:
        """99th percentile in milliseconds."""
        return 1e3 * float(np.quantile(self.seconds, 0.99))


@dataclass(frozen=True)
class Swapped:
    """Figures of promotions under load."""

    quiet: Seen
    moving: Seen
    commands: list[float]
    """Seconds of each promotion."""
    waits: list[float]
    """Seconds from the end of each promotion to the first answer of its version."""

    @property
    def errors(self) -> list[str]:
        """Requests without an answer."""
        return self.quiet.errors + self.moving.errors

    @property
    def mixed(self) -> list[str]:
        """Answers that are not of the version that they name."""
        return self.quiet.mixed + self.moving.mixed


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--share", type=float, default=0.5, help="of the measured capacity")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the load in peace, and of the first")
    parser.add_argument("--home", type=Path, help="home with two versions; it is written to: its champion moves")
    parser.add_argument("--dataset", default=DATASET)
    parser.add_argument("--versions", type=int, nargs=2, default=[1, 2])
    arguments = parser.parse_args()
    with _home(arguments.home) as settings:
        users = users_of(settings, arguments.dataset, 0)[:200] if arguments.home else SMALL_USERS
        scores = VersionScores(settings, arguments.dataset, arguments.versions, users)
        promote(settings, arguments.dataset, arguments.versions[0])
        with service(settings, arguments.dataset, "--no-consumer") as address:
            ask = asking(users)
            most = capacity(address, ask, seconds=arguments.seconds)
            moves = islice(cycle(reversed(arguments.versions)), arguments.swaps)
            found = swap(
                address,
                ask,
                scores,
                [(settings, arguments.dataset, each) for each in moves],
                rate=arguments.share * most,
                seconds=arguments.seconds,
            )
    told(found, most, arguments.share)


def told(found: Swapped, most: float, share: float) -> None:
    """Print the figures of promotions."""
    print(
        f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}; capacity {most:,.0f} requests/s at 32 "
        f"connections, asked at {share:.0%} of it"
    )
    print("| | answers | errors | mixed | degraded | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|---:|---:|")
    for name, each in (("in peace", found.quiet), (f"during {len(found.waits)} swaps", found.moving)):
        counts = f"{len(each.seconds):,} | {len(each.errors)} | {len(each.mixed)} | {each.degraded}"
        print(f"| {name} | {counts} | {1e3 * np.median(each.seconds):.1f} | {each.p99():.1f} |")
    print(f"\np99 during swaps: {found.moving.p99() / found.quiet.p99():.2f} times that in peace (goal: 2)")
    for name, waits in (("promotion, until the champion has moved", found.commands), ("moved to serving", found.waits)):
        p50, p95 = np.quantile(waits, (0.5, 0.95))
        print(f"{name}: p50 {p50:.2f} s, p95 {p95:.2f} s")
    for problem in (found.errors + found.mixed)[:5]:
        print(problem[:300])


def asking(users: Sequence[str]) -> Callable[[int], bytes]:
    """Requests for random users: seven of eight for one user, the eighth for several."""
    order = np.random.default_rng(0).permutation(len(users)).tolist()

    def ask(number: int) -> bytes:
        chosen = [users[order[(number + each) % len(order)]] for each in range(MANY)]
        if number % 8:
            return get(f"/v1/recommendations/{quote(chosen[0], safe='')}?k={K}")
        return post("/v1/recommendations", {"user_ids": chosen, "k": K})

    return ask


def swap(
    address: str,
    ask: Callable[[int], bytes],
    scores: VersionScores,
    moves: Sequence[tuple[Settings, str, int]],
    *,
    rate: float,
    seconds: float,
) -> Swapped:
    """Ask in peace, then while the champion moves.

    Args:
        address: address of the service.
        ask: makes the request of a number.
        scores: scores of the versions.
        moves: arguments of each promotion.
        rate: requests a second.
        seconds: length of the load in peace.
    """
    quiet, moving = Seen(scores), Seen(scores)
    commands, waits = [], []
    # Beside this process, whose latencies a promotion would change.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(exec, "import mlflow, pymilvus, serving.release.promotion").result()
        with _asked(Load(address, ask, quiet.take, rate=rate, connections=CONNECTIONS)):
            time.sleep(seconds)
        with _asked(Load(address, ask, moving.take, rate=rate, connections=CONNECTIONS)):
            for move in moves:
                started = time.monotonic()
                pool.submit(promote, *move).result()
                moved = time.monotonic()
                _until(lambda version=move[-1]: moving.version == version)
                commands.append(moved - started)
                waits.append(max(0.0, moving.since - moved))
    return Swapped(quiet, moving, commands, waits)


@contextmanager
def _asked(load: Load) -> Iterator[None]:
    load.start()
    try:
        yield
    finally:
        load.stop()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SWAP_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"a promoted version does not serve after {SWAP_SECONDS:g} s")
        time.sleep(0.005)


SMALL_USERS = [f"user{number:02}" for number in range(40)]
"""Users of the made shop."""


@contextmanager
def _home(given: Path | None) -> Iterator[Settings]:
    if given:
        yield Settings.from_environment({**os.environ, "GATEHOUSE_HOME": str(given)})
        return
    with tempfile.TemporaryDirectory() as folder:
        yield released_home(Path(folder), versions=2)


if __name__ == "__main__":
    main()
