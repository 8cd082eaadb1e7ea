"""Towers with a repeat head, and random histories for them."""

from __future__ import annotations

import numpy as np
import torch

from feature_repo.encode import PAD, RESERVED, Input, InputKind
from training.data.training_set import Arrays, TrainingSet
from training.recipes import (
    MLP,
    Optimisation,
    RepeatTerm,
    TowerConfig,
    TrainConfig,
)
from training.towers import TwoTower, new_model

CONFIG = TrainConfig(
    dim=4,
    tower=TowerConfig(user=MLP(hidden=(16,)), item=MLP(hidden=(16,))),
    repeat=RepeatTerm(),
    optimisation=Optimisation(batch_size=256, learning_rate=1e-2, embedding_rate=1e-2, precision="float32"),
)


def model_of(items: int, length: int, config: TrainConfig = CONFIG) -> TwoTower:
    size = RESERVED + items
    history = Input(name="history", kind=InputKind.HISTORY, size=size, width=length)
    basket = Input(name="basket_size", kind=InputKind.NUMBER, width=2)
    kind = Input(name="kind", kind=InputKind.CODE, size=RESERVED + 3)
    codes_of = {"kind": torch.arange(size, dtype=torch.int32) % 3 + RESERVED}
    inputs = [Input(name="item_id", kind=InputKind.CODE, size=size), kind]
    return new_model([history, basket], inputs, codes_of, config, seed=0)


def data_of(item_QL: np.ndarray, days_QL: np.ndarray, count_QL: np.ndarray, taken: list[set[int]], items: int):  # type: ignore[no-untyped-def]
    """Queries with histories of items (-1 for none), and the items that each takes."""
    there_QL = item_QL >= 0
    queries = {
        "history_items": np.where(there_QL, item_QL + RESERVED, PAD).astype(np.int32),
        "history_ages": np.where(there_QL, np.log1p(days_QL), 0).astype(np.float32),
        "history_counts": np.where(there_QL, np.log1p(count_QL), 0).astype(np.float32),
        "history_decayed": np.where(there_QL, np.log(count_QL) - days_QL / 30, 0).astype(np.float32),
        "basket_size": np.zeros((len(item_QL), 2), np.float32),
    }
    corpus = {
        "item_id": np.arange(RESERVED, RESERVED + items, dtype=np.int32),
        "kind": np.arange(RESERVED, RESERVED + items, dtype=np.int32) % 3 + RESERVED,
    }
    return TrainingSet(
        queries=queries, user_Q=np.arange(len(item_QL)), items=corpus, item_S=np.arange(items), corpus=corpus,
        query_I=np.repeat(np.arange(len(taken)), [len(each) for each in taken]),
        item_I=np.array([item for each in taken for item in sorted(each)]),
        weight_I=np.ones(sum(map(len, taken)), np.float32),
    )  # fmt: skip


def small_data(users: int = 20, items: int = 12, length: int = 5, seed: int = 0) -> TrainingSet:
    """Random histories, the first one empty; each user takes an item, and the newest of the history besides."""
    rng = np.random.default_rng(seed)
    item_QL = np.stack([rng.permutation(items)[:length] for _ in range(users)])
    item_QL[np.arange(length) >= np.r_[0, rng.integers(1, length + 1, users - 1)][:, None]] = -1
    days_QL, count_QL = rng.integers(0, 90, item_QL.shape), rng.integers(1, 9, item_QL.shape)
    taken = [{int(rng.integers(items)), max(0, int(row[0]))} for row in item_QL]
    return data_of(item_QL, days_QL, count_QL, taken, items)


def terms(model: TwoTower, arrays: Arrays, score_QL: np.ndarray | None = None) -> np.ndarray:
    """r of every place, at logits of 0 unless others are given."""
    assert model.repeat is not None
    model.repeat.eval()
    given = {name: torch.from_numpy(array) for name, array in arrays.items()}
    zeros = np.zeros(arrays["history_items"].shape, np.float32)
    with torch.no_grad():
        found: np.ndarray = model.repeat(given, torch.from_numpy(zeros if score_QL is None else score_QL)).numpy()
    return found
