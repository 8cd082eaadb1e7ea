"""A home with two versions of different schemas, of which the one that a rollback goes to has old features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.datasets.stored import write_tables
from feature_repo.events.base import write_base
from feature_repo.schema import ENTITY_TIME, USER_ID, Entity
from feature_repo.store.serving_state import withdrawn_schema, write_withdrawn
from feature_repo.store.store import Store
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from serving.index.base import Fields
from serving.open import open_retriever
from serving.release.collection import open_served_index
from serving.release.load import Release
from serving.release.promotion import promote
from serving.retriever import Retriever
from serving.settings import Settings
from tests.integration.consumer_world import before, load
from tests.integration.fresh_world import fresh_tables
from tests.integration.release_world import (
    DATASET,
    NOW,
    Online,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)

FORMER, NEWER = schema(seen_items_may_return=False, repeats=True), schema(repeats=True)
"""Schemas of versions 1 and 2."""
THEN = NOW - timedelta(days=10)
"""Time of the features of version 1; those of version 2 stand for NOW."""
TABLES = replace(fresh_tables(), schema=NEWER)
Answers = dict[str, list[tuple[str, float]]]


def make_behind(root: Path) -> Settings:
    """Make the home: version 2 is the champion, and version 1 could not be read when features were loaded for NOW."""
    settings = fresh_home(root / "home", empty_database(root / "template"))
    for name, each in (("former", FORMER), ("newer", NEWER)):
        seal_as(settings, register(settings, write_artifacts(root / name, each)))
    home = settings.feast_home
    load(replace(before(TABLES, THEN), schema=FORMER), THEN, home, root / "then")
    promote(settings, DATASET, 1)
    data = settings.home / "data" / DATASET / "input"
    (data / "source").mkdir(parents=True)
    write_tables(TABLES, data / "source")
    store = Store(NEWER, home)
    tables = feature_tables(TABLES, Entity.USER, (NOW,))
    for name, each in tables.items():
        (data / "features" / "user").mkdir(parents=True, exist_ok=True)
        each.write_parquet(data / "features" / "user" / f"{name}.parquet")
    store.apply(data / "features", (Entity.USER,))
    store.load_online(Entity.USER, NOW)
    write_withdrawn((), NOW, root / "withdrawn")
    store = Store(withdrawn_schema(DATASET), home)
    store.apply(root / "withdrawn", (Entity.ITEM,))
    store.load_online(Entity.ITEM, NOW)
    write_base(home, DATASET, key="base", folder=data / "source", as_of=NOW)
    promote(settings, DATASET, 2)
    return settings


class Fresh(Online):
    """Features of all users, computed from tables without a store."""

    def __init__(self, tables: Tables) -> None:
        asked = tables.users.select(USER_ID, pl.lit(NOW, pl.Datetime("us")).alias(ENTITY_TIME))
        super().__init__(join_as_of(asked, feature_tables(tables, Entity.USER, (NOW,)), Entity.USER))
        self._seen: dict[str, list[str]] = dict(
            tables.events.group_by(USER_ID).agg(pl.col("item_id").unique()).iter_rows()
        )

    def seen_rows(self, ids: Sequence[str]) -> list[list[str]]:
        return [self._seen.get(each, []) for each in ids]


def answers(settings: Settings) -> tuple[int, Answers]:
    """The champion, and its answers to all users."""
    with open_retriever(settings, DATASET) as retriever:
        return retriever.release.manifest.version, _asked(retriever)


def computed(settings: Settings, version: int, tables: Tables) -> Answers:
    """The answers of a version to all users, by features that are computed from tables alone."""
    release = Release.load(settings, DATASET, version)
    with open_served_index(settings, release.manifest, Fields.of(release.schema)) as index:
        return _asked(Retriever(release, Fresh(replace(tables, schema=release.schema)), index))  # type: ignore[arg-type]


def _asked(retriever: Retriever) -> Answers:
    users = TABLES.users[USER_ID].to_list()
    given = {user: retriever.recommend(user, 5, at=NOW).items for user in users}
    return {user: [(item.item_id, round(item.score, 4)) for item in items] for user, items in given.items()}
