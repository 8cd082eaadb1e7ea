"""Hard negatives, mined from the whole corpus between epochs.

Legend: U users, N items, M mined items.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.data.training_set import TrainingSet
from training.recipes.sampling import HardNegatives
from training.retrieval.exact import exact_search
from training.towers import TwoTower, embed


@torch.no_grad()
def mine(model: TwoTower, data: TrainingSet, config: HardNegatives) -> Tensor:
    """Items at the declared ranks of every user: int64 [U, M], -1 behind the end.

    The towers of the moment rank for the user's newest snapshot. Items that the user is
    known to have taken are left out before ranks are counted.

    Args:
        model: towers; put back into training mode.
        data: users, items and known positives.
        config: ranks to mine.

    Returns:
        Rows of the corpus.
    """
    newest_U = np.zeros(int(data.user_Q.max()) + 1, np.int64)
    newest_U[data.user_Q] = np.arange(len(data.user_Q))
    user_UD = embed(model.user, data.users(newest_U))
    search = exact_search(user_UD, embed(model.item, data.corpus))(exclude=data.known)
    model.train()
    last = min(config.last, data.size)
    ids_UK = search(np.arange(len(newest_U)), last)
    return torch.from_numpy(ids_UK[:, config.first - 1 :].astype(np.int64)).to(model.device)
