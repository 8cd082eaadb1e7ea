"""The as-of join of the offline store against the join of Feast that it stands for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore
from polars.testing import assert_frame_equal

from feature_repo.schema import Entity
from feature_repo.store import store as store_module
from feature_repo.store.offline import AsOfDuckDBOfflineStore, _attach
from feature_repo.store.store import Store
from tests.integration.store_world import SCHEMA, log, queries, write


@pytest.mark.parametrize("seed", range(4))
def test_the_join_is_that_of_feast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    tables = {view.name: log(view, 250, seed=10 * seed + number) for number, view in enumerate(SCHEMA.views)}
    store, asked = Store(SCHEMA, tmp_path / "home"), queries(seed)
    store.apply(write(tmp_path / "tables", tables))
    found = store.join(Entity.USER, asked)
    of_feast = staticmethod(DuckDBOfflineStore.get_historical_features)
    monkeypatch.setattr(AsOfDuckDBOfflineStore, "get_historical_features", of_feast)
    assert_frame_equal(found, store.join(Entity.USER, asked), check_exact=True)
    assert found["count"].null_count() not in (0, found.height)


def test_a_join_in_parts_is_the_whole_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {view.name: log(view, 250, seed) for seed, view in enumerate(SCHEMA.views)}
    store, asked = Store(SCHEMA, tmp_path / "home"), queries()
    store.apply(write(tmp_path / "tables", tables))
    whole = store.join(Entity.USER, asked)
    monkeypatch.setattr(store_module, "_CELLS_AT_ONCE", 1_000)
    parts = list(store.join_parts(Entity.USER, asked.sort("user_id", "event_timestamp")))
    assert len(parts) > 3
    assert_frame_equal(pl.concat(parts), whole.sort("user_id", "event_timestamp"), check_exact=True)


def test_a_time_to_live_is_refused() -> None:
    view = SimpleNamespace(name="user_activity", ttl=timedelta(days=1))
    with pytest.raises(ValueError, match="time to live of 1 day"):
        _attach(None, None, view, {})  # type: ignore[arg-type]
