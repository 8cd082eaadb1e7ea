"""Pointwise losses: each pair by itself, positive or negative.

All negatives of a positive are used and weighted so that together they count as
`negatives` of them: the expectation of drawing so many, without the noise of the draw.

Legend: R rows, P positives, N negatives.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.losses.candidates import Candidates


def pointwise(c: Candidates, *, negatives: float = 2.0) -> Tensor:
    """Binary cross-entropy of the logit scale · <u, v> + shift.

        −log σ(s_p) − negatives · mean_n log(1 − σ(s_n))

    Scale and shift must be learned: a bare cosine as logit caps the probability at σ(1)
    = 0.73. [He et al., NCF, WWW 2017, equation 7]
    """
    return c.mean(F.softplus(-c.positive_P) + negatives * _mean_over_negatives(c, F.softplus))


def cosine_targets(c: Candidates, *, negatives: float = 1.0) -> Tensor:
    """Squared distance of the cosine to its target, +1 or −1.

    (1 − s_p)² + negatives · mean_n (1 + s_n)²
    """
    return c.mean((1 - c.positive_P).square() + negatives * _mean_over_negatives(c, lambda s_PN: (1 + s_PN).square()))


def cosine_contrastive(c: Candidates, *, margin: float = 0.9, weight: float = 150.0) -> Tensor:
    """Cosine contrastive loss, for hundreds of uniform negatives without log_q.

        (1 − s_p) + weight · mean_n max(0, s_n − margin)

    [CCL: Mao et al., SimpleX, CIKM 2021, equation 1]

    Args:
        c: the candidates.
        margin: cosine below which a negative costs nothing.
        weight: weight of the negatives together.

    Returns:
        The loss.
    """
    return c.mean((1 - c.positive_P) + weight * _mean_over_negatives(c, lambda s_PN: F.relu(s_PN - margin)))


def _mean_over_negatives(c: Candidates, loss_of_logit) -> Tensor:  # type: ignore[no-untyped-def]
    """Mean over the negatives that are not hidden, [P]; 0 for a positive without any."""
    logits_RN = c.negative_logits()
    there_RN = torch.isfinite(logits_RN)
    # `where` alone hides the loss of a missing pair, but not its gradient, which is NaN
    # at -inf: the logit is made finite first.
    loss_RN = torch.where(there_RN, loss_of_logit(logits_RN.masked_fill(~there_RN, 0.0)), 0.0)
    return c.of_row(loss_RN.sum(dim=1) / there_RN.sum(dim=1).clamp_min(1))
