"""Exact search by the scores that a version serves.

Legend: Q queries, N items of the corpus, D dimensions, P pairs.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from serving.model.bundle import ModelBundle
from serving.model.rescorer import QUERY
from training.retrieval.exact import MakeSearch, exact_search, pair_products
from training.retrieval.rescored import reranked_search, rescored_search


def served_search(
    towers: ModelBundle, asked: pl.DataFrame, user_QD: np.ndarray, corpus: pl.Series, item_ND: np.ndarray
) -> MakeSearch:
    """Search by the scores of a version, with those of its rescorer where it has one.

    Args:
        towers: towers and rescorer of the version.
        asked: features of the queries.
        user_QD: their embeddings.
        corpus: item ids.
        item_ND: their embeddings.
    """
    from scipy.sparse import csr_array

    rescorer = towers.rescorer
    if rescorer is None:
        return exact_search(user_QD, item_ND)
    vectors = dict(zip(corpus, item_ND, strict=True))
    if rescorer.candidates:

        def rescore(query_P: np.ndarray, item_P: np.ndarray) -> np.ndarray:
            pairs = pl.DataFrame({QUERY: query_P.astype(np.int64), ITEM_ID: corpus.gather(item_P)})
            pairs = pairs.with_columns(position=pl.int_range(pl.len(), dtype=pl.Int64).over(QUERY))
            return rescorer.score(asked, user_QD, vectors, pairs)["score"].to_numpy()

        return reranked_search(user_QD, item_ND, rescore, rescorer.candidates)
    owned = rescorer.positions(asked, vectors if towers.schema.seen_items_may_return else {})
    query_P = owned[QUERY].to_numpy()
    item_P = owned[ITEM_ID].replace_strict(corpus, np.arange(len(corpus)), return_dtype=pl.Int64).to_numpy()
    score_P = rescorer.score(asked, user_QD, vectors, owned)["score"].to_numpy()
    added_P = (score_P - pair_products(user_QD, item_ND, query_P, item_P)).astype(np.float32)
    repeat = csr_array((added_P, (query_P, item_P)), shape=(len(user_QD), len(item_ND)))
    return rescored_search(user_QD, item_ND, repeat)
