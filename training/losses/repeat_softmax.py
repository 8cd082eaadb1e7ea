"""Loss of the repeat head.

It ranks the items of users' histories one by one, beside a sample of the rest.

Legend: R users (rows), L positions of a history, P positives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NOTHING = -1e4
"""The log of a sum of nothing, for where it must be finite."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Repeats:
    """Comparison that trains the repeat head.

    Only r, inside of logit_RL, has a gradient.
    """

    logit_RL: Tensor
    """s + r at each position of a history, -inf where no item stands."""
    label_RL: Tensor
    """bool: positions of items that the user takes again, those of the row's positives among them."""
    outside_R: Tensor
    """Estimated log-sum-exp of s over everything outside the history that the row does not take."""
    row_P: Tensor
    """The row of each positive."""
    logit_P: Tensor
    """s of each positive; read only of those outside the history."""
    inside_P: Tensor
    """bool: whether the positive is in its user's history."""
    weight_P: Tensor
    """The weight of each positive, which sets the level of r."""


def repeat_softmax(repeats: Repeats) -> Tensor:
    """Softmax over two strata: history items, and a sample of all others.

    A user's history H is there whole and with r:
        Z = Σ_{h in H} e^{s_h + r_h} + Σ_{n not in H} e^{s_n},  loss = −l_p + log(e^{l_p} + Z),
        l_p = s_p + r_p in H, s_p outside.

    Both sums leave out what the row takes. A positive in H stands for all history items
    that the user takes again, with equal shares of its weight: on which of a few days an
    item is due hardly matters. [SLRC: Wang et al., WWW 2019, for the two parts of a score]
    """
    logit_RL, label_RL = repeats.logit_RL, repeats.label_RL
    kept_RL = logit_RL.masked_fill(label_RL, -torch.inf)
    # An empty sum has no gradient, and neither has one of infinities: one term is always there, and finite.
    others_R = torch.cat([kept_RL, repeats.outside_R.clamp_min(NOTHING)[:, None]], dim=1).logsumexp(dim=1)
    # Not -inf, which times a label of 0 would be NaN.
    label_logit_RL = logit_RL.masked_fill(~label_RL, 0.0)
    loss_RL = (torch.logaddexp(label_logit_RL, others_R[:, None]) - label_logit_RL) * label_RL
    inside_R = loss_RL.sum(dim=1) / label_RL.sum(dim=1).clamp_min(1)
    # Not by brackets: several threads would add up their gradients in any order.
    inside_P, others_P = (each.index_select(0, repeats.row_P) for each in (inside_R, others_R))
    outside_P = torch.logaddexp(repeats.logit_P, others_P) - repeats.logit_P
    loss_P = torch.where(repeats.inside_P, inside_P, outside_P)
    return (loss_P * repeats.weight_P).sum() / repeats.weight_P.sum()
