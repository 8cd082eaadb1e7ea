"""Re-scorer of a release: the terms that an index cannot hold.

Legend: B rows, L positions of a history, C candidates of a row, D dimension of the
embeddings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.towers.repeat_head import RepeatHead
from training.towers.reranker import Reranker
from training.towers.score import Score
from training.towers.side_features import Features


class RescorerModule(nn.Module):
    """Scores of history items or of candidates, with the term of the recipe added.

    <u, v> + τ·r(u, i, <u, v> / τ) for the items of users' histories with a repeat head
    r: float32 [B, L], position by position, -inf where no known item stands. <u, v> +
    τ·f(u, v) for candidates with a reranker f: float32 [B, C]. Both are on the scale of
    the index, whose scores are <u, v>, so that they merge with its list.

    Args:
        repeat: head of the history items; None for none.
        reranker: MLP over user and candidate; None for none.
        score: the towers' score.
    """

    def __init__(self, repeat: RepeatHead | None, reranker: Reranker | None, score: Score) -> None:
        super().__init__()
        self.repeat, self.reranker, self.score = repeat, reranker, score

    def forward(self, features: Features) -> Tensor:
        """Scores on the scale of the index: float32 [B, L] or [B, C].

        The features are `user_embedding` [B, D]; for histories those of the user tower
        and `history_embeddings` [B, L, D], position by position; for candidates
        `candidate_embeddings` [B, C, D].
        """
        user_BD, parts = features["user_embedding"], []
        if self.repeat is not None:
            score_BL = torch.einsum("bd,bld->bl", user_BD, features["history_embeddings"])
            parts.append(score_BL + self.score.to_index(self.repeat(features, self.score.to_logits(score_BL))))
        if self.reranker is not None:
            item_BCD = features["candidate_embeddings"]
            score_BC = torch.einsum("bd,bcd->bc", user_BD, item_BCD)
            parts.append(score_BC + self.score.to_index(self.reranker(user_BD, item_BCD)))
        return torch.cat(parts, dim=1)
