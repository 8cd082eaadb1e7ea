"""Builder of a batch's candidates.

Samples negatives, masks accidental hits, computes log q.

Legend: R user snapshots (rows), C columns, L history length, P positives, N items of the
corpus, V item vocabulary, D dimension, U users, E sampled columns; M items mined for a
user, or remembered items; H hard negatives of a row, or pairs of a row and an item.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from training.artifacts.prefixes import part, prefixed
from training.data.training_set import Batch, TrainingSet
from training.losses import Candidates, Pairs
from training.recipes.config import TrainConfig
from training.recipes.sampling import Impressions
from training.sampling import Counted, Memory, Streamed, draw
from training.towers import TwoTower, items_of_codes
from training.towers.side_features import Features
from training.trainer.item_columns import ItemColumns
from training.trainer.precision import precision_of
from training.trainer.reranker_objective import RerankerObjective

Embed = Callable[[nn.Module, Features], Tensor]
"""Tower and features to embeddings, float32 [rows, D]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """Columns of a batch: its items, then sampled ones, then hard negatives.

    For the fields without a description see `Candidates`.
    """

    item_C: Tensor
    """Row of the corpus of each column."""
    features: Features
    """Features of each column for the item tower."""
    log_q_C: Tensor
    first_negative: int
    last_negative: int
    hard_RH: Tensor | None = None


