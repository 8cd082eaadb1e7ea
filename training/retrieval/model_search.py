"""Exact search by what a release serves: towers, and its rescorer.

Legend: Q queries, N items of the corpus, P pairs of both, D dimension.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from training.data.training_set import Arrays
from training.retrieval.exact import MakeSearch, pair_products
from training.retrieval.rescored import reranked_search, rescored_search
from training.towers import RescorerModule, TwoTower, embed, items_of_codes

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def served_search(
    model: TwoTower, users: Arrays, items: Arrays, *, embedded: tuple[np.ndarray, np.ndarray] | None = None
) -> MakeSearch:
    """Search over encoded queries and corpus. Leaves the model in evaluation mode.

    Args:
        model: towers with their repeat head or reranker.
        users: encoded queries.
        items: encoded corpus.
        embedded: embeddings of both, where they are known already.
    """
    user_QD, item_ND = embedded or (embed(model.user, users), embed(model.item, items))
    reranker = model.reranker
    if reranker is None:
        return rescored_search(user_QD, item_ND, repeat_scores(model, users, items, user_QD, item_ND))

    def rescore(query_P: np.ndarray, item_P: np.ndarray) -> np.ndarray:
        user_PD, item_PD = user_QD[query_P], item_ND[item_P]
        score_P: np.ndarray = np.einsum("pd,pd->p", user_PD, item_PD)
        return score_P + _reranked(model, user_PD, item_PD[:, None]).squeeze(1)

    return reranked_search(user_QD, item_ND, rescore, reranker.candidates)


def served_scores(
    model: TwoTower, users: Arrays, items: Arrays, embedded: tuple[np.ndarray, np.ndarray], ids_QK: np.ndarray
) -> np.ndarray:
    """Scores of the lists of a served search: float64 [Q, K].

    Those of empty ranks mean nothing.

    Args:
        model: towers with their repeat head or reranker.
        users: encoded queries.
        items: encoded corpus.
        embedded: embeddings of both.
        ids_QK: lists as the search returned them, from rank 1.
    """
    user_QD, item_ND = embedded
    vectors_QKD = item_ND[np.maximum(ids_QK, 0)]
    scores_QK: np.ndarray = np.einsum("qd,qkd->qk", user_QD, vectors_QKD).astype(np.float64)
    if model.reranker is None:
        repeat = repeat_scores(model, users, items, user_QD, item_ND)
        rows_QK = np.arange(len(ids_QK))[:, None]
        return scores_QK + repeat[rows_QK, np.maximum(ids_QK, 0)].toarray()
    first = slice(0, model.reranker.candidates)
    scores_QK[:, first] += _reranked(model, user_QD, vectors_QKD[:, first])
    return scores_QK


@torch.no_grad()
def _reranked(model: TwoTower, user_PD: np.ndarray, item_PCD: np.ndarray) -> np.ndarray:
    """Terms of the reranker on the scale of the index: float32 [P, C]."""
    assert model.reranker is not None
    pairs = (torch.from_numpy(each).to(model.device) for each in (user_PD, item_PCD))
    terms_PC: np.ndarray = model.score.to_index(model.reranker.eval()(*pairs)).cpu().numpy()
    return terms_PC


QUERIES_AT_ONCE = 256
"""Their histories' embeddings take 256 · L · D numbers."""


def repeat_scores(model: TwoTower, users: Arrays, items: Arrays, user_QD: np.ndarray, item_ND: np.ndarray) -> csr_array:
    """Terms of the repeat head on the scale of the index.

    Leaves the head in evaluation mode.

    Args:
        model: towers; without a repeat head all terms are 0.
        users: encoded queries.
        items: encoded corpus.
        user_QD: embeddings of the queries.
        item_ND: embeddings of the corpus.

    Returns:
        float32 [Q, N], with entries for the items of each query's history only.
    """
    from scipy.sparse import csr_array

    codes_N = torch.from_numpy(items[model.item.vectors.key])
    queries = len(next(iter(users.values())))
    if model.repeat is None:
        return csr_array((queries, len(codes_N)), dtype=np.float32)
    rescorer = RescorerModule(model.repeat, None, model.score)
    item_V = items_of_codes(codes_N, model.item.vectors.size).numpy()
    item_QL = item_V[users[f"{model.repeat.history}_items"]]
    row, position = np.nonzero(item_QL >= 0)
    item = item_QL[row, position]
    blocks = [slice(start, start + QUERIES_AT_ONCE) for start in range(0, queries, QUERIES_AT_ONCE)]
    parts = []
    for block in blocks:
        vectors_QLD = item_ND[np.maximum(item_QL[block], 0)]
        given = {name: array[block] for name, array in users.items()}
        given |= {"user_embedding": user_QD[block], "history_embeddings": vectors_QLD}
        parts.append(embed(rescorer, given))
    added = np.concatenate(parts)[row, position] - pair_products(user_QD, item_ND, row, item)
    return csr_array((added, (row, item)), shape=(queries, len(codes_N)))
