"""Masks of filters over arrays, held to the meaning of the same filters in polars."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.index import filters
from serving.index.filters import Comparison, Junction, Where
from serving.search.fields import Column, ItemFields
from tests.unit.serving.search.search_world import FIELDS, items_of

TEXTS = ["food", "toys", "käse", "", "🛒", "Food"]
NUMBERS = [0.0, -0.0, 1.0, -2.5, 5.0, 1e300, 1e-300]
DAYS = [0, 86_400_000_000, -1, 1_700_000_000_000_000, 2**53 + 1]
ORDERED = ["==", "!=", "<", "<=", ">", ">="]

ITEMS = st.lists(
    st.tuples(
        st.sampled_from([None, *TEXTS[:-1]]),
        st.sampled_from([None, *NUMBERS]),
        st.sampled_from([None, *DAYS]),
    ),
    min_size=1,
    max_size=12,
)


def comparisons() -> st.SearchStrategy[Where]:
    """Comparisons that the parser makes."""
    text, number = st.sampled_from(TEXTS), st.sampled_from([*NUMBERS, *map(float, DAYS)])
    fields = {"department": (text, ["==", "!="]), "price": (number, ORDERED), "listed": (number, ORDERED)}
    one = [
        st.builds(Comparison, st.just(field), st.sampled_from(operators), st.tuples(constant))
        for field, (constant, operators) in fields.items()
    ]
    several = [
        st.builds(
            Comparison,
            st.just(field),
            st.sampled_from(["in", "not in"]),
            st.lists(constant, min_size=1, max_size=4).map(tuple),
        )
        for field, (constant, _) in fields.items()
        if field != "listed"  # polars takes no `in` of integers and the parser's floats
    ]
    return st.one_of(*one, *several)


TREES = st.recursive(
    comparisons(),
    lambda part: st.builds(Junction, st.sampled_from(["and", "or"]), st.lists(part, min_size=1, max_size=4).map(tuple)),
    max_leaves=8,
)


@given(ITEMS, TREES)
@settings(max_examples=150, deadline=None)
def test_a_filter_matches_what_polars_matches(
    rows: list[tuple[str | None, float | None, int | None]], where: Where
) -> None:
    names = ("department", "price", "listed")
    items = pl.DataFrame(rows, schema={name: FIELDS.types[name] for name in names}, orient="row")
    expected = items.select(filters.to_polars(where)).to_series()
    for _ in range(2):  # the second answer comes from the caches
        found_N = ItemFields.of(items, FIELDS).matches(where)
        assert found_N is not None and found_N.dtype == np.bool_
        assert found_N.tolist() == expected.to_list()


def test_a_text_and_its_tree_have_the_same_mask() -> None:
    items = items_of(50)
    fields = ItemFields.of(items, FIELDS)
    text = 'department in ["food", "nothing"] and not price < 0'
    where = FIELDS.parse(text)
    assert where is not None
    expected = items.select(filters.to_polars(where)).to_series().to_list()
    assert fields.matching(text).tolist() == fields.matches(where).tolist() == expected
    assert any(expected)


def test_no_filter_has_no_mask() -> None:
    fields = ItemFields.of(items_of(5), FIELDS)
    assert fields.matches(None) is None
    assert fields.matching(None) is None
    assert fields.matching("") is None


def test_a_mask_comes_from_the_cache_and_cannot_be_changed() -> None:
    fields = ItemFields.of(items_of(50), FIELDS)
    alone = fields.matching("price < 0").tolist()
    mask_N = fields.matching("price < 0 or department == 'food'")
    assert fields.matching("price < 0").tolist() == alone
    assert mask_N is fields.matching("price < 0 or department == 'food'")
    shared_N = fields.matches(Comparison("price", "<", (0.0,)))
    assert shared_N is fields.matching("price < 0")
    for each_N in (mask_N, shared_N):
        with pytest.raises(ValueError, match="read-only"):
            each_N[0] = True


def test_the_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.search.fields.CACHED_BYTES", 150)
    fields = ItemFields.of(items_of(50), FIELDS)
    first_N = fields.matching("price == 0")
    for number in range(1, 4):
        fields.matching(f"price == {number}")
    assert fields.matching("price == 0") is not first_N
    assert fields.matching("price == 3") is fields.matching("price == 3")


def test_unusable_filters_are_refused() -> None:
    fields = ItemFields.of(items_of(5), FIELDS)
    with pytest.raises(filters.FilterError, match="filterable fields are department, listed, price"):
        fields.matching("title == 'Item 1'")
    with pytest.raises(ValueError, match="cannot filter by 'title'"):
        fields.matches(Comparison("title", "==", ("Item 1",)))
    with pytest.raises(ValueError, match="'department' is text"):
        fields.matches(Comparison("department", "<", ("food",)))


@pytest.mark.parametrize("type_", [pl.String(), pl.Float64(), pl.Int64()])
def test_a_field_without_any_value_matches_nothing(type_: pl.DataType) -> None:
    column = Column.of(pl.Series("empty", [None, None], dtype=type_))
    constant = "food" if type_ == pl.String() else 1.0
    for operator in ("==", "!=", "in", "not in"):
        assert column.matches(Comparison("empty", operator, (constant,))).tolist() == [False, False]


def test_nan_counts_as_missing() -> None:
    column = Column.of(pl.Series("price", [float("nan"), 1.0]))
    assert column.matches(Comparison("price", "!=", (2.0,))).tolist() == [False, True]
