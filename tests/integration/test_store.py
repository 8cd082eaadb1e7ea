"""Feast, for real (DuckDB, SQLite): its join against an independent as-of join, its online rows against its join."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.schema import Entity
from feature_repo.store.sqlite_online import SqliteStore, open_store
from feature_repo.store.sqlite_rows import key_of, tables_in
from feature_repo.store.store import Store
from feature_repo.tables.join import join_as_of
from tests.integration.store_world import (
    ACTIVITY,
    HISTORY,
    HOURS,
    PROFILE,
    SCHEMA,
    TYPES,
    USERS,
    hour,
    log,
    queries,
    write,
)


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    return {view.name: log(view, 250, seed) for seed, view in enumerate(SCHEMA.views)}


@pytest.fixture
def store(tmp_path: Path, tables: dict[str, pl.DataFrame]) -> Store:
    store = Store(SCHEMA, tmp_path / "home")
    store.apply(write(tmp_path / "tables", tables))
    return store


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
    rows = pl.concat(
        [tables[view.name].select("user_id", "event_timestamp", "created") for view in (ACTIVITY, HISTORY)]
    )
    known = rows.filter(pl.max_horizontal("event_timestamp", "created") <= hour(200))
    newest = dict(known.group_by("user_id").agg(pl.col("event_timestamp").max()).iter_rows())
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


def test_a_load_never_rewinds(tmp_path: Path, store: Store) -> None:
    store.load_online(Entity.USER, hour(200))
    before = store.read_online(Entity.USER, USERS)
    with pytest.raises(InputError, match="already loaded as of 2021-03-09 08:00:00"):
        store.load_online(Entity.USER, hour(199))
    again = Store(SCHEMA, store.home)
    again.apply(tmp_path / "tables")
    with pytest.raises(NewerOnlineError, match="already loaded"):
        again.load_online(Entity.USER, hour(0))
    assert_frame_equal(again.read_online(Entity.USER, USERS), before)


def test_a_load_anew_goes_back_and_later_loads_go_on_from_there(store: Store) -> None:
    """A load for a time to come would refuse all others for ever."""
    store.load_online(Entity.USER, hour(100_000))
    store.load_online(Entity.USER, hour(200), anew=True)
    assert store.loaded_until(Entity.USER) == hour(200)
    asked = pl.DataFrame({"user_id": USERS}).with_columns(event_timestamp=pl.lit(hour(200)).cast(pl.Datetime("us")))
    for wanted in (200, 300):
        store.load_online(Entity.USER, hour(wanted))
        asked = asked.with_columns(event_timestamp=pl.lit(hour(wanted)).cast(pl.Datetime("us")))
        online = store.read_online(Entity.USER, USERS)
        assert_frame_equal(online.drop("event_timestamp"), store.join(Entity.USER, asked).drop("event_timestamp"))
    with pytest.raises(NewerOnlineError):
        store.load_online(Entity.USER, hour(299))


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


def rows_of(store: Store, user: str) -> int:
    """Online rows of a user, over all tables of the database."""
    path = store.home / "online.db"
    with closing(sqlite3.connect(path)) as connection:
        query = 'SELECT count(*) FROM "{}" WHERE entity_key = ?'
        counts = [connection.execute(query.format(name), [key_of(Entity.USER, user)]) for name in tables_in(path)]
        return sum(count.fetchone()[0] for count in counts)


def test_a_user_who_vanished_from_the_tables_vanishes_online(
    tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]
) -> None:
    store.load_online(Entity.USER, hour(200))
    others = store.read_online(Entity.USER, [user for user in USERS if user != "u3"])
    assert rows_of(store, "u3") > 0
    without = {
        name: table.filter(pl.col("user_id") != "u3") if "user_id" in table.columns else table
        for name, table in tables.items()
    }
    store.apply(write(tmp_path / "later", without))
    assert store.load_online(Entity.USER, hour(200)) == 0
    assert rows_of(store, "u3") == 0
    assert "u3" not in store.known(Entity.USER)
    assert store.read_online(Entity.USER, ["u3"])["event_timestamp"].item() is None
    assert_frame_equal(store.read_online(Entity.USER, [user for user in USERS if user != "u3"]), others)


def test_a_deleted_user_vanishes_from_the_views_of_all_schemas(
    tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]
) -> None:
    store.load_online(Entity.USER, hour(200))
    fewer = replace(ACTIVITY, features=ACTIVITY.features[:1])
    newer = Store(replace(SCHEMA, views=(fewer, HISTORY, PROFILE)), store.home)
    newer.apply(write(tmp_path / "newer", tables | {"user_activity": tables["user_activity"][:, :4]}))
    films = Store(replace(SCHEMA, dataset="films"), store.home)
    films.apply(tmp_path / "tables")
    for each in (newer, films):
        each.load_online(Entity.USER, hour(200))
    of_others = rows_of(films, "u4"), len(films.known(Entity.USER))
    assert newer.forget_all_but(Entity.USER, pl.Series(USERS).filter(pl.Series(USERS) != "u3")) == 1
    assert "u3" not in store.known(Entity.USER) + newer.known(Entity.USER)
    assert "u3" in films.known(Entity.USER)
    assert (rows_of(films, "u4"), len(films.known(Entity.USER))) == of_others
    assert newer.forget_all_but(Entity.USER, pl.Series(USERS)) == 0


def test_on_a_server_an_empty_row_takes_the_place_of_a_deleted_user(
    tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]
) -> None:
    server = Store(SCHEMA, tmp_path / "server")
    server._ids._sqlite = None  # as with an online store that cannot delete
    server.apply(tmp_path / "tables")
    server.load_online(Entity.USER, hour(200))
    assert "u3" in server.known(Entity.USER)
    server.forget_all_but(Entity.USER, pl.Series([user for user in USERS if user != "u3"]))
    row = server.read_online(Entity.USER, ["u3"])
    assert row.drop("user_id").null_count().sum_horizontal().item() == row.width - 1
    assert "u3" not in server.known(Entity.USER)
    server.load_online(Entity.USER, hour(300))
    assert "u3" in server.known(Entity.USER)
    assert server.read_online(Entity.USER, ["u3"])["event_timestamp"].item() is not None


def test_applying_again_does_not_forget_what_is_loaded(tmp_path: Path, store: Store) -> None:
    store.load_online(Entity.USER, hour(200))
    before = store.read_online(Entity.USER, USERS)
    store.apply(tmp_path / "tables")
    assert_frame_equal(store.read_online(Entity.USER, USERS), before)
    with pytest.raises(InputError, match="already loaded"):
        store.load_online(Entity.USER, hour(199))


def test_only_changed_rows_are_written(tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]) -> None:
    first = store.load_online(Entity.USER, hour(HOURS + 200))
    assert first == sum(tables[view.name]["user_id"].n_unique() for view in (ACTIVITY, HISTORY))
    assert store.load_online(Entity.USER, hour(HOURS + 200)) == 0
    corrected = tables["user_activity"].with_columns(
        city=pl.when(pl.col("user_id") == "u2").then(pl.lit("moved")).otherwise("city")
    )
    write(tmp_path / "tables", {"user_activity": corrected})
    assert store.load_online(Entity.USER, hour(HOURS + 200)) == 1
    assert store.read_online(Entity.USER, ["u2"])["city"].item() == "moved"


def test_a_row_that_became_null_overwrites(tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]) -> None:
    store.load_online(Entity.USER, hour(HOURS + 200))
    emptied = tables["user_activity"].with_columns(
        pl.lit(None, dtype=TYPES[name]).alias(name) for name in ACTIVITY.columns
    )
    write(tmp_path / "tables", {"user_activity": emptied})
    store.load_online(Entity.USER, hour(HOURS + 200))
    online = store.read_online(Entity.USER, USERS).select(*ACTIVITY.columns)
    assert online.null_count().sum_horizontal().item() == online.height * online.width


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
