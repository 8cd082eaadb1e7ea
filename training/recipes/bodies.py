"""Bodies of towers, declared: what stands between everything a tower sees and its embedding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from training.recipes.checks import at_least_one, shares

Norm = Literal["batch", "layer"]
"""Batch normalisation [Ioffe and Szegedy, ICML 2015], layer normalisation [Ba et al., 2016]."""


@dataclass(frozen=True, kw_only=True)
class MLP:
    """Linear layers with ReLU, one for every width in `hidden`; they may taper. Without any the body is linear."""

    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.1
    norm: Norm | None = None

    def __post_init__(self) -> None:
        _check_layers(self, self.hidden, self.dropout, self.norm)


@dataclass(frozen=True, kw_only=True)
class Residual:
    """Blocks of two linear layers whose result is added to what came in: depth without vanishing gradients.

    [the ResNet of Gorishniy et al., NeurIPS 2021, after He et al., ECCV 2016]
    """

    width: int = 128
    blocks: int = 2
    dropout: float = 0.1
    norm: Norm | None = "layer"

    def __post_init__(self) -> None:
        at_least_one(self, width=self.width, blocks=self.blocks)
        _check_layers(self, (self.width,), self.dropout, self.norm)


@dataclass(frozen=True, kw_only=True)
class Cross:
    """Explicit products of features: l cross layers reach degree l + 1 [DCN-v2: Wang et al., WWW 2021].

    rank: each cross layer's matrix is the product of two of this rank; None for a full one. deep: the MLP that the
    cross layers feed ("stacked") or stand beside ("parallel"); `MLP(hidden=())` leaves the cross layers alone.
    """

    layers: int = 2
    rank: int | None = None
    deep: MLP = field(default_factory=MLP)
    structure: Literal["stacked", "parallel"] = "stacked"

    def __post_init__(self) -> None:
        at_least_one(self, layers=self.layers)
        if self.rank is not None:
            at_least_one(self, rank=self.rank)
        if not isinstance(self.deep, MLP):
            raise ValueError(f"Cross.deep must be an MLP, got {self.deep!r}; MLP(hidden=()) is none")
        if self.structure not in ("stacked", "parallel"):
            raise ValueError(f"Cross.structure must be 'stacked' or 'parallel', got {self.structure!r}")
        if self.structure == "parallel" and not self.deep.hidden:
            raise ValueError("Cross.structure is 'parallel', so deep needs a hidden layer to stand beside, got none")


@dataclass(frozen=True, kw_only=True)
class Gated:
    """An MLP whose units are multiplied by learned gates, SiLU(W x) ⊙ V x [SwiGLU: Shazeer, 2020]."""

    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.1
    norm: Norm | None = None

    def __post_init__(self) -> None:
        if not self.hidden:
            raise ValueError("Gated.hidden names no layer, so nothing is gated; a linear body is MLP(hidden=())")
        _check_layers(self, self.hidden, self.dropout, self.norm)


Body = MLP | Residual | Cross | Gated


def has_hidden_layer(body: Body) -> bool:
    """Whether there is a layer of a width of its own between the inputs and the embedding."""
    match body:
        case MLP(hidden=hidden) | Cross(deep=MLP(hidden=hidden)):
            return bool(hidden)
        case _:
            return True


def _check_layers(owner: object, hidden: tuple[int, ...], dropout: float, norm: str | None) -> None:
    for size in hidden:
        at_least_one(owner, hidden=size)
    shares(owner, dropout=dropout)
    if norm not in (None, *get_args(Norm)):
        raise ValueError(f"{type(owner).__name__}.norm must be None or one of {get_args(Norm)}, got {norm!r}")
