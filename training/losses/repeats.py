"""The items of users' histories, ranked one by one beside the sampled rest.

Legend: R users (rows), L places of a history, U distinct history items of a batch, P positives, D dimension.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True, eq=False)
class Repeats:
    """Histories whose items have a term of their own: at place l of row r the logit is s + r.

    item_UD: embeddings. place_RL: which of them stands at each place, -1 for none; an item stands once in a row.
    term_RL: r. at_P: each positive's place in its user's history, -1 where it is outside.
    """

    item_UD: Tensor
    place_RL: Tensor
    term_RL: Tensor
    at_P: Tensor

    def logits(self, user_RD: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """s + r, -inf at places without an item: [R, L]."""
        item_RLD = F.embedding(self.place_RL.clamp_min(0), self.item_UD)
        logits_RL = scale * torch.einsum("rd,rld->rl", user_RD, item_RLD) + shift + self.term_RL
        return logits_RL.masked_fill(self.place_RL < 0, -torch.inf)

    def taken(self, row_P: Tensor) -> Tensor:
        """bool [R, L]: the places of the rows' positives."""
        inside_P = self.at_P >= 0
        taken_RL = torch.zeros_like(self.place_RL, dtype=torch.bool)
        taken_RL[row_P[inside_P], self.at_P[inside_P]] = True
        return taken_RL

    def cut(self, dim: int, *, unit: bool) -> Repeats:
        """The same histories by the first `dim` coordinates, made unit vectors anew where `unit`."""
        item_UD = self.item_UD[:, :dim]
        return replace(self, item_UD=F.normalize(item_UD, dim=1) if unit else item_UD)
