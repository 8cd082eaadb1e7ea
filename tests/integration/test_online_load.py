"""Loads of the online store: what they write, delete and refuse (Feast on SQLite, for real)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.schema import Entity
from feature_repo.store import loading, sqlite_load, sqlite_reader, sqlite_rows
from feature_repo.store.definitions import view_name
from feature_repo.store.online_rows import UNKNOWN_TIME
from feature_repo.store.sqlite_online import open_store
from feature_repo.store.sqlite_rows import LOADS, key_of, tables_in
from feature_repo.store.store import Store
from tests.integration.store_world import (
    ACTIVITY,
    HISTORY,
    HOURS,
    PROFILE,
    SCHEMA,
    TYPES,
    USERS,
    hour,
    write,
)


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


def without(user: str, tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {
        name: table.filter(pl.col("user_id") != user) if "user_id" in table.columns else table
        for name, table in tables.items()
    }


def test_a_reader_sees_a_user_before_a_load_or_after_it_in_all_views(
    tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.load_online(Entity.USER, hour(100))
    store.apply(write(tmp_path / "later", without("u3", tables)))
    reader = open_store(SCHEMA, store.home)
    before, seen, stored = reader.read_online(Entity.USER, USERS), [], sqlite_load._stored

    def spied(change: sqlite_load.Change) -> Iterator[tuple[Any, ...]]:
        yield from stored(change)
        seen.append(reader.read_online(Entity.USER, USERS))  # this view is written, the next one is not

    monkeypatch.setattr(sqlite_load, "_stored", spied)
    monkeypatch.setattr(loading, "_IDS_PER_LOAD", 4)
    store.load_online(Entity.USER, hour(300))
    after = reader.read_online(Entity.USER, USERS)
    changed = [not before[n].equals(after[n]) for n in range(len(USERS))]
    assert sum(changed) > 5
    assert after["event_timestamp"][USERS.index("u3")] is None
    assert len(seen) == 6
    for each in seen:
        assert all(each[n].equals(before[n]) or each[n].equals(after[n]) for n in range(len(USERS)))


def test_a_load_between_the_queries_of_a_read_is_not_seen(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.load_online(Entity.USER, hour(100))
    reader = open_store(SCHEMA, store.home)
    before, selected = reader.read_online(Entity.USER, USERS), sqlite_reader._selected
    load = Thread(target=store.load_online, args=(Entity.USER, hour(300)))

    def interrupted(*arguments: Any) -> list[sqlite_reader.StoredRow]:
        rows = selected(*arguments)
        if load.ident is None:
            load.start()
            load.join(timeout=1)
        return rows

    monkeypatch.setattr(sqlite_reader, "KEYS_PER_QUERY", 4)
    monkeypatch.setattr(sqlite_reader, "_selected", interrupted)
    assert_frame_equal(reader.read_online(Entity.USER, USERS), before)
    load.join()
    assert not reader.read_online(Entity.USER, USERS).equals(before)


def test_a_load_keeps_no_reader_waiting(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.load_online(Entity.USER, hour(100))
    monkeypatch.setattr(sqlite_rows, "WAIT_SECONDS", 0.2)
    reader = open_store(SCHEMA, store.home)
    with closing(sqlite3.connect(store.home / "online.db", isolation_level=None)) as load:
        load.execute("BEGIN EXCLUSIVE")  # as a load whose changes are more than SQLite keeps in memory
        assert (reader.read_rows(Entity.USER, USERS).times_B > UNKNOWN_TIME).sum() > 5


def test_the_moment_of_the_features_is_that_of_the_last_whole_load(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of quiet users are old and right: their times say nothing."""
    store.load_online(Entity.USER, hour(HOURS + 200))
    reader = open_store(SCHEMA, store.home)
    assert reader.read_online(Entity.USER, USERS)["event_timestamp"].max() < hour(HOURS + 200)
    assert reader.loaded_until(Entity.USER) == store.loaded_until(Entity.USER) == hour(HOURS + 200)
    store.load_online(Entity.USER, hour(HOURS + 300))  # not one row differs
    assert reader.loaded_until(Entity.USER) == hour(HOURS + 300)

    def cut_off(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "write_changes", cut_off)
    with pytest.raises(KeyboardInterrupt):
        store.load_online(Entity.USER, hour(HOURS + 400))
    assert reader.loaded_until(Entity.USER) == hour(HOURS + 300)


def test_a_home_without_notes_has_feasts_own(store: Store) -> None:
    """As an earlier Gatehouse wrote it."""
    store.load_online(Entity.USER, hour(200))
    with closing(sqlite3.connect(store.home / "online.db")) as connection:
        connection.execute(f"DROP TABLE {LOADS}")
    assert open_store(SCHEMA, store.home).loaded_until(Entity.USER) == hour(200)


def test_a_row_that_is_pushed_while_a_load_finds_its_changes_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.load_online(Entity.USER, hour(200))
    now = {"user_id": ["u2"], "event_timestamp": [hour(350)], "created": [hour(350)]}
    pushed = pl.DataFrame(now | {"count": [7.0], "last": [1], "city": ["pushed"]})
    written = loading.write_changes

    def late(*arguments: Any) -> int:
        store._feast.write_to_online_store(view_name(SCHEMA, ACTIVITY), pushed.to_pandas())
        return written(*arguments)

    monkeypatch.setattr(loading, "write_changes", late)
    store.load_online(Entity.USER, hour(300))
    assert store.read_rows(Entity.USER, ["u2"]).columns["city"] == ["pushed"]
    store.load_online(Entity.USER, hour(300), anew=True)
    assert store.read_rows(Entity.USER, ["u2"]).columns["city"] != ["pushed"]


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
    store.apply(write(tmp_path / "later", without("u3", tables)))
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


def test_no_byte_of_a_deleted_user_stays(tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]) -> None:
    city = pl.when(pl.col("user_id") == "u3").then(pl.lit("Atlantis under the sea")).otherwise("city")
    store.apply(write(tmp_path / "named", {**tables, "user_activity": tables["user_activity"].with_columns(city=city)}))
    store.load_online(Entity.USER, hour(HOURS + 200))
    reader = open_store(SCHEMA, store.home)
    assert reader.read_rows(Entity.USER, ["u3"]).columns["city"] == ["Atlantis under the sea"]

    def bytes_on_disk() -> bytes:
        return b"".join(path.read_bytes() for path in sorted(store.home.glob("online.db*")))

    assert b"Atlantis" in bytes_on_disk()
    store.forget_all_but(Entity.USER, pl.Series(USERS).filter(pl.Series(USERS) != "u3"))
    assert b"Atlantis" not in bytes_on_disk()


def test_on_a_server_an_empty_row_takes_the_place_of_a_deleted_user(
    tmp_path: Path, store: Store, tables: dict[str, pl.DataFrame]
) -> None:
    server = Store(SCHEMA, tmp_path / "server")
    server._ids.sqlite = None  # as with an online store that cannot delete
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
