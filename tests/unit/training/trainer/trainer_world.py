"""Small towers, data and the candidates of a batch, for tests of a training step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from feature_repo.encode import RESERVED, Input, InputKind
from tests.unit.training.trainer.candidates_world import built
from training.data.slates import NO_ITEM, Slates
from training.data.training_set import TrainingSet
from training.losses import Candidates
from training.recipes import (
    MLP,
    Optimisation,
    TowerConfig,
    TrainConfig,
    WeightedPooling,
)
from training.towers import TwoTower, new_model
from training.trainer.candidates import CandidateBuilder

CONFIG = TrainConfig(dim=8, optimisation=Optimisation(precision="float32"))
ITEM = Input(name="item_id", kind=InputKind.CODE, size=RESERVED + 20)
HISTORY = Input(name="history", kind=InputKind.HISTORY, size=ITEM.size)
SIDE = [Input(name=name, kind=InputKind.BUCKET, size=RESERVED + 5) for name in ("price", "weight")]
QUIET = TowerConfig(user=MLP(dropout=0), item=MLP(dropout=0), history=WeightedPooling(dropout=0), id_dropout=0)


def small_model(config: TrainConfig = CONFIG) -> TwoTower:
    return new_model([HISTORY], [ITEM, *SIDE] if config.self_supervised else [ITEM], {}, config, seed=0)


def small_data(users: int = 8, items: int = 5, seed: int = 0) -> TrainingSet:
    """Users with two items in their history; each takes two items."""
    rng = np.random.default_rng(seed)
    rows = {"history_items": rng.integers(RESERVED, RESERVED + items, (users, 2)).astype(np.int32)}
    rows |= {f"history_{name}": np.ones((users, 2), np.float32) for name in ("ages", "counts", "decayed")}
    codes = {"item_id": np.arange(RESERVED, RESERVED + items, dtype=np.int32)}
    codes |= {each.name: codes["item_id"] % (n + 3) + RESERVED for n, each in enumerate(SIDE)}
    taken = np.stack([rng.choice(items, 2, replace=False) for _ in range(users)])
    return TrainingSet(
        queries=rows, user_Q=np.arange(users), items=codes, item_S=np.arange(items), corpus=codes,
        query_I=np.repeat(np.arange(users), 2), item_I=taken.ravel(), weight_I=np.ones(2 * users, np.float32),
    )  # fmt: skip


def with_slates(data: TrainingSet, seed: int = 0) -> TrainingSet:
    """The same users, each with two answers of up to three items; the first one is clicked more."""
    rng = np.random.default_rng(seed)
    answers, items = 2 * len(data.user_Q), data.size
    item_SL = np.argsort(rng.random((answers, items)), axis=1)[:, :3].astype(np.int64)
    item_SL[::3, 2] = NO_ITEM
    position_SL = np.where(item_SL == NO_ITEM, 0, np.arange(1, 4))
    click_SL = (rng.random(item_SL.shape) < np.array([0.7, 0.3, 0.2])) & (item_SL != NO_ITEM)
    slates = Slates(
        query_S=np.tile(np.arange(len(data.user_Q)), 2), item_SL=item_SL, context_SLC=position_SL[:, :, None],
        names=("position",), sizes=(4,), click_SL=click_SL.astype(np.float32),
    )  # fmt: skip
    return replace(data, slates=slates)


def compared(config: TrainConfig, data: TrainingSet, rows: np.ndarray) -> tuple[Candidates, np.ndarray]:
    """The candidates of a batch, and the item of each column."""
    model = small_model(config)
    builder = CandidateBuilder(data, config, model, seed=0)
    batch = data.batch(rows, whole_corpus=config.whole_corpus)
    columns, c = built(builder, model, batch)
    return c, columns.item_C.numpy()
