"""From a batch to the candidates that a loss compares: draws negatives, hides what is none, corrects.

Legend: R user snapshots, C columns, L history length, N items of the corpus, V item vocabulary; U users, M items
mined for each or shown to each, H hard negatives of a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from training.data.training_set import Batch, TrainingSet
from training.losses import Candidates, Pairs
from training.recipes.config import TrainConfig
from training.recipes.sampling import Impressions
from training.sampling import Counted, Memory, Streamed, draw
from training.towers import TwoTower, items_of_codes
from training.trainer.item_columns import ItemColumns
from training.trainer.precision import precision_of
from training.trainer.reranker_objective import RerankerObjective


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """The items of a batch's columns: those of the batch, drawn ones, hard ones. See `Candidates` for the rest."""

    item_C: Tensor
    features: dict[str, Tensor]
    log_q_C: Tensor
    first_negative: int
    last_negative: int
    hard_RH: Tensor | None = None


class CandidateBuilder:
    """Chooses the columns of each batch and builds its candidates. Its state belongs into a checkpoint.

    Everything lies on the model's device; what is drawn comes from a generator of the CPU, so that it is the same on
    all devices.

    mined_UM: items for each user to draw hard negatives from, -1 where there is none: mined, None as long as nothing
    is; or shown and not taken.
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
        self.mined_UM = self._shown() if isinstance(config.negatives.hard, Impressions) else None
        self.corpus = {name: torch.from_numpy(array).to(self.device) for name, array in data.corpus.items()}
        self.histories = model.user.histories if config.strata else ()
        self.places = ItemColumns(data.size, self.device)
        self.item_of_V = items_of_codes(self.corpus[model.item.vectors.key], model.item.vectors.size)

    def columns(self, batch: Batch) -> Columns:
        """The batch's items, what the sampler draws, and the hard negatives of the batch's users."""
        if isinstance(self.frequency, Streamed):
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

    def candidates(
        self, model: TwoTower, batch: Batch, columns: Columns, user_RD: Tensor, item_CD: Tensor
    ) -> Candidates:
        """The embeddings with everything the loss has to know of them."""
        if self.config.negatives.memory:
            columns, item_CD = self._with_memory(batch.size, columns, item_CD)
        if self.histories or not self.config.negatives.all_negative:
            self.places.move(columns.item_C[: columns.last_negative])
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

    def _hidden(self, batch: Batch) -> Pairs:
        """The batch's positives, or everything that its users are known to have taken, or nothing."""
        if self.config.negatives.all_negative:
            return Pairs.none(self.device)
        if not self.config.negatives.hide_known:
            return self.places.pairs(batch.row_P, batch.item_C[batch.column_P])
        known = self.data.known[batch.user_R].tocoo()
        row_H, item_H = (torch.from_numpy(each).long().to(self.device) for each in (known.row, known.col))
        return self.places.pairs(row_H, item_H)

    def _history(self, batch: Batch) -> Pairs:
        """Pairs whose item is in the user's history. Items without a code of their own are in nobody's."""
        code_RL = torch.cat([batch.users[f"{name}_items"] for name in self.histories], dim=1)
        item_RL = self.item_of_V[code_RL.long()]
        row_H, place_H = (item_RL >= 0).nonzero(as_tuple=True)
        return self.places.pairs(row_H, item_RL[row_H, place_H])

    def _with_memory(self, interactions: int, columns: Columns, item_CD: Tensor) -> tuple[Columns, Tensor]:
        """The columns with the remembered ones behind the batch's and before the hard ones; their embeddings.

        Hard ones are not remembered: they came by no probability that a correction could know.
        """
        last = columns.last_negative
        own_C, own_CD = columns.item_C[:last], item_CD[:last]
        past = len(self.memory)
        item_M, vector_MD = self.memory.others(own_C) if past else (own_C[:0], item_CD.detach()[:0])
        self.memory.add(own_C, own_CD.detach())
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

    def _shown(self) -> Tensor:
        if self.data.shown_UM is None:
            raise ValueError(f"{self.config.negatives.hard} draws from shown_UM, and this training set has none")
        return torch.from_numpy(self.data.shown_UM).to(self.device)

    def _with_hard(self, user_R: np.ndarray, item_C: Tensor) -> tuple[Tensor, Tensor]:
        """Some mined items of each row as columns, and the columns with those behind that have none yet."""
        assert self.mined_UM is not None and self.config.negatives.hard is not None
        mined_RM = self.mined_UM[torch.from_numpy(user_R).to(self.device)]
        random_RM = torch.rand(mined_RM.shape, generator=self.rng).to(self.device)
        places_RH = random_RM.masked_fill(mined_RM < 0, -1.0).topk(self.config.negatives.hard.number, dim=1).indices
        chosen_RH = mined_RM.gather(1, places_RH)
        distinct = chosen_RH[chosen_RH >= 0].unique()
        column_N = torch.full((self.data.size + 1,), -1, device=self.device)  # the last place is that of -1, no item
        column_N[distinct] = torch.arange(len(distinct), device=self.device) + len(item_C)
        return column_N[chosen_RH], torch.cat([item_C, distinct])

    def state(self) -> dict[str, Tensor]:
        """State that a checkpoint keeps."""
        state = {f"memory.{name}": each for name, each in self.memory.state().items()}
        if isinstance(self.frequency, Streamed):
            state |= {f"frequency.{name}": each for name, each in self.frequency.state().items()}
        if self.mined_UM is not None:
            state["mined"] = self.mined_UM
        if self.reranker:
            state |= {f"reranker.{name}": each for name, each in self.reranker.state().items()}
        return state | {"rng": self.rng.get_state()}

    def load(self, state: dict[str, Tensor]) -> None:
        state = {name: each if name.endswith("rng") else each.to(self.device) for name, each in state.items()}
        self.memory.load(_part(state, "memory."))
        if isinstance(self.frequency, Streamed):
            self.frequency.load(_part(state, "frequency."))
        self.mined_UM = state.get("mined")
        if self.reranker:
            self.reranker.load(_part(state, "reranker."))
        self.rng.set_state(state["rng"])


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): each for name, each in state.items() if name.startswith(prefix)}
