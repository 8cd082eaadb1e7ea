"""One contract of the online stores: SQLite, Redis and Postgres, each a real one.

Loads and reads are the same on all of them. They differ in one point: SQLite changes a user in all views at once, the
others view by view.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.errors import InputError, NewerOnlineError, OnlineStoreError
from feature_repo.schema import Entity
from feature_repo.store import feast_reader, loading
from feature_repo.store.definitions import view_name
from feature_repo.store.online_rows import UNKNOWN_TIME
from feature_repo.store.sqlite_online import open_store
from feature_repo.store.store import Store
from tests.integration.online_servers import KINDS, Server, client_of
from tests.integration.store_world import ACTIVITY, HISTORY, HOURS, SCHEMA, USERS, hour, write

NUMBER = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "redis", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Server | None]:
    if request.param != "sqlite":
        client_of(request.param)
    with KINDS[request.param][1]() if request.param in KINDS else nullcontext() as server:
        yield server


@pytest.fixture(scope="module", params=["redis", "postgres"])
def fragile(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Server that a test may stop."""
    client_of(request.param)
    with KINDS[request.param][1]() as server:
        yield server


def opened(tmp_path: Path, tables: Mapping[str, pl.DataFrame], online: Mapping[str, Any] | None) -> Store:
    """Store of a dataset of its own, before its first load."""
    schema = replace(SCHEMA, dataset=f"shop{next(NUMBER)}")
    store = Store(schema, tmp_path / "home", online=online)
    store.apply(write(tmp_path / "tables", dict(tables)))
    return store


@pytest.fixture
def online(tmp_path: Path, tables: dict[str, pl.DataFrame], server: Server | None) -> Store:
    return opened(tmp_path, tables, server.online if server else None)


def as_joined(store: Store, number: int) -> pl.DataFrame:
    at = pl.lit(hour(number)).cast(pl.Datetime("us"))
    return store.join(Entity.USER, pl.DataFrame({"user_id": USERS}).with_columns(event_timestamp=at))


def reader_of(store: Store) -> Store:
    """Store as another process opens it to serve."""
    configured = store._ids.sqlite is None
    return open_store(store.schema, store.home, online=store._online if configured else None)


def test_rows_are_those_of_the_join_after_each_load(online: Store, tables: dict[str, pl.DataFrame]) -> None:
    reader = None
    for number in (4, 200, HOURS + 200):
        assert online.load_online(Entity.USER, hour(number)) > 0
        reader = reader or reader_of(online)
        frame = reader.read_online(Entity.USER, USERS)
        joined = as_joined(online, number)
        assert_frame_equal(frame.drop("event_timestamp"), joined.drop("event_timestamp"))
        empty = pl.all_horizontal(pl.col(name).is_null() for name in joined.columns[2:])
        assert frame["event_timestamp"].is_null().to_list() == joined.select(empty).to_series().to_list()
        assert frame["event_timestamp"].max() <= hour(number)
        assert reader.loaded_until(Entity.USER) == hour(number)
    truth = pl.concat([tables[view.name].select("event_timestamp") for view in (ACTIVITY, HISTORY)])
    assert set(frame["event_timestamp"].drop_nulls()) <= set(truth["event_timestamp"])
    assert online.load_online(Entity.USER, hour(HOURS + 200)) == 0
    with pytest.raises(NewerOnlineError, match="already loaded"):
        online.load_online(Entity.USER, hour(HOURS))


def test_unknown_and_repeated_ids_and_none(online: Store) -> None:
    online.load_online(Entity.USER, hour(HOURS))
    reader = reader_of(online)
    asked = ["u3", "nobody", "Ü'\"", "u1", "u3"]
    frame = reader.read_online(Entity.USER, asked)
    assert frame["user_id"].to_list() == asked
    assert frame["event_timestamp"].is_null().to_list() == [False, True, True, False, False]
    assert frame.row(0) == frame.row(4) != frame.row(3)
    assert reader.read_rows(Entity.USER, []).ids == []
    assert reader.read_online(Entity.USER, []).schema == frame.schema


def test_a_corrected_row_of_the_same_time_is_written_once(
    tmp_path: Path, online: Store, tables: dict[str, pl.DataFrame]
) -> None:
    online.load_online(Entity.USER, hour(HOURS + 200))
    city = pl.when(pl.col("user_id") == "u2").then(pl.lit("moved")).otherwise("city")
    online.apply(
        write(tmp_path / "tables", {**tables, "user_activity": tables["user_activity"].with_columns(city=city)})
    )
    assert online.load_online(Entity.USER, hour(HOURS + 200)) == 1
    assert online.read_rows(Entity.USER, ["u2"]).columns["city"] == ["moved"]
    assert online.load_online(Entity.USER, hour(HOURS + 200)) == 0


def test_vanished_users_are_unknown_until_they_return(
    tmp_path: Path, online: Store, tables: dict[str, pl.DataFrame]
) -> None:
    online.load_online(Entity.USER, hour(200))
    before = online.read_online(Entity.USER, USERS)
    users = {name: table for name, table in tables.items() if name != "item_profile"}
    fewer = {name: table.filter(pl.col("user_id") != "u3") for name, table in users.items()}
    online.apply(write(tmp_path / "fewer", tables | fewer))
    online.load_online(Entity.USER, hour(200))
    row = online.read_online(Entity.USER, ["u3"])
    assert row.null_count().sum_horizontal().item() == row.width - 1
    assert "u3" not in online.known(Entity.USER)
    online.apply(tmp_path / "tables")
    online.load_online(Entity.USER, hour(200))
    assert_frame_equal(online.read_online(Entity.USER, USERS), before)
    assert online.forget_all_but(Entity.USER, pl.Series(["u1"])) == len(online.known(Entity.USER)) + 9 - 1
    assert online.read_online(Entity.USER, USERS)["event_timestamp"].drop_nulls().len() == 1


