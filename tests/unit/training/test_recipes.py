"""A recipe that makes no sense is refused when it is made."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from training.recipes import (
    RECIPES,
    Corpus,
    Cosine,
    Dot,
    HardNegatives,
    Loss,
    Mixed,
    Optimisation,
    Popularity,
    Streaming,
    TowerConfig,
    TrainConfig,
    Uniform,
    base,
    recipe,
)
from training.recipes.text import from_json, to_flat, to_json


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (TrainConfig, "dim", 0),
        (TrainConfig, "min_count", 0),
        (TrainConfig, "prefixes", (128,)),
        (TrainConfig, "memory", -1),
        (Optimisation, "batch_size", -1),
        (Optimisation, "epochs", 0),
        (Optimisation, "learning_rate", 0.0),
        (Optimisation, "tables", "sgd"),
        (Optimisation, "warm_up", 1.0),
        (Optimisation, "clip", 0.0),
        (Cosine, "temperature", 5.0),
        (Uniform, "number", 0),
        (Popularity, "beta", -0.5),
        (Streaming, "rate", 0.0),
        (HardNegatives, "first", 0),
    ],
)
def test_a_senseless_value_is_named(kind: type, field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        kind(**{field: value})


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"loss": Loss("cosine_contrastive"), "sampler": Uniform()}, "use Cosine\\(temperature=1.0, learned=False"),
        ({"loss": Loss("hinge_triplet"), "score": Dot()}, "use Cosine\\(temperature=1.0, learned=False"),
        ({"loss": Loss("pointwise")}, "learned scale and shift"),
        ({"score": Cosine(shift=True)}, "the same for every shift"),
        ({"loss": Loss("bilateral_softmax")}, "draws popular items more often"),
        ({"memory": 2, "sampler": Uniform()}, "a memory of 2 batches"),
        ({"frequency": Streaming(), "sampler": Corpus()}, "a streaming frequency"),
        ({"frequency": Streaming(), "memory": 1}, "leave one out"),
        ({"hard": HardNegatives(), "sampler": Corpus()}, "every item is a negative already"),
    ],
)
def test_combinations_that_make_no_sense_are_refused_with_the_reason(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(base(), **changed)


def test_a_loss_that_does_not_exist_and_a_parameter_it_does_not_have_are_named() -> None:
    with pytest.raises(ValueError, match="no loss 'sofmax'; there are softmax"):
        Loss("sofmax")
    with pytest.raises(ValueError, match="has no parameter margin; it has \\['exponent'\\]"):
        Loss("bilateral_softmax", {"margin": 1.0})
    with pytest.raises(ValueError, match="fewer than the 4 hard negatives"):
        HardNegatives(first=10, last=12)


@pytest.mark.parametrize("config", [
    base(),
    TrainConfig(loss=Loss("bilateral_softmax", {"exponent": 1.2}), sampler=Corpus(), prefixes=(8, 16)),
    TrainConfig(score=Dot(), frequency=Streaming(rate=0.1), hard=HardNegatives(number=2), sampler=Mixed(number=9)),
])  # fmt: skip
def test_a_recipe_survives_as_text(config: TrainConfig) -> None:
    assert from_json(to_json(config)) == config
    assert to_flat(config)["optimisation.batch_size"] == config.optimisation.batch_size
    assert to_flat(config)["loss.name"] == config.loss.name


def test_a_recipe_of_a_newer_version_is_refused() -> None:
    with pytest.raises(ValueError, match="holds a 'Quantum'"):
        from_json(to_json(base()).replace('"InBatch"', '"Quantum"'))


@pytest.mark.parametrize("field", ["dropout", "id_dropout", "history_dropout"])
def test_a_share_of_one_would_leave_nothing(field: str) -> None:
    changed: dict[str, Any] = {field: 1.0}
    with pytest.raises(ValueError, match=field):
        TowerConfig(**changed)


def test_recipes_are_frozen_and_found_by_name() -> None:
    for name in RECIPES:
        with pytest.raises(FrozenInstanceError):
            recipe(name).dim = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="there are base"):
        recipe("nonsense")
