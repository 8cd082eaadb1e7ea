"""Loss of clicks: likelihood of what was clicked and what was not, by answers.

Legend: S answers, L items of an answer, K components.
"""

from __future__ import annotations

import torch
from torch import Tensor


def click_loss(
    log_click_KSL: Tensor, log_none_KSL: Tensor, log_share_K: Tensor, click_SL: Tensor, weight_SL: Tensor
) -> Tensor:
    """Mean negative log-likelihood of clicks, by one component or a mixture of several.

        ll_ks = Σ_l w_sl [c_sl log p_ksl + (1 − c_sl) log(1 − p_ksl)]
        L     = −Σ_s log Σ_k π_k exp(ll_ks) / Σ w

    With one component it is the weighted binary cross-entropy. With several its gradient
    is that of a step of expectation and maximisation, −Σ_s Σ_k q_ks ∇(ll_ks + log π_k),
    where q is the posterior of the components. [MixEM: Yan et al., SIGIR 2022, section
    3.3]

    Args:
        log_click_KSL: log-probability of a click.
        log_none_KSL: log-probability of no click.
        log_share_K: log of each component's share, log π.
        click_SL: 1 for a clicked item, else 0.
        weight_SL: weight w of each impression; 0 where no item stands.
    """
    of_items_KSL = click_SL * log_click_KSL + (1 - click_SL) * log_none_KSL
    # Columns without an item may hold −inf or nan, which a weight of 0 would not remove.
    likelihood_KS = torch.where(weight_SL > 0, weight_SL * of_items_KSL, 0.0).sum(-1)
    return -torch.logsumexp(likelihood_KS + log_share_K.unsqueeze(1), 0).sum() / weight_SL.sum()
