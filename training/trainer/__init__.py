"""The trainer: batches to gradients to weights."""

from training.trainer.loop import OnEpoch, Validate, train
from training.trainer.state import SCORE

__all__ = ["SCORE", "OnEpoch", "Validate", "train"]
