"""Filters: their meaning in polars against plain Python, and refusals.

tests/integration/test_index.py holds Milvus to the same meaning.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from serving.index import filters

FIELDS = {"department": pl.String(), "price": pl.Float64()}
ITEMS = pl.DataFrame(
    {
        "department": ["food", "food", "toys", "toys", None, None],
        "price": [1.0, None, 1.0, 5.0, 1.0, None],
    }
)

Row = tuple[str | None, float | None]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ('department == "food"', lambda d, p: d == "food"),
        ("department != 'food'", lambda d, p: d is not None and d != "food"),
        ("not department == 'food'", lambda d, p: d is not None and d != "food"),
        ("department in ('food', 'x')", lambda d, p: d == "food"),
        ("not department in ['food', 'x']", lambda d, p: d is not None and d not in ("food", "x")),
        ("price < 5", lambda d, p: p is not None and p < 5),
        ("not price < 5", lambda d, p: p is not None and p >= 5),
        ("not (price < 5 and department == 'toys')",
         lambda d, p: (p is not None and p >= 5) or (d is not None and d != "toys")),
        ("not (price >= 5 or not department == 'toys')", lambda d, p: p is not None and p < 5 and d == "toys"),
        ("price == 1 or price == -2.5 or price == 5", lambda d, p: p in (1, 5)),
    ],
)  # fmt: skip
def test_missing_values_match_nothing(text: str, meaning: Callable[..., bool]) -> None:
    matches = ITEMS.select(filters.to_polars(filters.parse(text, FIELDS))).to_series()
    assert matches.to_list() == [meaning(*row) for row in ITEMS.iter_rows()]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("brand == 'x'", "filterable fields are department, price"),
        ("department == price", "wanted a constant"),
        ("price == 'cheap'", "wanted a number"),
        ("price == True", "finite number"),
        ("price < 1e999", "finite number"),
        ("department == 3", "wanted text"),
        ("department < 'food'", "wanted ==, !=, in or not in"),
        ("price == [1]", "`in` takes a list"),
        ("price in 1", "`in` takes a list"),
        ("price in []", "`in` takes a list"),
        ("0 < price < 5", "wanted `field operator constant`"),
        ("__import__('os').system('x')", "wanted `field operator constant`"),
        ("price + 1 == 2", "wanted `field operator constant`"),
        ("price", "wanted `field operator constant`"),
        ("price ==", "cannot read the filter"),
        ("not " * 5_000 + "price == 1", "at most 10,000"),
        ("(" * 3_000 + "price == 1" + ")" * 3_000, "cannot read the filter"),
    ],
)
def test_an_unusable_filter_is_named(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match="filter") as caught:
        filters.parse(text, FIELDS)
    assert problem in str(caught.value)


def test_constants_reach_milvus_quoted() -> None:
    parsed = filters.parse("""department == 'a" or price > 0 or department == "b'""", FIELDS)
    assert filters.to_milvus(parsed) == r'department == "a\" or price > 0 or department == \"b"'
    negated = filters.parse("not (department in ['a', 'b'] or price < -1)", FIELDS)
    assert filters.to_milvus(negated) == '((department != "a" and department != "b") and price >= -1.0)'
