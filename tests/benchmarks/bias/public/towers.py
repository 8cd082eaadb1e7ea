"""Towers trained on a public log by each bias model, all tuned alike on clicks of the log.

Legend: U users, N items, F features, S answers, L items of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from feature_repo.encode import RESERVED, UNKNOWN, Input, InputKind
from tests.benchmarks.bias.public.logs import PublicLog
from tests.benchmarks.recovery.planted import recipe
from training.data.click_labels import impression_weights
from training.data.slates import NO_ITEM, Slates
from training.data.training_set import Arrays, TrainingSet
from training.recipes import (
    Additive,
    Cosine,
    DotProduct,
    ImpressionTask,
    InversePropensity,
    Mixture,
    PositionFeature,
    Product,
    TrainConfig,
)
from training.towers import TwoTower, embed, new_model
from training.trainer import train
from training.trainer.click_objective import clicks_of
from training.trainer.click_start import add_clicks
from training.trainer.embedding import embedding_of
from training.trainer.state import SCORE

HELD_OUT = 0.2
"""Share of the log's impressions on which settings and epochs are chosen."""
RANKS, RATES = (2, 4, 8), (2e-3, 1e-2)
"""Settings that every model is tried with: number of factors, and learning rate of the towers."""
SLATES, EPOCHS = 64, 40
PRIOR = 5
"""Impressions of the mean click rate that an item's or a user's own rate is drawn towards."""
BASE = recipe(score=Cosine(temperature=0.2), id_dropout=0.0, width=16, batch_size=1, learning_rate=RATES[0])
TASKS: dict[str, ImpressionTask] = {
    "naive": ImpressionTask(weight=1, slates=SLATES),
    "position feature": ImpressionTask(weight=1, slates=SLATES, bias=PositionFeature()),
    "additive": ImpressionTask(weight=1, slates=SLATES, bias=Additive()),
    "product": ImpressionTask(weight=1, slates=SLATES, bias=Product()),
    "dot product": ImpressionTask(weight=1, slates=SLATES, bias=DotProduct()),
    "MixEM": ImpressionTask(weight=1, slates=SLATES, bias=Mixture()),
    "IPS": ImpressionTask(weight=1, slates=SLATES, selection=InversePropensity()),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """Towers of the setting with the least loss of held-out clicks."""

    score_UN: np.ndarray
    """Inner products of all users and items, as an index has them."""
    loss: float
    """Negative log-likelihood of a held-out click or miss."""


def tasks_of(log: PublicLog) -> Iterator[str]:
    """Names of the models that a log has the columns for."""
    for name, task in TASKS.items():
        if (task.bias is None or log.slates.names) and (task.selection is None or log.slates.propensity_SL is not None):
            yield name


def tuned(log: PublicLog, name: str, *, seed: int) -> Chosen:
    """Train a model with each setting, and keep that which predicts held-out clicks best.

    Args:
        log: the log.
        name: name of the model.
        seed: decides weights and held-out impressions.
    """
    held_SL = np.random.default_rng(seed).random(log.slates.item_SL.shape) < HELD_OUT
    parts = [_without(log.slates, away_SL) for away_SL in (held_SL, ~held_SL)]
    settings = ((rank, rate) for rank in RANKS for rate in RATES)
    return min((_trained(log, *parts, TASKS[name], *each, seed=seed) for each in settings), key=lambda each: each.loss)


def _trained(
    log: PublicLog, seen: Slates, held: Slates, task: ImpressionTask, rank: int, rate: float, *, seed: int
) -> Chosen:
    """Towers of one setting, with the weights of their best epoch."""
    user_UF, item_NF = (
        np.column_stack(each) for each in zip((log.user_UF, log.item_NF), factors(log, seen, rank), strict=True)
    )
    data = _training_set(user_UF, item_NF, seen)
    # As many steps an epoch as the answers fill.
    batch = max(1, len(data.query_I) * task.slates // len(seen))
    settings = replace(BASE.optimisation, batch_size=batch, epochs=EPOCHS, patience=5, learning_rate=rate)
    config = replace(BASE, impressions=task, optimisation=settings)
    model = new_model(_inputs("user", user_UF), _inputs("item", item_NF), {}, config, seed=seed)
    add_clicks(model, seen, config, seed=seed)

    def validate(towers: TwoTower) -> dict[str, float]:
        return {SCORE: -_loss(towers, data, held, config)}

    history = train(data, model, config, seed=seed, validate=validate)
    score_UN = embed(model.user, data.queries) @ embed(model.item, data.corpus).T
    return Chosen(score_UN=score_UN, loss=-max(each[SCORE] for each in history))


def factors(log: PublicLog, seen: Slates, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Singular vectors of the clicks less their mean, and own click rates: [U, F] and [N, F], of unit deviation.

    Ids of their own would learn the few clicks of each user and item by heart.

    Args:
        log: the log.
        seen: answers that may be read.
        rank: number of singular vectors.
    """
    shape = len(log.user_UF), len(log.item_NF)
    user_P = np.broadcast_to(seen.query_S[:, None], seen.item_SL.shape)[seen.shown_SL]
    item_P, click_P = seen.item_SL[seen.shown_SL], seen.click_SL[seen.shown_SL]
    matrix_UN = np.zeros(shape)
    matrix_UN[user_P, item_P] = click_P - click_P.mean()
    left_UF, _, right_FN = np.linalg.svd(matrix_UN, full_matrices=False)
    users, items = (
        np.column_stack([vectors[:, :rank], click_rates(code_P, click_P, size)])
        for vectors, code_P, size in zip((left_UF, right_FN.T), (user_P, item_P), shape, strict=True)
    )
    return users / users.std(axis=0), items / items.std(axis=0)


def by_click_rate(log: PublicLog) -> np.ndarray:
    """Scores that rank items by their click rates in the whole log, for all users alike: [U, N]."""
    shown_SL, slates = log.slates.shown_SL, log.slates
    rate_N = click_rates(slates.item_SL[shown_SL], slates.click_SL[shown_SL], len(log.item_NF))
    return np.tile(rate_N, (len(log.user_UF), 1))


def click_rates(code_P: np.ndarray, click_P: np.ndarray, size: int) -> np.ndarray:
    """Click rate of each user or item, drawn towards the mean.

    Args:
        code_P: user or item of each impression.
        click_P: 1 for a click.
        size: number of users or items.
    """
    shown, clicks = (np.bincount(code_P, weights, minlength=size) for weights in (None, click_P))
    rates: np.ndarray = (clicks + PRIOR * click_P.mean()) / (shown + PRIOR)
    return rates


def _inputs(name: str, features: np.ndarray) -> list[Input]:
    """Inputs of a tower: no ids, and its features."""
    return [
        Input(name=f"{name}_id", kind=InputKind.CODE, size=RESERVED),
        Input(name=name, kind=InputKind.VECTOR, width=features.shape[1]),
    ]


def _training_set(user_UF: np.ndarray, item_NF: np.ndarray, slates: Slates) -> TrainingSet:
    """Training set of some answers, one a user; their clicks are the interactions."""
    users, items = (_encoded(name, features) for name, features in (("user", user_UF), ("item", item_NF)))
    answer_P, column_P = np.nonzero(slates.click_SL)
    return TrainingSet(
        queries=users, user_Q=np.arange(len(user_UF)), items=items, item_S=np.arange(len(item_NF)), corpus=items,
        query_I=answer_P, item_I=slates.item_SL[answer_P, column_P], weight_I=np.ones(len(answer_P), np.float32),
        slates=slates,
    )  # fmt: skip


def _encoded(name: str, features: np.ndarray) -> Arrays:
    """Features as a tower reads them."""
    return {f"{name}_id": np.full(len(features), UNKNOWN, np.int32), name: features.astype(np.float32)}


def _without(slates: Slates, away_SL: np.ndarray) -> Slates:
    """Answers without some of their items."""
    return replace(
        slates, item_SL=np.where(away_SL, NO_ITEM, slates.item_SL), click_SL=np.where(away_SL, 0, slates.click_SL)
    )


@torch.no_grad()
def _loss(model: TwoTower, data: TrainingSet, held: Slates, config: TrainConfig) -> float:
    """Negative log-likelihood of held-out impressions, weighted as in training; a mixture by its shares."""
    assert config.impressions is not None
    clicks = clicks_of(model, data, held, embedding_of(config, model.device))
    click_SL, weight_SL = (
        torch.from_numpy(each) for each in (held.click_SL, impression_weights(held, config.impressions))
    )
    each_KSL = click_SL * clicks.log_click_KSL + (1 - click_SL) * clicks.log_none_KSL
    each_SL = torch.logsumexp(each_KSL + clicks.log_share_K[:, None, None], 0)
    return -float((weight_SL * torch.where(weight_SL > 0, each_SL, 0.0)).sum() / weight_SL.sum())
