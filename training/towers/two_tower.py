"""The two towers as one model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from feature_repo.encode import Input, InputKind
from training.recipes.config import TrainConfig
from training.recipes.objective import Cosine
from training.towers.bodies import SharedLayer
from training.towers.item_vectors import ItemVectors
from training.towers.masking import Masking
from training.towers.repeat_head import RepeatHead
from training.towers.reranker import Reranker
from training.towers.user_item import ItemTower, UserTower


class TwoTower(nn.Module):
    """A user tower and an item tower over shared item vectors (and a shared middle layer, where a recipe asks for one),
    how their embeddings become a logit, and where a recipe asks for them the repeat head and the
    reranker of candidates."""

    def __init__(
        self,
        user_inputs: Sequence[Input],
        item_inputs: Sequence[Input],
        codes_of: Mapping[str, Tensor],
        config: TrainConfig,
    ) -> None:
        super().__init__()
        categories = [each for each in item_inputs[1:] if each.kind is InputKind.CODE]
        vectors = ItemVectors(item_inputs[0], categories, codes_of, config.dim, config.tower.id_dropout)
        middle = SharedLayer(config.tower.shared_middle) if config.tower.shared_middle else None
        unit = isinstance(config.score, Cosine)
        self.user = UserTower(user_inputs, vectors, config.tower, config.dim, middle, unit=unit)
        self.item = ItemTower(item_inputs, vectors, config.tower, config.dim, middle, unit=unit)
        seen = item_inputs if config.tower.item is not None else [item_inputs[0], *categories]
        self.masking = Masking(seen) if config.self_supervised else None
        cosine = config.score if isinstance(config.score, Cosine) else Cosine(temperature=1.0, learned=False)
        start = torch.tensor(math.log(cosine.temperature))
        self.log_temperature = nn.Parameter(start, requires_grad=cosine.learned)
        self.log_bounds = tuple(math.log(bound) for bound in cosine.bounds)
        self.shift = nn.Parameter(torch.zeros(()), requires_grad=config.score.shift)
        self.repeat = RepeatHead(user_inputs, item_inputs, codes_of, config.repeat) if config.repeat else None
        # Made last, so that the towers start from the same weights with it and without.
        self.reranker = Reranker(config.dim, config.reranker) if config.reranker else None
        for table in [*self.id_tables, *([self.repeat.vectors.ids] if self.repeat else [])]:
            table.sparse = config.optimisation.tables != "adam"

    @property
    def device(self) -> torch.device:
        return self.log_temperature.device

    @property
    def temperature(self) -> Tensor:
        return self.log_temperature.clamp(*self.log_bounds).exp()

    @property
    def tables(self) -> list[nn.Parameter]:
        """The towers' id tables: large, and of their rows a batch moves only a few."""
        return [table.get_parameter("weight") for table in self.id_tables]

    @property
    def id_tables(self) -> list[nn.Embedding]:
        """The modules that hold `tables`."""
        tables = (self.item.vectors.ids, self.user.ids)
        return [table for table in tables if table is not None]


def new_model(
    user_inputs: Sequence[Input],
    item_inputs: Sequence[Input],
    codes_of: Mapping[str, Tensor],
    config: TrainConfig,
    *,
    seed: int,
) -> TwoTower:
    """Untrained towers; the seed decides their starting weights. codes_of: see `ItemVectors`."""
    torch.manual_seed(seed)
    return TwoTower(user_inputs, item_inputs, codes_of, config)
