"""Rows of the event log in SQLite: tables, statements, and events as rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from feature_repo.events.event import Event
from feature_repo.utc import microseconds

FORMAT = 1
"""Number of the tables' layout, kept as `user_version`."""
CONTENT = (
    *("event_id", "kind", "user_id", "item_id", "time"),
    *("value", "basket_id", "request_id", "position", "propensity", "row", "column", "randomised"),
)
"""Columns that make two events of one id the same."""
_COLUMNS = ", ".join(CONTENT)
TABLES = """
CREATE TABLE IF NOT EXISTS events (sequence INTEGER PRIMARY KEY, arrived INTEGER NOT NULL,
event_id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, user_id TEXT NOT NULL, item_id TEXT NOT NULL, time INTEGER NOT NULL,
value REAL, basket_id TEXT, request_id TEXT, position INTEGER, propensity REAL,
row INTEGER, column INTEGER, randomised TEXT);
CREATE TABLE IF NOT EXISTS offsets (consumer TEXT PRIMARY KEY, sequence INTEGER NOT NULL);
"""
ADDED = (("events", "row", "INTEGER"), ("events", "column", "INTEGER"), ("events", "randomised", "TEXT"))
"""Columns that files of former versions lack, with their table and type."""
INSERT = f"INSERT INTO events (sequence, arrived, {_COLUMNS}) VALUES (?, ?{', ?' * len(CONTENT)})"
KNOWN = f"SELECT sequence, {_COLUMNS} FROM events WHERE event_id IN (SELECT value FROM json_each(?))"
READ = (
    f"SELECT sequence, arrived, {_COLUMNS} FROM events WHERE sequence > ? AND user_id <> '' ORDER BY sequence LIMIT ?"
)
NEWEST = "SELECT sequence FROM events WHERE user_id <> '' ORDER BY sequence DESC LIMIT 1"
LAST = "SELECT sequence, arrived FROM events ORDER BY sequence DESC LIMIT 1"
COMMIT = """
INSERT INTO offsets VALUES (?, ?) ON CONFLICT (consumer) DO UPDATE SET sequence = max(sequence, excluded.sequence)
"""
FORGET = """
UPDATE events SET event_id = char(0) || sequence, kind = '', user_id = '', item_id = '', time = 0, value = NULL,
basket_id = NULL, request_id = NULL, position = NULL, propensity = NULL,
row = NULL, column = NULL, randomised = NULL WHERE user_id = ?
"""
"""Blanks rows: their numbers and arrivals stay, so that no later event gets them."""
COUNT = "SELECT count(*) FROM events WHERE user_id = ?"
NOTE = """
INSERT INTO events (sequence, arrived, event_id, kind, user_id, item_id, time)
SELECT sequence + 1, max(arrived + 1, ?), char(0) || (sequence + 1), 'forgotten', '', ?, 0
FROM (SELECT sequence, arrived FROM events UNION ALL SELECT 0, 0) ORDER BY sequence DESC LIMIT 1
"""
"""Row of a forgotten user, with the digest in the place of an item."""
FORGOTTEN = """
SELECT sequence, arrived, item_id FROM events
WHERE event_id >= char(0) AND event_id < char(1) AND kind = 'forgotten' AND +sequence > ? ORDER BY sequence
"""
"""Finds the notes by the index of ids, in which blanked rows lie first: `+` keeps SQLite
from a walk through all events."""
EPOCH = datetime(1970, 1, 1)

Row = tuple[Any, ...]


def content_of(event: Event) -> Row:
    """Values of an event by `CONTENT`."""
    return (
        *(event.event_id, str(event.kind), event.user_id, event.item_id, microseconds(event.time)),
        *(event.value, event.basket_id, event.request_id, event.position, event.propensity),
        *(event.row, event.column, event.randomised),
    )


def event_of(row: Row) -> Event:
    """Event of a row of `READ`."""
    fields = dict(zip(CONTENT, row[2:], strict=True))
    time = EPOCH + timedelta(microseconds=fields.pop("time"))
    return Event(time=time, arrived=EPOCH + timedelta(microseconds=row[1]), **fields)
