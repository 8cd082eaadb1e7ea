"""A home whose champion reads the history, with the data that a consumer of events goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.datasets.stored import write_tables
from feature_repo.events.base import write_base
from feature_repo.schema import Entity
from feature_repo.store.sqlite_online import open_store
from serving.release.promotion import promote
from serving.settings import Settings
from tests.integration.consumer_world import load
from tests.integration.release_world import (
    DATASET,
    ITEMS,
    NOW,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)

SCHEMA = schema(repeats=True)


def fresh_tables(users: int = 40, events: int = 3, seed: int = 0) -> Tables:
    """Tables of users with some events each, all before NOW.

    Args:
        users: number of users.
        events: events of each.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    names = [f"user{number:03}" for number in range(users)]
    log = pl.DataFrame(
        {
            "user_id": [name for name in names for _ in range(events)],
            "item_id": rng.choice(ITEMS["item_id"].to_numpy(), users * events).tolist(),
            "timestamp": [NOW - timedelta(minutes=int(minute)) for minute in rng.integers(1, 99_999, users * events)],
        },
        schema_overrides={"timestamp": pl.Datetime("us")},
    )
    log = log.with_columns(pl.col("timestamp").alias("created")).sort("timestamp", "user_id", "item_id")
    liked = pl.DataFrame({"user_id": names, "liked": rng.choice(["food", "toys"], users).tolist()})
    return Tables(schema=SCHEMA, events=log, users=liked, items=ITEMS.drop("event_timestamp").sort("item_id"))


def fresh_release(root: Path, tables: Tables, online: Mapping[str, Any] | None = None) -> Settings:
    """Make a home with one released version, and the features of the tables online, noted as a run does.

    Args:
        root: an empty folder.
        tables: data of the run.
        online: configuration of the online store; None for SQLite in the home.
    """
    settings = replace(fresh_home(root / "home", empty_database(root / "template")), online_store=online)
    seal_as(settings, register(settings, write_artifacts(root / "artifacts", SCHEMA)))
    load(tables, NOW, settings.feast_home, root / "features", online)
    (root / "tables").mkdir()
    write_tables(tables, root / "tables")
    write_base(settings.feast_home, DATASET, key="base", folder=root / "tables", as_of=NOW)
    promote(settings, DATASET, 1)
    return settings


def click(number: int, user: str, item: str) -> dict[str, Any]:
    """Click as a client sends it."""
    return {"event_id": f"c{number}", "kind": "click", "user_id": user, "item_id": item}


def history_of(settings: Settings, user: str) -> dict[str, int]:
    """Count of each history item of a user, as it is online."""
    row = open_store(SCHEMA, settings.feast_home).read_online(Entity.USER, [user]).row(0, named=True)
    return dict(zip(row["history_items"] or [], row["history_counts"] or [], strict=True))
