"""The contract of the item index, its values, and its shared checks.

A collection belongs to one model version and is never changed in place. Scores are inner products of L2-normalised
vectors, that is, cosines. Results are ordered by score, highest first, and by item id where scores are equal. If more
items tie for the last rank than fit, the index chooses among them; `ExactIndex` takes the smallest ids.

Legend: N items, Q queries, K results, D dimensions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
import polars.selectors as cs

from feature_repo.schema import ITEM_ID, Entity, Kind, Schema
from serving.index import filters

QUERIES_AT_ONCE = 256
MAX_BYTES = 65_535
"""Longest text that Milvus stores, in UTF-8."""
MAX_ELEMENTS = 4_096
"""Longest list that Milvus stores."""
_TYPES: dict[Kind, pl.DataType] = {
    Kind.ID: pl.String(),
    Kind.CATEGORICAL: pl.String(),
    Kind.TEXT: pl.String(),
    Kind.NUMERIC: pl.Float64(),
    Kind.TIMESTAMP: pl.Int64(),
    Kind.MULTI_VALUED: pl.List(pl.String()),
}


@dataclass(frozen=True, kw_only=True)
class Fields:
    """The item fields that are stored beside an embedding."""

    types: Mapping[str, pl.DataType]
    """Polars type by field name."""
    filterable: frozenset[str] = frozenset()
    """Names of the fields that a filter may use."""

    @classmethod
    def of(cls, schema: Schema) -> Fields:
        """Take the filterable and displayed item features of a schema.

        ValueError for a vector or a history.
        """
        stored = [f for f in schema.features_of(Entity.ITEM) if f.filterable or f.display]
        odd = [feature.name for feature in stored if feature.kind not in _TYPES]
        if odd:
            raise ValueError(f"{', '.join(odd)}: vectors and histories cannot be displayed or filtered on")
        return cls(
            types={feature.name: _TYPES[feature.kind] for feature in stored},
            filterable=frozenset(feature.name for feature in stored if feature.filterable),
        )

    def parse(self, where: str | None) -> filters.Where | None:
        """Parse a filter; None stays None.

        Raises:
            filters.FilterError: a filter that cannot be used.
        """
        types = {name: type_ for name, type_ in self.types.items() if name in self.filterable}
        return filters.parse(where, types) if where else None


@dataclass(frozen=True, kw_only=True)
class CollectionInfo:
    """A stored collection."""

    name: str
    rows: int
    dim: int
    fingerprint: str
    """SHA-256 over its ids and fields, in order of id."""
    complete: bool
    """Whether all rows of its build are stored."""


@dataclass(frozen=True)
class Hits:
    """Results of each query, best first; fewer than K where fewer items match."""

    ids: list[list[str]]
    scores: list[np.ndarray]


class ItemIndex(Protocol):
    """Collections of item embeddings, and aliases that point at them."""

    def build(self, name: str, items: pl.DataFrame, vectors_ND: np.ndarray) -> CollectionInfo:
        """Store items with their vectors.

        A complete collection with the same content stays as it is; an incomplete collection is built again.

        Args:
            name: name of the collection.
            items: item_id and the fields, one row for each item.
            vectors_ND: unit vectors, in the order of the rows.

        Raises:
            ValueError: the input cannot be indexed, or a complete collection holds other content.
        """

    def info(self, name: str) -> CollectionInfo | None:
        """Describe a collection; None if there is none of this name."""

    def search(self, name: str, vectors_QD: np.ndarray, k: int, where: str | None = None) -> Hits:
        """Find the k items of the highest scores among those that match.

        Args:
            name: name of the collection.
            vectors_QD: unit vectors of the queries.
            k: number of items for each query; if fewer match, all of them are returned.
            where: filter, in the grammar of `serving.index.filters`; None for all items.
        """

    def fetch(self, name: str, ids: Sequence[str], where: str | None = None) -> dict[str, dict[str, Any]]:
        """Read stored fields by item id.

        Args:
            name: name of the collection.
            ids: items to read; ids that are not stored or do not match are left out.
            where: filter; None for all of them.
        """

    def vectors(self, name: str, ids: Sequence[str], where: str | None = None) -> dict[str, np.ndarray]:
        """Read stored embeddings, float32 [D], by item id.

        Args:
            name: name of the collection.
            ids: items to read; ids that are not stored or do not match are left out.
            where: filter; None for all of them.
        """

    def ids(self, name: str) -> list[str]:
        """List the ids of all stored items, sorted."""

    def contents(self, name: str) -> tuple[pl.DataFrame, np.ndarray]:
        """Read all items with the stored fields, in order of id, and their embeddings."""

    def drop(self, name: str, *, kept: Iterable[str] = ()) -> None:
        """Delete a collection. ValueError if an alias points at it or a release keeps it."""

    def point(self, alias: str, name: str) -> None:
        """Point an alias at a collection. LookupError if there is no such collection."""

    def target(self, alias: str) -> str | None:
        """Return the collection that an alias points at; None if there is no such alias."""


def checked(items: pl.DataFrame, vectors_ND: np.ndarray, fields: Fields) -> tuple[pl.DataFrame, np.ndarray]:
    """Check items and vectors before they are stored.

    Args:
        items: item_id and at least the stored fields.
        vectors_ND: their vectors.
        fields: the stored fields.

    Returns:
        The items in order of id with just the stored columns, and their vectors as float32. Texts and lists that are
            longer than Milvus stores are cut.

    Raises:
        ValueError: a column is missing, ids repeat, or vectors are not of unit length.
    """
    missing = [name for name in (ITEM_ID, *fields.types) if name not in items.columns]
    if missing:
        raise ValueError(f"items to index lack the columns {missing}; got {items.columns}")
    if not len(items) or vectors_ND.ndim != 2 or len(vectors_ND) != len(items):
        raise ValueError(
            f"{len(items):,} items and vectors of shape {vectors_ND.shape}: wanted one vector for each item"
        )
    ids = items[ITEM_ID]
    if ids.null_count() or ids.n_unique() != len(ids):
        examples = ids.filter(ids.is_duplicated()).unique().sort().head(3).to_list()
        raise ValueError(f"item ids must be unique and not null; {ids.null_count()} null, twice for example {examples}")
    check_unit(vectors_ND, ids.to_list())
    order = ids.arg_sort().to_numpy()
    texts = [name for name, type_ in fields.types.items() if type_ == pl.String]
    stored = items.select(pl.col(name).cast(type_) for name, type_ in {ITEM_ID: pl.String(), **fields.types}.items())
    # A filter is shorter than a cut text, so that no filter tells the two apart.
    lists = cs.list().list.head(MAX_ELEMENTS).list.eval(_cut(pl.element()))
    stored = stored.with_columns(cs.float().fill_nan(None), *(_cut(pl.col(name)) for name in texts), lists)
    return stored[order], np.ascontiguousarray(vectors_ND[order], dtype=np.float32)


def _cut(text: pl.Expr) -> pl.Expr:
    """Text that Milvus stores; a character has at most four bytes."""
    return pl.when(text.str.len_bytes() > MAX_BYTES).then(text.str.head(MAX_BYTES // 4)).otherwise(text)


def check_unit(vectors_ND: np.ndarray, names: Sequence[Any]) -> None:
    """Raise ValueError unless every row is finite and of length 1 (to 1e-3).

    With an item prior, all rows are so without their last coordinate, the prior's.
    """
    without_N = _unit(vectors_ND[:, :-1]) & np.isfinite(vectors_ND[:, -1])
    # One reading for all rows, so that a wrong one among right ones is noticed.
    unit_N = max(_unit(vectors_ND), without_N, key=np.count_nonzero)
    wrong, norms_N = np.flatnonzero(~unit_N), np.linalg.norm(vectors_ND, axis=1)
    if len(wrong):
        shown = ", ".join(f"{names[row]!r}: {norms_N[row]:.4g}" for row in wrong[:3])
        raise ValueError(
            f"{len(wrong):,} vectors of {len(vectors_ND):,} are not finite and of length 1, whole or without an item "
            f"prior's coordinate, the last (lengths of {shown})"
        )


def _unit(vectors_ND: np.ndarray) -> np.ndarray:
    """Whether each row is finite and of length 1: bool [N]."""
    # NaN compares false.
    return np.abs(np.linalg.norm(vectors_ND.astype(np.float64), axis=1) - 1) < 1e-3


def checked_queries(vectors_QD: np.ndarray, k: int, info: CollectionInfo) -> np.ndarray:
    """Check query vectors and return them as float32.

    Args:
        vectors_QD: query vectors.
        k: number of results wanted.
        info: the collection that is searched.

    Raises:
        ValueError: the width or the length is wrong, a value is NaN, or k is below 1.
    """
    if k < 1:
        raise ValueError(f"k is {k:,}, wanted at least 1")
    if vectors_QD.ndim != 2 or vectors_QD.shape[1] != info.dim:
        raise ValueError(f"query vectors of shape {vectors_QD.shape}: {info.name} holds {info.dim} dimensions")
    check_unit(vectors_QD, range(len(vectors_QD)))
    return np.ascontiguousarray(vectors_QD, dtype=np.float32)


def fingerprint(items: pl.DataFrame) -> str:
    """Hash ids and fields by SHA-256.

    Vectors are left out: their last bits depend on the machine.
    """
    return hashlib.sha256(items.write_json().encode()).hexdigest()
