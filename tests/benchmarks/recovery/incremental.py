"""Incremental update: interests drift, and ids follow in a fraction of the time.

The world: every user and item belongs to a theme, and users take items of their theme.
Then a fifth of the users turn to another theme, and new items come: half of them are
taken, half by nobody. Measured are the next items of the drifted users, beside towers
retrained on all events, in which old events have lost weight by age.

Legend: U users, N items, I interactions, K items of a user.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch

from feature_repo.encode import Encoder
from tests.benchmarks.recovery.experiment import Experiment, Measure
from training.artifacts.load import Released
from training.data.untimed import HISTORY, MOMENT, UntimedInteractions, read_untimed
from training.fit_untimed import fit_untimed
from training.recipes import Optimisation, TowerConfig, TrainConfig
from training.towers import TwoTower, embed, new_model
from training.trainer import train
from training.update import extended, update

THEMES, USERS, ITEMS, NEW = 20, 1_500, 400, 40
BEFORE, AFTER, NEXT = 14, 8, 4
"""Items that a user took before the drift, that a drifted one took since, and that it will take next."""
AGED = 0.1
"""Weight of the events before the drift in the retraining: more than three half-lives."""
EPOCHS = 21
"""Epochs of an update, each a twelfth of the time of an epoch of all events."""
CONFIG = TrainConfig(
    dim=32,
    tower=TowerConfig(user=None, item=None, user_id=True),
    leave_out=(HISTORY,),
    strata=False,
    optimisation=Optimisation(batch_size=512, epochs=25, embedding_rate=2e-2, averaged_share=None),
)


@dataclass(frozen=True, kw_only=True)
class World:
    """Interactions before and after the drift."""

    before: pl.DataFrame
    """Interactions before the drift."""
    since: pl.DataFrame
    """Interactions of drifted users since the drift."""
    drifted: np.ndarray
    """Rows of the drifted users."""
    next_UK: np.ndarray
    """Next items of the drifted users; only the first half of the new items is among
    them."""
    theme_U: np.ndarray
    """Theme of each user, after the drift."""
    theme_N: np.ndarray
    """Theme of each item."""


def measure(seed: int) -> dict[str, float]:
    one = world(seed)
    old = read_untimed(one.before, ids("user_id", USERS), ids("item_id", ITEMS))
    model, _ = fit_untimed(old, CONFIG, seed=seed, epochs=CONFIG.optimisation.epochs)
    released = Released(
        folder=Path(), config=CONFIG, model=model, user_encoder=old.user_encoder, item_encoder=old.item_encoder
    )
    started = time.process_time()
    encoders = extended(released, items=[f"i{n}" for n in range(ITEMS, ITEMS + NEW)])
    updated = update(released, encoded(one.since, *encoders).training_set(), *encoders, seed=seed, epochs=EPOCHS).model
    update_seconds = time.process_time() - started
    started = time.process_time()
    both = read_untimed(pl.concat([one.before, one.since]), ids("user_id", USERS), ids("item_id", ITEMS + NEW))
    retrained = retrain(both, len(one.before), seed)
    retrain_seconds = time.process_time() - started
    clicked, unclicked = (
        auc(one, scores(updated, both), np.arange(NEW)[half] + ITEMS)
        for half in (slice(None, NEW // 2), slice(NEW // 2, None))
    )
    anew = recall(one, scores(retrained, both))
    return {
        "Recall@20 of drifted users, stale": recall(
            one, np.pad(scores(model, old), ((0, 0), (0, NEW)), constant_values=-np.inf)
        ),
        "Recall@20 of drifted users, retrained": anew,
        "share of it recovered": recall(one, scores(updated, both)) / anew,
        "time, share of a full training": update_seconds / retrain_seconds,
        "new items with clicks, AUC": clicked,
        "new items without clicks or features, AUC": unclicked,
    }


def retrain(pairs: UntimedInteractions, old: int, seed: int) -> TwoTower:
    """Towers retrained on all interactions.

    Args:
        pairs: all interactions.
        old: number of interactions, the first ones, from before the drift.
        seed: random seed.
    """
    weight_I = np.where(np.arange(len(pairs.user_I)) < old, AGED, 1.0).astype(np.float32)
    weight_I = weight_I[np.lexsort((pairs.item_I, pairs.user_I))]
    codes: dict[str, torch.Tensor] = {}
    model = new_model(pairs.user_encoder.inputs, pairs.item_encoder.inputs, codes, CONFIG, seed=seed)
    data = replace(pairs.training_set(), weight_I=weight_I)
    train(data, model, CONFIG, seed=seed, epochs=CONFIG.optimisation.epochs)
    return model


def world(seed: int) -> World:
    rng = np.random.default_rng(seed)
    theme_N, theme_U = np.arange(ITEMS + NEW) % THEMES, rng.integers(0, THEMES, USERS)
    before = [(u, i) for u in range(USERS) for i in taken(rng, theme_N[:ITEMS] == theme_U[u], BEFORE)]
    drifted = rng.choice(USERS, USERS // 5, replace=False)
    theme_U[drifted] = (theme_U[drifted] + rng.integers(1, THEMES, len(drifted))) % THEMES
    sold = np.arange(ITEMS + NEW) < ITEMS + NEW // 2
    later = {u: taken(rng, (theme_N == theme_U[u]) & sold, AFTER + NEXT) for u in drifted}
    return World(
        before=frame(before),
        since=frame([(u, i) for u in drifted for i in later[u][:AFTER]]),
        drifted=drifted,
        next_UK=np.stack([later[u][AFTER:] for u in drifted]),
        theme_U=theme_U,
        theme_N=theme_N,
    )


def taken(rng: np.random.Generator, allowed_N: np.ndarray, number: int) -> np.ndarray:
    """Items drawn without replacement.

    Args:
        rng: source of randomness.
        allowed_N: items that may be drawn.
        number: number of items.
    """
    return rng.choice(np.flatnonzero(allowed_N), number, replace=False)


def frame(pairs: Sequence[tuple[int, int]]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": [f"u{u}" for u, _ in pairs], "item_id": [f"i{i}" for _, i in pairs]})


def ids(key: str, number: int) -> pl.DataFrame:
    return pl.DataFrame({key: [f"{key[0]}{n}" for n in range(number)]})


def encoded(since: pl.DataFrame, user_encoder: Encoder, item_encoder: Encoder) -> UntimedInteractions:
    """Interactions in the codes of the extended encoders.

    Args:
        since: interactions.
        user_encoder: extended encoder of users.
        item_encoder: extended encoder of items.
    """
    users, items = ids("user_id", USERS), ids("item_id", ITEMS + NEW)
    return UntimedInteractions(
        user_encoder=user_encoder,
        item_encoder=item_encoder,
        user_U=user_encoder.encode(users.with_columns(MOMENT.alias("event_timestamp"))),
        item_N=item_encoder.encode(items.with_columns(MOMENT.alias("event_timestamp"))),
        user_I=since["user_id"].str.slice(1).cast(pl.Int64).to_numpy(),
        item_I=since["item_id"].str.slice(1).cast(pl.Int64).to_numpy(),
    )


def scores(model: TwoTower, pairs: UntimedInteractions) -> np.ndarray:
    return embed(model.user, pairs.user_U) @ embed(model.item, pairs.item_N).T


def recall(one: World, scores_UN: np.ndarray, k: int = 20) -> float:
    """Recall@k of the next items of the drifted users, seen items left out.

    Args:
        one: the world.
        scores_UN: scores of all items.
        k: ranks that count.
    """
    scores_UN = scores_UN.copy()
    for each in (one.before, one.since):
        scores_UN[tuple(each.select(pl.all().str.slice(1).cast(pl.Int64)).to_numpy().T)] = -np.inf
    top_UK = np.argpartition(-scores_UN[one.drifted], k, axis=1)[:, :k]
    return float(np.mean([np.isin(wanted, top).mean() for wanted, top in zip(one.next_UK, top_UK, strict=True)]))


def auc(one: World, scores_UN: np.ndarray, items: np.ndarray) -> float:
    """Share of user pairs that an item's scores order by its theme; ties count half.

    Args:
        one: the world.
        scores_UN: scores of all items.
        items: items to average over.
    """
    found = []
    for item in items:
        own = one.theme_U == one.theme_N[item]
        more = scores_UN[own, item][:, None] - scores_UN[~own, item][None, :]
        found.append((more > 0).mean() + 0.5 * (more == 0).mean())
    return float(np.mean(found))


INCREMENTAL_IDS = Experiment(
    name="incremental ids",
    measure=measure,
    measures=(
        Measure(name="Recall@20 of drifted users, stale"),
        Measure(name="Recall@20 of drifted users, retrained"),
        Measure(name="share of it recovered", low=0.8),
        Measure(name="time, share of a full training", high=0.1),
        Measure(name="new items with clicks, AUC", low=0.8),
        Measure(name="new items without clicks or features, AUC", low=0.4, high=0.6, negative=True),
    ),
)
