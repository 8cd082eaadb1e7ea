"""Recipes: frozen configurations of a training run. A recipe is a function, so variants are `replace(base(), ...)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from feature_repo.schema import item_statistics

SALES = tuple(feature.name for feature in item_statistics(value=True).features)


@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """Layer sizes and regularisation of both towers.

    hidden: widths of the MLP. embedding_dim: width of a side feature. dropout: of the MLP. id_dropout: share of
    training rows whose item id is replaced by UNKNOWN, so that the default of unknown items is trained (DropoutNet,
    NeurIPS 2017). history_dropout: mean share of a history that is left out in training.
    """

    hidden: tuple[int, ...] = (128,)
    embedding_dim: int = 16
    dropout: float = 0.1
    id_dropout: float = 0.1
    history_dropout: float = 0.5

    def __post_init__(self) -> None:
        if min((*self.hidden, self.embedding_dim)) < 1:
            raise ValueError(f"layer sizes must be positive, got {self.hidden} and {self.embedding_dim}")
        for name in ("dropout", "id_dropout", "history_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is a share in [0, 1), got {getattr(self, name)}")


POSITIVE = (
    "dim",
    "min_count",
    "half_life_days",
    "discovery_weight",
    "batch_size",
    "epochs",
    "patience",
    "averaged_share",
    "learning_rate",
    "embedding_rate",
)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run.

    leave_out: features that the towers do not see. min_count: interactions below which an item gets no id of its own
    but the trained default. half_life_days: an interaction so much older counts half in the loss. discovery_weight: how
    much more a user's first interaction with an item counts than a repetition. batch_size: interactions per step (whole
    user snapshots, so a batch may fall a little short). temperature: the starting value, learned as log τ and kept
    inside `temperature_bounds`. learning_rate drives the dense weights (Adam), embedding_rate the id table (SparseAdam:
    only the rows of a batch move). epochs: the most there are. patience: epochs without a better validation score that
    end the training. averaged_share: share of the steps over which the weights are averaged, the newest ones.
    """

    dim: int = 128
    tower: TowerConfig = field(default_factory=TowerConfig)
    leave_out: tuple[str, ...] = ()
    min_count: int = 10
    half_life_days: float = 60.0
    discovery_weight: float = 1.75
    batch_size: int = 1024
    epochs: int = 10
    patience: int = 2
    averaged_share: float = 0.3
    learning_rate: float = 1.5e-3
    embedding_rate: float = 2.5e-3
    temperature: float = 0.05
    temperature_bounds: tuple[float, float] = (0.005, 1.0)

    def __post_init__(self) -> None:
        for name in POSITIVE:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        low, high = self.temperature_bounds
        if not 0 < low <= self.temperature <= high:
            raise ValueError(f"temperature {self.temperature} must lie in {self.temperature_bounds}, above 0")


def base() -> TrainConfig:
    """The default recipe.

    It leaves the item statistics out: in-batch negatives only show an item in the weeks in which it sells, so what the
    towers would learn of its statistics is wrong for the items that do not sell. They need negatives from the whole
    corpus.
    """
    return TrainConfig(leave_out=SALES)


def with_statistics() -> TrainConfig:
    """The default recipe with the item statistics: shows what they cost without negatives from the whole corpus."""
    return replace(base(), leave_out=())


RECIPES: dict[str, Callable[[], TrainConfig]] = {"base": base, "with_statistics": with_statistics}


def recipe(name: str) -> TrainConfig:
    """The named recipe; ValueError lists those there are."""
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; there are {', '.join(sorted(RECIPES))}")
    return RECIPES[name]()
