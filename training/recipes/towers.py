"""Parts of towers: frozen declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from training.recipes.validation import at_least_one, divides, positive, shares


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


@dataclass(frozen=True, kw_only=True)
class WeightedPooling:
    """A mean of the items, weighted by a learned function of age and count: what was taken lately and often."""

    dropout: float = 0.5

    def __post_init__(self) -> None:
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class MeanPooling:
    """The plain mean of the items."""

    dropout: float = 0.5

    def __post_init__(self) -> None:
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class MultiHeadPooling:
    """Several means, each weighted by what the items are as well as by age and count: one per interest."""

    heads: int = 4
    dropout: float = 0.5

    def __post_init__(self) -> None:
        at_least_one(self, heads=self.heads)
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class GRUHistory:
    """A recurrent network over the items from the oldest to the newest [GRU4Rec: Hidasi et al., ICLR 2016]."""

    width: int = 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        at_least_one(self, width=self.width)
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class SelfAttention:
    """Causal self-attention over the items, read at the newest [SASRec: Kang and McAuley, ICDM 2018].

    positions: so many newest items have a place of their own, all older ones share one. block_dropout: dropout inside
    the blocks.
    """

    width: int = 64
    heads: int = 2
    blocks: int = 2
    positions: int = 50
    dropout: float = 0.2
    block_dropout: float = 0.1

    def __post_init__(self) -> None:
        at_least_one(self, width=self.width, heads=self.heads, blocks=self.blocks, positions=self.positions)
        divides(self, self.heads, self.width)
        shares(self, dropout=self.dropout, block_dropout=self.block_dropout)


History = WeightedPooling | MeanPooling | MultiHeadPooling | GRUHistory | SelfAttention


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
        positive(
            self,
            factors=self.factors,
            iterations=self.iterations,
            regularization=self.regularization,
            alpha=self.alpha,
        )


@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """Both towers.

    user, item: the towers' bodies; None for an embedding that is the sum of ids and histories, and sees no side
    feature. user_id: give every user of the training part a vector, for data in which users hardly come anew.
    history: how a user's histories are read. embedding_dim: width of a side feature. id_dropout: share of training rows
    whose id is replaced by UNKNOWN, so that the default of unknown ids is trained [DropoutNet, NeurIPS 2017].
    shared_middle: width of a layer that both bodies pass before their embeddings and whose weights they share; None for
    towers that meet only in their item vectors.
    """

    user: Body | None = field(default_factory=MLP)
    item: Body | None = field(default_factory=MLP)
    user_id: bool = False
    history: History = field(default_factory=WeightedPooling)
    embedding_dim: int = 16
    id_dropout: float = 0.1
    shared_middle: int | None = None

    def __post_init__(self) -> None:
        for name, wanted in (("user", Body | None), ("item", Body | None), ("history", History)):
            if not isinstance(getattr(self, name), wanted):
                kinds = ", ".join(kind.__name__.replace("NoneType", "None") for kind in wanted.__args__)
                raise ValueError(f"TowerConfig.{name} must be one of {kinds}, got {getattr(self, name)!r}")
        at_least_one(self, embedding_dim=self.embedding_dim)
        shares(self, id_dropout=self.id_dropout)
        if self.shared_middle is not None:
            self._check_middle(self.shared_middle)

    def _check_middle(self, width: int) -> None:
        at_least_one(self, shared_middle=width)
        for name, body in (("user", self.user), ("item", self.item)):
            if body is None or not has_hidden_layer(body):
                raise ValueError(
                    f"TowerConfig.shared_middle is {width}, but the {name} body has no hidden layer before it: what "
                    f"the towers see differs, so each needs one of its own before the shared one; got {body!r}"
                )


Norm = Literal["batch", "layer"]
"""Batch normalisation [Ioffe and Szegedy, ICML 2015], layer normalisation [Ba et al., 2016]."""
