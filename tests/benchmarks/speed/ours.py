"""This trainer on the samples of the benchmark."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch

from feature_repo.encode import RESERVED, Input, InputKind
from tests.benchmarks.speed.world import Samples
from training.data.training_set import TrainingSet
from training.recipes import Cosine, MeanPooling, Optimisation, TowerConfig, TrainConfig
from training.towers import new_model
from training.trainer.state import TrainState
from training.trainer.step import backpropagate

TEMPERATURE = 0.1


def recipe(*, dim: int, batch_size: int, precision: str) -> TrainConfig:
    """Mean of 50 items against an item table, in-batch cosine softmax with logQ.

    Args:
        dim: dimension of the embeddings.
        batch_size: interactions of a step.
        precision: precision of matrix products.
    """
    return TrainConfig(
        dim=dim,
        strata=False,
        tower=TowerConfig(user=None, item=None, history=MeanPooling(dropout=0.0), id_dropout=0.0),
        score=Cosine(temperature=TEMPERATURE, learned=False),
        optimisation=replace(Optimisation(), batch_size=batch_size, averaged_share=None, precision=precision),
    )


def training_set(samples: Samples) -> TrainingSet:
    """Training set with one user snapshot for each interaction.

    The other systems have no row that serves several positives.
    """
    rows, length = samples.history_IL.shape
    codes = np.where(samples.history_IL > 0, samples.history_IL + RESERVED - 1, 0).astype(np.int32)
    items = {"item_id": np.arange(samples.items, dtype=np.int32) + RESERVED}
    numbers = np.arange(rows)
    return TrainingSet(
        queries={
            "user_id": np.zeros(rows, np.int32),
            "history_items": codes,
            "history_ages": np.zeros((rows, length), np.float32),
            "history_counts": np.ones((rows, length), np.float32),
        },
        user_Q=numbers,
        items=items,
        item_S=np.arange(samples.items),
        corpus=items,
        query_I=numbers,
        item_I=samples.item_I.astype(np.int64) - 1,
        weight_I=np.ones(rows, np.float32),
    )


class Ours:
    """Trainer whose `step(n)` trains on the n-th batch."""

    def __init__(
        self, samples: Samples, *, dim: int, batch_size: int, precision: str = "float32", device: str = "cpu"
    ) -> None:
        config = recipe(dim=dim, batch_size=batch_size, precision=precision)
        size, length = samples.items + RESERVED, samples.history_IL.shape[1]
        user = [
            Input(name="user_id", kind=InputKind.CODE, size=RESERVED),
            Input(name="history", kind=InputKind.HISTORY, size=size, width=length),
        ]
        model = new_model(user, [Input(name="item_id", kind=InputKind.CODE, size=size)], {}, config, seed=0)
        self.data = training_set(samples)
        self.run = TrainState(self.data, model.train().to(device), config, seed=0, epochs=1)
        self.batches = self.data.batches(batch_size, np.random.default_rng(0))

    def step(self, number: int) -> int:
        rows = self.batches[number % len(self.batches)]
        batch = self.data.batch(rows).to(self.run.model.device)
        backpropagate(self.run.model, batch, self.run.builder, self.run.config)
        self.run.optimisers.step()
        return len(rows)


def samples_per_second(system: object, *, seconds: float = 6.0) -> float:
    """Interactions per second, best of the runs of four steps that fit into the time."""
    rates = []
    number, end = 0, time.perf_counter() + seconds
    system.step(0)  # type: ignore[attr-defined]
    while time.perf_counter() < end or len(rates) < 2:
        start, done = time.perf_counter(), 0
        for _ in range(4):
            number += 1
            done += system.step(number)  # type: ignore[attr-defined]
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()
        rates.append(done / (time.perf_counter() - start))
    return max(rates)
