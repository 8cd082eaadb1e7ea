"""The repeat term as what is added to exact scores.

Legend: Q queries, N items of the corpus, L places of a history, V item vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from training.towers import TwoTower, embed, items_of_codes
from training.training_set import Arrays

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@torch.no_grad()
def repeat_scores(model: TwoTower, users: Arrays, items: Arrays) -> csr_array:
    """τ·r(u, i), float32 [Q, N], for the items of each query's history; entries for nothing else.

    users, items: encoded queries and corpus. All zero for a model without a repeat term. Leaves the term in evaluation
    mode.
    """
    from scipy.sparse import csr_array

    codes_N = torch.from_numpy(items[model.item.vectors.key])
    queries = len(next(iter(users.values())))
    if model.repeat is None:
        return csr_array((queries, len(codes_N)), dtype=np.float32)
    item_V = items_of_codes(codes_N, model.item.vectors.ids.num_embeddings).numpy()
    term_QL = model.temperature.item() * embed(model.repeat, users)
    item_QL = item_V[users[f"{model.repeat.history}_items"]]
    row, place = np.nonzero(item_QL >= 0)
    return csr_array((term_QL[row, place], (row, item_QL[row, place])), shape=(queries, len(codes_N)))
