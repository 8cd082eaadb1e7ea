"""Slices by the values of a field, of users or of items.

Legend: Q queries, N corpus items, V values of a field, P pairs of query and relevant item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MAX_VALUES = 50
"""Values of a field that are measured; of more, those with most users."""
MISSING = "(missing)"
"""Name of the value of whoever has none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Partition:
    """Parts of users or items that do not overlap; a part is a slice."""

    names: tuple[str, ...]
    """Names of the parts."""
    codes: np.ndarray
    """Part of each user [Q] or item [N]; -1 for none."""


@dataclass(frozen=True, kw_only=True)
class FieldSlices:
    """Slices that an evaluation measures beside its own."""

    users: tuple[Partition, ...] = ()
    """Partitions of the users."""
    items: tuple[Partition, ...] = ()
    """Partitions of the items: of each user, the relevant items of a part count."""
    windows: tuple[csr_array, ...] = ()
    """Items that each user takes in each window of the hold-out, sparse [Q, N]."""
    values: Mapping[str, int] = field(default_factory=dict)
    """Values of each field that any user of the hold-out has, measured or not."""


def user_partition(name: str, values: pl.Series) -> tuple[Partition, int]:
    """Part users by a field, and count its values.

    Args:
        name: name of the field.
        values: its value of each user.
    """
    codes_Q, names = _coded(values)
    return _most(name, codes_Q, names, np.bincount(codes_Q, minlength=len(names)))


def item_partition(name: str, values: pl.Series, relevant: csr_array) -> tuple[Partition, int]:
    """Part items by a field, and count its values among relevant items.

    Args:
        name: name of the field.
        values: its value of each item of the corpus.
        relevant: relevant items of each user, sparse [Q, N].
    """
    codes_N, names = _coded(values)
    query_P = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    # Each user counts once for a value, however many of its items are relevant.
    pairs = np.unique(query_P * np.int64(len(names)) + codes_N[relevant.indices])
    return _most(name, codes_N, names, np.bincount(pairs % len(names), minlength=len(names)))


def _coded(values: pl.Series) -> tuple[np.ndarray, list[str]]:
    """Code of each value among the distinct ones, in the order of an Enum, else sorted."""
    texts = values.cast(pl.String).fill_null(MISSING)
    ordered = [*values.dtype.categories, MISSING] if isinstance(values.dtype, pl.Enum) else texts.unique().sort()
    names = list(ordered)
    codes = texts.replace_strict(names, np.arange(len(names)), return_dtype=pl.Int64).to_numpy()
    return codes, names


def _most(name: str, codes: np.ndarray, names: list[str], users_V: np.ndarray) -> tuple[Partition, int]:
    """Keep the values with most users.

    Args:
        name: name of the field.
        codes: value of each user or item.
        names: all values.
        users_V: users of each value.
    """
    there = np.flatnonzero(users_V)
    kept = np.sort(there[np.argsort(-users_V[there], kind="stable")[:MAX_VALUES]])
    part_V = np.full(len(names), -1, np.int32)
    part_V[kept] = np.arange(len(kept))
    return Partition(names=tuple(f"{name}={_line(names[n])}" for n in kept), codes=part_V[codes]), len(there)


def _line(value: str) -> str:
    """Value in one line: it stands in sentences on a terminal."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in value)
