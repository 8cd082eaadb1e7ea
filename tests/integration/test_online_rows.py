"""Online rows as columns of values (Feast on SQLite, for real): both readers, against what Feast says itself."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.errors import InputError, OnlineStoreError
from feature_repo.schema import Entity
from feature_repo.store.online_rows import UNKNOWN_TIME, OnlineRows
from feature_repo.store.serving_state import seen_schema
from feature_repo.store.sqlite_online import SqliteStore, open_store
from feature_repo.store.store import Store
from tests.integration.store_world import ACTIVITY, HISTORY, HOURS, SCHEMA, USERS, hour, write

NAMES = [*ACTIVITY.columns, *HISTORY.columns]


@pytest.fixture(params=["sqlite", "feast"])
def reader(request: pytest.FixtureRequest, store: Store) -> Store:
    """Each reader of a loaded store."""
    store.load_online(Entity.USER, hour(HOURS))
    return open_store(SCHEMA, store.home) if request.param == "sqlite" else store


def as_feast_says(store: Store, ids: list[str]) -> list[dict[str, Any]]:
    """Values and newest time of each id by `get_online_features`, which no reader here uses."""
    service = store._feast.get_feature_service(store.service(Entity.USER))
    response = store._feast.get_online_features(features=service, entity_rows=[{"user_id": id_} for id_ in ids])
    names, values = response.proto.metadata.feature_names.val, response.to_dict()
    times = dict(zip(names, [each.event_timestamps for each in response.proto.results], strict=True))
    rows = [{name: values[name][n] for name in NAMES} for n in range(len(ids))]
    for n, row in enumerate(rows):
        told = [times[name][n].ToSeconds() for name, value in row.items() if value is not None]
        row["time"] = max(told, default=None)
    return rows


def as_read(rows: OnlineRows) -> list[dict[str, Any]]:
    assert rows.times_B.dtype == np.int64
    seconds = [None if time == UNKNOWN_TIME else time // 1_000_000 for time in rows.times_B.tolist()]
    return [{name: rows.columns[name][n] for name in NAMES} | {"time": second} for n, second in enumerate(seconds)]


def test_rows_are_what_feast_says(reader: Store, store: Store) -> None:
    asked = ["nobody", *USERS, "Ü'\"", USERS[1]]
    rows = reader.read_rows(Entity.USER, asked)
    assert rows.ids == asked
    assert list(rows.columns) == NAMES
    assert as_read(rows) == as_feast_says(store, asked)
    assert rows.times_B[0] == UNKNOWN_TIME
    assert_frame_equal(reader.read_online(Entity.USER, asked), rows.frame(SCHEMA.views_of(Entity.USER)))


def test_values_are_plain(reader: Store) -> None:
    kinds = {
        name: {type(value) for value in values} for name, values in reader.read_rows(Entity.USER, USERS).columns.items()
    }
    assert kinds["count"] == {float, type(None)}
    assert kinds["last"] == {int, type(None)}
    assert kinds["city"] == {str, type(None)}
    assert kinds["history_items"] == kinds["face"] == {list, type(None)}


def test_a_row_in_one_view_only_is_known(tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]) -> None:
    only = {"u1": "user_activity", "u2": "user_history"}
    kept = {
        name: table.filter(~pl.any_horizontal(*(pl.col("user_id") == u for u, own in only.items() if own != name)))
        if name != "item_profile"
        else table
        for name, table in tables.items()
    }
    store.apply(write(tmp_path / "kept", kept))
    store.load_online(Entity.USER, hour(HOURS + 200))
    for reader in (open_store(SCHEMA, store.home), store):
        rows = reader.read_rows(Entity.USER, ["u1", "u2"])
        known = {name: [value is not None for value in rows.columns[name]] for name in NAMES}
        assert not any(known[name][0] for name in HISTORY.columns)
        assert not any(known[name][1] for name in ACTIVITY.columns)
        assert (rows.times_B > UNKNOWN_TIME).all()


def test_a_row_without_values_tells_no_time(tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]) -> None:
    """As an online store on a server has it of a user who vanished from one view."""
    mine = pl.col("user_id") == "u3"
    emptied = tables["user_history"].with_columns(pl.when(~mine).then(name).alias(name) for name in HISTORY.columns)
    emptied = emptied.with_columns(
        pl.when(mine).then(pl.lit(hour(HOURS + 100))).otherwise(name).alias(name)
        for name in ("event_timestamp", "created")
    )
    full = tables["user_activity"].with_columns(city=pl.lit("somewhere"))
    store.apply(write(tmp_path / "emptied", tables | {"user_history": emptied, "user_activity": full}))
    store.load_online(Entity.USER, hour(HOURS + 200))
    wanted = full.filter(mine)["event_timestamp"].max()
    for reader in (open_store(SCHEMA, store.home), store):
        assert reader.read_online(Entity.USER, ["u3"])["event_timestamp"].to_list() == [wanted]


def test_no_id_and_more_ids_than_a_query_takes(reader: Store) -> None:
    rows = reader.read_rows(Entity.USER, [])
    assert (rows.ids, rows.times_B.shape, rows.columns) == ([], (0,), {name: [] for name in NAMES})
    asked = [f"stranger {n}" for n in range(10_001)]
    asked[5], asked[9_000], asked[10_000] = "u3", "u3", "u1"
    rows, few = reader.read_rows(Entity.USER, asked), reader.read_rows(Entity.USER, ["u3", "u3", "u1"])
    assert np.flatnonzero(rows.times_B > UNKNOWN_TIME).tolist() == [5, 9_000, 10_000]
    assert as_read(rows.take([5, 9_000, 10_000])) == as_read(few)


def test_a_replaced_database_is_noticed(store: Store) -> None:
    path = store.home / "online.db"
    store.load_online(Entity.USER, hour(100))
    shutil.copy(path, path.with_suffix(".former"))
    reader = open_store(SCHEMA, store.home)
    former = as_read(reader.read_rows(Entity.USER, USERS))
    store.load_online(Entity.USER, hour(300))
    newer = as_read(reader.read_rows(Entity.USER, USERS))
    assert newer != former
    path.with_suffix(".former").rename(path)
    assert as_read(reader.read_rows(Entity.USER, USERS)) == former
    kept = path.rename(path.with_suffix(".away"))
    with pytest.raises(OnlineStoreError, match=r"online\.db: no such file; `gatehouse run`"):
        reader.read_rows(Entity.USER, USERS)
    with closing(sqlite3.connect(path)) as empty:
        empty.execute("CREATE TABLE other (x)")
    with pytest.raises(OnlineStoreError, match="no such table: shop_user_"):
        reader.read_rows(Entity.USER, USERS)
    kept.rename(path)
    assert as_read(reader.read_rows(Entity.USER, USERS)) == former


def test_threads_read_at_once_over_connections_that_stay_open(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.load_online(Entity.USER, hour(HOURS))
    reader, opened = open_store(SCHEMA, store.home), []
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **options: opened.append(1) or connect(*a, **options))
    wanted = as_read(reader.read_rows(Entity.USER, USERS))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: as_read(reader.read_rows(Entity.USER, USERS)), range(40)))
    assert all(each == wanted for each in found)
    assert len(opened) <= 5


def test_all_seen_items_of_each_user(tmp_path: Path, store: Store) -> None:
    with pytest.raises(InputError, match="the seen items of shop are not online: `gatehouse run` loads them"):
        store.seen_rows(["u1"])
    seen = Store(seen_schema("shop"), store.home)
    many = [f"i{n}" for n in range(300)]
    times = {name: [hour(1)] * 3 for name in ("event_timestamp", "created")}
    table = pl.DataFrame(
        {"user_id": ["u1", "u2", "u3"], **times, "seen": [many, [], ["j"]]},
        schema_overrides=dict.fromkeys(times, pl.Datetime("us")),
    )
    seen.apply(write(tmp_path / "seen", {"user_seen": table}))
    seen.load_online(Entity.USER, hour(1))
    for reader in (SqliteStore(SCHEMA, store.home), store):
        assert reader.seen_rows(["u3", "nobody", "u1", "u2", "u3"]) == [["j"], [], many, [], ["j"]]
        assert reader.seen_rows([]) == []
        assert reader.seen_items(["u3", "nobody", "u2"]).rows() == [("u3", "j")]
