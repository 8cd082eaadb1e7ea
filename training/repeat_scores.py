"""The repeat term as what is added to exact scores.

Legend: Q queries, N items of the corpus, L places of a history, V item vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from training.towers import Rescorer, TwoTower, embed, items_of_codes
from training.training_set import Arrays

if TYPE_CHECKING:
    from scipy.sparse import csr_array

QUERIES_AT_ONCE = 256
"""Their histories' embeddings take 256 · L · D numbers."""


def repeat_scores(model: TwoTower, users: Arrays, items: Arrays, user_QD: np.ndarray, item_ND: np.ndarray) -> csr_array:
    """τ·r(u, i), float32 [Q, N], for the items of each query's history; entries for nothing else.

    users, items: encoded queries and corpus; user_QD, item_ND: their embeddings. All zero for a model without a repeat
    term. Leaves the term in evaluation mode.
    """
    from scipy.sparse import csr_array

    codes_N = torch.from_numpy(items[model.item.vectors.key])
    queries = len(next(iter(users.values())))
    if model.repeat is None:
        return csr_array((queries, len(codes_N)), dtype=np.float32)
    rescorer = Rescorer(model.repeat, None, model.temperature)
    item_V = items_of_codes(codes_N, model.item.vectors.size).numpy()
    item_QL = item_V[users[f"{model.repeat.history}_items"]]
    row, place = np.nonzero(item_QL >= 0)
    item = item_QL[row, place]
    blocks = [slice(start, start + QUERIES_AT_ONCE) for start in range(0, queries, QUERIES_AT_ONCE)]
    parts = []
    for block in blocks:
        vectors_QLD = item_ND[np.maximum(item_QL[block], 0)]
        given = {name: array[block] for name, array in users.items()}
        given |= {"user_embedding": user_QD[block], "history_embeddings": vectors_QLD}
        parts.append(embed(rescorer, given))
    added = np.concatenate(parts)[row, place] - np.einsum("nd,nd->n", user_QD[row], item_ND[item])
    return csr_array((added, (row, item)), shape=(queries, len(codes_N)))
