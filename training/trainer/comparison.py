"""From a batch to the candidates that a loss compares: draws negatives, hides what is none, corrects.

Legend: R user snapshots, C columns, L history length, N items of the corpus, V item vocabulary; U users, M mined items
of each, H hard negatives of a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from training.losses import Candidates, Pairs
from training.recipes.config import TrainConfig
from training.sampling import Counted, Memory, Streamed, draw
from training.towers import TwoTower, items_of_codes
from training.trainer.owned import Owned
from training.trainer.places import Places
from training.training_set import Batch, TrainingSet


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """The items of a batch's columns: those of the batch, drawn ones, hard ones. See `Candidates` for the rest.

    owned: where the recipe has a repeat term, the histories; their items' features stand behind those of the columns.
    """

    item_C: Tensor
    features: dict[str, Tensor]
    log_q_C: Tensor
    first_negative: int
    last_negative: int
    hard_RH: Tensor | None = None
    owned: Owned | None = None


class Comparison:
    """Chooses the columns of each batch and builds its candidates. Its state belongs into a checkpoint.

    mined_UM: items for each user to draw hard negatives from, -1 where there is none; None as long as nothing is mined.
    """

    def __init__(self, data: TrainingSet, config: TrainConfig, model: TwoTower, seed: int) -> None:
        self.data, self.config = data, config
        self.share_N = data.share()
        self.frequency = Streamed(config.frequency) if config.frequency else Counted(self.share_N)
        self.memory = Memory(config.memory)
        self.rng = torch.Generator().manual_seed(seed)
        self.mined_UM: Tensor | None = None
        self.corpus = {name: torch.from_numpy(array) for name, array in data.corpus.items()}
        self.histories = model.user.histories if config.strata and not config.repeat else ()
        self.repeated = model.repeat.history if model.repeat else None
        self.item_of_V = items_of_codes(self.corpus[model.item.vectors.key], model.item.vectors.ids.num_embeddings)

    def columns(self, batch: Batch) -> Columns:
        """The batch's items, what the sampler draws, and the hard negatives of the batch's users."""
        if isinstance(self.frequency, Streamed):
            self.frequency.update(batch.item_C)
        drawn = draw(self.config.sampler, batch.item_C, batch.size, self.share_N, self.frequency, self.rng)
        item_C = torch.cat([batch.item_C, drawn.extra_E])
        last, log_q_C, hard_RH = len(item_C), drawn.log_q, None
        if self.mined_UM is not None:
            hard_RH, item_C = self._with_hard(batch.user_R, item_C)
            log_q_C = torch.cat([log_q_C, torch.zeros(len(item_C) - last)])
        owned = Owned.of(batch, self.repeated, self.item_of_V) if self.repeated else None
        extra = torch.cat([item_C[len(batch.item_C) :], owned.item_U if owned else item_C[:0]])
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
            owned=owned,
        )

    def candidates(
        self, model: TwoTower, batch: Batch, columns: Columns, user_RD: Tensor, item_CD: Tensor
    ) -> Candidates:
        """The embeddings with everything the loss has to know of them."""
        owned = columns.owned
        item_CD, item_UD = item_CD[: len(columns.item_C)], item_CD[len(columns.item_C) :]
        if self.config.memory:
            columns, item_CD = self._with_memory(batch.size, columns, item_CD)
        places = Places(columns.item_C[: columns.last_negative], self.data.size)
        return Candidates(
            user_RD=user_RD,
            item_CD=item_CD,
            scale=1 / model.temperature,
            shift=model.shift,
            row_P=batch.row_P,
            column_P=batch.column_P,
            weight_P=batch.weight_P,
            log_q_C=columns.log_q_C,
            hidden=self._hidden(batch, places, owned),
            repeats=owned.repeats(model, batch, item_UD) if owned else None,
            history=self._history(batch, places) if self.histories else None,
            hard_RH=columns.hard_RH,
            first_negative=columns.first_negative,
            last_negative=columns.last_negative,
            precision=torch.bfloat16 if self.config.optimisation.precision == "bfloat16" else torch.float32,
        )

    def _hidden(self, batch: Batch, places: Places, owned: Owned | None) -> Pairs:
        """The batch's positives, and the histories where they are ranked by themselves; or everything that its users
        are known to have taken; or nothing."""
        if self.config.all_negative:
            return Pairs.none()
        if not self.config.hide_known:
            positives = places.pairs(batch.row_P, batch.item_C[batch.column_P])
            return positives.and_also(places.pairs(*owned.pairs())) if owned else positives
        known = self.data.known[batch.user_R].tocoo()
        return places.pairs(torch.from_numpy(known.row).long(), torch.from_numpy(known.col).long())

    def _history(self, batch: Batch, places: Places) -> Pairs:
        """Pairs whose item is in the user's history. Items without an id of their own are in nobody's."""
        code_RL = torch.cat([batch.users[f"{name}_items"] for name in self.histories], dim=1)
        item_RL = self.item_of_V[code_RL.long()]
        row_H, place_H = (item_RL >= 0).nonzero(as_tuple=True)
        return places.pairs(row_H, item_RL[row_H, place_H])

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

    def _with_hard(self, user_R: np.ndarray, item_C: Tensor) -> tuple[Tensor, Tensor]:
        """Some mined items of each row as columns, and the columns with those behind that have none yet."""
        assert self.mined_UM is not None and self.config.hard is not None
        mined_RM = self.mined_UM[torch.from_numpy(user_R)]
        places_RH = torch.rand(mined_RM.shape, generator=self.rng).topk(self.config.hard.number, dim=1).indices
        chosen_RH = mined_RM.gather(1, places_RH)
        distinct = chosen_RH[chosen_RH >= 0].unique()
        column_N = torch.full((self.data.size + 1,), -1)  # the last place is that of -1, no item
        column_N[distinct] = torch.arange(len(distinct)) + len(item_C)
        return column_N[chosen_RH], torch.cat([item_C, distinct])

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        state = {f"memory.{name}": each for name, each in self.memory.state().items()}
        if isinstance(self.frequency, Streamed):
            state |= {f"frequency.{name}": each for name, each in self.frequency.state().items()}
        if self.mined_UM is not None:
            state["mined"] = self.mined_UM
        return state | {"rng": self.rng.get_state()}

    def load(self, state: dict[str, Tensor]) -> None:
        self.memory.load(_part(state, "memory."))
        if isinstance(self.frequency, Streamed):
            self.frequency.load(_part(state, "frequency."))
        self.mined_UM = state.get("mined")
        self.rng.set_state(state["rng"])


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): each for name, each in state.items() if name.startswith(prefix)}
