"""The items of users' histories, ranked one by one beside the sampled rest.

Legend: R users (rows), L places of a history, P positives.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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
