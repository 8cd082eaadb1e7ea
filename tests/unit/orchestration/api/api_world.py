"""Small world for tests of the Python API, with a model of seconds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import polars as pl

from orchestration.api.dataset import Dataset
from orchestration.api.model import RetrievalModel, fit
from training.recipes import MLP, Optimisation, TowerConfig, base

CONFIG = replace(
    base(),
    dim=16,
    tower=TowerConfig(user=MLP(hidden=(32,)), item=MLP(hidden=(32,)), embedding_dim=8),
    repeat=None,
    optimisation=Optimisation(batch_size=512, epochs=2, learning_rate=1e-2, embedding_rate=1e-2),
)


@cache
def dataset() -> Dataset:
    return Dataset.load("tiny")


@cache
def model() -> RetrievalModel:
    return fit(dataset(), CONFIG, seed=0)


def frames() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Events, users, items as a caller would have them."""
    tables = dataset().tables
    events = tables.events.select("user_id", "item_id", "timestamp", "value", "basket_id")
    return events, tables.users, tables.items
