"""Candidates of the repeat head: history items, and a sample of everything else.

Legend: N items of the corpus, S sampled items, V item vocabulary; of a block: R user
snapshots, L positions of a history, P positives, D dimension, H pairs of row and item.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.training_set import Batch, TrainingSet
from training.losses import Pairs, Repeats, log_sum_exp
from training.recipes.config import TrainConfig
from training.towers import TwoTower, embed, items_of_codes
from training.towers.repeat_head import RepeatHead
from training.towers.side_features import Features
from training.trainer.item_columns import ItemColumns

INTERACTIONS_AT_ONCE = 1 << 14
"""Interactions whose users are embedded together and share one sample of the corpus."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Histories:
    """User snapshots with the towers' scores.

    For the fields without a description see `Repeats`.
    """

    users: Features
    """Encoded features of the snapshots."""
    user_RD: Tensor
    """Their embeddings."""
    item_RL: Tensor
    """Items of the histories as rows of the corpus, -1 where no item stands."""
    label_RL: Tensor
    outside_R: Tensor
    row_P: Tensor
    logit_P: Tensor
    inside_P: Tensor
    weight_P: Tensor

    def only(self, rows: Tensor) -> Histories:
        """Select some of the snapshots, with their positives."""
        row_R = torch.full((len(self.user_RD),), -1, device=rows.device)
        row_R[rows] = torch.arange(len(rows), device=rows.device)
        kept_P = row_R[self.row_P] >= 0
        return Histories(
            users={name: each[rows] for name, each in self.users.items()},
            user_RD=self.user_RD[rows],
            item_RL=self.item_RL[rows],
            label_RL=self.label_RL[rows],
            outside_R=self.outside_R[rows],
            row_P=row_R[self.row_P[kept_P]],
            logit_P=self.logit_P[kept_P],
            inside_P=self.inside_P[kept_P],
            weight_P=self.weight_P[kept_P],
        )


class HistoryCandidates:
    """Source of the repeat head's candidates: the towers' embeddings as constants.

    Embeddings are those that serving uses, without dropout. Dropout makes scores smaller
    than served ones, and would set the level of r against the wrong scores.

    Args:
        data: the training set of the towers.
        model: trained towers with a repeat head, in evaluation mode.
        config: their recipe.
        seed: random seed of the samples.
    """

    def __init__(self, data: TrainingSet, model: TwoTower, config: TrainConfig, seed: int) -> None:
        assert model.repeat is not None and config.repeat is not None
        self.data, self.model, self.device = data, model, model.device
        self.history, self.settings = model.repeat.history, config.repeat
        # The towers learn from the novelty of discoveries; their frequency sets the level of r.
        self.outside_weight = config.repeat.outside / config.weighting.discovery_weight
        self.item_ND = torch.from_numpy(embed(model.item, data.corpus)).to(self.device)
        self.score = model.score
        codes_N = torch.from_numpy(data.corpus[model.item.vectors.key]).to(self.device)
        self.item_of_V = items_of_codes(codes_N, model.item.vectors.size)
        self.columns = ItemColumns(data.size, self.device)
        self.rng = torch.Generator().manual_seed(seed)
        self.inclusion_N = inclusion(data.share(), self.settings.sample)

    def steps(self, head: RepeatHead, rng: np.random.Generator) -> Iterator[Repeats]:
        """Candidates of step after step, without end.

        Each has r as the head computes it then.
        """
        while True:
            for rows in self.data.batches(INTERACTIONS_AT_ONCE, rng):
                block = self.block(self.data.batch(rows).to(self.device))
                order = torch.from_numpy(rng.permutation(len(block.user_RD))).to(self.device)
                for part in order.split(self.settings.batch_size):
                    yield self.compared(head, block.only(part))

    def compared(self, head: RepeatHead, histories: Histories) -> Repeats:
        """Candidates of some snapshots: logits of their history items beside constants."""
        there_RL = histories.item_RL >= 0
        vector_RLD = F.embedding(histories.item_RL.clamp_min(0), self.item_ND)
        with torch.no_grad():  # τ is a constant of the towers too
            score_RL = self.score.to_logits((vector_RLD @ histories.user_RD[:, :, None]).squeeze(2)) * there_RL
        return Repeats(
            logit_RL=(score_RL + head(histories.users, score_RL)).masked_fill(~there_RL, -torch.inf),
            label_RL=histories.label_RL,
            outside_R=histories.outside_R,
            row_P=histories.row_P,
            logit_P=histories.logit_P,
            inside_P=histories.inside_P,
            weight_P=histories.weight_P,
        )

    @torch.no_grad()
    def block(self, batch: Batch) -> Histories:
        """Embed a batch's snapshots and score them against a sample of the corpus."""
        user_RD = self.model.user(batch.users)
        item_RL = self.item_of_V[batch.users[f"{self.history}_items"].long()]
        taken_P = batch.item_C[batch.column_P]
        same_PL = item_RL[batch.row_P] == taken_P[:, None]
        inside_P = same_PL.any(dim=1)
        label_RL = torch.zeros_like(item_RL, dtype=torch.bool)
        positive, position = same_PL.nonzero(as_tuple=True)
        label_RL[batch.row_P[positive], position] = True
        if batch.label_RL is not None:
            label_RL |= batch.label_RL & (item_RL >= 0)
        return Histories(
            users=batch.users,
            user_RD=user_RD,
            item_RL=item_RL,
            label_RL=label_RL,
            outside_R=self._outside(user_RD, item_RL, batch.row_P, taken_P),
            row_P=batch.row_P,
            logit_P=self.score.to_logits((user_RD[batch.row_P] * self.item_ND[taken_P]).sum(dim=1)),
            inside_P=inside_P,
            weight_P=torch.where(inside_P, batch.weight_P, self.outside_weight * batch.weight_P),
        )

    def _outside(self, user_RD: Tensor, item_RL: Tensor, row_P: Tensor, taken_P: Tensor) -> Tensor:
        """Estimate the log-sum-exp of s over items outside the history.

        Without those that the row takes.

        log Σ e^s / π over a sample, with π the probability of being in it, is unbiased but
        for the logarithm. [Horvitz and Thompson, 1952]
        """
        drawn_N = torch.rand(len(self.inclusion_N), generator=self.rng, dtype=torch.float64) < self.inclusion_N
        item_S = drawn_N.nonzero().squeeze(1)
        offset_S = -self.inclusion_N[item_S].log().float().to(self.device)
        item_S = item_S.to(self.device)
        self.columns.move(item_S)
        row_H, position_H = (item_RL >= 0).nonzero(as_tuple=True)
        pairs: Pairs = self.columns.pairs(torch.cat([row_H, row_P]), torch.cat([item_RL[row_H, position_H], taken_P]))
        return log_sum_exp(self.score.to_logits(user_RD), self.item_ND[item_S], offset_S, pairs)


def inclusion(share_N: Tensor, number: int) -> Tensor:
    """Probabilities of independent draws, [N], of `number` items in the mean.

    They may give fewer items, because no probability is above 1.

    Half of them follow the share of the interactions, because popular items score high,
    and half are uniform, so that no item is left out.
    """
    return (number / 2 * (share_N.double() + 1 / len(share_N))).clamp_max(1.0)
