"""Samplers: which items are negatives, with their log-probabilities. No sampler knows of losses."""

from training.sampling.draw import Drawn, draw
from training.sampling.frequency import Counted, Frequency, Streamed
from training.sampling.memory import Memory

__all__ = ["Counted", "Drawn", "Frequency", "Memory", "Streamed", "draw"]
