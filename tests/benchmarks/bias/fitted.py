"""Towers trained on a log of a planted world, and how well they rank there.

Legend: U users, N items, S answers, L items of an answer, F features, P clicks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from feature_repo.encode import RESERVED, UNKNOWN, Input, InputKind
from tests.benchmarks.bias import measures
from tests.benchmarks.bias.simulators import Log, World
from tests.benchmarks.recovery.planted import recipe
from training.data.slates import Slates
from training.data.training_set import TrainingSet
from training.recipes import Cosine, ImpressionTask, TrainConfig
from training.towers import TwoTower, embed, new_model
from training.trainer import train
from training.trainer.click_objective import clicks_of
from training.trainer.click_start import add_clicks
from training.trainer.embedding import embedding_of

BASE = recipe(score=Cosine(temperature=0.2), id_dropout=0.0, width=32, batch_size=128, learning_rate=3e-3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """Trained towers and their training set."""

    model: TwoTower
    data: TrainingSet
    config: TrainConfig


def fit(log: Log, task: ImpressionTask | None, *, seed: int, epochs: int = 20) -> Trained:
    """Train towers on a log; its clicks are the interactions of retrieval.

    Args:
        log: the log.
        task: the impressions' task; None for retrieval alone.
        seed: random seed.
        epochs: passes over the answers.
    """
    data = training_set(log)
    # As many steps an epoch as the answers fill: the clicks pass once beside them.
    batch = max(1, len(data.query_I) * ImpressionTask().slates // len(log.slates))
    config = replace(BASE, impressions=task, optimisation=replace(BASE.optimisation, batch_size=batch))
    user_inputs = [
        Input(name="user_id", kind=InputKind.CODE, size=RESERVED),
        Input(name="taste", kind=InputKind.VECTOR, width=log.world.user_UF.shape[1]),
    ]
    item_inputs = [
        Input(name="item_id", kind=InputKind.CODE, size=RESERVED),
        Input(name="content", kind=InputKind.VECTOR, width=log.world.item_NF.shape[1]),
    ]
    model = new_model(user_inputs, item_inputs, {}, config, seed=seed)
    add_clicks(model, log.slates, config, seed=seed)
    train(data, model, config, seed=seed, epochs=epochs)
    return Trained(model=model, data=data, config=config)


def training_set(log: Log) -> TrainingSet:
    """Training set of a log: its answers, and its clicks as interactions."""
    world, slates = log.world, log.slates
    answer_P, column_P = np.nonzero(slates.click_SL)
    order = np.argsort(slates.query_S[answer_P], kind="stable")
    items = {
        "item_id": np.full(len(world.item_NF), UNKNOWN, np.int32),
        "content": world.item_NF.astype(np.float32),
    }
    return TrainingSet(
        queries={"taste": world.user_UF.astype(np.float32)}, user_Q=np.arange(len(world.user_UF)), items=items,
        item_S=np.arange(len(world.item_NF)), corpus=items, query_I=slates.query_S[answer_P][order],
        item_I=slates.item_SL[answer_P, column_P][order], weight_I=np.ones(len(order), np.float32), slates=slates,
    )  # fmt: skip


def ndcg(trained: Trained, world: World, *, seed: int) -> float:
    """NDCG@5 of random answers of ten items by the true relevance."""
    return measures.ndcg(scores(trained, world), world.relevance_UN, seed=seed)


def recall(trained: Trained, world: World) -> float:
    """Relevance of the 20 best of the corpus, as a share of the most that 20 items have."""
    return measures.recall(scores(trained, world), world.relevance_UN)


def scores(trained: Trained, world: World) -> np.ndarray:
    """Inner products of all users and items, as an index has them: float32 [U, N]."""
    user_UD = embed(trained.model.user, {"taste": world.user_UF.astype(np.float32)})
    item_ND = embed(trained.model.item, trained.data.corpus)
    product_UN: np.ndarray = user_UD @ item_ND.T
    return product_UN


@torch.no_grad()
def log_loss(trained: Trained, slates: Slates) -> float:
    """Negative log-likelihood of the clicks of other answers of the same users, per impression."""
    trained.model.eval()
    clicks = clicks_of(trained.model, trained.data, slates, embedding_of(trained.config, trained.model.device))
    click_SL, shown_SL = torch.from_numpy(slates.click_SL), torch.from_numpy(slates.shown_SL)
    each_KSL = click_SL * clicks.log_click_KSL + (1 - click_SL) * clicks.log_none_KSL
    of_answers_KS = (each_KSL * shown_SL).sum(-1) + clicks.log_share_K.unsqueeze(1)
    return -float(torch.logsumexp(of_answers_KS, 0).sum() / shown_SL.sum())
