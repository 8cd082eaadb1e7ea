"""Facts that every answer needs: seen and withdrawn items.

They do not depend on the schema of a release.

They lie in the online store as two views of their own, so a release of any schema reads
those of the newest run. The history that a tower reads is cut at its last items; what a
user has seen is not.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.feature import Feature, Kind
from feature_repo.schema import CREATED_TIME, ENTITY_TIME, ITEM_ID, USER_ID, Entity, Schema, View
from feature_repo.store.definitions import table_path
from feature_repo.tables.snapshots import known_before
from feature_repo.tables.types import TIME

SEEN, WITHDRAWN = "seen", "withdrawn"
UNBOUNDED = 1_000_000_000


def seen_schema(dataset: str) -> Schema:
    """Schema of the items that each user has seen."""
    seen = Feature(name=SEEN, kind=Kind.MULTI_VALUED, length=UNBOUNDED, tower=False)
    return Schema(
        dataset=dataset,
        seen_items_may_return=False,
        features_version=1,  # a set of ids: served by releases of every version
        views=(View(name="user_seen", entity=Entity.USER, features=(seen,)),),
    )


def withdrawn_schema(dataset: str) -> Schema:
    """Schema of the items that are not in the data any more; only these have rows."""
    withdrawn = Feature(name=WITHDRAWN, kind=Kind.NUMERIC, tower=False)
    return Schema(
        dataset=dataset,
        seen_items_may_return=False,
        features_version=1,  # a set of ids: served by releases of every version
        views=(View(name="item_withdrawn", entity=Entity.ITEM, features=(withdrawn,)),),
    )


def write_seen(events: pl.DataFrame, users: pl.Series, moment: datetime, folder: Path) -> None:
    """Write the distinct items of each user known before a moment.

    Args:
        events: canonical events.
        users: ids of all users.
        moment: time of the rows.
        folder: folder of the tables.
    """
    lists = seen_lists(known_before(events, moment))
    rows = users.alias(USER_ID).to_frame().join(lists, on=USER_ID, how="left").with_columns(pl.col(SEEN).fill_null([]))
    _write(rows.sort(USER_ID), seen_schema("any").views[0], moment, folder)


def seen_lists(events: pl.DataFrame) -> pl.DataFrame:
    """Distinct items of each user with events, sorted."""
    return events.group_by(USER_ID).agg(pl.col(ITEM_ID).unique().sort().alias(SEEN))


def write_withdrawn(items: Collection[str], moment: datetime, folder: Path) -> None:
    """Write the items that are withdrawn.

    Args:
        items: their ids.
        moment: time of the rows.
        folder: folder of the tables.
    """
    rows = pl.DataFrame({ITEM_ID: sorted(items)}, schema={ITEM_ID: pl.String}).with_columns(
        pl.lit(1.0).alias(WITHDRAWN)
    )
    _write(rows, withdrawn_schema("any").views[0], moment, folder)


def _write(rows: pl.DataFrame, view: View, moment: datetime, folder: Path) -> None:
    """Write a table whose rows are true and known from one moment on.

    Args:
        rows: keys and values.
        view: their view.
        moment: the moment.
        folder: folder of the tables.
    """
    path = table_path(folder, view)
    path.parent.mkdir(parents=True, exist_ok=True)
    times = {name: pl.lit(moment, TIME) for name in (ENTITY_TIME, CREATED_TIME)}
    rows.with_columns(**times).select(view.entity.key, *times, *view.columns).write_parquet(path)
