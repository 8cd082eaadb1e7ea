"""Feature store over the random tables of a small shop."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from feature_repo.store.store import Store
from tests.integration.store_world import SCHEMA, log, write


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    return {view.name: log(view, 250, seed) for seed, view in enumerate(SCHEMA.views)}


@pytest.fixture
def store(tmp_path: Path, tables: dict[str, pl.DataFrame]) -> Store:
    store = Store(SCHEMA, tmp_path / "home")
    store.apply(write(tmp_path / "tables", tables))
    return store
