"""The as-of join of the offline store against the join of Feast that it stands for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore
from polars.testing import assert_frame_equal

from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.store import store as store_module
from feature_repo.store.offline import AsOfDuckDBOfflineStore, _attach
from feature_repo.store.sqlite_online import open_store
from feature_repo.store.store import Store
from feature_repo.tables.join import join_as_of
from tests.integration.store_world import ACTIVITY, HOURS, SCHEMA, USERS, hour, log, queries, write


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


HOSTILE = ("Kind", "KIND", "kind", "KIND_1", "select", "row_event_timestamp", "row_created", "entity_row_id", "rn",
           "moment", "number", "known", "column_0", "column_3", "given_0", "view_0_column_3", "known_column_0", "__row",
           "__moment", "event_expire_timestamp", "user_id_y", "created_yyyy", "इमारत", "ﬁne", "None")  # fmt: skip


def test_a_feature_of_any_name_has_its_values_offline_and_online(tmp_path: Path) -> None:
    """Names of the join's own columns were overwritten by times and numbers, or broke it."""
    features = tuple(Feature(name=name, kind=Kind.CATEGORICAL) for name in HOSTILE)
    view = View(name="user_activity", entity=Entity.USER, features=features)
    schema = Schema(dataset="shop", seen_items_may_return=True, views=(view,))
    asked = queries(seed=3)
    rows = log(ACTIVITY, 250, seed=3).with_columns(pl.col("city").add(f" of {name}").alias(name) for name in HOSTILE)
    tables = {view.name: rows.select("user_id", "event_timestamp", "created", *HOSTILE)}
    store = Store(schema, tmp_path / "home")
    store.apply(write(tmp_path / "tables", tables))
    joined = store.join(Entity.USER, asked)
    assert_frame_equal(joined, join_as_of(asked, tables, Entity.USER), check_exact=True)
    assert joined["KIND"].drop_nulls().str.ends_with(" of KIND").all() and joined["KIND"].count()
    store.load_online(Entity.USER, hour(HOURS))
    now = pl.DataFrame({"user_id": USERS, "event_timestamp": [hour(HOURS)] * len(USERS)},
                       schema_overrides={"event_timestamp": pl.Datetime("us")})  # fmt: skip
    online = store.read_online(Entity.USER, USERS)
    assert_frame_equal(online.drop("event_timestamp"), store.join(Entity.USER, now).drop("event_timestamp"))
    assert_frame_equal(open_store(schema, tmp_path / "home").read_online(Entity.USER, USERS), online)


def test_a_time_to_live_is_refused() -> None:
    view = SimpleNamespace(name="user_activity", ttl=timedelta(days=1))
    with pytest.raises(ValueError, match="time to live of 1 day"):
        _attach(None, None, view, {}, {})  # type: ignore[arg-type]
