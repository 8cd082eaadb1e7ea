"""Click models: who looks where, and what a look at an item leads to.

Legend: S answers, L positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class ClickModel(Protocol):
    """Clicks of answers, given the logits of their items' relevance."""

    def clicks(self, logit_SL: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Whether each item is clicked: bool [S, L]."""


@dataclass(frozen=True, kw_only=True)
class PositionBased:
    """Clicked if looked at, with probability θ_k, and relevant.

    With trust, a look at position k finds an irrelevant item relevant with probability
    `trust[k]` [Agarwal et al., WWW 2019].
    """

    examination: tuple[float, ...]
    """Probability of a look at each position."""
    trust: tuple[float, ...] | None = None
    """Probability of a click on an irrelevant item that is looked at; None for 0."""

    def clicks(self, logit_SL: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        length = logit_SL.shape[1]
        click_SL = sigmoid(logit_SL)
        if self.trust is not None:
            click_SL = click_SL + (1 - click_SL) * np.array(self.trust[:length])
        return rng.random(logit_SL.shape) < click_SL * np.array(self.examination[:length])


@dataclass(frozen=True, kw_only=True)
class TwoTypes:
    """Click-first users look at the first positions, patient ones at all; drawn by answer."""

    patient: float
    """Share of the answers with a patient user."""
    depth: int = 1
    """Positions that a click-first user looks at."""

    def clicks(self, logit_SL: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        patient_S1 = rng.random((len(logit_SL), 1)) < self.patient
        looked_SL = patient_S1 | (np.arange(logit_SL.shape[1]) < self.depth)
        return looked_SL & (rng.random(logit_SL.shape) < sigmoid(logit_SL))


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """Looks from the first position on, and stops after the first click."""

    def clicks(self, logit_SL: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        relevant_SL = rng.random(logit_SL.shape) < sigmoid(logit_SL)
        return relevant_SL & (relevant_SL.cumsum(axis=1) == 1)


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Click probability σ(f + strength · (mean relevance of the adjacent items − ½))."""

    strength: float
    """Effect of the neighbours; above 0 relevant ones bring clicks, below 0 they take some."""
    bias: tuple[float, ...] | None = None
    """Further logit of each position; None for 0."""

    def clicks(self, logit_SL: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        beside_SL = self.strength * (beside(sigmoid(logit_SL)) - 0.5)
        bias_L = np.zeros(logit_SL.shape[1]) if self.bias is None else np.array(self.bias[: logit_SL.shape[1]])
        return rng.random(logit_SL.shape) < sigmoid(logit_SL + beside_SL + bias_L)


@dataclass(frozen=True, kw_only=True)
class ProductOfProbabilities:
    """Click probability σ(f) · σ(θ_k) [PAL: Guo et al., RecSys 2019]."""

    bias: tuple[float, ...]
    """Logit of a look at each position."""

    def clicks(self, logit_SL: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        looked_L = sigmoid(np.array(self.bias[: logit_SL.shape[1]]))
        return rng.random(logit_SL.shape) < sigmoid(logit_SL) * looked_L


@dataclass(frozen=True, kw_only=True)
class AdditiveLogits:
    """Click probability σ(f + θ_k) [Zhao et al., RecSys 2019]."""

    bias: tuple[float, ...]
    """Logit that each position adds."""
    mood: float = 0.0
    """Standard deviation of a logit that all items of an answer share."""

    def clicks(self, logit_SL: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        mood_S1 = self.mood * rng.standard_normal((len(logit_SL), 1))
        bias_L = np.array(self.bias[: logit_SL.shape[1]])
        return rng.random(logit_SL.shape) < sigmoid(logit_SL + bias_L + mood_S1)


def beside(value_SL: np.ndarray) -> np.ndarray:
    """Mean of the one or two adjacent items: [S, L]; 0 for an item alone."""
    sum_SL, count_L = np.zeros_like(value_SL), np.zeros(value_SL.shape[1])
    sum_SL[:, 1:] += value_SL[:, :-1]
    sum_SL[:, :-1] += value_SL[:, 1:]
    count_L[1:] += 1
    count_L[:-1] += 1
    return sum_SL / np.maximum(count_L, 1)


def sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))
