"""Planted worlds: every taste is known, so the ideal result is known exactly.

A user is a vector, clicks once, and is described to the tower by that vector. An item
is described by its id and a vector.

Legend: U users of the log, Q fresh users, N items, F features, M impressions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from feature_repo.encode import RESERVED, UNKNOWN, Input, InputKind
from training.data.training_set import Arrays, TrainingSet
from training.recipes import MLP, Optimisation, TowerConfig, TrainConfig
from training.recipes.objective import ScoreConfig
from training.retrieval.ranking import top_k
from training.towers import TwoTower, embed, new_model
from training.trainer import train


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """Clicks of a planted world."""

    user_UF: np.ndarray
    """Users as the tower sees them."""
    item_NF: np.ndarray
    """Items as the tower sees them."""
    clicked_U: np.ndarray
    """Clicked item of each user."""
    own_id_N: np.ndarray
    """Items with an id of their own; the others share the row UNKNOWN."""
    impression_UM: np.ndarray | None = None
    """Impressions of each user without a click, -1 for none; None if unknown."""

    @property
    def corpus(self) -> Arrays:
        """Encoded items."""
        code_N = np.where(self.own_id_N, RESERVED + np.arange(len(self.own_id_N)), UNKNOWN)
        return {"item_id": code_N.astype(np.int32), "content": self.item_NF.astype(np.float32)}

    @cached_property
    def clicks_N(self) -> np.ndarray:
        """Clicks of each item."""
        return np.bincount(self.clicked_U, minlength=len(self.item_NF))

    def training_set(self) -> TrainingSet:
        """Training set of the clicks."""
        rows, items = np.arange(len(self.user_UF)), np.arange(len(self.item_NF))
        return TrainingSet(
            queries={"taste": self.user_UF.astype(np.float32)}, user_Q=rows, items=self.corpus, item_S=items,
            corpus=self.corpus, query_I=rows, item_I=self.clicked_U, weight_I=np.ones(len(rows), np.float32),
            impression_UM=self.impression_UM,
        )  # fmt: skip


def recipe(
    *,
    score: ScoreConfig,
    id_dropout: float,
    width: int,
    batch_size: int,
    learning_rate: float,
    averaged_share: float = 0.3,
) -> TrainConfig:
    """Small towers, in-batch negatives with logQ.

    Args:
        score: score of a user and an item.
        id_dropout: share of ids that are replaced by UNKNOWN.
        width: width of the hidden layer.
        batch_size: interactions of a step.
        learning_rate: learning rate of the dense weights.
        averaged_share: share of the steps whose weights are averaged.
    """
    body = MLP(hidden=(width,), dropout=0.0)
    return TrainConfig(
        dim=16,
        tower=TowerConfig(user=body, item=body, id_dropout=id_dropout),
        score=score,
        optimisation=Optimisation(batch_size=batch_size, learning_rate=learning_rate, averaged_share=averaged_share),
    )


def fit(log: Log, config: TrainConfig, *, seed: int, epochs: int) -> TwoTower:
    """Towers trained on a log.

    Args:
        log: the log.
        config: the recipe.
        seed: random seed.
        epochs: epochs of the training.
    """
    user_inputs = [
        Input(name="user_id", kind=InputKind.CODE, size=RESERVED),
        Input(name="taste", kind=InputKind.VECTOR, width=log.user_UF.shape[1]),
    ]
    item_inputs = [
        Input(name="item_id", kind=InputKind.CODE, size=RESERVED + len(log.item_NF)),
        Input(name="content", kind=InputKind.VECTOR, width=log.item_NF.shape[1]),
    ]
    model = new_model(user_inputs, item_inputs, {}, config, seed=seed)
    train(log.training_set(), model, config, seed=seed, epochs=epochs)
    return model


def logits(model: TwoTower, log: Log, user_QF: np.ndarray) -> np.ndarray:
    """Logits of fresh users and all items: float32 [Q, N].

    Args:
        model: the towers.
        log: the log, whose corpus is scored.
        user_QF: fresh users.
    """
    user_QD = embed(model.user, {"taste": user_QF.astype(np.float32)})
    with torch.no_grad():
        return user_QD @ embed(model.item, log.corpus).T / model.score.temperature.item()


def clicks(probability_UN: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One item of each row's distribution: int64 [U]."""
    below_UN = probability_UN.cumsum(axis=1)
    return (rng.random((len(below_UN), 1)) * below_UN[:, -1:] > below_UN).sum(axis=1)


def softmax(logit_QN: np.ndarray) -> np.ndarray:
    share_QN = np.exp(logit_QN - logit_QN.max(axis=1, keepdims=True))
    return share_QN / share_QN.sum(axis=1, keepdims=True)


def recall(score_QN: np.ndarray, probability_QN: np.ndarray, k: int = 20) -> float:
    """Expected Recall@k of one click: the probability of the k items on top.

    Args:
        score_QN: scores that order the items.
        probability_QN: true distribution of the click.
        k: ranks that count.
    """
    return float(np.take_along_axis(probability_QN, top_k(score_QN, k), axis=1).sum(axis=1).mean())
