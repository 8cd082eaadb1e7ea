"""What towers are made of: frozen declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.recipes.bodies import MLP, Body, has_hidden_layer
from training.recipes.checks import at_least_one, shares
from training.recipes.histories import History, WeightedPooling


@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """Both towers.

    user, item: the towers' bodies. history: how a user's histories are read. embedding_dim: width of a side feature.
    id_dropout: share of training rows whose item id is replaced by UNKNOWN, so that the default of unknown items is
    trained [DropoutNet, NeurIPS 2017]. shared_middle: width of a layer that both bodies pass before their embeddings
    and whose weights they share; None for towers that meet only in their item vectors.
    """

    user: Body = field(default_factory=MLP)
    item: Body = field(default_factory=MLP)
    history: History = field(default_factory=WeightedPooling)
    embedding_dim: int = 16
    id_dropout: float = 0.1
    shared_middle: int | None = None

    def __post_init__(self) -> None:
        for name, wanted in (("user", Body), ("item", Body), ("history", History)):
            if not isinstance(getattr(self, name), wanted):
                kinds = ", ".join(kind.__name__ for kind in wanted.__args__)
                raise ValueError(f"TowerConfig.{name} must be one of {kinds}, got {getattr(self, name)!r}")
        at_least_one(self, embedding_dim=self.embedding_dim)
        shares(self, id_dropout=self.id_dropout)
        if self.shared_middle is not None:
            self._check_middle(self.shared_middle)

    def _check_middle(self, width: int) -> None:
        at_least_one(self, shared_middle=width)
        for name, body in (("user", self.user), ("item", self.item)):
            if not has_hidden_layer(body):
                raise ValueError(
                    f"TowerConfig.shared_middle is {width}, but the {name} body has no hidden layer before it: what "
                    f"the towers see differs, so each needs one of its own before the shared one; got {body!r}"
                )
