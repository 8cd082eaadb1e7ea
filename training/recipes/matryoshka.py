"""Embeddings that can be cut short, declared."""

from __future__ import annotations

from dataclasses import dataclass

from training.recipes.checks import at_least_one


@dataclass(frozen=True, kw_only=True)
class Matryoshka:
    """The first d coordinates of every embedding are an embedding themselves, for each d in `dims`.

    Training sums the loss over these prefixes, with equal weights as in the paper [Kusupati et al., NeurIPS 2022].
    dims: from the shortest to the longest, which is the whole embedding.
    """

    dims: tuple[int, ...]

    def __post_init__(self) -> None:
        for dim in self.dims:
            at_least_one(self, dims=dim)
        if not self.dims or list(self.dims) != sorted(set(self.dims)):
            raise ValueError(f"Matryoshka.dims must grow, from the shortest prefix to the whole, got {self.dims}")
