"""The two towers as one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from feature_repo.encode import Input, InputKind
from training.recipes.config import TrainConfig
from training.towers.bodies import SharedLayer
from training.towers.clicks import ClickModel
from training.towers.item_vectors import ItemVectors
from training.towers.masking import Masking
from training.towers.repeat_head import RepeatHead
from training.towers.reranker import Reranker
from training.towers.score import Score
from training.towers.user_item import ItemTower, UserTower


class TwoTower(nn.Module):
    """Two towers over shared item vectors, and the score of their embeddings.

    A recipe may add a middle layer that both towers share, a repeat head, and a reranker
    of candidates.

    Args:
        user_inputs: inputs of the user tower, its id first.
        item_inputs: inputs of the item tower, its id first.
        codes_of: see `ItemVectors`.
        config: recipe of the training.
    """

    def __init__(
        self,
        user_inputs: Sequence[Input],
        item_inputs: Sequence[Input],
        codes_of: Mapping[str, Tensor],
        config: TrainConfig,
    ) -> None:
        super().__init__()
        self.score = Score(config.score)
        categories = [each for each in item_inputs[1:] if each.kind is InputKind.CODE]
        vectors = ItemVectors(item_inputs[0], categories, codes_of, config.dim, config.tower.id_dropout)
        middle = SharedLayer(config.tower.shared_middle) if config.tower.shared_middle else None
        shared = vectors, config.tower, config.dim, middle
        self.user = UserTower(user_inputs, *shared, normalise=self.score.normalise, prior=config.prior)
        self.item = ItemTower(item_inputs, *shared, normalise=self.score.normalise, prior=config.prior)
        seen = item_inputs if config.tower.item is not None else [item_inputs[0], *categories]
        self.masking = Masking(seen) if config.self_supervised else None
        self.repeat = RepeatHead(user_inputs, item_inputs, codes_of, config.repeat) if config.repeat else None
        # Made last, so that the towers start from the same weights with it and without.
        self.reranker = Reranker(config.dim, config.reranker) if config.reranker else None
        # Made by `with_slates`, once the surroundings of the impressions are known.
        self.clicks: ClickModel | None = None
        for table in [*self.id_tables, *([self.repeat.vectors.ids] if self.repeat else [])]:
            table.sparse = config.optimisation.tables != "adam"

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.score.log_temperature.device

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
    """Untrained towers.

    Args:
        user_inputs: inputs of the user tower, its id first.
        item_inputs: inputs of the item tower, its id first.
        codes_of: see `ItemVectors`.
        config: recipe of the training.
        seed: decides the starting weights.

    Returns:
        The towers, in training mode.
    """
    torch.manual_seed(seed)
    return TwoTower(user_inputs, item_inputs, codes_of, config)
