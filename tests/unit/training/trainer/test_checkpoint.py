"""An interrupted training goes on as if it had never stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.training.trainer.trainer_world import CONFIG, small_data, small_model, with_slates
from training.recipes import (
    Additive,
    Corpus,
    HardNegatives,
    ImpressionTask,
    Loss,
    Mixture,
    Negatives,
    PolicyGradient,
    RepeatTerm,
    SelfSupervised,
    Streaming,
    TrainConfig,
    Uniform,
)
from training.trainer import SCORE, train
from training.trainer.click_start import add_clicks

EPOCHS = 5
RECIPES = {
    "default": CONFIG,
    "averaged, cosine, decay": replace(
        CONFIG, optimisation=replace(CONFIG.optimisation, schedule="cosine", warm_up=0.2, weight_decay=0.1, clip=0.5)
    ),
    "row-wise, memory, hard": replace(
        CONFIG, negatives=Negatives(memory=2, hard=HardNegatives(number=1, first=1, last=3)),
        optimisation=replace(CONFIG.optimisation, tables="rowwise_adagrad", averaged_share=None),
    ),
    "streaming": replace(CONFIG, negatives=Negatives(frequency=Streaming(size=64))),
    "repeat": replace(CONFIG, repeat=RepeatTerm()),
    "self-supervised": replace(CONFIG, self_supervised=SelfSupervised(items=5)),
    "clicks": replace(CONFIG, impressions=ImpressionTask(bias=Mixture(), slates=7)),
    "clicks alone": replace(CONFIG, impressions=ImpressionTask(weight=1, bias=Additive(), slates=64)),
    "for reward": replace(
        CONFIG, policy=PolicyGradient(k=2), strata=False, negatives=Negatives(sampler=Uniform(number=5)),
        optimisation=replace(CONFIG.optimisation, patience=None),
    ),
    "dense, whole corpus": replace(
        CONFIG, negatives=Negatives(sampler=Corpus()), loss=Loss("bilateral_softmax"),
        optimisation=replace(CONFIG.optimisation, tables="adam"),
    ),
}  # fmt: skip


class InterruptedTrainingError(Exception):
    pass


def run(config: TrainConfig, checkpoint: Path | None = None, stop_after: int | None = None, seed: int = 0):  # type: ignore[no-untyped-def]
    config = replace(
        config, optimisation=replace(config.optimisation, batch_size=8, patience=None if config.policy else EPOCHS)
    )
    model, data = small_model(config), with_slates(small_data(users=20, items=12))
    assert data.slates is not None
    add_clicks(model, data.slates, config, seed=0)
    scores = iter([0.3, 0.2, 0.5, 0.4, 0.1][checkpoint_epochs(checkpoint) :])

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        if epoch == stop_after:
            raise InterruptedTrainingError

    returns_I = np.arange(len(data.item_I), dtype=np.float32) / len(data.item_I)
    epochs = train(
        replace(data, return_I=returns_I) if config.policy else data,
        model, config, seed=seed, epochs=EPOCHS, checkpoint=checkpoint,
        validate=lambda kept: {SCORE: next(scores), "norm": kept.item.vectors.ids.weight.norm().item()},
        on_epoch=on_epoch,
    )  # fmt: skip
    return epochs, model.state_dict()


def checkpoint_epochs(checkpoint: Path | None) -> int:
    import json

    from safetensors import safe_open

    if checkpoint is None or not checkpoint.exists():
        return 0
    with safe_open(checkpoint, framework="pt") as file:
        return len(json.loads(file.metadata()["progress"])["history"])


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("stop_after", [1, 4])
def test_metrics_and_weights_are_those_of_the_uninterrupted_run(name: str, stop_after: int, tmp_path: Path) -> None:
    wanted_epochs, wanted = run(RECIPES[name])
    checkpoint = tmp_path / "folder" / "run.safetensors"
    with pytest.raises(InterruptedTrainingError):
        run(RECIPES[name], checkpoint, stop_after)
    torch.rand(99)  # somebody else draws in between
    epochs, weights = run(RECIPES[name], checkpoint)
    assert epochs == wanted_epochs
    for key, weight in wanted.items():
        assert torch.equal(weights[key], weight), key


def test_a_finished_checkpoint_trains_no_further(tmp_path: Path) -> None:
    first = run(CONFIG, tmp_path / "run")
    again = run(CONFIG, tmp_path / "run")
    assert again[0] == first[0]
    assert all(torch.equal(weight, again[1][name]) for name, weight in first[1].items())


@pytest.mark.parametrize(("changed", "named"), [({"seed": 1}, "seed"), ({"config": replace(CONFIG, dim=4)}, "recipe")])
def test_a_checkpoint_of_another_training_is_refused(changed: dict, named: str, tmp_path: Path) -> None:
    run(CONFIG, tmp_path / "run")
    with pytest.raises(ValueError, match=f"another {named}; remove it"):
        run(**{"config": CONFIG, **changed}, checkpoint=tmp_path / "run")


def test_a_file_that_is_no_checkpoint_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_bytes(b"something else")
    config = replace(CONFIG, optimisation=replace(CONFIG.optimisation, batch_size=8))
    with pytest.raises(ValueError, match="is no checkpoint"):
        train(small_data(), small_model(config), config, seed=0, epochs=1, checkpoint=path)
    assert path.read_bytes() == b"something else"
