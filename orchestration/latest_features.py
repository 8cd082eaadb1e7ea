"""User features of one moment by the schema of a release, in files that are written once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Entity, Schema
from feature_repo.store.serving_state import write_seen
from feature_repo.store.store import Store
from feature_repo.tables.parquet import TableWriter
from feature_repo.tables.parts import latest_parts
from orchestration.workspace import fill
from serving.settings import Settings


def compute_latest(settings: Settings, tables: Tables, moment: datetime, folder: Path) -> None:
    """Write the user tables of one moment, unless they are there.

    Args:
        settings: names the bucket of the data, if there is one.
        tables: canonical tables under the schema that is wanted.
        moment: time of the rows.
        folder: folder of the tables.
    """

    def build(partial: Path) -> None:
        (partial / Entity.USER.value).mkdir()
        with TableWriter(partial / Entity.USER.value) as writer:
            for part in latest_parts(tables, moment):
                for name, table in part.items():
                    writer.write(name, table)

    fill(folder, build, settings.folder_store)


def compute_seen(settings: Settings, events: pl.DataFrame, users: pl.Series, moment: datetime, folder: Path) -> None:
    """Write the items that each user has seen until a moment, unless they are there.

    Args:
        settings: names the bucket of the data, if there is one.
        events: canonical events.
        users: ids of all users.
        moment: time of the rows.
        folder: folder of the table.
    """
    fill(folder, lambda partial: write_seen(events, users, moment, partial), settings.folder_store)


def store_of(settings: Settings, schema: Schema) -> Store:
    """Open the feature store of a schema."""
    return Store(schema, settings.feast_home, online=settings.online_store, registry=settings.feature_registry)
