"""Hard negatives mined from the whole corpus between epochs.

Legend: U users, N items, M mined items, b users of a block.
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
    """int64 [U, M]: for every user the items at the ranks of `config`, -1 where the list ends before.

    Ranked by the towers as they are, for the user's newest snapshot. What the user is known to have taken is left out
    before ranks are counted.
    """
    newest_U = np.zeros(int(data.user_Q.max()) + 1, np.int64)
    newest_U[data.user_Q] = np.arange(len(data.user_Q))
    user_UD = embed(model.user, {name: array[newest_U] for name, array in data.queries.items()})
    search = exact_search(user_UD, embed(model.item, data.corpus))(exclude=data.known)
    model.train()
    last = min(config.last, data.size)
    ids_UK = search(np.arange(len(newest_U)), last)
    return torch.from_numpy(ids_UK[:, config.first - 1 :].astype(np.int64)).to(model.device)