class CandidateBuilder:
    """Builder of candidates: the columns of a batch, and what of them is hidden.

    Its state belongs into a checkpoint. Tensors lie on the model's device; random numbers
    come from a generator of the CPU, so that they are the same on all devices.

    Args:
        data: the training set.
        config: the recipe.
        model: the towers.
        seed: random seed.
    """

    def __init__(self, data: TrainingSet, config: TrainConfig, model: TwoTower, seed: int) -> None:
        self.data, self.config = data, config
        self.device = model.device
        self.share_N = data.share().to(self.device)
        streaming = config.negatives.frequency
        self.frequency = Streamed(streaming, device=self.device) if streaming else Counted(self.share_N)
        self.memory = Memory(config.negatives.memory)
        self.rng = torch.Generator().manual_seed(seed)
        self.reranker = RerankerObjective(config.reranker, seed) if config.reranker else None
        # Items to draw each user's hard negatives from, -1 where there is none; None before the
        # first mining.
        self.mined_UM = self._impressions() if isinstance(config.negatives.hard, Impressions) else None
        self.corpus = {name: torch.from_numpy(array).to(self.device) for name, array in data.corpus.items()}
        self.histories = model.user.histories if config.strata else ()
        self.item_columns = ItemColumns(data.size, self.device)
        self.item_of_V = items_of_codes(self.corpus[model.item.vectors.key], model.item.vectors.size)

    def build(self, model: TwoTower, batch: Batch, embed: Embed) -> Candidates:
        """Candidates of a batch, as a loss compares them.

        Args:
            model: the towers.
            batch: interactions of a step.
            embed: calls a tower on features.

        Returns:
            The embeddings of users and columns, and which pairs are positives, hidden, or in a history.
        """
        columns = self.columns(batch)
        user_RD, item_CD = embed(model.user, batch.users), embed(model.item, columns.features)
        if self.config.negatives.memory:
            columns, item_CD = self._with_memory(batch.size, columns, item_CD)
        if self.histories or not self.config.negatives.all_negative:
            # Hard columns stay out: only their own row is ranked against them.
            self.item_columns.move(columns.item_C[: columns.last_negative])
        return Candidates(
            user_RD=user_RD,
            item_CD=item_CD,
            scale=model.score.scale,
            shift=model.score.shift,
            normalise=model.score.normalise,
            row_P=batch.row_P,
            column_P=batch.column_P,
            weight_P=batch.weight_P,
            log_q_C=columns.log_q_C,
            hidden=self._hidden(batch),
            history=self._history(batch) if self.histories else None,
            hard_RH=columns.hard_RH,
            first_negative=columns.first_negative,
            last_negative=columns.last_negative,
            precision=precision_of(self.config, self.device),
        )

    def columns(self, batch: Batch) -> Columns:
        """Columns of a batch; draws from the sampler and from the users' hard negatives."""
        if isinstance(self.frequency, Streamed):
            # Before the draw: an item's first batch already counts in its log q.
            self.frequency.update(batch.item_C)
        drawn = draw(self.config.negatives.sampler, batch.item_C, batch.size, self.share_N, self.frequency, self.rng)
        item_C = torch.cat([batch.item_C, drawn.extra_E])
        last, log_q_C, hard_RH = len(item_C), drawn.log_q, None
        if self.mined_UM is not None:
            hard_RH, item_C = self._with_hard(batch.user_R, item_C)
            log_q_C = torch.cat([log_q_C, torch.zeros(len(item_C) - last, device=self.device)])
        extra = item_C[len(batch.item_C) :]
        features = batch.items
        if len(extra):
            features = {name: torch.cat([batch.items[name], array[extra]]) for name, array in self.corpus.items()}
        return Columns(
            item_C=item_C,
            features=features,
            log_q_C=log_q_C,
            first_negative=drawn.first_negative,
            last_negative=last,
            hard_RH=hard_RH,
        )

    def _hidden(self, batch: Batch) -> Pairs:
        """Pairs that are no negatives.

        The batch's positives, all known ones of its users, or none.
        """
        if self.config.negatives.all_negative:
            return Pairs.none(self.device)
        if not self.config.negatives.hide_known:
            return self.item_columns.pairs(batch.row_P, batch.item_C[batch.column_P])
        known = self.data.known[batch.user_R].tocoo()
        row_H, item_H = (torch.from_numpy(each).long().to(self.device) for each in (known.row, known.col))
        return self.item_columns.pairs(row_H, item_H)

    def _history(self, batch: Batch) -> Pairs:
        """Pairs whose item is in the user's history.

        Items without their own code are in none.
        """
        code_RL = torch.cat([batch.users[f"{name}_items"] for name in self.histories], dim=1)
        item_RL = self.item_of_V[code_RL.long()]
        row_H, position_H = (item_RL >= 0).nonzero(as_tuple=True)
        return self.item_columns.pairs(row_H, item_RL[row_H, position_H])

    def _with_memory(self, interactions: int, columns: Columns, item_CD: Tensor) -> tuple[Columns, Tensor]:
        """Columns with remembered ones, and their embeddings.

        The remembered ones stand between the batch's and the hard ones.

        Args:
            interactions: number of positives of the batch.
            columns: the batch's columns.
            item_CD: their embeddings.
        """
        # Hard negatives are not remembered: no probability that a correction could know drew them.
        last = columns.last_negative
        own_C, own_CD = columns.item_C[:last], item_CD[:last]
        past = len(self.memory)
        item_M, vector_MD = self.memory.others(own_C) if past else (own_C[:0], item_CD.detach()[:0])
        self.memory.add(own_C, own_CD.detach())
        # An item is now a column if any of the remembered batches held it.
        log_q_C = self.frequency.log_inclusion(torch.cat([own_C, item_M]), interactions * (1 + past))
        hard_RH = columns.hard_RH
        if hard_RH is not None:
            hard_RH = torch.where(hard_RH < last, hard_RH, hard_RH + len(item_M))
        widened = replace(
            columns,
            item_C=torch.cat([own_C, item_M, columns.item_C[last:]]),
            log_q_C=torch.cat([log_q_C, columns.log_q_C[last:]]),
            last_negative=last + len(item_M),
            hard_RH=hard_RH,
        )
        return widened, torch.cat([own_CD, vector_MD, item_CD[last:]])

    def _impressions(self) -> Tensor:
        if self.data.impression_UM is None:
            raise ValueError(f"{self.config.negatives.hard} draws from impression_UM, and this training set has none")
        return torch.from_numpy(self.data.impression_UM).to(self.device)

    def _with_hard(self, user_R: np.ndarray, item_C: Tensor) -> tuple[Tensor, Tensor]:
        """Columns of some mined items of each row.

        With all columns, those items behind.
        """
        assert self.mined_UM is not None and self.config.negatives.hard is not None
        mined_RM = self.mined_UM[torch.from_numpy(user_R).to(self.device)]
        random_RM = torch.rand(mined_RM.shape, generator=self.rng).to(self.device)
        # The highest of random numbers are a draw without replacement; where no item
        # stands the number is lowest, so that -1 is taken only when items run out.
        rank_RH = random_RM.masked_fill(mined_RM < 0, -1.0).topk(self.config.negatives.hard.number, dim=1).indices
        chosen_RH = mined_RM.gather(1, rank_RH)
        distinct = chosen_RH[chosen_RH >= 0].unique()
        column_N = torch.full((self.data.size + 1,), -1, device=self.device)  # the last position is that of -1, no item
        column_N[distinct] = torch.arange(len(distinct), device=self.device) + len(item_C)
        return column_N[chosen_RH], torch.cat([item_C, distinct])

    def state(self) -> dict[str, Tensor]:
        """State for a checkpoint."""
        state = prefixed("memory.", self.memory.state())
        if isinstance(self.frequency, Streamed):
            state |= prefixed("frequency.", self.frequency.state())
        if self.mined_UM is not None:
            state["mined"] = self.mined_UM
        if self.reranker:
            state |= prefixed("reranker.", self.reranker.state())
        return state | {"rng": self.rng.get_state()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore a state."""
        # Generators of the CPU take their states on the CPU.
        state = {name: each if name.endswith("rng") else each.to(self.device) for name, each in state.items()}
        self.memory.load(part("memory.", state))
        if isinstance(self.frequency, Streamed):
            self.frequency.load(part("frequency.", state))
        self.mined_UM = state.get("mined")
        if self.reranker:
            self.reranker.load(part("reranker.", state))
        self.rng.set_state(state["rng"])
