"""Stored recipes of earlier versions."""

from __future__ import annotations

import json
from pathlib import Path

from training.recipes import (
    HardNegatives,
    ImpressionTask,
    InBatch,
    Loss,
    MLPReranker,
    Negatives,
    Optimisation,
    Reward,
    TrainConfig,
    Weighting,
)
from training.recipes.serialization import from_json, to_json


def test_a_stored_recipe_goes_on_learning_clicks_twice_if_it_did() -> None:
    stored = json.loads(to_json(TrainConfig(impressions=ImpressionTask())))
    assert from_json(json.dumps(stored)).impressions == ImpressionTask(clicks_once=True)
    del stored["impressions"]["clicks_once"]
    assert from_json(json.dumps(stored)).impressions == ImpressionTask(clicks_once=False)


def test_a_stored_recipe_of_a_former_layout_is_read() -> None:
    """Flat layout: the fields of `Negatives` and `Weighting`, and `scorer`."""
    stored = (Path(__file__).parent / "flat_recipe.json").read_text()
    wanted = TrainConfig(
        loss=Loss("softmax"),
        negatives=Negatives(
            sampler=InBatch(), hard=HardNegatives(number=2, first=5, last=50, epochs=2), memory=3, hide_known=True
        ),
        weighting=Weighting(
            half_life_days=30.0, discovery_weight=2.0, user_balance=0.5, reward=Reward(floor=0.2, cap=4.0), min_count=3
        ),
        reranker=MLPReranker(widths=(8,), candidates=50),
        optimisation=Optimisation(precision="float32"),
    )
    assert from_json(stored) == wanted
    assert from_json(stored.replace('"scorer"', '"reranker"').replace("MLPScorer", "MLPReranker")) == wanted
