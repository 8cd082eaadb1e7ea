"""Off-policy policy gradient of a list's return. [Chen et al., WSDM 2019]

Legend: R users (rows), P positives, which are the logged actions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.losses.candidates import Candidates


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyWeights:
    """Factors of the actions in the gradient; constants, without a gradient of their own."""

    ratio_P: Tensor
    """min(π / β, cap)."""
    top_k_P: Tensor
    """λ_K = K (1 − π)^(K−1), the change of K draws' chance to hold the action by that of one."""


def log_policy(c: Candidates) -> Tensor:
    """log π(a|s) of each positive, π the softmax over all items: float32 [P].

        log π = s_p − log(Σ_own e^s + Σ_n e^{s_n − log q_n})

    All positives of a row are in its sum for certain, so they need no correction. Exact
    where every item is a column.
    """
    own_P = c.of_row(_own_log_sum_exp(c))
    return c.positive_P - torch.logaddexp(own_P, c.negative_log_sum_exp(c.log_q_C, own_P))


@torch.no_grad()
def policy_weights(c: Candidates, log_behaviour_P: Tensor, *, k: int, cap: float) -> PolicyWeights:
    """Capped importance ratios and top-K factors of the actions.

    Args:
        c: candidates, whose positives are the logged actions.
        log_behaviour_P: log β(a|s).
        k: items of the list that is shown.
        cap: largest ratio.
    """
    log_policy_P = log_policy(c)
    # Capped as a logarithm: the ratio itself may overflow.
    ratio_P = (log_policy_P - log_behaviour_P).clamp_max(math.log(cap)).exp()
    return PolicyWeights(ratio_P=ratio_P, top_k_P=k * (-torch.expm1(log_policy_P)) ** (k - 1))


def policy_gradient(c: Candidates, weights: PolicyWeights, return_P: Tensor, *, self_normalised: bool) -> Tensor:
    """Loss whose gradient is that of the return, negated; its value means nothing.

        loss = − Σ w · ratio · λ_K · R · log π / Σ w,  or / Σ w · ratio if self-normalised

    Args:
        c: candidates, whose positives are the logged actions.
        weights: factors of `policy_weights`.
        return_P: R of each action.
        self_normalised: whether the sum is divided by that of the ratios.
    """
    corrected_P = c.weight_P * weights.ratio_P
    # With these weights the kernel makes the gradients in the pass that sums.
    weighted = replace(c, weight_P=corrected_P * weights.top_k_P * return_P)
    total = (corrected_P if self_normalised else c.weight_P).sum()
    return -(weighted.weight_P * log_policy(weighted)).sum() / total


def _own_log_sum_exp(c: Candidates) -> Tensor:
    """Log-sum-exp over the positives of each row: [R]."""
    highest_R = torch.full((len(c.user_RD),), -torch.inf, dtype=c.positive_P.dtype, device=c.positive_P.device)
    highest_R = highest_R.scatter_reduce(0, c.row_P, c.positive_P.detach(), reduce="amax")
    power_P = (c.positive_P - c.of_row(highest_R)).exp()
    return torch.zeros_like(highest_R).index_add(0, c.row_P, power_P).log() + highest_R
