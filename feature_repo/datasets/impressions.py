"""Columns of impressions beside user, item and times: answer, place, outcome, surroundings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from feature_repo.datasets.columns import read_numbers, read_strings
from feature_repo.datasets.raw_table import RawTable
from feature_repo.schema import ITEM_ID, USER_ID
from feature_repo.truths import TRUTHS

RANDOMISED = "randomised"
"""Column of the group of items whose order in the answer was drawn at random."""
REQUEST = "request_id"
"""Column of the answer that showed the item; with the user it names the answer."""
KEYS = (USER_ID, ITEM_ID, "timestamp", "created")
"""Columns that all impressions have."""
PLACES = ("position", "row", "column")
"""Columns of where an item stood, from 1."""
_TIME = pl.Datetime("us")
OPTIONAL: Mapping[str, pl.DataType] = {
    REQUEST: pl.String(),
    **dict.fromkeys(PLACES, pl.Int32()),
    "click": pl.Boolean(),
    "reward": pl.Float64(),
    "propensity": pl.Float64(),
    RANDOMISED: pl.String(),
    "click_known": _TIME,
    "reward_known": _TIME,
}
"""Further columns, each there if a source has it; null is unknown. Only the event log has
the last two, the times at which click and reward became known."""
MAX_PLACE = 1_000_000
"""Largest position, row or column."""
MAX_CONTEXTS = 20
"""Most columns of the surroundings."""
MAX_VALUES = 10_000
"""Most distinct values of one of them: each gets a weight."""
_MOMENT = "moment of the answer"
"""Name that no context column can have."""


def context_of(columns: Iterable[str]) -> tuple[str, ...]:
    """Names of the surroundings among the columns of impressions."""
    return tuple(name for name in columns if name not in KEYS and name not in OPTIONAL)


def ordered(impressions: pl.DataFrame) -> pl.DataFrame:
    """Impressions with their columns in the order of the canonical table."""
    found = impressions.columns
    return impressions.select(*KEYS, *(name for name in OPTIONAL if name in found), *sorted(context_of(found)))


def answer_key(columns: Iterable[str]) -> list[pl.Expr]:
    """Columns that name the answer of an impression: user and request, or user and time.

    Args:
        columns: columns of the impressions.
    """
    if REQUEST not in columns:
        return [pl.col(USER_ID), pl.col("timestamp").alias(_MOMENT)]
    return [pl.col(USER_ID), pl.col(REQUEST), pl.when(pl.col(REQUEST).is_null()).then("timestamp").alias(_MOMENT)]


def read_shown(table: RawTable, ids: tuple[pl.Series, pl.Series]) -> list[pl.Series]:
    """Columns of a file of impressions beside those of `KEYS`.

    Args:
        table: raw impressions.
        ids: users and items of its rows.

    Raises:
        InputError: a value that cannot be used, too many values of the surroundings, or
            an item that stands twice in an answer.
    """
    readers = {
        REQUEST: read_strings,
        **dict.fromkeys(PLACES, _read_places),
        "click": read_truths,
        "reward": read_numbers,
        "propensity": _read_propensities,
        RANDOMISED: _read_groups,
    }
    columns = [read(table, name) for name, read in readers.items() if name in table.columns]
    if REQUEST in table.columns:
        _refuse_twice(table, *ids, columns[0])
    return columns + [_read_surroundings(table, name) for name in sorted(context_of(table.columns))]


def read_truths(table: RawTable, name: str) -> pl.Series:
    """Truth values as Boolean: those of a file, 1 and 0, or words such as yes and no."""
    raw = table.known(name)
    if not raw.dtype.is_numeric() and raw.dtype not in (pl.String, pl.Boolean, pl.Null):
        raise table.wrong_type(name, "truth values")
    text = raw.cast(pl.String).str.strip_chars().str.to_lowercase()
    truths = text.replace_strict(TRUTHS, default=None, return_dtype=pl.Boolean).alias(name)
    if (unread := truths.is_null() & raw.is_not_null()).any():
        raise table.bad(name, "no truth value; wanted true or false, 1 or 0, or nothing where unknown", unread)
    return truths


def _read_places(table: RawTable, name: str) -> pl.Series:
    places = read_numbers(table, name)
    wrong = (places != places.floor()) | ~places.is_between(1, MAX_PLACE)
    if wrong.any():
        wanted = f"no whole number from 1 to {MAX_PLACE:,}; count from 1, and leave what is unknown empty"
        raise table.bad(name, wanted, wrong.fill_null(False))
    return places.cast(OPTIONAL[name])


def _read_propensities(table: RawTable, name: str) -> pl.Series:
    shares = read_numbers(table, name)
    wrong = (shares <= 0) | (shares > 1)
    if wrong.any():
        wanted = "no probability above 0, at most 1, of showing the item there; leave what is unknown empty"
        raise table.bad(name, wanted, wrong.fill_null(False))
    return shares


def _read_groups(table: RawTable, name: str) -> pl.Series:
    """Groups as text; words for no, and 0, are none."""
    groups = read_strings(table, name)
    truth = groups.str.strip_chars().str.to_lowercase().replace_strict(TRUTHS, default=True, return_dtype=pl.Boolean)
    return pl.select(pl.when(truth).then(groups).alias(name)).to_series()


def _read_surroundings(table: RawTable, name: str) -> pl.Series:
    values = read_strings(table, name)
    if (distinct := values.drop_nulls().n_unique()) > MAX_VALUES:
        problem = f"{distinct:,} different values; wanted at most {MAX_VALUES:,}, because each gets a weight"
        raise table.bad(name, f"{problem}: group them, or leave the column out of `context`", values.is_not_null())
    return values


def _refuse_twice(table: RawTable, users: pl.Series, items: pl.Series, requests: pl.Series) -> None:
    twice = pl.select(~pl.struct(users, items, requests).is_first_distinct() & requests.is_not_null()).to_series()
    if twice.any():
        problem = f"the same item twice in an answer, which is a user and a value of {table.columns[REQUEST]!r}"
        todo = "leave the repeated rows out, or `request` out of gatehouse.yaml"
        raise table.bad(ITEM_ID, f"{problem}; wanted once: {todo}", twice)
