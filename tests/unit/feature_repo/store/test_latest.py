"""Rows that a load of the online store writes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from feature_repo.schema import Entity, Feature, Kind, View
from feature_repo.store.latest import differs, newest_rows, read_rows

VIEW = View(
    name="user_profile",
    entity=Entity.USER,
    features=(Feature(name="city", kind=Kind.CATEGORICAL), Feature(name="tags", kind=Kind.MULTI_VALUED, length=3)),
)
TYPES = {
    "user_id": pl.String,
    "event_timestamp": pl.Datetime("us"),
    "created": pl.Datetime("us"),
    "city": pl.String,
    "tags": pl.List(pl.String),
}


def day(number: int, microsecond: int = 0) -> datetime:
    return datetime(2024, 1, number, 0, 0, 0, microsecond)


def rows(*given: tuple[str, datetime, datetime, str | None, list[str] | None]) -> pl.DataFrame:
    return pl.DataFrame(list(given), schema=TYPES, orient="row")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    table = rows(
        ("a", day(1), day(1), "old", []),
        ("a", day(3), day(3), "wrong", []),
        ("a", day(3), day(4), "corrected", []),
        ("a", day(5), day(9), "late", []),
        ("b", day(8), day(8), "later", []),
    )
    table.write_parquet(tmp_path / "table.parquet")
    return tmp_path / "table.parquet"


@pytest.mark.parametrize(
    ("as_of", "wanted"),
    [
        (day(2), {"a": "old"}),
        (day(3), {"a": "wrong"}),
        (day(7), {"a": "corrected"}),
        (day(8), {"a": "corrected", "b": "later"}),
        (day(9), {"a": "late", "b": "later"}),
    ],
)
def test_a_row_counts_from_when_it_is_true_and_known(path: Path, as_of: datetime, wanted: dict[str, str]) -> None:
    newest = newest_rows(path, VIEW, as_of)
    assert dict(read_rows(path, VIEW, newest).select("user_id", "city").iter_rows()) == wanted


@pytest.mark.parametrize(
    ("now", "differ"),
    [
        (("a", day(1), day(1), "x", ["t"]), False),
        (("a", day(1, 999), day(1), "x", ["t"]), False),  # online stores keep seconds
        (("a", day(2), day(1), "x", ["t"]), True),
        (("a", day(1), day(1), "y", ["t"]), True),
        (("a", day(1), day(1), None, ["t"]), True),
        (("a", day(1), day(1), "x", ["t", "u"]), True),
        (("a", day(1), day(1), "x", None), True),
    ],
)
def test_a_row_that_is_not_online_in_every_value_differs(now: tuple[object, ...], differ: bool) -> None:
    online = rows(("a", day(1), day(1), "x", ["t"]))
    assert differs(rows(now), online, VIEW).to_list() == [differ]  # type: ignore[arg-type]
    assert differs(online, rows(now), VIEW).to_list() == [differ]  # type: ignore[arg-type]
