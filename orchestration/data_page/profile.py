"""Profile of a dataset: what the page shows, and what the next run compares with.

It is plain data, and holds no id of a person: of ids their forms, and a sample of hashes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl

from feature_repo.datasets.canonical import Tables, profile_features
from feature_repo.datasets.impressions import PLACES, REQUEST
from feature_repo.datasets.reading import Dropped, Reading
from feature_repo.schema import ITEM_ID, USER_ID, Entity, Kind
from orchestration.data_page.columns import Column, profile_column
from orchestration.data_page.log import count_days, per_entity
from orchestration.data_page.shown import Shown, count_shown

FORMAT = 1
"""Layout of the JSON; raised when an older one can no longer be compared with."""
EVENT_KINDS = {
    USER_ID: Kind.ID,
    ITEM_ID: Kind.ID,
    "timestamp": Kind.TIMESTAMP,
    "created": Kind.TIMESTAMP,
    "value": Kind.NUMERIC,
    "basket_id": Kind.ID,
    "event_id": Kind.ID,
}
"""Kinds of the columns of events."""
IMPRESSION_KINDS = EVENT_KINDS | {
    REQUEST: Kind.ID,
    **dict.fromkeys((*PLACES, "reward", "propensity"), Kind.NUMERIC),
    "click": Kind.CATEGORICAL,
    **dict.fromkeys(("click_known", "reward_known"), Kind.TIMESTAMP),
}
"""Kinds of the columns of impressions; others are categorical."""


@dataclass(frozen=True, kw_only=True)
class TableProfile:
    """Profile of one canonical table."""

    rows: int
    """Rows of the table."""
    reading: Reading | None
    """Account of its files; None for a table that no file holds."""
    columns: Mapping[str, Column]
    """Columns by name."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Profile of a dataset."""

    dataset: str
    """Name of the dataset."""
    now: datetime
    """Present time of the run, naive UTC."""
    first: datetime
    """Time of the first event."""
    last: datetime
    """Time of the last event."""
    tables: Mapping[str, TableProfile]
    """Events, users, items, and impressions where there are any."""
    days: pl.DataFrame
    """Events of each day, as `count_days` gives them."""
    per_user: Mapping[str, float]
    """Quantiles of the number of events of a user."""
    per_item: Mapping[str, float]
    """Quantiles of the number of events of an item."""
    unread: Mapping[str, str]
    """Files that are there and not read, with the reason."""
    notes: tuple[str, ...]
    """Findings of the reader."""
    shown: Shown | None = None
    """Counts of the impressions; None without any."""

    def to_json(self) -> dict[str, Any]:
        """Write the profile as plain data."""
        raw = {**vars(self), "tables": {name: asdict(table) for name, table in self.tables.items()}}
        raw["shown"] = asdict(self.shown) if self.shown else None
        times = {name: getattr(self, name).isoformat() for name in ("now", "first", "last")}
        days = self.days.with_columns(pl.col("day").dt.to_string("iso")).to_dict(as_series=False)
        return {**json.loads(json.dumps({**raw, **times, "days": days})), "format": FORMAT}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Profile:
        """Read what `to_json` wrote."""
        given = {name: value for name, value in raw.items() if name != "format"}
        given |= {name: datetime.fromisoformat(raw[name]) for name in ("now", "first", "last")}
        days = pl.DataFrame(raw["days"])  # of values that are all missing nothing tells the type
        given["days"] = days.with_columns(pl.col("day").str.to_date(), pl.col(pl.Null).cast(pl.Float64))
        given["tables"] = {name: _table(each) for name, each in raw["tables"].items()}
        given["shown"] = Shown.from_json(raw["shown"]) if raw.get("shown") else None  # none in former profiles
        return cls(**given | {"notes": tuple(raw["notes"])})


def _table(raw: Mapping[str, Any]) -> TableProfile:
    reading = raw["reading"]
    if reading:
        dropped = tuple(Dropped(**each) for each in reading["dropped"])
        texts = {name: tuple(reading[name]) for name in ("files", "unused")}
        reading = Reading(rows=reading["rows"], dropped=dropped, **texts)
    columns = {name: Column.from_json(each) for name, each in raw["columns"].items()}
    return TableProfile(rows=raw["rows"], reading=reading, columns=columns)


def profile_tables(tables: Tables, now: datetime) -> Profile:
    """Profile canonical tables.

    Args:
        tables: the tables.
        now: present time of the run.
    """
    users, items = (
        {entity.key: Kind.ID} | {each.name: each.kind for each in profile_features(tables.schema, entity)}
        for entity in Entity
    )
    kinds = {"events": EVENT_KINDS, "users": users, "items": items, "impressions": IMPRESSION_KINDS}
    frames = {name: getattr(tables, name) for name in kinds}
    events = tables.events
    return Profile(
        dataset=tables.schema.dataset,
        now=now,
        first=events["timestamp"].item(0),
        last=events["timestamp"].item(-1),
        tables={
            name: TableProfile(
                rows=frame.height,
                reading=tables.readings.get(name),
                columns={
                    column.name: profile_column(column, kinds[name].get(column.name, Kind.CATEGORICAL))
                    for column in frame
                },
            )
            for name, frame in frames.items()
            if frame is not None
        },
        days=count_days(events),
        per_user=per_entity(events[USER_ID]),
        per_item=per_entity(events[ITEM_ID]),
        unread=tables.unread,
        notes=tables.notes,
        shown=None if tables.impressions is None else count_shown(tables.impressions),
    )
