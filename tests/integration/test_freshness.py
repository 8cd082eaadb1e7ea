"""Versions whose online features fell behind are not promoted, and answers and status say how old they are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from feature_repo.schema import Schema
from feature_repo.store.definitions import table_name
from feature_repo.store.serving_state import seen_schema, withdrawn_schema
from feature_repo.store.sqlite_load import note_load
from orchestration.local.status import status, status_text
from serving.registry import Registry
from serving.release.freshness import check_fresh, check_loaded
from serving.release.manifest import ReleaseError
from serving.release.promotion import promote, rollback
from serving.settings import Settings
from tests.integration.release_world import (
    DATASET,
    NOW,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)

FORMER, NEWER = schema(), schema(seen_items_may_return=False)
"""Schemas of the two versions."""


def load(settings: Settings, loaded: Schema, as_of: datetime) -> None:
    """Note a load, as `Store.load_online` does."""
    path, tables = settings.feast_home / "online.db", [table_name(loaded, view) for view in loaded.views]
    with closing(sqlite3.connect(path)) as connection:
        for table in tables:
            connection.execute(f'CREATE TABLE IF NOT EXISTS "{table}" (entity_key BLOB)')
    note_load(path, tables, as_of)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with two sealed versions of different schemas."""
    root = tmp_path_factory.mktemp("fresh")
    settings = fresh_home(root / "home", empty_database(root / "template"))
    for name, each in (("former", FORMER), ("newer", NEWER)):
        seal_as(settings, register(settings, write_artifacts(root / name, each)))
    (settings.home / "data" / DATASET).mkdir(parents=True)
    return settings


def test_features_that_fell_behind_are_not_promoted_nor_gone_back_to(settings: Settings) -> None:
    for each in (FORMER, NEWER, seen_schema(DATASET), withdrawn_schema(DATASET)):
        load(settings, each, NOW)
    for version in (1, 2):
        promote(settings, DATASET, version)
    for each in (NEWER, withdrawn_schema(DATASET)):
        load(settings, each, NOW + timedelta(days=8))  # the data has lost a column of the former
    with pytest.raises(ReleaseError, match=r"version 1 .*stand for 2024-03-01 00:00:00, .* `gatehouse run` loads"):
        promote(settings, DATASET, 1, features=check_fresh)
    with pytest.raises(ReleaseError, match=r"version 1 is skipped: .*old features"):
        rollback(settings, DATASET, warn=lambda text: None, features=check_fresh)
    assert Registry(settings, DATASET).champion() == 2
    assert rollback(replace(settings, features_behind_days=8), DATASET, features=check_fresh).version == 1


def test_status_shows_how_old_the_champions_features_are(settings: Settings) -> None:
    shown = status(settings)["datasets"][DATASET]
    assert (shown["champion"], shown["features_as_of"]) == (1, "2024-03-01T00:00:00")
    assert "features as of 2024-03-01T00:00:00, the newest 2024-03-09T00:00:00" in status_text(status(settings))


def test_a_version_without_features_is_refused_where_others_have_some(settings: Settings, tmp_path: Path) -> None:
    home = fresh_home(tmp_path / "home", settings.home / "mlflow" / "mlflow.db")
    there = replace(home, mlflow_uri=settings.mlflow_uri, milvus_server=settings.milvus_uri)
    load(there, withdrawn_schema(DATASET), NOW)
    with pytest.raises(ReleaseError, match=r"version 2 .*were never loaded"):
        promote(there, DATASET, 2, features=check_fresh)
    with pytest.raises(ReleaseError, match=r"version 2 could not answer: .*never loaded"):
        promote(there, DATASET, 2, features=check_loaded)
    load(there, NEWER, NOW)  # without the items that each user has seen, it could answer nobody
    for rule in (check_fresh, check_loaded):
        with pytest.raises(ReleaseError, match=r"version 2 .*never loaded"):
            promote(there, DATASET, 2, features=rule)
    load(there, seen_schema(DATASET), NOW)
    assert promote(there, DATASET, 2, features=check_fresh).version == 2
