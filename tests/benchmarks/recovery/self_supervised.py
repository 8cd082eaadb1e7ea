"""Self-supervised items: features place items that nobody clicks.

[Yao et al., arXiv 2007.12865]

The world: every item belongs to a theme, and so does each value of its features. Users
take items of their theme, nearly always popular ones. The tail has 3 clicks at most,
and mostly values that no click has shown. Their meaning can only be learned from items
that have them beside others: from co-occurrence over items, not over clicks.

Legend: N items, F features, U users, H items of a history, T targets of a user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from feature_repo.encode import RESERVED, UNKNOWN, Input, InputKind
from tests.benchmarks.recovery.experiment import Experiment, Measure
from training.data.training_set import Arrays, TrainingSet
from training.recipes import MLP, Optimisation, SelfSupervised, TowerConfig, TrainConfig
from training.towers import TwoTower, embed, new_model
from training.towers.masking import Masking
from training.trainer import train
from training.trainer.self_supervised import SelfSupervision

THEMES, FEATURES, VALUES = 20, 6, 8
ITEMS, HEAD, MIN_COUNT, USERS, HISTORY, TARGETS = 800, 200, 10, 1_000, 4, 2
NOISE = 0.2
"""Share of an item's values that belong to any theme."""
KNOWN = 0.2
"""Share of the tail's values that popular items have too."""
CONFIG = TrainConfig(
    dim=32,
    tower=TowerConfig(user=MLP(hidden=(32,)), item=MLP(hidden=(64,)), embedding_dim=12),
    strata=False,
    optimisation=Optimisation(batch_size=512, epochs=30, learning_rate=3e-3, embedding_rate=3e-3),
)

SSL = SelfSupervised(weight=0.3, items=256)
RANDOM = replace(SSL, masking="random")


@dataclass(frozen=True, kw_only=True)
class World:
    """Training data, and other users with tail items."""

    data: TrainingSet
    """Training users."""
    users: Arrays
    """Other users, encoded."""
    tail_UT: np.ndarray
    """Tail items that these take."""


def measure(seed: int) -> dict[str, float]:
    one = world(seed)
    found = {name: variant(one, seed) for name, variant in VARIANTS.items()}
    gains = {f"{GAIN}, {name}": value - found["none"] for name, value in found.items() if name != "none"}
    return {"tail Recall@50 without": found["none"], **gains}


