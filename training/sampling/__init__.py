"""Negatives of a batch with their log-probabilities. No sampler knows of losses."""

from training.sampling.cross_batch_memory import Memory
from training.sampling.item_frequency import Counted, Frequency, Streamed
from training.sampling.negatives import Drawn, draw

__all__ = ["Counted", "Drawn", "Frequency", "Memory", "Streamed", "draw"]
