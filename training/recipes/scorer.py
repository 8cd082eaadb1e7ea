"""A scorer of retrieved candidates, declared: no third-party import."""

from __future__ import annotations

from dataclasses import dataclass

from training.recipes.checks import at_least_one

MOST = 8_192
"""An index gives at most 16,384 items for a query, and where seen items never return, these are fetched besides."""


@dataclass(frozen=True, kw_only=True)
class MLPScorer:
    """An MLP f over (u, v, u∘v) that ranks the best of the index anew, by <u, v> / τ + f.

    Products of two vectors cannot express every taste; what may look at both can, but needs a pass for every pair. So
    the index retrieves, and f only orders what it found. It lives in the re-scorer: towers and index stay what they
    are. [Covington et al., RecSys 2016, for the two stages; NeuMF: He et al., WWW 2017, for products beside an MLP]

    widths: of the hidden layers. candidates: so many items of the index are ranked anew; what comes behind them
    keeps the order of the index. positives, negatives: of each batch so many positives train it, each against so many
    draws from what the towers rank high. learning_rate: larger than that of the towers, on which it waits.
    """

    widths: tuple[int, ...] = (64,)
    candidates: int = 200
    positives: int = 512
    negatives: int = 32
    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        if not self.widths:
            raise ValueError("MLPScorer.widths names no layer, and without one it is no MLP; leave scorer out for none")
        for width in self.widths:
            at_least_one(self, widths=width)
        at_least_one(self, candidates=self.candidates, positives=self.positives, negatives=self.negatives)
        if self.learning_rate <= 0:
            raise ValueError(f"MLPScorer.learning_rate must be positive, got {self.learning_rate}")
        if self.candidates > MOST:
            raise ValueError(
                f"MLPScorer.candidates is {self.candidates:,}, more than the {MOST:,} that fit into an answer of the "
                "index beside what the user has seen"
            )
