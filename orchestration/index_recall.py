"""Recall of the built index against exact search, under serving's filters.

Legend: Q queries, N items of the corpus, D dimensions, K ranks.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, Entity, Kind, Schema
from serving.index.base import QUERIES_AT_ONCE, Hits, ItemIndex
from serving.index.filters import MAX_LENGTH, quoted
from training.evaluation.metrics import index_recall
from training.retrieval.exact import Mask, exact_search

USERS = QUERIES_AT_ONCE
"""Users that the index is asked for: one call a filter. The index's recall varies little between users."""


def sampled_index_recall(
    index: ItemIndex,
    name: str,
    schema: Schema,
    items: pl.DataFrame,
    user_QD: np.ndarray,
    item_ND: np.ndarray,
    *,
    k: int,
    seed: int,
) -> tuple[float, int]:
    """Measure the index on a seeded sample of users.

    The index is searched without a filter and with one for each field that serving may
    filter on, by the most frequent value that a filter can name.

    Args:
        index: the item index.
        name: its collection.
        schema: declares which fields may be filtered on.
        items: item_id and the fields, in the order of `item_ND`.
        user_QD: embeddings of the users to draw from.
        item_ND: embeddings that the index was built from.
        k: length of the lists.
        seed: random seed of the sample.

    Returns:
        The lowest share of the exact top k that a search returned, and how many users
        were asked for.
    """
    rows = np.random.default_rng(seed).permutation(len(user_QD))[:USERS]
    asked_QD = user_QD[np.sort(rows)]
    filters = _filters(schema, items)
    masks = [Mask(corpus=matches_N) for matches_N in filters.values()]
    exact = exact_search(asked_QD, item_ND).lists(np.arange(len(asked_QD)), k, masks)
    found = [_rows(index.search(name, asked_QD, k, where), items[ITEM_ID], k) for where in filters]
    # The lowest, not the mean: a graph index that loses items under one filter must
    # show.
    return min(map(index_recall, exact, found)), len(asked_QD)


def _filters(schema: Schema, items: pl.DataFrame) -> dict[str | None, np.ndarray | None]:
    """Items that match each filter expression, bool [N]; None for no filter."""
    found: dict[str | None, np.ndarray | None] = {None: None}
    for field in schema.features_of(Entity.ITEM):
        if field.filterable and field.kind is Kind.CATEGORICAL:
            values = items[field.name]
            for value in values.drop_nulls().alias("value").value_counts(sort=True)["value"]:
                where = f"{field.name} == {quoted(value)}"
                if len(where) <= MAX_LENGTH:
                    found[where] = (values == value).fill_null(False).to_numpy()
                    break
    return found


def _rows(hits: Hits, corpus: pl.Series, k: int) -> np.ndarray:
    """Item rows of the hits, int32 [Q, K], -1 where there are fewer."""
    found_QK = np.full((len(hits.ids), k), -1, np.int32)
    row_of = dict(zip(corpus, range(len(corpus)), strict=True))
    for rows_K, ids in zip(found_QK, hits.ids, strict=True):
        rows_K[: len(ids)] = [row_of[item] for item in ids]
    return found_QK
