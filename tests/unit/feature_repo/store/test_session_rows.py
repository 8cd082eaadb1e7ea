"""Sessions in front of stored histories, against the offline table of the same events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Entity
from feature_repo.store.online_rows import UNKNOWN_TIME, OnlineRows
from feature_repo.store.session_rows import with_sessions
from feature_repo.tables.build import feature_tables
from tests.logs import MOMENTS, Event, microseconds, random_events, tables_of

NOW = MOMENTS[-1] + timedelta(days=3)
MICROSECOND = timedelta(microseconds=1)


def columns_of(tables: Tables, moment: datetime, user: str) -> dict[str, Any]:
    """Values of a user's views at a moment, as the online store has them."""
    found = feature_tables(tables, Entity.USER, (moment,))
    rows = [table.filter(user_id=user, event_timestamp=moment) for table in found.values()]
    return {name: row[name].to_list() for row in rows for name in row.columns if name not in ("user_id", "created")}


def stored(tables: Tables, user: str) -> OnlineRows:
    columns = columns_of(tables, MOMENTS[-1], user)
    del columns["event_timestamp"]
    return OnlineRows(ids=[user], times_B=np.array([microseconds(MOMENTS[-1])]), columns=columns)


def with_events(events: list[Event], user: str, session: list[str]) -> list[Event]:
    """The log with a session whose last item comes one microsecond before NOW."""
    times = [NOW - n * MICROSECOND for n in range(len(session), 0, -1)]
    pairs = zip(session, times, strict=True)
    new = [{"user_id": user, "item_id": id_, "timestamp": time, "created": time} for id_, time in pairs]
    return [*events, *(events[0] | each for each in new)]


def answered(rows: OnlineRows, tables: Tables, *sessions: list[str]) -> OnlineRows:
    now_B = np.full(len(rows.ids), microseconds(NOW))
    return with_sessions(rows, tables.schema.views_of(Entity.USER), sessions, now_B)


@pytest.mark.parametrize("length", [4, 100])
@pytest.mark.parametrize("seed", range(3))
def test_histories_are_those_of_the_offline_table(seed: int, length: int) -> None:
    events = [each for each in random_events(seed) if each["created"] < MOMENTS[-1]]
    tables = tables_of(events, length=length)
    for user in ("u0", "u1", "u2"):
        rows = stored(tables, user)
        met = [*rows.columns["history_items"][0][1:3], "i_new"]
        session = [*met, met[0], "i_new", "i_new"]
        found = answered(rows, tables, session).columns
        wanted = columns_of(tables_of(with_events(events, user, session), length=length), NOW, user)
        for part in ("items", "times", "counts"):
            assert found[f"history_{part}"] == wanted[f"history_{part}"]
        # Each step rounds to a microsecond, the table once.
        assert found["history_decayed"][0] == pytest.approx(wanted["history_decayed"][0], rel=0, abs=4)
        others = [name for name in rows.columns if not name.startswith("history_")]
        assert {name: found[name] for name in others} == {name: rows.columns[name] for name in others}


def test_a_user_of_whom_nothing_is_stored_is_described_by_the_session() -> None:
    tables = tables_of(random_events(0), length=4)
    known = stored(tables, "u1")
    columns = {name: [*values, None, None] for name, values in known.columns.items()}
    times_B = np.array([*known.times_B, UNKNOWN_TIME, UNKNOWN_TIME])
    rows = OnlineRows(ids=["u1", "new", "nobody"], times_B=times_B, columns=columns)
    found = answered(rows, tables, [], ["a", "b", "a"], [])
    now = microseconds(NOW)
    assert found.times_B.tolist() == [known.times_B[0], now, UNKNOWN_TIME]
    assert found.take([0]).columns == known.columns
    assert found.columns["history_items"][1:] == [["a", "b"], None]
    assert found.columns["history_times"][1] == [now - 1, now - 2]
    assert found.columns["history_counts"][1] == [2, 1]
    assert {found.columns[name][1] for name in found.columns if not name.startswith("history_")} == {None}


def test_a_store_that_is_away_leaves_the_session() -> None:
    tables = tables_of(random_events(0), length=2)
    empty = OnlineRows(ids=["new"], times_B=np.array([UNKNOWN_TIME]), columns={})
    found = answered(empty, tables, ["a", "b", "c"])
    assert found.columns["history_items"] == [["c", "b"]]
    assert set(found.columns) == {name for view in tables.schema.views_of(Entity.USER) for name in view.columns}


def test_without_sessions_nothing_is_copied() -> None:
    tables = tables_of(random_events(0), length=2)
    rows = stored(tables, "u1")
    assert answered(rows, tables, []) is rows
