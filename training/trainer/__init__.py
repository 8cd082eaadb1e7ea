"""The trainer: batches to gradients to weights."""

from training.trainer.loop import OnEpoch, Validate, no_report, train
from training.trainer.repeat_loop import fit_repeat_head
from training.trainer.state import SCORE

__all__ = ["SCORE", "OnEpoch", "Validate", "fit_repeat_head", "no_report", "train"]
