"""The items of users' histories, ranked one by one beside the sampled rest.

Legend: R users (rows), L places of a history, P positives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from training.losses.candidates import Candidates


@dataclass(frozen=True, kw_only=True, eq=False)
class Repeats:
    """Histories whose items have a term of their own: at place l of row r the logit is s + r.

    logit_RL: s + r, -inf where no item stands; s has no gradient. again_RL: the places of items that the user takes
    again, those of the row's positives among them. outside_R: log-sum-exp of the corrected logits of the row's
    negatives outside its history. outside_P: the positives' own corrected logits, for those outside. weight_P: of the
    positives for the level of r. All but r are constants.
    """

    logit_RL: Tensor
    again_RL: Tensor
    outside_R: Tensor
    outside_P: Tensor
    weight_P: Tensor


NOTHING = -1e4
"""The log of a sum of nothing, for where it must be finite."""


def repeat_softmax(c: Candidates, repeats: Repeats) -> Tensor:
    """Softmax over two strata: a user's history H, whole and with its term r, and all other items, sampled:
        Z = Σ_{h in H} e^{s_h + r_h} + Σ_{n not in H} e^{s_n − log q_n},  loss = −l_p + log(e^{l_p} + Z),
        l_p = s_p + r_p in H, s_p − log q_p outside.
    Only r learns from it: with s a constant, the towers stay what they are without r, whose affair is what they leave
    open. Both sums leave out what the row takes. For a positive in H stand all places that the user takes again, with
    equal shares of its weight: what is due on one day more than on the next hardly matters. What is whole needs no
    correction, so here q must be the probability that n is one of the columns, B·q for draws that are rare: with a mere
    share of interactions the strata would be log B apart. [SLRC: Wang et al., WWW 2019, for the two parts of a score]
    """
    logit_RL, again_RL = repeats.logit_RL, repeats.again_RL
    kept_RL = logit_RL.masked_fill(again_RL, -torch.inf)
    # An empty sum has no gradient, and neither has one of infinities: one term is always there, and finite.
    others_R = torch.cat([kept_RL, repeats.outside_R.clamp_min(NOTHING)[:, None]], dim=1).logsumexp(dim=1)
    again_logit_RL = logit_RL.masked_fill(~again_RL, 0.0)
    loss_RL = (torch.logaddexp(again_logit_RL, others_R[:, None]) - again_logit_RL) * again_RL
    inside_R = loss_RL.sum(dim=1) / again_RL.sum(dim=1).clamp_min(1)
    outside_P = torch.logaddexp(repeats.outside_P, c.of_row(others_R)) - repeats.outside_P
    loss_P = torch.where(c.repeats_P, c.of_row(inside_R), outside_P)
    return (loss_P * repeats.weight_P).sum() / repeats.weight_P.sum()
