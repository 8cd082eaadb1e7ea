"""Releases of every recipe for updates and warm starts, without the newest items."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from tests.unit.training.fit_world import CONFIG, VALIDATION, frames
from training.artifacts.export import export
from training.data.interactions import at
from training.recipes import MLP, BehaviouralVectors, Corpus, Loss, Mixed, Negatives, RepeatTerm, Streaming, TrainConfig
from training.trainer import train
from training.untrained import untrained

NEW = ["i000", "i001", "i002"]
"""Items that the release does not know; the newest events hold the first two."""
RARE = "i003"
"""One that the release does not know either, nor the encoders of `since`."""
TOWERS = replace(CONFIG.tower, user=MLP(hidden=(16,), norm="batch"), item=MLP(hidden=(16,), norm="batch"), user_id=True)
RECIPES = {
    "batch norm, user ids": replace(CONFIG, tower=TOWERS),
    "behavioural vectors": replace(CONFIG, tower=TOWERS, behavioural=BehaviouralVectors(factors=4, iterations=2)),
    "row-wise, drawn negatives": replace(
        CONFIG, negatives=Negatives(sampler=Mixed(number=20), frequency=Streaming(size=64)),
        optimisation=replace(CONFIG.optimisation, tables="rowwise_adagrad"),
    ),
    "repeat term": replace(CONFIG, repeat=RepeatTerm()),
    "dense tables, whole corpus": replace(
        CONFIG, negatives=Negatives(sampler=Corpus()), loss=Loss("bilateral_softmax"),
        optimisation=replace(CONFIG.optimisation, tables="adam"),
    ),
}  # fmt: skip


def write_release(folder: Path, config: TrainConfig) -> Path:
    """Folder of a release: towers without the new items, trained for one epoch."""
    tables, queries, items, positives = frames()
    known = positives.filter(~pl.col("item_id").is_in([*NEW, RARE]))
    start, data = untrained(tables.schema, queries, items, at(items, VALIDATION, week=True), known, config, 0)
    train(data, start.model, config, seed=0, epochs=1)
    users, corpus = queries.head(3), items.head(3)
    examples = (start.user_encoder.encode(users), start.item_encoder.encode(corpus))
    export(
        folder, start.model, user_encoder=start.user_encoder, item_encoder=start.item_encoder,
        schema=tables.schema, config=config, popular=[("i003", 1)], examples=examples,
    )  # fmt: skip
    return folder
