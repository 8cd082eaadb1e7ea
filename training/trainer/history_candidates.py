"""The histories of a batch as items of the corpus, for the terms that these items have.

Legend: R user snapshots, L history length, U distinct history items, V item vocabulary, P positives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.data.training_set import Batch
from training.losses import Candidates, Repeats
from training.towers import TwoTower, distinct
from training.towers.side_features import Features


@dataclass(frozen=True, kw_only=True, eq=False)
class HistoryCandidates:
    """What the users of a batch had before, whole: dropout of histories is the tower's affair.

    item_U: the distinct items, rows of the corpus. place_RL: which of them stands at each place, -1 where none.
    outside_weight: how much of its weight a positive outside the history keeps.
    """

    item_U: Tensor
    place_RL: Tensor
    outside_weight: float

    @classmethod
    def of(cls, batch: Batch, history: str, item_of_V: Tensor, items: int, outside_weight: float) -> HistoryCandidates:
        item_RL = item_of_V[batch.users[f"{history}_items"].long()]
        item_U, place = distinct(item_RL[item_RL >= 0], items)
        place_RL = torch.full_like(item_RL, -1).masked_scatter(item_RL >= 0, place)
        return cls(item_U=item_U, place_RL=place_RL, outside_weight=outside_weight)

    def repeats(self, model: TwoTower, batch: Batch, columns: Features, corpus: Features, c: Candidates) -> Repeats:
        """What a loss has to know. columns: the features of the columns of c. c: the candidates as the towers see them
        in training."""
        assert model.repeat is not None
        score_RL, outside_R, outside_P = self._served(model, batch, columns, corpus, c)
        logit_RL = score_RL + model.shift.detach() + model.repeat(batch.users, score_RL)
        return Repeats(
            logit_RL=logit_RL.masked_fill(self.place_RL < 0, -torch.inf),
            again_RL=self._again(batch),
            outside_R=outside_R,
            outside_P=outside_P,
            weight_P=torch.where(c.repeats_P, c.weight_P, self.outside_weight * c.weight_P),
        )

    @torch.no_grad()
    def _served(
        self, model: TwoTower, batch: Batch, columns: Features, corpus: Features, c: Candidates
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The logits of the items of histories [R, L], and see `Repeats`: outside_R, outside_P. By embeddings as they
        are served: without dropout, which makes scores smaller than they will be, and would set r against them at the
        wrong level."""
        training = model.training
        model.eval()
        user_RD = model.user(batch.users)
        item_XD = model.item({name: torch.cat([columns[name], array[self.item_U]]) for name, array in corpus.items()})
        model.train(training)
        own = len(item_XD) - len(self.item_U)
        item_CD, item_UD = item_XD[:own], item_XD[own:]
        score_RU = torch.cat([user_RD @ item_UD.T / model.temperature, user_RD.new_zeros(len(user_RD), 1)], dim=1)
        # Those of a memory stand behind the sample, and before hard ones.
        last = c.negatives.stop - (len(c.item_CD) - own)
        item_CD = torch.cat([item_CD[:last], c.item_CD[last : c.negatives.stop], item_CD[last:]])
        c = replace(c, user_RD=user_RD, item_CD=item_CD)
        outside_P = c.positive_P - c.log_q_C[c.column_P]
        return score_RU.gather(1, self.place_RL % score_RU.shape[1]), c.outside_log_sum_exp(c.log_q_C), outside_P

    def _again(self, batch: Batch) -> Tensor:
        """bool [R, L]: the places of the batch's positives, and of what else is known to be taken again."""
        item_RL = torch.cat([self.item_U, self.item_U.new_full((1,), -1)])[self.place_RL]
        same_PL = item_RL[batch.row_P] == batch.item_C[batch.column_P, None]
        positive, place = same_PL.nonzero(as_tuple=True)
        again_RL = torch.zeros_like(self.place_RL, dtype=torch.bool)
        again_RL[batch.row_P[positive], place] = True
        return again_RL if batch.again_RL is None else again_RL | (batch.again_RL & (self.place_RL >= 0))
