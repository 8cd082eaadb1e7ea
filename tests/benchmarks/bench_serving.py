"""Latency and rate of `gatehouse serve` on a home, beside the floor of a bare loop.

    gatehouse run
    python -m tests.benchmarks.bench_serving
    python -m tests.benchmarks.bench_serving --items 16000 92331 1000000
    python -m tests.benchmarks.bench_serving --naive

The service runs as users start it, in processes of its own on loopback; `wrk` (Debian's
package of that name) asks for random users over connections that stay open. The floor is
one thread that reads the features, encodes them, runs the user tower and searches, and
nothing else. Users are those with at least `--history` items in their histories.

--items serves the same model with other numbers of items, in homes that are made for it:
vectors of the release, repeated and moved a little, and filters that keep 50 %, 5 % and
0.5 % of them. Index recall is that of the searcher that serves, for the same users.
--naive asks `feast serve`, `mlflow models serve` and a server of Milvus Lite one after the
other, and the service in the same run by the same clients.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from serving.settings import Settings
from tests.benchmarks.service.grown import grow
from tests.benchmarks.service.naive import naive_chain
from tests.benchmarks.service.recall import recall_rows
from tests.benchmarks.service.running import load, need_wrk, service, stages
from tests.benchmarks.service.side_by_side import side_by_side
from tests.benchmarks.service.users import SEED, corpus_of, floor, users_of, vectors_of

K, QUERIES = 20, 100
SHARES = (0.5, 0.05, 0.005)
"""Shares of the items that filters of a grown release keep."""


def main() -> None:
    """Print Markdown tables: the floor, index recall, the load, and the stages of an answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("GATEHOUSE_HOME", ".gatehouse")))
    parser.add_argument("--dataset", default="completejourney")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=int, default=10, help="length of each load")
    parser.add_argument("--history", type=int, nargs="+", default=[0, 150], help="least history of the users")
    parser.add_argument("--filter", default=None, help="filter of a further load at each number of connections")
    parser.add_argument("--items", type=int, nargs="+", default=[], help="numbers of items of grown releases")
    parser.add_argument("--folder", type=Path, help="where the homes of grown releases are made")
    parser.add_argument("--naive", action="store_true", help="ask a naive chain beside the service, and nothing else")
    arguments = parser.parse_args()
    need_wrk()
    settings = Settings.from_environment({**os.environ, "GATEHOUSE_HOME": str(arguments.home)})
    own = dict.fromkeys((None, arguments.filter))
    if arguments.naive:
        beside_naive(settings, arguments)
    elif not arguments.items:
        measure(settings, arguments, list(own))
    for items in arguments.items:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            grown = grow(settings, arguments.dataset, items, Path(folder), seed=SEED)
            measure(grown.settings, arguments, [*own, *map(grown.keeping, SHARES)])


def measure(settings: Settings, arguments: argparse.Namespace, filters: Sequence[str | None]) -> None:
    """Print the tables of one home."""
    dataset = arguments.dataset
    groups = {least: users_of(settings, dataset, least) for least in arguments.history}
    users = groups[arguments.history[-1]]
    corpus = corpus_of(settings, dataset)
    print(f"\n{len(corpus.ids):,} items\n\n| users with a history of | floor: p50 ms | p99 |\n|---|---:|---:|")
    for least, each in groups.items():
        p50, p99 = floor(settings, dataset, corpus, each, K)
        print(f"| {least} or more | {p50:.2f} | {p99:.2f} |", flush=True)
    print("\n| filter | kept | index recall at 20 | at 220 |\n|---|---:|---:|---:|")
    for row in recall_rows(corpus, vectors_of(settings, dataset, users[:QUERIES]), filters):
        print(row, flush=True)
    del corpus  # the engine has its own
    with service(settings, dataset, "--no-consumer") as address:
        print("\n| history | filter | connections | requests/s | p50 ms | p95 | p99 | errors |")
        print("|---|---|---:|---:|---:|---:|---:|---:|")
        for least, each in groups.items():
            for where in filters:
                for connections in arguments.connections:
                    asked = {"k": K, "where": where, "connections": connections, "seconds": arguments.seconds}
                    print(
                        f"| {least} or more | {where or ''} | {connections} | {load(address, each, **asked)} |",
                        flush=True,
                    )
        print("\n" + stages(address, users, K))


def beside_naive(settings: Settings, arguments: argparse.Namespace) -> None:
    """Print the service beside a naive chain."""
    users = users_of(settings, arguments.dataset, arguments.history[-1])
    asked = {"k": K, "connections": arguments.connections, "seconds": arguments.seconds}
    running = service(settings, arguments.dataset, "--no-consumer"), naive_chain(settings, arguments.dataset)
    with running[0] as address, running[1] as chain:
        for row in side_by_side(address, chain, users, **asked):
            print(row, flush=True)


if __name__ == "__main__":
    main()
