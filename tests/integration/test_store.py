"""Feast, for real (DuckDB, SQLite): its join against an independent as-of join, its online rows against its join."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.errors import InputError
from feature_repo.schema import Entity
from feature_repo.store.sqlite_online import SqliteStore, open_store
from feature_repo.store.store import Store
from feature_repo.tables.join import join_as_of
from tests.integration.store_world import (
    ACTIVITY,
    HISTORY,
    HOURS,
    PROFILE,
    SCHEMA,
    USERS,
    hour,
    queries,
    write,
)


def oracle(frame: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The same join by hand: every pair, those in the future struck out, the newest and last corrected kept."""
    asked = frame.with_row_index("row")
    for view in SCHEMA.views_of(Entity.USER):
        rows = tables[view.name].rename({"event_timestamp": "true"})
        pairs = asked.select("row", "user_id", "event_timestamp").join(rows, on="user_id")
        known = pairs.filter(pl.max_horizontal("true", "created") <= pl.col("event_timestamp"))
        newest = known.filter(pl.col("true") == pl.col("true").max().over("row"))
        newest = newest.filter(pl.col("created") == pl.col("created").max().over("row"))
        asked = asked.join(newest.select("row", *view.columns), on="row", how="left", maintain_order="left")
    return asked.drop("row")


def test_the_join_is_an_as_of_join(store: Store, tables: dict[str, pl.DataFrame]) -> None:
    asked = queries()
    joined = store.join(Entity.USER, asked)
    assert_frame_equal(joined, oracle(asked, tables))
    of_users = {view.name: tables[view.name] for view in SCHEMA.views_of(Entity.USER)}
    assert_frame_equal(join_as_of(asked, of_users, Entity.USER), joined)
    assert joined["last"].drop_nulls().min() >= 2**52
    assert {0, 2} <= set(joined["history_items"].list.len().drop_nulls())
    assert joined["history_items"].null_count() < joined.height


def test_order_count_and_other_columns_are_kept(store: Store) -> None:
    asked = queries().with_columns(weight=pl.int_range(300))
    joined = store.join(Entity.USER, asked)
    assert_frame_equal(joined.select(asked.columns), asked)
    backwards = store.join(Entity.USER, asked.reverse())
    assert_frame_equal(backwards, joined.reverse())


def test_no_query_gives_no_row_but_all_columns(store: Store) -> None:
    asked = queries()
    assert_frame_equal(store.join(Entity.USER, asked.head(0)), store.join(Entity.USER, asked).head(0))


def test_the_future_changes_nothing(tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]) -> None:
    cut = hour(200)
    asked = queries().filter(pl.col("event_timestamp") <= cut)
    before = store.join(Entity.USER, asked)
    shuffled = {}
    for name, table in tables.items():
        later = pl.max_horizontal("event_timestamp", "created") > cut
        past, future = table.filter(~later), table.filter(later)
        values = future.columns[3:]
        future = future.with_columns(future.select(values).sample(fraction=1, shuffle=True, seed=5))
        shuffled[name] = pl.concat([future.reverse(), past])
        assert not shuffled[name].sort(table.columns[:3]).equals(table.sort(table.columns[:3]))
    write(tmp_path / "tables", shuffled)
    assert_frame_equal(store.join(Entity.USER, asked), before)
    write(tmp_path / "tables", {name: table.filter(~later) for name, table in tables.items()})
    assert_frame_equal(store.join(Entity.USER, asked), before)


def test_a_row_is_unseen_until_it_is_known(tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]) -> None:
    late = tables["user_activity"][:1].with_columns(
        user_id=pl.lit("u11"), event_timestamp=pl.lit(hour(10)), created=pl.lit(hour(20)), count=pl.lit(7.0)
    )
    write(tmp_path / "tables", {"user_activity": pl.concat([tables["user_activity"], late])})
    asked = pl.DataFrame({"user_id": ["u11"] * 4, "event_timestamp": [hour(n) for n in (9, 10, 19, 20)]})
    assert store.join(Entity.USER, asked)["count"].to_list() == [None, None, None, 7.0]
    assert store.load_online(Entity.USER, hour(19)) > 0
    assert store.read_online(Entity.USER, ["u11"])["count"].to_list() == [None]
    store.load_online(Entity.USER, hour(20))
    assert store.read_online(Entity.USER, ["u11"])["count"].to_list() == [7.0]


