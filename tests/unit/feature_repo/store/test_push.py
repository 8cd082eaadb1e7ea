"""Pushes beside loads: whose row wins, to the microsecond, and what becomes of the notes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.feature import Feature, Kind
from feature_repo.schema import Entity, View
from feature_repo.store.feast_values import decode
from feature_repo.store.online_ids import OnlineIds
from feature_repo.store.push import SqlitePusher
from feature_repo.store.sqlite_load import Change, forget_loads, forget_pushed, note_load, write_changes
from feature_repo.store.sqlite_rows import PUSHED, id_of, key_of

VIEWS = [
    View(name=name, entity=Entity.USER, features=(Feature(name=f"{name}_count", kind=Kind.NUMERIC),))
    for name in ("activity", "history")
]
LOADED = datetime(2024, 5, 31, 2, 0, 0, 500)
MICROSECOND = timedelta(microseconds=1)
TABLES = [f"shop_{view.name}" for view in VIEWS]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Tables as Feast makes them, loaded with 0 for u1 and u2."""
    path = tmp_path / "online.db"
    columns = (
        "entity_key BLOB, feature_name TEXT, value BLOB, value_text TEXT, event_ts timestamp, created_ts timestamp"
    )
    with closing(sqlite3.connect(path)) as connection:
        for table in TABLES:
            connection.execute(f'CREATE TABLE "{table}" ({columns}, PRIMARY KEY (entity_key, feature_name))')
    load(path, LOADED, u1=0.0, u2=0.0)
    return path


def changes(moment: datetime, gone: tuple[str, ...] = (), **counts: float) -> list[Change]:
    times = {name: pl.lit(moment, pl.Datetime("us")) for name in ("event_timestamp", "created")}
    users = pl.DataFrame({"user_id": list(counts)}, schema={"user_id": pl.String})
    return [
        Change(
            view=view,
            name=view.name,
            rows=users.with_columns(
                **times, **{f"{view.name}_count": pl.Series(list(counts.values()), dtype=pl.Float64)}
            ),
            gone=gone,
        )
        for view in VIEWS
    ]


def load(path: Path, as_of: datetime, gone: tuple[str, ...] = (), **counts: float) -> int:
    written = write_changes(path, "shop", changes(as_of, gone, **counts), as_of)
    note_load(path, TABLES, as_of)
    return written


def push(path: Path, moment: datetime, base: datetime = LOADED, **counts: float) -> int:
    return SqlitePusher(path, "shop").push(changes(moment, **counts), base)


def online(path: Path) -> dict[str, float]:
    """Count of each user, which both views must agree on."""
    with closing(sqlite3.connect(path)) as connection:
        rows = [connection.execute(f'SELECT entity_key, value FROM "{table}"').fetchall() for table in TABLES]
    counts = [{id_of(Entity.USER, key): decode(value) for key, value in each} for each in rows]
    assert counts[0] == counts[1]
    return counts[0]


def notes(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {id_of(Entity.USER, key) for (key,) in connection.execute(f'SELECT entity_key FROM "{PUSHED}"')}


def test_a_push_replaces_older_rows_and_the_same_moment_again(path: Path) -> None:
    assert push(path, LOADED + MICROSECOND, u1=1.0, u3=3.0) == 4
    assert push(path, LOADED + MICROSECOND, u1=2.0) == 2
    assert online(path) == {"u1": 2.0, "u2": 0.0, "u3": 3.0}


def test_a_push_of_an_older_moment_leaves_the_newer_row(path: Path) -> None:
    push(path, LOADED + 2 * MICROSECOND, u1=2.0)
    assert push(path, LOADED + MICROSECOND, u1=1.0, u2=1.0) == 2
    assert online(path) == {"u1": 2.0, "u2": 1.0}


def test_a_load_leaves_those_who_were_pushed_for_a_later_time(path: Path) -> None:
    push(path, LOADED + 2 * MICROSECOND, u1=2.0, u3=2.0)
    push(path, LOADED + MICROSECOND, u2=1.0)
    assert load(path, LOADED + MICROSECOND, ("u3",), u1=9.0, u2=9.0) == 2
    assert online(path) == {"u1": 2.0, "u2": 9.0, "u3": 2.0}
    assert load(path, LOADED + 2 * MICROSECOND, ("u3",), u1=9.0, u2=8.0) == 4
    assert online(path) == {"u1": 9.0, "u2": 8.0}
    assert "u3" not in notes(path)


def test_a_push_from_older_data_than_was_loaded_is_refused(path: Path) -> None:
    load(path, LOADED + MICROSECOND, u1=5.0)
    with pytest.raises(NewerOnlineError, match="go on from the data of that load"):
        push(path, LOADED + timedelta(days=1), u1=6.0)
    assert SqlitePusher(path, "shop").loaded(["history", "other"]) == {"history": LOADED + MICROSECOND}
    assert online(path)["u1"] == 5.0


def test_a_push_to_what_was_never_loaded_is_refused(path: Path, tmp_path: Path) -> None:
    forget_loads(path, TABLES[:1])
    with pytest.raises(InputError, match="activity were never loaded"):
        push(path, LOADED + MICROSECOND, u1=1.0)
    assert SqlitePusher(tmp_path / "none.db", "shop").loaded(["activity"]) == {}


def test_a_load_anew_replaces_what_was_pushed(path: Path) -> None:
    push(path, LOADED + MICROSECOND, u1=1.0)
    forget_pushed(path, TABLES)
    load(path, LOADED, u1=7.0)
    assert online(path)["u1"] == 7.0


def test_a_deleted_user_leaves_no_note(path: Path, tmp_path: Path) -> None:
    push(path, LOADED + MICROSECOND, u1=1.0, u2=1.0)
    OnlineIds(tmp_path, {"type": "sqlite", "path": str(path)}).delete(
        "shop", ["activity", "history"], Entity.USER, ["u1"]
    )
    assert (notes(path), online(path)) == ({"u2"}, {"u2": 1.0})
    assert key_of(Entity.USER, "u1") not in path.read_bytes()
