"""Times as text: each form gives its moment, and an open order of day and month is asked."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from feature_repo.datasets.infer_kinds import as_typed, epoch_of
from feature_repo.datasets.raw_table import RawTable
from feature_repo.datasets.time_column import read_times
from feature_repo.errors import InputError

MOMENT = datetime(2024, 2, 1, 10, 20, 30)


def read(*cells: object, epoch: str | None = None, dates: str | None = None) -> list[datetime | None]:
    raw = RawTable(name="t.csv", frame=pl.DataFrame({"at": cells}), columns={"at": "at"}, epoch=epoch, dates=dates)  # type: ignore[arg-type]
    return read_times(raw, "at").to_list()


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-01 10:20:30",
        "2024-02-01T10:20:30Z",
        "2024-02-01t10:20:30z",
        "2024-02-01 10:20:30 UTC",
        "2024-02-01 12:20:30+02:00",
        "2024-02-01 12:20:30 +02:00",
        "2024-02-01 12:20:30+0200",
        "2024-02-01 12:20:30+02",
        "2024-02-01T11:20:30+01:00[Europe/Berlin]",
        "2024/02/01 10:20:30",
        "20240201102030",
        "20240201T102030Z",
        "01.02.2024 10:20:30",
        "Thu, 01 Feb 2024 10:20:30 +0000",
        "Thu, 1 Feb 2024 10:20:30 GMT",
        "Thu Feb 01 10:20:30 +0000 2024",
        "Thu Feb 1 10:20:30 2024",
        "Feb 1, 2024 10:20:30 AM",
        "01-Feb-2024 10:20:30",
    ],
)
def test_forms(text: str) -> None:
    assert read(text) == [MOMENT]
    assert as_typed(pl.Series("at_time", [text, None])).dtype == pl.Datetime


def test_forms_of_days_and_fractions() -> None:
    assert read("20240131", "2024-01-31", "31 Jan 2024") == [datetime(2024, 1, 31)] * 3
    assert read("2024-02-01 10:20:30,5") == [MOMENT.replace(microsecond=500_000)]
    assert read("2024-12-31 24:00:00") == [datetime(2025, 1, 1)]
    assert read(20240131) == [datetime(2024, 1, 31)]
    assert read("1950-01-29 01:50:26") == [datetime(1950, 1, 29, 1, 50, 26)]


@pytest.mark.parametrize(
    ("cells", "second"), [(("31/01/2024", "01/02/2024"), (2, 1)), (("01/31/2024", "01/02/2024"), (1, 2))]
)
def test_the_order_of_day_and_month_by_evidence(cells: tuple[str, str], second: tuple[int, int]) -> None:
    assert read(*cells)[1] == datetime(2024, *second)


def test_an_open_order_is_asked() -> None:
    with pytest.raises(InputError, match="day or month first"):
        read("01/02/2024", "03/04/2024")
    assert read("01/02/24 5:06 PM", dates="day-first") == [datetime(2024, 2, 1, 17, 6)]
    assert read("01/02/24", dates="month-first") == [datetime(2024, 1, 2)]


def test_both_orders_in_one_column_are_refused() -> None:
    with pytest.raises(InputError, match="not a time"):
        read("31/01/2024", "01/31/2024")


@pytest.mark.parametrize("text", ["hello", "2024-02-30", "10:20", "2024-02-01 10:20 CET"])
def test_other_text_names_the_forms(text: str) -> None:
    with pytest.raises(InputError, match=r"not a time; wanted ISO 8601.*RFC 2822"):
        read("2024-01-01", text)


@pytest.mark.parametrize(
    ("cell", "epoch"),
    [
        ("1706782830.000", "s"),
        ("1.706782830E+09", "s"),
        ("1706782830000", "ms"),
        (1706782830.0, "s"),
        (1706782830000000, "us"),
    ],
)
def test_epochs_as_text_float_and_scientific(cell: object, epoch: str) -> None:
    assert read(cell, epoch=epoch) == [MOMENT]
    assert epoch_of(as_typed(pl.Series("timestamp", [cell]))) == epoch


def test_a_wrong_unit_near_1970_is_found_and_times_before_1970_are_read() -> None:
    with pytest.raises(InputError, match="within 116 days of 1970; is epoch: ms the right unit"):
        read(1706782830, epoch="ms")
    assert read(-628_000_000, epoch="s") == [datetime(1950, 2, 6, 11, 33, 20)]