def test_duplicates_nulls_and_wrong_types_are_refused(store: Store) -> None:
    asked = queries()[:5]
    with pytest.raises(InputError, match=r"more than once \(2 rows; for example \('u"):
        store.join(Entity.USER, pl.concat([asked, asked[:1]]))
    with pytest.raises(InputError, match=r"column 'user_id': is null \(1 rows"):
        store.join(Entity.USER, asked.with_columns(user_id=pl.Series([*asked["user_id"][:4], None])))
    with pytest.raises(InputError, match=r"column 'event_timestamp': got .*'ns'.* wanted .*'us'"):
        store.join(Entity.USER, asked.cast({"event_timestamp": pl.Datetime("ns")}))
    with pytest.raises(InputError, match="column 'user_id': got no such column"):
        store.join(Entity.USER, asked.drop("user_id"))


@pytest.mark.parametrize("number", [4, 200, HOURS + 200])
def test_online_is_the_join_at_that_moment(store: Store, number: int) -> None:
    store.load_online(Entity.USER, hour(number))
    asked = pl.DataFrame({"user_id": USERS}).with_columns(event_timestamp=pl.lit(hour(number)).cast(pl.Datetime("us")))
    online = store.read_online(Entity.USER, USERS)
    assert_frame_equal(online.drop("event_timestamp"), store.join(Entity.USER, asked).drop("event_timestamp"))


def test_online_time_is_that_of_the_newest_row(store: Store, tables: dict[str, pl.DataFrame]) -> None:
    store.load_online(Entity.USER, hour(200))
    newest: dict[str, datetime] = {}
    for view in (ACTIVITY, HISTORY):
        known = tables[view.name].filter(pl.max_horizontal("event_timestamp", "created") <= hour(200))
        last = known.sort("event_timestamp", "created").unique("user_id", keep="last")
        # A row without any value is as none.
        told = last.filter(~pl.all_horizontal(pl.col(name).is_null() for name in view.columns))
        for user, true in told.select("user_id", "event_timestamp").iter_rows():
            newest[user] = max(true, newest.get(user, true))
    online = store.read_online(Entity.USER, USERS)
    assert dict(online.select("user_id", "event_timestamp").iter_rows()) == {u: newest.get(u) for u in USERS}


def test_unknown_ids_give_nulls_and_order_is_kept(store: Store) -> None:
    store.load_online(Entity.USER, hour(HOURS))
    online = store.read_online(Entity.USER, ["u3", "nobody", "u1", "u3"])
    assert online["user_id"].to_list() == ["u3", "nobody", "u1", "u3"]
    assert online.row(1) == ("nobody", *[None] * (online.width - 1))
    assert online.row(0) == online.row(3) != online.row(2)
    assert store.read_online(Entity.USER, []).schema == online.schema


def test_everybody_in_the_tables_is_known(store: Store, tables: dict[str, pl.DataFrame]) -> None:
    store.load_online(Entity.USER, hour(HOURS + 200))
    named = [table["user_id"] for table in tables.values() if "user_id" in table.columns]
    assert store.known(Entity.USER) == sorted(set(pl.concat(named)))
    assert set(store.known(Entity.USER)) < set(USERS)


def test_another_process_that_applies_other_tables_changes_nothing(
    tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]
) -> None:
    """Two runs at once share a schema, and so the names in the registry."""
    wanted = store.join(Entity.USER, queries())
    other = Store(SCHEMA, store.home)
    other.apply(write(tmp_path / "other", {name: table[::2] for name, table in tables.items()}))
    assert_frame_equal(store.join(Entity.USER, queries()), wanted)
    assert_frame_equal(other.join(Entity.USER, queries()), oracle(queries(), {n: t[::2] for n, t in tables.items()}))
    store.load_online(Entity.USER, hour(HOURS + 200))
    asked = pl.DataFrame({"user_id": USERS}).with_columns(
        event_timestamp=pl.lit(hour(HOURS + 200)).cast(pl.Datetime("us"))
    )
    online = store.read_online(Entity.USER, USERS)
    assert_frame_equal(online.drop("event_timestamp"), store.join(Entity.USER, asked).drop("event_timestamp"))


