"""What a release of a model serves, as an exact search: the towers' scores with those of its re-scorer.

Legend: Q queries, N items of the corpus, P pairs of both, D dimension.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from training.evaluate import MakeSearch, reranked_search, rescored_search
from training.repeat_scores import repeat_scores
from training.towers import TwoTower, embed
from training.training_set import Arrays


def served_search(model: TwoTower, users: Arrays, items: Arrays) -> MakeSearch:
    """Search over encoded queries and corpus. Leaves the model in evaluation mode."""
    user_QD, item_ND = embed(model.user, users), embed(model.item, items)
    scorer = model.scorer
    if scorer is None:
        return partial(rescored_search, user_QD, item_ND, repeat_scores(model, users, items, user_QD, item_ND))
    temperature, device = model.temperature.item(), model.device
    scorer.eval()

    @torch.no_grad()
    def rescore(query_P: np.ndarray, item_P: np.ndarray) -> np.ndarray:
        user_PD, item_PD = user_QD[query_P], item_ND[item_P]
        added_P1 = scorer(*(torch.from_numpy(each).to(device) for each in (user_PD, item_PD[:, None])))
        plain_P = np.einsum("pd,pd->p", user_PD, item_PD)
        score_P: np.ndarray = plain_P + temperature * added_P1.squeeze(1).cpu().numpy()
        return score_P

    return partial(reranked_search, user_QD, item_ND, rescore, scorer.candidates)
