"""The re-scorer of a release: everything that is added to what an index can say of a user and an item.

Legend: B rows, L places of a history, C candidates of a row, D dimension of the embeddings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.towers.repeat_head import RepeatHead
from training.towers.reranker import Reranker
from training.towers.side_features import Features


class RescorerModule(nn.Module):
    """<u, v> + τ·r(u, i, <u, v> / τ) of the items of users' histories, or <u, v> + τ·f(u, v) of candidates.

    With a repeat term r: float32 [B, L], place by place, -inf where no known item stands; with a reranker f: [B, C]. On
    the scale of the index, whose scores are <u, v>, so that both merge into one list. Input: `user_embedding` [B, D];
    for histories the user tower's features and `history_embeddings` [B, L, D], place by place; for candidates
    `candidate_embeddings` [B, C, D].
    """

    def __init__(self, repeat: RepeatHead | None, reranker: Reranker | None, temperature: Tensor) -> None:
        super().__init__()
        self.repeat, self.reranker = repeat, reranker
        self.register_buffer("temperature", temperature.detach().clone())

    def forward(self, features: Features) -> Tensor:
        user_BD, temperature, parts = features["user_embedding"], self.get_buffer("temperature"), []
        if self.repeat is not None:
            score_BL = torch.einsum("bd,bld->bl", user_BD, features["history_embeddings"])
            parts.append(score_BL + temperature * self.repeat(features, score_BL / temperature))
        if self.reranker is not None:
            item_BCD = features["candidate_embeddings"]
            score_BC = torch.einsum("bd,bcd->bc", user_BD, item_BCD)
            parts.append(score_BC + temperature * self.reranker(user_BD, item_BCD))
        return torch.cat(parts, dim=1)
