"""How a user embedding and an item embedding become a score: frozen declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """<u, v> / τ of unit vectors.

    temperature: τ, or where it is `learned` its starting value; log τ is what is learned, kept inside `bounds`.
    shift: learn a constant that is added, which pointwise losses need.
    """

    temperature: float = 0.05
    learned: bool = True
    bounds: tuple[float, float] = (0.005, 1.0)
    shift: bool = False

    def __post_init__(self) -> None:
        low, high = self.bounds
        if not 0 < low <= self.temperature <= high:
            raise ValueError(f"temperature {self.temperature} must lie in {self.bounds}, above 0")


@dataclass(frozen=True, kw_only=True)
class Dot:
    """<u, v> of vectors of any length. shift: learn a constant that is added, which pointwise losses need."""

    shift: bool = False


Score = Cosine | Dot
