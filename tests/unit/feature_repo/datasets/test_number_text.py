"""Numbers as text: each way of writing is read as meant, or asked."""

from __future__ import annotations

import polars as pl
import pytest

from feature_repo.datasets.columns import read_numbers
from feature_repo.datasets.infer_kinds import as_typed, guess_feature
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError
from feature_repo.schema import Entity


def read(*cells: str | None, decimal: str | None = None) -> list[float | None]:
    frame = pl.DataFrame({"x": cells}, schema={"x": pl.String})
    return read_numbers(RawTable(name="t.csv", frame=frame, columns={"x": "x"}, decimal=decimal), "x").to_list()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["1,5", "2"], [1.5, 2]),
        (["$1.5", "$1,000.50", None], [1.5, 1000.5, None]),
        (["5%", "7.5 %"], [0.05, 0.075]),
        (["1.234,50", "7"], [1234.5, 7]),
        (["€ 12", "12,50 €", "EUR 3"], [12, 12.5, 3]),
        (["1 234,5", "3"], [1234.5, 3]),
        (["1'000.50"], [1000.5]),
        (["(1.50)", "-$3"], [-1.5, -3]),
        (["$1,234"], [1234]),
        (["1.234.567", "1"], [1234567, 1]),
        (["0,500"], [0.5]),
        (["1e5", "-2"], [1e5, -2]),
    ],
)
def test_ways_of_writing(cells: list[str | None], wanted: list[float | None]) -> None:
    assert read(*cells) == pytest.approx(wanted)
    assert guess_feature(as_typed(pl.Series("weight", cells)), Entity.ITEM) == {"kind": "numeric"}


def test_a_comma_that_can_be_both_is_asked() -> None:
    with pytest.raises(InputError, match=r"decimal mark or one of thousands.*write decimal: .*'1,234'"):
        read("1,234", "2,500")
    assert read("1,234", decimal=".") == [1234]
    assert read("1,234", decimal=",") == [1.234]


@pytest.mark.parametrize("cell", ["12 pieces", "1,2,3", "1 2", "1.5-", "--"])
def test_other_text_is_no_number(cell: str) -> None:
    with pytest.raises(InputError, match="not a number"):
        read("1", cell)
