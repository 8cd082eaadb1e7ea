"""What towers are made of: frozen declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass


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