def world(seed: int) -> World:
    rng = np.random.default_rng(seed)
    theme_N = np.arange(ITEMS) % THEMES
    # Half of a theme's values are those of its popular items, the tail has all of them.
    some_NF = rng.integers(0, VALUES // 2, (ITEMS, FEATURES))
    some_NF[HEAD:] += VALUES // 2 * (rng.random((ITEMS - HEAD, FEATURES)) >= KNOWN)
    shown_NF = np.where(
        rng.random((ITEMS, FEATURES)) < NOISE, rng.integers(0, THEMES, (ITEMS, FEATURES)), theme_N[:, None]
    )
    codes_NF = RESERVED + shown_NF * VALUES + some_NF
    theme_U = rng.integers(0, THEMES, 2 * USERS)
    popularity_N = np.where(np.arange(ITEMS) < HEAD, 1.0, 0.001)
    taken_UK = np.stack([taste(rng, theme_N == theme, popularity_N, HISTORY + TARGETS) for theme in theme_U])
    tail_UT = np.stack(
        [taste(rng, (theme_N == theme) & (popularity_N < 1), popularity_N, TARGETS) for theme in theme_U]
    )
    clicks_N = np.bincount(taken_UK[:USERS].ravel(), minlength=ITEMS)
    id_N = np.where(clicks_N >= MIN_COUNT, RESERVED + np.arange(ITEMS), UNKNOWN)
    corpus = {"item_id": id_N.astype(np.int32)} | {f"f{f}": codes_NF[:, f].astype(np.int32) for f in range(FEATURES)}
    users = histories(id_N[taken_UK[:, :HISTORY]])
    item_I = taken_UK[:USERS, HISTORY:]
    data = TrainingSet(
        queries={name: array[:USERS] for name, array in users.items()},
        user_Q=np.arange(USERS),
        items=corpus,
        item_S=np.arange(ITEMS),
        corpus=corpus,
        query_I=np.repeat(np.arange(USERS), TARGETS),
        item_I=item_I.ravel(),
        weight_I=np.ones(item_I.size, np.float32),
    )
    return World(data=data, users={name: array[USERS:] for name, array in users.items()}, tail_UT=tail_UT[USERS:])


def taste(rng: np.random.Generator, allowed_N: np.ndarray, popularity_N: np.ndarray, number: int) -> np.ndarray:
    """Items drawn by popularity, without replacement.

    Args:
        rng: source of randomness.
        allowed_N: items that may be drawn.
        popularity_N: weight of each item.
        number: number of items.
    """
    share_N = allowed_N * popularity_N
    return rng.choice(len(share_N), number, replace=False, p=share_N / share_N.sum())


def histories(items_UH: np.ndarray) -> Arrays:
    plain = np.ones(items_UH.shape, np.float32)
    return {"history_items": items_UH.astype(np.int32), "history_ages": plain, "history_counts": plain}


def trained(
    one: World,
    seed: int,
    config: TrainConfig,
    *,
    changed: AbstractContextManager[Any] | None = None,
    dropout: bool = False,
) -> float:
    """Tail Recall@50 of the towers of a recipe.

    Args:
        one: the world.
        seed: random seed.
        config: the recipe.
        changed: context in which they are trained.
        dropout: whether features are hidden at random.
    """
    vocabulary = RESERVED + ITEMS
    inputs = [Input(name="item_id", kind=InputKind.CODE, size=vocabulary)]
    inputs += [Input(name=f"f{f}", kind=InputKind.CODE, size=RESERVED + THEMES * VALUES) for f in range(FEATURES)]
    history = Input(name="history", kind=InputKind.HISTORY, size=vocabulary, width=HISTORY)
    known = one.data.corpus["item_id"]
    codes = {}
    for each in inputs[1:]:
        codes_V = np.ones(vocabulary, np.int32)
        codes_V[known[known >= RESERVED]] = one.data.corpus[each.name][known >= RESERVED]
        codes[each.name] = torch.from_numpy(codes_V)
    model = new_model(
        [Input(name="user_id", kind=InputKind.CODE, size=RESERVED), history], inputs, codes, config, seed=seed
    )
    if dropout:
        hide_features(model, inputs, seed)
    with changed or nullcontext():
        train(one.data, model, config, seed=seed, epochs=config.optimisation.epochs)
    return recall(model, one)


def recall(model: TwoTower, one: World, k: int = 50) -> float:
    """Recall@k of the tail items.

    Args:
        model: the towers.
        one: the world.
        k: ranks that count.
    """
    scores_UN = embed(model.user, one.users) @ embed(model.item, one.data.corpus).T
    top_UK = np.argpartition(-scores_UN, k, axis=1)[:, :k]
    return float(np.mean([np.isin(tail, top).mean() for tail, top in zip(one.tail_UT, top_UK, strict=True)]))


def hide_features(model: TwoTower, inputs: Sequence[Input], seed: int) -> None:
    """Hide features in the loss of interactions: plain feature dropout.

    Args:
        model: the towers.
        inputs: inputs of the item tower.
        seed: random seed.
    """
    masking, rng = Masking(inputs), np.random.default_rng(seed)

    def hide(tower: torch.nn.Module, given: tuple[dict[str, torch.Tensor], ...]) -> tuple[dict[str, torch.Tensor], ...]:
        hidden = rng.choice(FEATURES, FEATURES // 2, replace=False) if tower.training else ()
        return (masking(given[0], {f"f{f}" for f in hidden}),)

    model.item.register_forward_pre_hook(hide)


def same_mask() -> AbstractContextManager[Any]:
    hidden = SelfSupervision.hidden
    return patch.object(SelfSupervision, "hidden", lambda views: (hidden(views)[0],) * 2)


VARIANTS: dict[str, Callable[[World, int], float]] = {
    "none": lambda one, seed: trained(one, seed, CONFIG),
    "correlated masks": lambda one, seed: trained(one, seed, replace(CONFIG, self_supervised=SSL)),
    "random masks": lambda one, seed: trained(
        one, seed, replace(CONFIG, self_supervised=replace(SSL, masking="random"))
    ),
    "feature dropout alone": lambda one, seed: trained(one, seed, CONFIG, dropout=True),
    "same mask twice": lambda one, seed: trained(one, seed, replace(CONFIG, self_supervised=SSL), changed=same_mask()),
}

GAIN = "gain in tail Recall@50"
SELF_SUPERVISED = Experiment(
    name="self-supervised items",
    measure=measure,
    measures=(
        Measure(name="tail Recall@50 without"),
        Measure(name=f"{GAIN}, correlated masks", low=0.02),
        Measure(name=f"{GAIN}, random masks", low=0.02),
        Measure(name=f"{GAIN}, feature dropout alone"),
        Measure(name=f"{GAIN}, same mask twice", high=0.02, negative=True),
    ),
)