def test_a_load_leaves_rows_that_were_pushed_since(online: Store, tables: dict[str, pl.DataFrame]) -> None:
    online.load_online(Entity.USER, hour(200))
    now = hour(250)
    pushed = pl.DataFrame(
        {"user_id": ["u2", "new"], "event_timestamp": [now] * 2, "created": [now] * 2}
        | {"count": [7.0, 8.0], "last": [1, 2], "city": ["here", "there"]}
    )
    name = view_name(online.schema, ACTIVITY)
    online._feast.write_to_online_store(name, pushed.to_pandas())
    kept = online._ids.of(online.project, name, Entity.USER) | {"new"}
    online._ids.write(name, kept)
    online.load_online(Entity.USER, hour(249))
    rows = online.read_rows(Entity.USER, ["u2", "new"])
    assert (rows.columns["city"], rows.columns["count"]) == (["here", "there"], [7.0, 8.0])
    assert "new" in online.known(Entity.USER)
    assert rows.columns["history_items"][0] == as_joined(online, 249)["history_items"].to_list()[USERS.index("u2")]
    online.load_online(Entity.USER, hour(250))
    assert online.read_rows(Entity.USER, ["u2", "new"]).columns["city"] == [
        as_joined(online, 250)["city"][USERS.index("u2")],
        None,
    ]


def test_a_reader_sees_each_view_before_a_load_or_after_it(online: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite does so for all views at once, see test_online_load."""
    online.load_online(Entity.USER, hour(100))
    reader, ended, seen = reader_of(online), Event(), []
    before = reader.read_online(Entity.USER, USERS)

    def read() -> None:
        while not ended.is_set():
            seen.append(reader.read_online(Entity.USER, USERS))

    thread = Thread(target=read)
    thread.start()
    monkeypatch.setattr(loading, "_IDS_PER_LOAD", 3)
    online.load_online(Entity.USER, hour(300))
    ended.set()
    thread.join()
    after = reader.read_online(Entity.USER, USERS)
    assert not after.equals(before)
    for view in (ACTIVITY, HISTORY):
        old, new = (each.select(*view.columns).rows() for each in (before, after))
        for frame in seen:
            rows = frame.select(*view.columns).rows()
            assert all(row in (old[n], new[n]) for n, row in enumerate(rows))


def test_a_server_that_is_away_is_named_and_found_again(
    tmp_path: Path, tables: dict[str, pl.DataFrame], fragile: Server
) -> None:
    store = opened(tmp_path, tables, fragile.online)
    store.load_online(Entity.USER, hour(200))
    fragile.stop()
    named = rf"online store \w+ at 127\.0\.0\.1:{fragile.port}.*GATEHOUSE_ONLINE_STORE"
    begin = time.monotonic()
    for reader in (store, reader_of(store)):
        with pytest.raises(OnlineStoreError, match=named):
            reader.read_rows(Entity.USER, USERS)
    with pytest.raises(OnlineStoreError, match=named):
        store.load_online(Entity.USER, hour(300))
    assert time.monotonic() - begin < 20
    fragile.start()
    store.load_online(Entity.USER, hour(300))  # Redis kept nothing
    found, wanted = store.read_online(Entity.USER, USERS), as_joined(store, 300)
    assert_frame_equal(found.drop("event_timestamp"), wanted.drop("event_timestamp"))


def test_a_server_that_was_started_anew_is_read_at_once(
    tmp_path: Path, tables: dict[str, pl.DataFrame], fragile: Server
) -> None:
    store = opened(tmp_path, tables, fragile.online)
    assert (store.read_rows(Entity.USER, USERS).times_B == UNKNOWN_TIME).all()
    fragile.stop()
    fragile.start()
    assert (store.read_rows(Entity.USER, USERS).times_B == UNKNOWN_TIME).all()


def test_a_server_that_hangs_is_not_waited_for(
    tmp_path: Path, tables: dict[str, pl.DataFrame], fragile: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path, tables, fragile.online)
    store.load_online(Entity.USER, hour(200))
    known = store.read_online(Entity.USER, USERS)
    monkeypatch.setattr(feast_reader, "READ_SECONDS", 0.5)
    with fragile.held():
        for _ in range(2):  # over an open connection, and over a new one
            begin = time.monotonic()
            with pytest.raises(OnlineStoreError, match=f":{fragile.port}.* no answer in time"):
                store.read_rows(Entity.USER, USERS)
            assert time.monotonic() - begin < 5
    monkeypatch.undo()
    assert_frame_equal(store.read_online(Entity.USER, USERS), known)


def test_names_that_postgres_would_cut_are_refused(tmp_path: Path) -> None:
    online = {"type": "postgres", "host": "nowhere", "database": "any", "user": "any", "password": "secret"}
    with pytest.raises(InputError, match=r"has 7\d bytes, and Postgres keeps 63: give the dataset a shorter name"):
        Store(replace(SCHEMA, dataset="a" * 50), tmp_path, online=online)


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_a_missing_client_is_named(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"pip install 'gatehouse\[{kind}\]'"):
        Store(SCHEMA, tmp_path, online={"type": kind}).read_rows(Entity.USER, ["u1"])


def test_no_message_has_a_password() -> None:
    from feature_repo.store.online_server import address

    redis = {"type": "redis", "connection_string": "one:6379,two:6379,password=secret"}
    postgres = {"type": "postgres", "host": "there", "port": 1, "database": "db", "user": "me", "password": "secret"}
    assert address(redis) == "online store redis at one:6379,two:6379"
    assert address(postgres) == "online store postgres at there:1/db"
