"""How weights are moved: frozen declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.recipes.validation import positive


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """Batches, rates and when to stop.

    batch_size: interactions per step (whole user snapshots, so a batch may fall a little short). parts: in how many
    parts a batch passes the towers, to save memory; the loss sees the whole batch, so its negatives stay what they are.
    epochs: the most there are. patience: epochs without a better validation score that end the training.
    learning_rate drives the dense weights (Adam), embedding_rate the id tables.
    tables: how id tables are moved. `sparse_adam`: only the rows of a batch move, with two moments each: the default.
    `rowwise_adagrad`: one number of state per row instead of two per weight, for tables that hardly fit in memory.
    `adam`: every row in every step, for corpora that pass the towers as a whole anyway.
    schedule: `constant`, or `cosine` decay to 0 over `epochs`; warm_up: share of all steps in which the rates rise
    from 0. weight_decay: decoupled, of dense weight matrices only (no biases, norms, tables). clip: largest norm of
    the gradient. precision: of matrix products; see
    `trainer.precision` for what `auto` is. averaged_share: share of the steps over which the weights are averaged,
    the newest ones; None keeps the weights themselves.
    """

    batch_size: int = 1024
    parts: int = 1
    epochs: int = 10
    patience: int = 2
    learning_rate: float = 1.75e-3
    embedding_rate: float = 1.8e-3
    tables: Literal["sparse_adam", "rowwise_adagrad", "adam"] = "sparse_adam"
    schedule: Literal["constant", "cosine"] = "constant"
    warm_up: float = 0.0
    weight_decay: float = 0.0
    clip: float | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    averaged_share: float | None = 0.3

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
