"""The fingerprint tells content apart, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest

from feature_repo.datasets import tiny
from feature_repo.datasets.canonical import Tables, canonicalise
from feature_repo.datasets.fingerprint import fingerprint
from feature_repo.datasets.raw_table import RawTable

TABLES = tiny.generate(seed=0)


def through_files(tables: Tables, seed: int) -> Tables:
    """Shop in another row order, with further rows equal in user, item and time."""

    def raw(name: str, frame: pl.DataFrame) -> RawTable:
        shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
        return RawTable(name=name, frame=shuffled, columns={column: column for column in frame.columns}, epoch="us")

    twins = tables.events.head(5).with_columns(pl.col("value") + 1)
    return canonicalise(
        tables.schema,
        events=raw("events", pl.concat([tables.events, twins])),
        users=raw("users", tables.users),
        items=raw("items", tables.items),
    )


def test_a_fingerprint_counts_rows_and_names_the_range() -> None:
    found = fingerprint(TABLES)
    assert (found.events, found.users, found.items) == (TABLES.events.height, 200, 300)
    assert found.first == TABLES.events["timestamp"].min()
    assert found.last == TABLES.events["timestamp"].max()
    assert isinstance(found.first, datetime)


def test_row_order_of_the_files_does_not_matter() -> None:
    assert fingerprint(through_files(TABLES, seed=1)) == fingerprint(through_files(TABLES, seed=2))


@pytest.mark.parametrize(
    ("table", "column", "change"),
    [
        ("events", "value", pl.col("value") + 1e-9),
        ("events", "created", pl.col("created") + pl.duration(microseconds=1)),
        ("users", "style", pl.lit(None, pl.String)),
        ("items", "picture", pl.col("picture").list.reverse()),
        ("items", "tags", pl.col("tags").list.head(0)),
    ],
)
def test_one_changed_value_changes_the_fingerprint(table: str, column: str, change: pl.Expr) -> None:
    frame: pl.DataFrame = getattr(TABLES, table)
    row = frame[column].is_not_null().arg_true()[-1]
    changed = frame.with_columns(pl.when(pl.int_range(pl.len()) == row).then(change).otherwise(column).alias(column))
    assert not changed.equals(frame)
    assert fingerprint(Tables(**{**vars(TABLES), table: changed})).sha256 != fingerprint(TABLES).sha256


def test_impressions_change_it_and_none_leave_it_as_it_was() -> None:
    shown = replace(TABLES, impressions=TABLES.events.select("user_id", "item_id", "timestamp", "created"))
    assert shown.impressions is not None
    fewer = replace(shown, impressions=shown.impressions.head(-1))
    assert len({fingerprint(tables).sha256 for tables in (TABLES, shown, fewer)}) == 3
    assert (fingerprint(TABLES).impressions, fingerprint(fewer).impressions) == (0, shown.impressions.height - 1)


def test_a_value_moved_to_the_next_row_changes_it() -> None:
    moved = TABLES.events.with_columns(pl.col("value").shift(1))
    assert fingerprint(replace(TABLES, events=moved)).sha256 != fingerprint(TABLES).sha256
