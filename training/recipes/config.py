"""The configuration of one training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.recipes.behavioural import BehaviouralVectors
from training.recipes.towers import TowerConfig

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

    behavioural: latent factors of the training part as features of both towers; None for none. leave_out: features that
    the towers do not see. min_count: interactions below which an item gets no id of its own
    but the trained default. half_life_days: an interaction so much older counts half in the loss. discovery_weight: how
    much more a user's first interaction with an item counts than a repetition. batch_size: interactions per step (whole
    user snapshots, so a batch may fall a little short). temperature: the starting value, learned as log τ and kept
    inside `temperature_bounds`. learning_rate drives the dense weights (Adam), embedding_rate the id table (SparseAdam:
    only the rows of a batch move). epochs: the most there are. patience: epochs without a better validation score that
    end the training. averaged_share: share of the steps over which the weights are averaged, the newest ones.
    """

    dim: int = 128
    tower: TowerConfig = field(default_factory=TowerConfig)
    behavioural: BehaviouralVectors | None = None
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
