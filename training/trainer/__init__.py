"""The trainer: batches to gradients to weights."""

from training.trainer.loop import SCORE, OnEpoch, Validate, train

__all__ = ["SCORE", "OnEpoch", "Validate", "train"]
