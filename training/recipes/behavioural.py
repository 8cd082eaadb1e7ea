"""Behavioural vectors, declared: no third-party import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BehaviouralVectors:
    """Latent factors of a matrix factorisation of the training part, as frozen features of both towers.

    factors: numbers per item and user. iterations, regularization, alpha: of implicit ALS, whose confidence in a
    positive is 1 + alpha · count. The defaults are those of the ALS baseline, for some thousand users; in a log of some
    dozens so much regularization leaves nothing but popularity, and 3 is better.
    """

    factors: int = 32
    iterations: int = 15
    regularization: float = 10.0
    alpha: float = 0.3

    def __post_init__(self) -> None:
        for name in ("factors", "iterations", "regularization", "alpha"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
