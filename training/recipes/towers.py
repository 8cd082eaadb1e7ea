"""Parts of towers: frozen declarations, no third-party import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from training.recipes.validation import at_least_one, divides, positive, shares


@dataclass(frozen=True, kw_only=True)
class MLP:
    """Linear layers with ReLU; without hidden ones the body is linear."""

    hidden: tuple[int, ...] = (128,)
    """Width of each hidden layer."""
    dropout: float = 0.1
    """Dropout behind each hidden layer."""
    norm: Norm | None = None
    """Normalisation of each hidden layer; None for none."""

    def __post_init__(self) -> None:
        _check_layers(self, self.hidden, self.dropout, self.norm)


@dataclass(frozen=True, kw_only=True)
class Residual:
    """Blocks of two linear layers whose result is added to their input.

    [the ResNet of Gorishniy et al., NeurIPS 2021, after He et al., ECCV 2016]
    """

    width: int = 128
    """Width of the blocks."""
    blocks: int = 2
    """Number of blocks."""
    dropout: float = 0.1
    """Dropout inside the blocks."""
    norm: Norm | None = "layer"
    """Normalisation of each block; None for none."""

    def __post_init__(self) -> None:
        at_least_one(self, width=self.width, blocks=self.blocks)
        _check_layers(self, (self.width,), self.dropout, self.norm)


@dataclass(frozen=True, kw_only=True)
class Cross:
    """Explicit products of features: l cross layers reach degree l + 1.

    [DCN-v2: Wang et al., WWW 2021]
    """

    layers: int = 2
    """Number of cross layers, l."""
    rank: int | None = None
    """Rank of each layer's matrix, as a product of two; None for a full matrix."""
    deep: MLP = field(default_factory=MLP)
    """MLP beside the cross layers; `MLP(hidden=())` for none."""
    structure: Literal["stacked", "parallel"] = "stacked"
    """Input of the MLP: the cross layers' output ("stacked") or their input
    ("parallel")."""

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
    """MLP with units times learned gates, SiLU(W x) ⊙ V x [SwiGLU: Shazeer, 2020]."""

    hidden: tuple[int, ...] = (128,)
    """Width of each hidden layer."""
    dropout: float = 0.1
    """Dropout behind each hidden layer."""
    norm: Norm | None = None
    """Normalisation of each hidden layer; None for none."""

    def __post_init__(self) -> None:
        if not self.hidden:
            raise ValueError("Gated.hidden names no layer, so nothing is gated; a linear body is MLP(hidden=())")
        _check_layers(self, self.hidden, self.dropout, self.norm)


Body = MLP | Residual | Cross | Gated


def has_hidden_layer(body: Body) -> bool:
    """Whether a body has a layer of its own between the inputs and the embedding."""
    match body:
        case MLP(hidden=hidden) | Cross(deep=MLP(hidden=hidden)):
            return bool(hidden)
        case _:
            return True


def _check_layers(owner: object, hidden: tuple[int, ...], dropout: float, norm: str | None) -> None:
    """Raise ValueError for options that no body of layers can have.

    Args:
        owner: the declaration, named in the error.
        hidden: widths of the hidden layers.
        dropout: share that is left out.
        norm: name of the normalisation, or None.
    """
    for size in hidden:
        at_least_one(owner, hidden=size)
    shares(owner, dropout=dropout)
    if norm not in (None, *get_args(Norm)):
        raise ValueError(f"{type(owner).__name__}.norm must be None or one of {get_args(Norm)}, got {norm!r}")


@dataclass(frozen=True, kw_only=True)
class WeightedPooling:
    """Mean of the items, weighted by a learned function of age and count."""

    dropout: float = 0.5
    """Mean share of a history that is left out in training."""

    def __post_init__(self) -> None:
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class MeanPooling:
    """Plain mean of the items."""

    dropout: float = 0.5
    """Mean share of a history that is left out in training."""

    def __post_init__(self) -> None:
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class MultiHeadPooling:
    """Several means, each weighted by item, age and count: one per interest."""

    heads: int = 4
    """Number of means."""
    dropout: float = 0.5
    """Mean share of a history that is left out in training."""

    def __post_init__(self) -> None:
        at_least_one(self, heads=self.heads)
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class GRUHistory:
    """Recurrent network over the items from the oldest to the newest.

    [GRU4Rec: Hidasi et al., ICLR 2016]
    """

    width: int = 64
    """Width of the state."""
    dropout: float = 0.2
    """Mean share of a history that is left out in training."""

    def __post_init__(self) -> None:
        at_least_one(self, width=self.width)
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class SelfAttention:
    """Causal self-attention over the items, read at the newest.

    [SASRec: Kang and McAuley, ICDM 2018]
    """

    width: int = 64
    """Width of the blocks."""
    heads: int = 2
    """Attention heads of a block; they divide the width."""
    blocks: int = 2
    """Number of blocks."""
    positions: int = 50
    """Newest items with a position of their own; all older ones share one."""
    dropout: float = 0.2
    """Mean share of a history that is left out in training."""
    block_dropout: float = 0.1
    """Dropout inside the blocks."""

    def __post_init__(self) -> None:
        at_least_one(self, width=self.width, heads=self.heads, blocks=self.blocks, positions=self.positions)
        divides(self, self.heads, self.width)
        shares(self, dropout=self.dropout, block_dropout=self.block_dropout)


History = WeightedPooling | MeanPooling | MultiHeadPooling | GRUHistory | SelfAttention


@dataclass(frozen=True, kw_only=True)
class BehaviouralVectors:
    """Latent factors of the training part, as frozen features of both towers.

    They come from implicit ALS. The defaults are those of the ALS baseline, for some
    thousand users. In a log of some dozens, so much regularization leaves only
    popularity, and 3 is better.
    """

    factors: int = 32
    """Numbers per item and user."""
    iterations: int = 15
    """Alternations between users and items."""
    regularization: float = 10.0
    """Weight of the squared norm of the factors."""
    alpha: float = 0.3
    """Confidence that one interaction adds: 1 + alpha · count."""

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
    """Declaration of both towers."""

    user: Body | None = field(default_factory=MLP)
    """Body of the user tower; None for the sum of ids and histories without side
    features."""
    item: Body | None = field(default_factory=MLP)
    """Body of the item tower; None for the item vectors without side features."""
    user_id: bool = False
    """Whether every user of the training part has a vector, for data with few new
    users."""
    history: History = field(default_factory=WeightedPooling)
    """Reader of a user's histories."""
    embedding_dim: int = 16
    """Width of a side feature."""
    id_dropout: float = 0.1
    """Share of training rows whose id is replaced by UNKNOWN, which trains the default
    of unknown ids [DropoutNet, NeurIPS 2017]."""
    shared_middle: int | None = None
    """Width of a layer that both bodies pass before their embeddings, with shared
    weights; None for none."""

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
