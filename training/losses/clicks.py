"""Loss of clicks: likelihood of what was clicked and what was not, by answers.

Legend: S answers, L items of an answer, K components.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MOST = 0.99
"""Probability of a click above which a label over 1 earns nothing by taking back its miss."""


def click_loss(
    log_click_KSL: Tensor, log_none_KSL: Tensor, log_share_K: Tensor, label_SL: Tensor, weight_SL: Tensor
) -> Tensor:
    """Mean negative log-likelihood of clicks, by one component or a mixture of several.

        ll_ks = Σ_l w_sl [y_sl log p_ksl + (1 − y_sl) log(1 − p_ksl)]
        L     = −Σ_s log Σ_k π_k exp(ll_ks) / Σ w

    With one component it is the weighted binary cross-entropy. With several its gradient
    is that of a step of expectation and maximisation, −Σ_s Σ_k q_ks ∇(ll_ks + log π_k),
    where q is the posterior of the components. [MixEM: Yan et al., SIGIR 2022, section
    3.3]

    A label above 1, a click over the probability θ of a look, has the unbiased estimator
    y l(1) + (1 − y) l(0) with y = c/θ: because it is linear in y, its mean over looks is the
    loss of the relevance. [Bekker et al., ECML PKDD 2019; Saito et al., WSDM 2020]

    It has no lower bound: 1 − y is negative, and an id that is shown once and clicked
    would run away, by y − 1 for each unit of its log-odds. Here −log(1 − p) stops at that
    of `MOST` where y > 1, so that such a click pulls no harder from there on than y plain
    ones. The price is a bias: relevance above `MOST` is learned as `MOST`. The same disease
    has a cure that bounds the sum over a batch [Kiryo et al., NeurIPS 2017]; there other
    impressions of the batch would still pay for one that runs away.

    Args:
        log_click_KSL: log-probability of a click.
        log_none_KSL: log-probability of no click.
        log_share_K: log of each component's share, log π.
        label_SL: 1 for a clicked item, else 0; or c/θ, with one component.
        weight_SL: weight w of each impression; 0 where no item stands.
    """
    bounded_KSL = torch.where(label_SL > 1, log_none_KSL.clamp(min=math.log1p(-MOST)), log_none_KSL)
    of_items_KSL = label_SL * log_click_KSL + (1 - label_SL) * bounded_KSL
    # Columns without an item may hold −inf or nan, which a weight of 0 would not remove.
    likelihood_KS = torch.where(weight_SL > 0, weight_SL * of_items_KSL, 0.0).sum(-1)
    return -torch.logsumexp(likelihood_KS + log_share_K.unsqueeze(1), 0).sum() / weight_SL.sum()
