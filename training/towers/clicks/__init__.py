"""Click models: relevance of the towers, and what else makes a click.

A new model is a file here, its declaration in `recipes.bias_models`, and a case below.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from training.recipes.bias_models import (
    Additive,
    BiasModel,
    BiasTower,
    CrossPositional,
    DotProduct,
    Mixture,
    PositionFeature,
    Product,
)
from training.towers.clicks.additive import AdditiveClicks, ProductClicks
from training.towers.clicks.base import ClickModel, Clicks, Shown
from training.towers.clicks.cross_positional import CrossPositionalClicks
from training.towers.clicks.dot_product import DotProductClicks
from training.towers.clicks.mixture import MixtureClicks
from training.towers.clicks.position_feature import PositionFeatureClicks
from training.towers.clicks.surroundings import Surroundings

__all__ = ["ClickModel", "Clicks", "Shown", "click_model"]


def click_model(
    config: BiasModel | None, names: Sequence[str], sizes: Sequence[int], *, dim: int, click_rate: float
) -> ClickModel:
    """Untrained click model of a recipe.

    Args:
        config: declaration of the bias; None for clicks by relevance alone.
        names: names of the impressions' surroundings.
        sizes: number of codes of each.
        dim: dimension of the embeddings.
        click_rate: share of the impressions with a click.

    Raises:
        ValueError: surroundings that the impressions do not have.
    """

    def surroundings(config: BiasTower, width: int = 1) -> Surroundings:
        return Surroundings(config, names, sizes, width)

    match config:
        case None:
            return ClickModel(click_rate)
        case PositionFeature():
            return PositionFeatureClicks(config, names, sizes, dim, click_rate)
        case Additive():
            return AdditiveClicks(surroundings(config), click_rate)
        case Product():
            return ProductClicks(surroundings(config), click_rate)
        case DotProduct():
            return DotProductClicks(surroundings(config, dim), click_rate)
        case Mixture():
            return MixtureClicks(surroundings(config, config.components), config.components, click_rate)
        case CrossPositional():
            pair = surroundings(config, 2 * config.dim)
            for table in pair.tables:
                nn.init.normal_(table.get_parameter("weight"))  # at 0 no query would tell keys apart
            return CrossPositionalClicks(surroundings(config), pair, click_rate)
