"""The softmax family: a positive against the log-sum-exp of its negatives.

A positive is always ranked against its negatives and itself; other positives of its row are
hidden. Formulas write s for a logit <u, v> / τ.

Legend: R users (rows), P positives, C columns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.losses.candidates import Candidates


def softmax(c: Candidates) -> Tensor:
    """Sampled softmax with logQ correction on every column, the positive's too.

        l = s − log q,  loss = −l_p + log(e^{l_p} + Σ_n e^{l_n})

    It learns log p(i|u), the next click. With all items as columns and log q = 0 it is the
    full softmax. [Yi et al., RecSys 2019, equations 3-5]
    """
    # The positive joins the sum of its row as one number, so no matrix [P, C] is built.
    positive_P = c.positive_P - c.log_q_C[c.column_P]
    return c.mean(torch.logaddexp(positive_P, c.negative_log_sum_exp(c.log_q_C, positive_P)) - positive_P)


def info_nce(c: Candidates) -> Tensor:
    """InfoNCE: softmax without correction.

        loss = −s_p + log(e^{s_p} + Σ_n e^{s_n})

    With in-batch negatives it learns log p(i|u) − log q(i): taste, with popularity taken
    out. [van den Oord et al., 2018, equation 4]
    """
    sum_P = c.negative_log_sum_exp(torch.zeros_like(c.log_q_C), c.positive_P)
    return c.mean(torch.logaddexp(c.positive_P, sum_P) - c.positive_P)


def refined_softmax(c: Candidates) -> Tensor:
    """Refined logQ: only negatives are corrected.

        loss = sg(1 − P)·(Z − s_p),  Z = log Σ_n e^{s_n − log q_n},  P = e^{s_p} / (e^{s_p} + e^Z)

    The positive is no draw of the sampler, and an interaction that the model knows already
    weighs less. The paper keeps duplicate columns, where q_n stands for m·Q'_n, the copies
    of n expected among m negatives; columns here are distinct, and q_n is the probability
    that n is one of them. The gradient is that of log(e^{s_p} + e^Z) − s_p.
    [arXiv 2507.09331, RecSys 2025, equation 8]
    """
    gap_P = c.negative_log_sum_exp(c.log_q_C, c.positive_P) - c.positive_P
    return c.mean(gap_P.detach().sigmoid() * gap_P)


def bilateral_softmax(c: Candidates, *, exponent: float = 1.0) -> Tensor:
    """Bilateral softmax (BSL), with the positive outside the sum.

        loss = −s_p + exponent · log mean_n e^{s_n}

    Both sides are robust to noise: a larger exponent lets the noise of negatives count for
    less. No logQ: for uniform negatives or the whole corpus. [Wu et al., 2023, equation 14]
    """
    # The mean counts hidden columns too: log N is a constant, which has no gradient.
    sum_P, positive_P = c.uncorrected()
    return c.mean(exponent * (sum_P - math.log(c.number)) - positive_P)