def test_another_schema_leaves_the_kept_release_readable(
    tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]
) -> None:
    store.load_online(Entity.USER, hour(200))
    before = store.read_online(Entity.USER, USERS)
    fewer = replace(ACTIVITY, features=ACTIVITY.features[:1])
    newer = Store(replace(SCHEMA, views=(fewer, HISTORY, PROFILE)), store.home)
    newer.apply(write(tmp_path / "newer", tables | {"user_activity": tables["user_activity"][:, :4]}))
    assert newer.read_online(Entity.USER, ["u1"])["event_timestamp"].item() is None
    newer.load_online(Entity.USER, hour(300))
    assert "city" not in newer.read_online(Entity.USER, ["u1"]).columns
    assert_frame_equal(store.read_online(Entity.USER, USERS), before)
    assert_frame_equal(Store(SCHEMA, store.home).read_online(Entity.USER, USERS), before)
    assert newer.service(Entity.USER) != store.service(Entity.USER)


def test_two_datasets_share_a_home(tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]) -> None:
    store.load_online(Entity.USER, hour(200))
    before = store.read_online(Entity.USER, USERS)
    films = Store(replace(SCHEMA, dataset="films"), store.home)
    films.apply(write(tmp_path / "films", {name: table.head(40) for name, table in tables.items()}))
    films.load_online(Entity.USER, hour(100))
    asked = queries()
    assert_frame_equal(films.join(Entity.USER, asked), oracle(asked, {n: t.head(40) for n, t in tables.items()}))
    assert_frame_equal(store.read_online(Entity.USER, USERS), before)
    assert not films.read_online(Entity.USER, USERS).equals(before)


def test_apply_names_what_is_wrong_with_a_file(tmp_path: Path, tables: dict[str, pl.DataFrame]) -> None:
    store = Store(SCHEMA, tmp_path / "home")
    with pytest.raises(InputError, match=r"user_activity\.parquet: no such file"):
        store.apply(tmp_path / "tables")
    write(tmp_path / "tables", tables | {"user_activity": tables["user_activity"].cast({"last": pl.Float64})})
    with pytest.raises(InputError, match=r"user_activity\.parquet: 1 columns unlike the schema: last is Float64"):
        store.apply(tmp_path / "tables")


def test_what_is_not_applied_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"shop_user_{SCHEMA.digest}.*apply its schema first"):
        Store(SCHEMA, tmp_path / "home").read_online(Entity.USER, ["u1"])


SCRIPT = """
import sys; from datetime import datetime; from pathlib import Path; import polars as pl
from feature_repo.schema import Entity, Schema; from feature_repo.store import Store

store = Store(Schema.from_json(sys.argv[1]), Path(sys.argv[2]))
store.apply(Path(sys.argv[3]))
moment = datetime(2021, 3, 14, 8)
asked = pl.DataFrame({"user_id": ["u1"], "event_timestamp": [moment]})
row = store.join(Entity.USER, asked)
store.load_online(Entity.USER, moment)
online = store.read_online(Entity.USER, ["u1"])
assert online.drop("event_timestamp").equals(row.drop("event_timestamp")), (online, row)
row.write_parquet(sys.argv[4])
"""


def test_a_process_is_silent_and_knows_no_local_time(
    tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]
) -> None:
    found = tmp_path / "row.parquet"
    arguments = [SCHEMA.to_json(), str(tmp_path / "other"), str(tmp_path / "tables"), str(found)]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"TZ": "America/New_York", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    row = pl.read_parquet(found)
    assert_frame_equal(row, oracle(row.select("user_id", "event_timestamp"), tables))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_sqlite_reads_what_feast_reads(store: Store, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Feast keeps times as the clock of the machine reads them."""
    assert type(open_store(replace(SCHEMA, dataset="other"), store.home)) is Store
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        store.load_online(Entity.USER, hour(300))
        reader = open_store(SCHEMA, store.home)
        assert isinstance(reader, SqliteStore)
        for asked in (USERS, ["nobody", *USERS[3:], "Ü'\""], [USERS[1], USERS[1]], []):
            assert_frame_equal(reader.read_online(Entity.USER, asked), store.read_online(Entity.USER, asked))
        assert reader.known(Entity.USER) == store.known(Entity.USER)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert type(open_store(SCHEMA, store.home, online={"type": "sqlite", "path": "elsewhere.db"})) is Store
