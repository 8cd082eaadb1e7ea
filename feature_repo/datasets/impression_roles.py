"""Roles of the columns of impressions beside user, item and time, guessed by name and values."""

from __future__ import annotations

import re
from collections.abc import Collection

import polars as pl

from feature_repo.datasets.impressions import KEYS, MAX_CONTEXTS, OPTIONAL
from feature_repo.datasets.roles import File
from feature_repo.truths import TRUTHS

_ID = r"[\W_]*(?:id|ids|key|uuid|no)"
_NAMES = {
    "request": rf"(?:request|answer|search|query|impression|slate|page[\W_]*view|result){_ID}",
    "position": r"(?:item[\W_]*)?(?:position|pos|rank)",
    "row": r"(?:grid[\W_]*)?row",
    "column": r"(?:grid[\W_]*)?(?:column|col)",
    "click": r"(?:is[\W_]*|was[\W_]*)?click(?:ed|s)?",
    "reward": r"reward",
    "propensity": r"propensity(?:[\W_]*score)?|pscore",
    "randomised": r"(?:is[\W_]*)?random(?:i[sz]ed)?(?:[\W_]*(?:order|group))?",
}
_CONTEXT = re.compile(r"device|platform|browser|surface|placement|slot|layout|channel|page[\W_]*type", re.IGNORECASE)
_FEW = 100
"""Most values of a column that is taken for one of the surroundings."""


def impression_roles(file: File, taken: Collection[str | None]) -> dict[str, str | None]:
    """Columns of the keys of a section `impressions`; None for a key without one.

    Args:
        file: the impressions.
        taken: columns that have a role.
    """
    free = [name for name in file.frame.columns if name not in taken]
    user, item = file.ids()
    return {
        key: next((name for name in free if _is_named(pattern, name) and _can_be(key, file, name, user, item)), None)
        for key, pattern in _NAMES.items()
    }


def surroundings(file: File, taken: Collection[str | None]) -> list[str]:
    """Columns of the surroundings, by their own names.

    Args:
        file: the impressions.
        taken: columns that have a role.
    """
    names = [name for name in file.frame.columns if name not in taken and _CONTEXT.search(name) and name.isidentifier()]
    found = [name for name in names if name not in (*KEYS, *OPTIONAL) and _is_group(file.frame[name])]
    return found[:MAX_CONTEXTS]


def _is_group(values: pl.Series) -> bool:
    return (values.dtype in (pl.String, pl.Boolean) or values.dtype.is_integer()) and values.n_unique() <= _FEW


def _is_named(pattern: str, name: str) -> bool:
    return bool(re.fullmatch(pattern, name, re.IGNORECASE))


def _can_be(key: str, file: File, name: str, user: str | None, item: str | None) -> bool:
    """Whether the values of a column are of a role.

    Args:
        key: the role.
        file: the impressions.
        name: the column.
        user: column of the user.
        item: column of the item.
    """
    values = file.frame[name].drop_nulls()
    if key == "request":
        # An id of each row is none of an answer; an answer has an item once.
        rows = file.frame.drop_nulls(name).select(name, *(column for column in (user, item) if column))
        return values.n_unique() < len(values) and not bool(rows.is_duplicated().any())
    if values.dtype.is_nested():
        return False
    if key == "click":
        texts = values.cast(pl.String).str.to_lowercase()
        return not values.dtype.is_temporal() and bool(texts.is_in(list(TRUTHS)).all())
    if key == "randomised":
        return not values.dtype.is_temporal() and not values.dtype.is_float()
    if not values.dtype.is_numeric() or values.is_empty():
        return False
    if key == "propensity":
        return bool(values.is_between(0, 1, closed="right").all())
    return key == "reward" or (values.dtype.is_integer() and int(values.min()) >= 1)  # type: ignore[arg-type]
