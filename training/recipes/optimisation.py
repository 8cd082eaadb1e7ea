"""Optimisation of a recipe: frozen declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.recipes.validation import positive


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """Batches, rates and early stopping."""

    batch_size: int = 1024
    """Interactions of a step. Batches hold whole user snapshots, so one may be a little
    smaller."""
    parts: int = 1
    """Parts in which a batch passes the towers, to save memory. The loss sees the whole
    batch, so its negatives stay the same."""
    epochs: int = 10
    """Most epochs."""
    patience: int | None = 2
    """Epochs without a better validation score that end the trial; None trains all
    `epochs` and needs no trial."""
    learning_rate: float = 1.75e-3
    """Learning rate of the dense weights (Adam)."""
    embedding_rate: float = 1.8e-3
    """Learning rate of the id tables."""
    tables: Literal["sparse_adam", "rowwise_adagrad", "adam"] = "sparse_adam"
    """Optimiser of the id tables. `sparse_adam` moves only the rows of a batch and has
    two moments a weight. `rowwise_adagrad` has one number of state a row, for tables
    that hardly fit in memory. `adam` moves every row in every step, for corpora that
    pass the towers as a whole."""
    schedule: Literal["constant", "cosine"] = "constant"
    """`constant`, or `cosine` decay to 0 over `epochs`."""
    warm_up: float = 0.0
    """Share of all steps in which the rates rise from 0."""
    weight_decay: float = 0.0
    """Decoupled weight decay of dense matrices; biases, norms and tables have none."""
    clip: float | None = None
    """Largest norm of the gradient; None for any."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products; `trainer.precision` resolves `auto`."""
    averaged_share: float | None = 0.3
    """Share of the steps, the newest ones, over which weights are averaged; None for no
    average."""

    def __post_init__(self) -> None:
        positive(
            self,
            batch_size=self.batch_size,
            parts=self.parts,
            epochs=self.epochs,
            patience=self.patience,
            learning_rate=self.learning_rate,
            embedding_rate=self.embedding_rate,
            clip=self.clip,
            averaged_share=self.averaged_share,
        )
        for name, known in (
            ("tables", ("sparse_adam", "rowwise_adagrad", "adam")),
            ("schedule", ("constant", "cosine")),
            ("precision", ("auto", "float32", "bfloat16")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"warm_up is a share of the steps in [0, 1), got {self.warm_up}")
        if self.weight_decay < 0:
            raise ValueError(f"Optimisation.weight_decay must not be negative, got {self.weight_decay}")
