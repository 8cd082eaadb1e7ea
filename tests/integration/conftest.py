"""Feature store over the random tables of a small shop, and a world whose events go through a log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.store.store import Store
from tests.integration.consumer_world import CUT, WHOLE, World, make_world
from tests.integration.store_world import SCHEMA, log, write


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    return {view.name: log(view, 250, seed) for seed, view in enumerate(SCHEMA.views)}


@pytest.fixture
def store(tmp_path: Path, tables: dict[str, pl.DataFrame]) -> Store:
    store = Store(SCHEMA, tmp_path / "home")
    store.apply(write(tmp_path / "tables", tables))
    return store


@pytest.fixture(scope="session")
def loaded_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(WHOLE, CUT, tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(loaded_world: World, tmp_path: Path) -> World:
    return loaded_world.copy(tmp_path / "home")


@pytest.fixture(name="log")
def event_log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    log = SqliteEventLog(tmp_path / "log.db")
    yield log
    log.close()
