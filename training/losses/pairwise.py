"""Pairwise losses: a positive above each of its negatives.

Means are over all pairs that exist; the negatives of a positive together weigh as much
as the positive.

Legend: P positives, N negatives.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.losses.candidates import Candidates


def hinge_triplet(c: Candidates, *, margin: float = 0.2, semi_hard: bool = False) -> Tensor:
    """Mean of max(0, s_n + margin − s_p) over all pairs, inactive ones too.

    [Weston et al., WSABIE, IJCAI 2011; without the rank weight]

    Args:
        c: the candidates.
        margin: gap from which a pair costs nothing; on cosines hardly any pair reaches
            1.
        semi_hard: whether only semi-hard pairs count.

    Returns:
        The loss.
    """
    return _over_pairs(c, lambda gap_PN: F.relu(gap_PN + margin), margin=margin if semi_hard else None)


def logistic_triplet(c: Candidates, *, sharpness: float = 1.0, semi_hard: bool = False) -> Tensor:
    """Mean of softplus(sharpness · (s_n − s_p)) over all pairs.

    [Burges et al., RankNet, ICML 2005, equation 3]

    Args:
        c: the candidates.
        sharpness: slope of the loss.
        semi_hard: whether only semi-hard pairs count, with a margin of 1 / sharpness.

    Returns:
        The loss.
    """
    margin = 1 / sharpness if semi_hard else None
    return _over_pairs(c, lambda gap_PN: F.softplus(sharpness * gap_PN), margin=margin)


def bpr(c: Candidates) -> Tensor:
    """Mean of −log σ(s_p − s_n) over all pairs. [Rendle et al., UAI 2009]"""
    return _over_pairs(c, lambda gap_PN: -F.logsigmoid(-gap_PN), margin=None)


def _over_pairs(c: Candidates, loss_of_gap, margin: float | None) -> Tensor:  # type: ignore[no-untyped-def]
    """Mean of a loss of s_n − s_p over the pairs that exist, or the semi-hard ones."""
    gap_PN = c.of_row(c.negative_logits()) - c.positive_P[:, None]
    there_PN = torch.isfinite(gap_PN)
    if margin is not None:
        there_PN = semi_hard(gap_PN, margin)
    # `where` alone hides the loss of a missing pair, but not its gradient, which is NaN
    # at -inf: the gap is made finite first.
    loss_PN = torch.where(there_PN, loss_of_gap(gap_PN.masked_fill(~there_PN, 0.0)), 0.0)
    return c.mean(loss_PN.sum(dim=1) / there_PN.sum(dim=1).clamp_min(1))


def semi_hard(gap_PN: Tensor, margin: float) -> Tensor:
    """Semi-hard pairs: the negative below its positive, by less than the margin.

    A positive without such a negative gets its lowest-loss negative above instead of
    none. [Schroff et al., FaceNet, CVPR 2015, section 3.2]
    """
    inside_PN = (gap_PN < 0) & (gap_PN > -margin)
    above_PN = gap_PN.masked_fill(gap_PN < 0, torch.inf)
    nearest_P1 = above_PN.argmin(dim=1, keepdim=True)
    fallback_PN = torch.zeros_like(inside_PN).scatter_(1, nearest_P1, True) & torch.isfinite(above_PN)
    return torch.where(inside_PN.any(dim=1, keepdim=True), inside_PN, fallback_PN)
