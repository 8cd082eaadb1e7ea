"""The softmax family: a positive against the log-sum-exp of its negatives.

A positive is always ranked against its negatives and itself; other positives of its row are hidden. Formulas write s
for a logit <u, v> / τ. Legend: R users (rows), P positives, C columns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.losses.candidates import Candidates
from training.losses.repeats import Repeats

NOTHING = -1e4
"""The log of a sum of nothing, for where it must be finite."""


def softmax(c: Candidates) -> Tensor:
    """Sampled softmax with logQ correction on every column, the positive's too: l = s − log q,
        loss = −l_p + log(e^{l_p} + Σ_n e^{l_n}).
    It learns log p(i|u), the next click. With all items as columns and log q = 0 it is the full softmax. Where
    candidates have repeats, `repeat_softmax` is added. [Yi et al., RecSys 2019, equations 3-5]
    """
    positive_P = c.positive_P - c.log_q_C[c.column_P]
    loss = c.mean(torch.logaddexp(positive_P, c.negative_log_sum_exp(c.log_q_C, positive_P)) - positive_P)
    return loss if c.repeats is None else loss + repeat_softmax(c, c.repeats)


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


def info_nce(c: Candidates) -> Tensor:
    """As `softmax`, without correction: −s_p + log(e^{s_p} + Σ_n e^{s_n}). With in-batch negatives it learns
    log p(i|u) − log q(i): taste, with popularity taken out. [van den Oord et al., 2018, equation 4]
    """
    sum_P = c.negative_log_sum_exp(torch.zeros_like(c.log_q_C), c.positive_P)
    return c.mean(torch.logaddexp(c.positive_P, sum_P) - c.positive_P)


def refined_softmax(c: Candidates) -> Tensor:
    """Refined logQ: the positive is no draw of the sampler, so only its negatives are corrected, and an interaction
    that the model knows already weighs less:
        loss = sg(1 − P)·(Z − s_p),  Z = log Σ_n e^{s_n − log q_n},  P = e^{s_p} / (e^{s_p} + e^Z).
    The paper keeps duplicate columns, where q_n stands for m·Q'_n, the copies of n expected among m negatives; columns
    here are distinct, and q_n is the probability that n is one of them. The gradient is that of
    log(e^{s_p} + e^Z) − s_p. [arXiv 2507.09331, RecSys 2025, equation 8]
    """
    gap_P = c.negative_log_sum_exp(c.log_q_C, c.positive_P) - c.positive_P
    return c.mean(gap_P.detach().sigmoid() * gap_P)


def bilateral_softmax(c: Candidates, *, exponent: float = 1.0) -> Tensor:
    """BSL: −s_p + exponent · log mean_n e^{s_n}, the positive outside the sum. Both sides are robust to noise: a larger
    exponent lets the noise of negatives count for less. No logQ: for uniform negatives or the whole corpus.
    [Wu et al., 2023, equation 14]
    """
    sum_P, positive_P = c.uncorrected()
    return c.mean(exponent * (sum_P - math.log(c.number)) - positive_P)
