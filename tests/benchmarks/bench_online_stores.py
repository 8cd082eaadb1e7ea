"""Milliseconds of one online read, by store and by way of reading, in one run.

    python -m tests.benchmarks.bench_online_stores [--users 2000] [--rounds 40]

Every user has 15 plain features and a history of 150 items, in three views or in one.
The ways take turns, so that a busy machine slows all of them. Servers are those of the
tests. Feast's calls include `to_dict`, without which there is no value to use.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from feature_repo.feature import Feature, Kind
from feature_repo.schema import Entity, Schema, View
from feature_repo.standard_views import user_activity_view, user_history_view
from feature_repo.store.feast_rows import entity_keys, plain_cells
from feature_repo.store.sqlite_online import open_store
from feature_repo.store.store import Store
from feature_repo.tables.types import table_types
from tests.integration.online_servers import postgres_server, redis_server

HISTORY, READS = 150, 5
NOW = datetime(2024, 3, 1)
PROFILE = View(
    name="user_profile",
    entity=Entity.USER,
    features=tuple(Feature(name=f"trait_{n}", kind=Kind.CATEGORICAL) for n in range(7)),
)
VIEWS = (PROFILE, user_activity_view(value=True, basket=True), user_history_view(HISTORY))
MERGED = View(name="user_all", entity=Entity.USER, features=tuple(f for view in VIEWS for f in view.features))
SCHEMAS = {
    "three views": Schema(dataset="bench", views=VIEWS, seen_items_may_return=True),
    "one view": Schema(dataset="bench", views=(MERGED,), seen_items_may_return=True),
}
Read = Callable[[list[str]], object]


def main() -> None:
    """Print a Markdown table: milliseconds, p50 / p95, of 1 and of 32 users."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    users = [f"user {n:06}" for n in range(arguments.users)]
    chance = random.Random(arguments.seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        for name, schema in SCHEMAS.items():
            write_tables(folder / name, schema, users, chance)
        online = {
            "SQLite": None,
            "Redis": stack.enter_context(redis_server()).online,
            "Postgres": stack.enter_context(postgres_server()).online,
        }
        ways: dict[tuple[str, str], Read] = {}
        for kind, configuration in online.items():
            for way, read in ways_of(folder, kind, configuration):
                ways[kind, way] = read
        show(measured(ways, users, arguments.rounds, chance))


def write_tables(folder: Path, schema: Schema, users: Sequence[str], chance: random.Random) -> None:
    """Write one row per user in each view of a schema.

    Args:
        folder: folder of the tables.
        schema: the schema.
        users: ids.
        chance: source of the values.
    """
    items = [f"{number:08}" for number in range(20_000)]
    columns: dict[str, list[object]] = {"user_id": list(users)}
    columns |= dict.fromkeys(("event_timestamp", "created"), [NOW] * len(users))
    columns |= {name: [f"value {chance.randrange(9)}" for _ in users] for name in PROFILE.columns}
    columns |= {name: [chance.randrange(10_000) for _ in users] for name in VIEWS[1].columns}
    columns["history_items"] = [chance.sample(items, HISTORY) for _ in users]
    for name in ("history_times", "history_counts", "history_decayed"):
        columns[name] = [[1_700_000_000_000_000 + chance.randrange(10**12) for _ in range(HISTORY)] for _ in users]
    for view in schema.views:
        types = table_types(view)
        path = folder / "user" / f"{view.name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({name: columns[name] for name in types}, schema=types).write_parquet(path)


def ways_of(folder: Path, kind: str, online: dict[str, object] | None) -> Iterator[tuple[str, Read]]:
    """Load a store, and list the ways to read it.

    Args:
        folder: folder of the tables, and of the homes.
        kind: name of the store.
        online: its configuration; None for SQLite.
    """
    for name, schema in SCHEMAS.items():
        home = folder / f"{kind} {name}"
        store = Store(schema, home, online=online)
        store.apply(folder / name, (Entity.USER,))
        store.load_online(Entity.USER, NOW)
        reader = open_store(schema, home, online=online)
        yield f"read_rows, {name}", lambda ids, reader=reader: reader.read_rows(Entity.USER, ids)
        yield f"get_online_features, {name}", feast_read(store, precompute=False)
        if kind != "SQLite":  # which has no such call
            yield f"online_read_async, {name}", async_read(store)
        if kind == "Redis":  # the others cannot list their entities, and have no table for the vectors
            yield f"get_online_features, precompute_online, {name}", feast_read(store, precompute=True)


def async_read(store: Store) -> Read:
    """Read all views at once by Feast's asynchronous call, over a loop that goes on."""
    loop = asyncio.new_event_loop()
    client, config = get_client(store), store._feast.config
    views = store._registered(Entity.USER).values()

    async def rows(ids: list[str]) -> list[list[Any]]:
        keys = entity_keys(Entity.USER, ids)
        reads = (client.online_read_async(config, each, keys, [f.name for f in each.features]) for each in views)
        return await asyncio.gather(*reads)

    return lambda ids: [list(plain_cells(ids, each)) for each in loop.run_until_complete(rows(ids))]


def get_client(store: Store) -> Any:
    """Feast's client of the online store of its own."""
    from feast.infra.online_stores.helpers import get_online_store_from_config

    return get_online_store_from_config(store._feast.config.online_store)


def feast_read(store: Store, *, precompute: bool) -> Read:
    """Read by Feast's own call.

    Args:
        store: the loaded store.
        precompute: whether from one stored vector per user.
    """
    from feast import FeatureService

    feast = store._feast
    service = feast.get_feature_service(store.service(Entity.USER))
    if precompute:
        views = [feast.get_feature_view(each.name) for each in service.feature_view_projections]
        feast.apply([FeatureService(name=f"{service.name}_vector", features=views, precompute_online=True)])
        service = feast.get_feature_service(f"{service.name}_vector")
        assert feast.precompute_feature_service(service.name) > 0
    # Vectors are found by full names only.
    options = {"features": service, "full_feature_names": precompute}
    return lambda ids: feast.get_online_features(entity_rows={"user_id": ids}, **options).to_dict()


def measured(
    ways: dict[tuple[str, str], Read], users: Sequence[str], rounds: int, chance: random.Random
) -> dict[tuple[str, str], dict[int, np.ndarray]]:
    """Milliseconds of each way, by number of users.

    Args:
        ways: ways to read.
        users: ids that are there.
        rounds: turns of each way.
        chance: source of the choice of users.
    """
    times: dict[tuple[str, str], dict[int, list[float]]] = {way: {1: [], 32: []} for way in ways}
    for number in range(rounds + 1):
        for way, read in ways.items():
            for size, kept in times[way].items():
                for _ in range(READS):
                    ids = chance.sample(users, size)
                    begin = time.perf_counter()
                    read(ids)
                    if number:  # the first round is for warmth
                        kept.append((time.perf_counter() - begin) * 1e3)
    return {way: {size: np.array(kept) for size, kept in found.items()} for way, found in times.items()}


def show(times: dict[tuple[str, str], dict[int, np.ndarray]]) -> None:
    """Print the table."""
    print("| store | way | 1 user: min, p50, p95 ms | 32 users: min, p50, p95 ms |")
    print("|---|---|---|---|")
    for (kind, way), found in times.items():
        cells = (", ".join(f"{each:.2f}" for each in np.percentile(found[size], [0, 50, 95])) for size in (1, 32))
        print(f"| {kind} | {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
