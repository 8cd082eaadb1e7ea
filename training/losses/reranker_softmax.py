"""Loss of a reranker that orders what the towers rank high.

Legend: R users (rows), C columns, P positives; S rows in use, K chosen positives, X
items that a row is ranked against, M draws, D dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from training.losses.candidates import Candidates

Rerank = Callable[[Tensor, Tensor], Tensor]
"""Users [K, D] and items of each [K, M, D] to f: [K, M]."""


def reranker_softmax(c: Candidates, reranker: Rerank, chosen_K: Tensor, share_KM: Tensor) -> Tensor:
    """Softmax of the towers' logits with f added to each, for some of the positives.

        loss = −l_p − f_p + log(e^{l_p + f_p} + Z · mean_m e^{f_m}),  Z = Σ_x e^{l_x}

    l are the towers' logits as in `softmax`, corrected in the sample. The items m are
    drawn with the probabilities e^{l_x} / Z, so that Z · mean_m e^{f_m} estimates Σ_x
    e^{l_x + f_x}, and the negatives are as hard as the towers can make them. At f = 0
    it is the towers' own loss, except that all items of a row are ranked together, as
    in a list, also in recipes with strata. Gradients reach only the reranker. [adaptive
    importance sampling: Bengio and Senécal, IEEE Trans. Neural Networks, 2008]

    Args:
        c: the candidates.
        reranker: f.
        chosen_K: the positives.
        share_KM: uniform random numbers in [0, 1), float64.

    Returns:
        The loss.
    """
    row_K, weight_K = c.row_P[chosen_K], c.weight_P[chosen_K]
    with torch.no_grad():
        row_S, position_K = torch.unique(row_K, return_inverse=True)
        logit_SX, item_SX = _ranked(c, row_S)
        # In float32 the running sum would round away items of small probability.
        below_KX = logit_SX.double().softmax(dim=1).cumsum(dim=1)[position_K]
        # Times the last sum, which is 1 only up to rounding. `right`, because a share
        # of 0 must not draw a hidden item, whose running sum is 0 as well.
        drawn_KM = torch.searchsorted(below_KX, share_KM * below_KX[:, -1:], right=True)
        drawn_KM = item_SX[position_K].gather(1, drawn_KM.clamp_max(item_SX.shape[1] - 1))
        own_K, item_K = _positives(c, chosen_K)
        rest_K = logit_SX.logsumexp(dim=1)[position_K]
        item_KD = c.item_CD[torch.cat([item_K.unsqueeze(1), drawn_KM], dim=1)]
        user_KD = c.user_RD[row_K]
    added_KM = reranker(user_KD, item_KD)
    own_K, added_KM = own_K + added_KM[:, 0], added_KM[:, 1:]
    # log Z + log mean_m e^{f_m}.
    rest_K = rest_K + added_KM.logsumexp(dim=1) - math.log(added_KM.shape[1])
    return ((torch.logaddexp(own_K, rest_K) - own_K) * weight_K).sum() / weight_K.sum()


def _ranked(c: Candidates, row_S: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of all items that some rows are ranked against, and these items: [S, X].

    A logit is -inf if the item is not one of them.
    """
    columns = c.negatives
    position_R = torch.full((len(c.user_RD),), -1, device=row_S.device)
    position_R[row_S] = torch.arange(len(row_S), device=row_S.device)
    hidden_H = position_R[c.hidden.row_H]
    hidden_SC = torch.zeros(len(row_S), len(c.item_CD), dtype=torch.bool, device=row_S.device)
    hidden_SC[hidden_H[hidden_H >= 0], c.hidden.column_H[hidden_H >= 0]] = True
    logit_SC = c.scale * c.user_RD[row_S] @ c.item_CD.T - c.log_q_C
    logits = [logit_SC.masked_fill(hidden_SC, -torch.inf)[:, columns]]
    items = [torch.arange(len(c.item_CD), device=row_S.device)[columns].expand(len(row_S), -1)]
    if c.hard_RH is not None:
        own = replace(c, user_RD=c.user_RD[row_S], hard_RH=c.hard_RH[row_S])
        logits.append(own.hard_logits_RH)
        items.append(c.hard_RH[row_S].clamp_min(0))
    return torch.cat(logits, dim=1), torch.cat(items, dim=1)


def _positives(c: Candidates, chosen_K: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and items of some positives, as in `_ranked`: [K]."""
    row_K, column_K = c.row_P[chosen_K], c.column_P[chosen_K]
    logit_K = c.scale * (c.user_RD[row_K] * c.item_CD[column_K]).sum(dim=1) - c.log_q_C[column_K]
    return logit_K, column_K
