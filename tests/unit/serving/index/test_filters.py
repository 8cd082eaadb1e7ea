"""Filters: their meaning in polars against plain Python, and refusals.

tests/integration/test_index.py holds Milvus to the same meaning.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.index import filters

FIELDS = {"department": pl.String(), "price": pl.Float64()}
STORED = {"department": "field_0", "price": "field_1"}
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
    ("text", "position", "problem"),
    [
        ("brand == 'x'", 1, "filterable fields are department, price"),
        ("price == 1 and brand == 'x'", 16, "filterable fields are department, price"),
        ("department == price", 15, "wanted a constant"),
        ("price == 'cheap'", 10, "wanted a number"),
        ("price == True", 10, "wanted a constant"),
        ("price < 1e999", 9, "finite number"),
        ("price == " + "1" * 400, 10, "finite number"),
        ("department == 3", 15, "wanted text"),
        ("department < 'food'", 12, "wanted ==, !=, in or not in"),
        ("price == [1]", 10, "`in` takes a list"),
        ("department == {[1]}", 15, "wanted `field operator constant`"),
        ("price in 1", 10, "`in` takes a list"),
        ("price in []", 10, "at least one constant"),
        ("price in [1, [2]]", 14, "`in` takes a list"),
        ("price in [1 2]", 13, "wanted ,"),
        ("0 < price < 5", 1, "wanted `field operator constant`"),
        ("price < 5 < 6", 11, "wanted `field operator constant`"),
        ("__import__('os').system('x')", 17, "wanted `field operator constant`"),
        ("price + 1 == 2", 7, "wanted `field operator constant`"),
        ("price = 1", 7, "wanted ==, !=, <, <=, > or >="),
        ("price", 6, "wanted `field operator constant`"),
        ("price ==", 9, "wanted a constant"),
        ("(price == 1", 12, "wanted )"),
        (" ", 2, "wanted `field operator constant`"),
        ("department == 'food", 15, "no closing quote"),
        (r"department == 'a\d'", 17, "unknown escape"),
        (r"department == 'a\U00110000'", 17, "unknown escape"),
        (r"department == '\ud83d'", 15, "half of a character"),
        ("price == 1\0", 11, "wanted `field operator constant`"),
        ("not " * 2_000 + "price == 1", 205, "at most 50"),
        ("not " * 5_000 + "price == 1", 10_001, "at most 10,000"),
        ("(" * 3_000 + "price == 1" + ")" * 3_000, 52, "at most 50"),
    ],
)  # fmt: skip
def test_an_unusable_filter_is_one_error_with_the_position(text: str, position: int, problem: str) -> None:
    with pytest.raises(filters.FilterError, match=f"cannot read the filter, position {position:,}") as caught:
        filters.parse(text, FIELDS)
    assert problem in str(caught.value)
    assert caught.value.position == position
    assert len(str(caught.value)) < 250


PARTS = ["department", "price", "in", "not", "and", "or", "==", "<", "(", ")", "[", "]", ",", "'food'", '"', "'", "\\",
         "1", "-2.5e3", "9" * 400, "{", "}", "\ud800", "\0", "#", "\n", "é", "None", "price == 1", "not in", "=", "`",
         r"'\u12'", "department in ['a', 'b']"]  # fmt: skip
TEXTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PARTS), max_size=40).map(" ".join))


@given(TEXTS)
@settings(max_examples=1_000, deadline=None)
def test_nothing_but_its_own_error_leaves_the_parser(text: str) -> None:
    try:
        parsed = filters.parse(text, FIELDS)
    except filters.FilterError as error:
        assert 1 <= error.position <= len(text) + 1
    else:
        assert ITEMS.select(filters.to_polars(parsed)).height == 6
        assert filters.to_milvus(parsed, STORED, {})


def test_a_filter_as_wide_as_may_be_is_used() -> None:
    text = " or ".join(["price<1"] * 900)
    assert len(text) < filters.MAX_LENGTH
    assert ITEMS.select(filters.to_polars(filters.parse(text, FIELDS))).sum().item() == 0


@pytest.mark.parametrize("name", ["in", "and", "or", "not", "is", "class", "lambda", "None", "like", "ﬁne", "हिन्दी"])
def test_a_field_may_have_any_name(name: str) -> None:
    """Python and Milvus reserve some, and Python reads ﬁne as fine."""
    items, fields = ITEMS.rename({"department": name}), {name: pl.String(), "price": pl.Float64()}
    for text, count in (
        (f"{name} == 'food'", 2),
        (f"not {name} == 'food'", 2),
        (f"not not {name} != 'food'", 2),
        (f"{name} in ['food']", 2),
        (f"{name} not in ('toys', 'x')", 2),
        (f"not {name} in ['food', 'toys']", 0),
        (f"price == 1 and {name} == 'food' or {name} == 'toys'", 3),
        (f"(not {name} not in ['food']) and (price > 0)", 1),
    ):
        matches = items.select(filters.to_polars(filters.parse(text, fields)))
        assert matches.sum().item() == count, text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_a_quoted_constant_is_read_back(value: str) -> None:
    parsed = filters.parse(f"department == {filters.quoted(value)}", FIELDS)
    assert parsed == filters.Comparison("department", "==", (value,))


@pytest.mark.parametrize("value", ["🛒", "a\u0001\u007f\n\r\t\b", "\u2028", "é\\\"'", "\0"])
def test_json_and_python_constants_are_read(value: str) -> None:
    for written in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value)):
        parsed = filters.parse(f"department == {written}", FIELDS)
        assert parsed == filters.Comparison("department", "==", (value,)), written


def test_constants_reach_milvus_quoted_and_fields_by_their_stored_names() -> None:
    parsed = filters.parse("""department == 'a" or price > 0 or department == "b'""", FIELDS)
    assert filters.to_milvus(parsed, STORED, {}) == r'field_0 == "a\" or price > 0 or department == \"b"'
    negated = filters.parse("not (department in ['a', 'b'] or price < -1)", FIELDS)
    assert filters.to_milvus(negated, STORED, {}) == '((field_0 != "a" and field_0 != "b") and field_1 >= -1.0)'
