"""Whole towers of every make: they export, serve anybody, and end training in order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from feature_repo.encode import RESERVED, Input, InputKind
from serving.pt2 import load_program
from tests.unit.training.towers.tower_world import ITEM_INPUTS, ITEMS, USER_INPUTS, items, tensors, users
from training.artifacts.export import export_tower
from training.data.training_set import TrainingSet
from training.recipes import (
    MLP,
    Cross,
    Dot,
    Gated,
    GRUHistory,
    MeanPooling,
    MultiHeadPooling,
    Optimisation,
    Residual,
    SelfAttention,
    TowerConfig,
    TrainConfig,
    WeightedPooling,
)
from training.recipes.serialization import to_json
from training.towers import TwoTower, new_model
from training.trainer import train
from training.trainer.batch_norm import recalibrate

pytestmark = pytest.mark.usefixtures("one_thread")
BODIES = [
    MLP(hidden=(16, 8)),
    MLP(norm="batch"),
    Residual(width=16),
    Residual(width=16, norm="batch"),
    Cross(rank=4),
    Cross(structure="parallel"),
    Gated(hidden=(16,), norm="layer"),
]
HISTORIES = [
    WeightedPooling(),
    MeanPooling(),
    MultiHeadPooling(heads=3),
    GRUHistory(width=12),
    SelfAttention(width=12, heads=3, positions=4),
]
TOWERS = [
    *(TowerConfig(user=body, item=body) for body in BODIES),
    *(TowerConfig(history=history) for history in HISTORIES),
    TowerConfig(user=Gated(), item=Residual(), shared_middle=24),
]


def model_of(tower: TowerConfig) -> TwoTower:
    codes_of = {"kind": torch.arange(ITEMS, dtype=torch.int32) % (RESERVED + 3)}
    return new_model(USER_INPUTS, ITEM_INPUTS, codes_of, TrainConfig(dim=8, tower=tower), seed=0)


@pytest.mark.parametrize(
    "tower", TOWERS, ids=lambda tower: " ".join(type(each).__name__ for each in (tower.user, tower.item, tower.history))
)
def test_every_kind_of_tower_is_served_as_it_was_trained(tower: TowerConfig, tmp_path: Path) -> None:
    """One training step, then the exported program of each tower, for one row, for many, for an empty history."""
    model = model_of(tower).train()
    (model.user(tensors(users(7))) @ model.item(tensors(items(7))).T).square().sum().backward()
    for name, weight in model.named_parameters():
        if not name.startswith("score.") and weight.requires_grad:
            assert weight.grad is not None and torch.isfinite(weight.grad.to_dense()).all(), name
    for side, rows in ((model.user, users), (model.item, items)):
        export_tower(tmp_path / "tower.pt2", side, rows(3))
        program = load_program((tmp_path / "tower.pt2").read_bytes(), "tower.pt2").module()
        for size in (1, 9):
            got_BD = program(tensors(rows(size)))
            assert torch.allclose(got_BD, side(tensors(rows(size))), atol=1e-5)
            assert torch.allclose(got_BD.norm(dim=1), torch.ones(size), atol=1e-5)


def test_recipes_of_different_towers_are_written_differently() -> None:
    """What decides a version is what is written; a WeightedPooling and a MeanPooling have the same fields."""
    written = {to_json(TrainConfig(tower=tower)) for tower in TOWERS}
    assert len(written) == len(TOWERS)
    pooled = [TowerConfig(history=kind(dropout=0.1)) for kind in (WeightedPooling, MeanPooling)]
    assert len({to_json(TrainConfig(tower=tower)) for tower in [*pooled, TowerConfig(user=Gated())]}) == 3


def test_the_shared_middle_is_trained_by_both_towers() -> None:
    model = model_of(TowerConfig(shared_middle=24))
    shared = {id(weight) for weight in model.user.parameters()} & {id(weight) for weight in model.item.parameters()}
    middle = [weight for name, weight in model.named_parameters() if ".body.3." in name]
    assert [tuple(weight.shape) for weight in middle] == [(24, 24), (24,)]
    assert {id(weight) for weight in middle} <= shared
    for embedding_BD in (model.user(tensors(users(5))), model.item(tensors(items(5)))):
        model.zero_grad()
        embedding_BD.sum().backward()
        assert all(weight.grad is not None and weight.grad.any() for weight in middle)


NORMED = TowerConfig(
    user=MLP(hidden=(16, 8), dropout=0.3, norm="batch"), item=Residual(width=16, dropout=0.3, norm="batch")
)


@pytest.mark.parametrize("interactions", [256, 257])
def test_after_training_batch_statistics_are_those_of_the_averaged_weights(interactions: int) -> None:
    """Each layer's running mean and variance are those of what reaches it, without dropout; with 257, one batch holds
    a single user."""
    rng = np.random.default_rng(0)
    config = TrainConfig(dim=8, tower=NORMED, optimisation=Optimisation(batch_size=64, learning_rate=0.02))
    data = TrainingSet(
        queries=users(interactions), user_Q=np.arange(interactions), items=items(200), item_S=np.arange(200),
        corpus=items(200), query_I=np.arange(interactions),
        item_I=rng.integers(0, 200, interactions), weight_I=np.ones(interactions, np.float32),
    )  # fmt: skip
    model = model_of(NORMED)
    train(data, model, config, seed=0, epochs=4)
    reached: dict[nn.Module, Tensor] = {}
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.register_forward_pre_hook(lambda module, inputs: reached.update({module: inputs[0]}))
    with torch.no_grad():
        model.user(tensors(data.queries))
        model.item(tensors({name: array[data.item_I] for name, array in data.items.items()}))
    assert len(reached) == 5
    for norm, values_BH in reached.items():
        mean_H, var_H = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        assert ((mean_H - values_BH.mean(dim=0)).abs() < 0.2 * values_BH.std(dim=0) + 1e-3).all()
        assert (var_H / values_BH.var(dim=0)).log().abs().median() < 0.2


def test_batch_statistics_draw_no_random_number_and_other_towers_are_left_alone() -> None:
    """Whether they are measured changes no weight: the trial and the final training draw alike."""
    model = model_of(NORMED)
    data = TrainingSet(
        queries=users(8), user_Q=np.arange(8), items=items(8), item_S=np.arange(8), corpus=items(8),
        query_I=np.arange(8), item_I=np.arange(8),
        weight_I=np.ones(8, np.float32),
    )  # fmt: skip
    torch.manual_seed(0)
    before = torch.get_rng_state()
    recalibrate(model, [data.batch(np.arange(8))])
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(module.training for module in model.modules())
    plain = model_of(replace(NORMED, user=MLP(), item=MLP()))
    weights = {name: value.clone() for name, value in plain.state_dict().items()}
    recalibrate(plain, [data.batch(np.arange(8))])
    assert all(torch.equal(value, weights[name]) for name, value in plain.state_dict().items())


def test_without_bodies_an_embedding_is_the_sum_of_ids_and_histories() -> None:
    config = TowerConfig(user=None, item=None, user_id=True, history=MeanPooling(dropout=0), id_dropout=0)
    inputs = [Input(name="user_id", kind=InputKind.CODE, size=RESERVED + 9), *USER_INPUTS[1:]]
    model = new_model(inputs, ITEM_INPUTS[:1], {}, TrainConfig(dim=8, tower=config, score=Dot()), seed=0)
    rows = {**users(5), "user_id": np.arange(5, dtype=np.int32) + RESERVED}
    assert model.user.ids is not None
    pooled = model.user.readers[0](model.user.vectors, *(
        torch.from_numpy(rows[f"history_{part}"]) for part in ("items", "ages", "counts")
    ))  # fmt: skip
    assert torch.allclose(model.user(tensors(rows)), model.user.ids.weight[RESERVED : RESERVED + 5] + pooled)
    codes = torch.arange(RESERVED, RESERVED + 5)
    assert torch.equal(model.item({"item_id": codes}), model.item.vectors.ids.weight[codes])
    assert len(model.tables) == 2


def test_a_user_tower_that_sees_nothing_is_refused() -> None:
    config = TrainConfig(tower=TowerConfig(user=None))
    with pytest.raises(ValueError, match="has no input"):
        new_model(USER_INPUTS[:1], ITEM_INPUTS, {"kind": torch.zeros(ITEMS, dtype=torch.int32)}, config, seed=0)
