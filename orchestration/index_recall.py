"""Recall of the searcher that serves against exact search, under serving's filters and seen items.

Legend: Q queries, N items of the corpus, D dimensions, K ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, Entity, Kind, Schema
from serving.corpus import Corpus
from serving.index.base import QUERIES_AT_ONCE
from serving.index.filters import MAX_LENGTH, quoted
from serving.search import Dropped, Searcher
from training.evaluation.metrics import index_recall
from training.retrieval.exact import Mask, exact_search

if TYPE_CHECKING:
    from scipy.sparse import csr_array

USERS = QUERIES_AT_ONCE
"""Users that are asked for. Recall varies little between users."""
AT_ONCE = 4
"""Users of a call: as few as a request of the service has. Many at once are found by other ways, which miss nothing."""

Filters = dict[str | None, np.ndarray | None]
"""Items that match each filter expression, bool [N]; None for no filter."""


def sampled_index_recall(
    corpus: Corpus,
    schema: Schema,
    items: pl.DataFrame,
    user_QD: np.ndarray,
    item_ND: np.ndarray,
    seen: csr_array | None,
    *,
    k: int,
    seed: int,
) -> tuple[float, int]:
    """Measure the searcher that serves on a seeded sample of users.

    It is asked without a filter and with one for each field that serving may filter on: by
    the most frequent text that a filter can name, or by the numbers from their upper
    quartile on.

    Args:
        corpus: the items that are served, with the searcher.
        schema: declares which fields may be filtered on.
        items: item_id and the fields, in the order of `item_ND`.
        user_QD: embeddings of the users to draw from.
        item_ND: embeddings that the searcher was built from.
        seen: items that must not return, sparse [users, N]; None where they may.
        k: length of the lists.
        seed: random seed of the sample.

    Returns:
        The lowest share of the exact top k that a search returned, and how many users
        were asked for.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(user_QD))[:USERS])
    asked_QD, dropped = user_QD[rows], None if seen is None else seen[rows]
    filters = filters_of(schema, items)
    masks = [Mask(exclude=dropped, corpus=matches_N) for matches_N in filters.values()]
    exact = exact_search(asked_QD, item_ND).lists(np.arange(len(rows)), k, masks)
    row_of = embedded_rows(corpus.ids, items[ITEM_ID])
    found = [_found(corpus.searcher, asked_QD, k, corpus.matches(where), row_of, dropped) for where in filters]
    # The lowest, not the mean: a graph index that loses items under one filter must
    # show. Where users have seen all that match, nothing can be lost.
    pairs = [(best, got) for best, got in zip(exact, found, strict=True) if (best >= 0).any()]
    return min((index_recall(best, got) for best, got in pairs), default=1.0), len(rows)


def filters_of(schema: Schema, items: pl.DataFrame) -> Filters:
    """Filters of a measurement: none, and one for each field that serving may filter on."""
    found: Filters = {None: None}
    for field in schema.features_of(Entity.ITEM):
        if field.filterable:
            filter_of = _upper_quarter if field.kind is Kind.NUMERIC else _most_frequent
            found |= filter_of(field.name, items[field.name])
    return found


def _most_frequent(name: str, values: pl.Series) -> Filters:
    """Filter by the most frequent text that a filter can name; none where there is none."""
    for value in values.drop_nulls().alias("value").value_counts(sort=True)["value"]:
        where = f"{name} == {quoted(value)}"
        if len(where) <= MAX_LENGTH:
            return {where: (values == value).fill_null(False).to_numpy()}
    return {}


def _upper_quarter(name: str, values: pl.Series) -> Filters:
    """Filter by the numbers from their upper quartile on; none where no item has a number."""
    numbers = values.cast(pl.Float64).fill_nan(None)  # a filter takes NaN for a missing value, too
    bound = numbers.filter(numbers.is_finite()).quantile(0.75, "nearest")
    return {} if bound is None else {f"{name} >= {bound!r}": (numbers >= bound).fill_null(False).to_numpy()}


def embedded_rows(served: Sequence[str], embedded: pl.Series) -> np.ndarray:
    """Row among the embeddings of each item that is served. ValueError if these are other items."""
    order = embedded.arg_sort()
    if embedded.gather(order).to_list() != served:
        raise ValueError(f"the searcher holds {len(served):,} items, not the {len(embedded):,} that were embedded")
    return order.to_numpy()


def _found(
    searcher: Searcher,
    user_QD: np.ndarray,
    k: int,
    allowed_N: np.ndarray | None,
    row_of: np.ndarray,
    dropped: csr_array | None,
) -> np.ndarray:
    """Rows of the answers among the embeddings, int32 [Q, K], -1 where there are fewer.

    Args:
        searcher: the searcher.
        user_QD: embeddings of the users.
        k: length of the lists.
        allowed_N: items that match the filter; None for all.
        row_of: row among the embeddings of each of the searcher's items.
        dropped: items that must not return, by row among the embeddings.
    """
    served_of = np.argsort(row_of)
    blocks = []
    for start in range(0, len(user_QD), AT_ONCE):
        block = slice(start, start + AT_ONCE)
        left_out = Dropped() if dropped is None else dropped_pairs(dropped[block], served_of)
        blocks.append(searcher.search(user_QD[block], k, allowed_N, left_out)[0])
    rows_QK = np.concatenate(blocks)
    return np.where(rows_QK < 0, -1, row_of[rows_QK].astype(np.int32))


def dropped_pairs(dropped: csr_array, served_of: np.ndarray) -> Dropped:
    """Dropped items by the rows of the searcher."""
    query_P = np.repeat(np.arange(dropped.shape[0]), np.diff(dropped.indptr))
    return Dropped(query_P=query_P, row_P=served_of[dropped.indices])
