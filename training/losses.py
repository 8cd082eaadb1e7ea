"""Losses: pure functions of logits.

Legend: R user snapshots of the batch, C distinct items of the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def log_q(frequency_C: Tensor, batch_size: int) -> Tensor:
    """Log-probability that an item is among the distinct items of a batch: log(1 − (1 − q)^B).

    frequency_C: q, the item's share of the interactions. The form for deduplicated columns; for small B·q it is
    log(B·q). [Yi et al., Sampling-bias-corrected neural modeling, RecSys 2019, section 3.1]
    """
    return torch.log(-torch.expm1(batch_size * torch.log1p(-frequency_C)))


def in_batch_softmax(
    logits_RC: Tensor, positives_RC: Tensor, history_RC: Tensor, log_q_C: Tensor, weights_RC: Tensor
) -> Tensor:
    """Sampled softmax over the items of the batch with logQ correction, grouped by user snapshot, in two strata.

    For each positive p of row r the candidates are p and the columns that are no positive of r (accidental hits and the
    row's other positives are left out with −inf), each corrected: l = s/τ − log q:
        loss_rp = −l_rp + log(e^{l_rp} + Σ_{c not positive of r} e^{l_rc})
    A positive that is not in the user's history has no candidates from the history either: what is discovered is ranked
    among what the user did not have, as the view `discovery` and a serving that leaves out seen items do. Else the
    user's two hundred repeat items would be the hardest negatives of every discovery.
    Two log-sum-exps per row serve all its positives, so the cost is R x C and not B x B for B positives.

    logits_RC: similarity / temperature. positives_RC, history_RC: bool. log_q_C: from `log_q`. weights_RC: weight of
    each positive, 0 elsewhere. Returns the weighted mean. [Yi et al., RecSys 2019, equations 3-5]
    """
    corrected_RC = logits_RC - log_q_C
    negatives_RC = corrected_RC.masked_fill(positives_RC, -torch.inf)
    every_R = negatives_RC.logsumexp(dim=1)
    new_R = negatives_RC.masked_fill(history_RC, -torch.inf).logsumexp(dim=1)
    row, column = positives_RC.nonzero(as_tuple=True)
    positive_P = corrected_RC[row, column]
    negatives_P = torch.where(history_RC[row, column], every_R[row], new_R[row])
    loss_P = torch.logaddexp(positive_P, negatives_P) - positive_P
    weight_P = weights_RC[row, column]
    return (loss_P * weight_P).sum() / weight_P.sum()
