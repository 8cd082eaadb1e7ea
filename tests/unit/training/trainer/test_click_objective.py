"""Clicks beside retrieval: which answers a step takes, and what each loss may move."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock, patch

import numpy as np
import pytest
import torch

from tests.unit.training.trainer.trainer_world import CONFIG, small_data, small_model, with_slates
from training.data.click_labels import ClickLabels
from training.data.slates import NO_ITEM
from training.data.training_set import TrainingSet
from training.recipes import Additive, CrossPositional, ImpressionTask, InversePropensity, RepeatTerm, TrainConfig
from training.recipes.bias_models import BiasModel
from training.towers import TwoTower
from training.trainer import click_objective, train
from training.trainer.click_objective import ClickObjective, clicks_of
from training.trainer.click_start import add_clicks
from training.trainer.embedding import embedding_of
from training.trainer.state import TrainState


def recipe(**task: object) -> TrainConfig:
    return replace(CONFIG, impressions=ImpressionTask(**task))  # type: ignore[arg-type]


def world(config: TrainConfig) -> tuple[TwoTower, TrainingSet]:
    data, model = with_slates(small_data(users=20, items=12)), small_model(config)
    assert data.slates is not None
    add_clicks(model, data.slates, config, seed=0)
    return model, data


def test_every_answer_is_taken_once_before_any_comes_again() -> None:
    _, data = world(config := recipe(slates=7))
    assert config.impressions is not None
    objective = ClickObjective(data, config.impressions, seed=0)
    taken = np.concatenate([objective._next() for _ in range(80)])
    for start in range(0, 14 * 40, 40):
        assert sorted(taken[start : start + 40]) == list(range(40))


def test_probabilities_do_not_depend_on_which_answers_stand_beside() -> None:
    """Users and items pass their towers once, however often they come."""
    model, data = world(config := recipe(bias=Additive()))
    model.eval()
    assert data.slates is not None
    embedding = embedding_of(config, model.device)
    whole = clicks_of(model, data, data.slates, embedding).log_click_KSL
    for s in (0, 17, 39):
        alone = clicks_of(model, data, data.slates.take(np.array([s])), embedding).log_click_KSL
        torch.testing.assert_close(whole[:, [s]], alone)


def test_a_weight_of_1_leaves_retrieval_out() -> None:
    """Other interactions give other towers, unless the clicks alone train them."""
    weights = {}
    for weight in (0.5, 1.0):
        for seed in (0, 1):
            model, data = world(config := recipe(weight=weight, bias=Additive()))
            taken = np.random.default_rng(seed).integers(12, size=len(data.item_I))
            train(replace(data, item_I=taken), model, config, seed=0, epochs=2)
            weights[weight, seed] = model.item.vectors.ids.get_parameter("weight")
    assert torch.equal(weights[1.0, 0], weights[1.0, 1])
    assert not torch.equal(weights[0.5, 0], weights[0.5, 1])


def test_clicks_move_the_towers() -> None:
    found = []
    for flip in (False, True):
        model, data = world(config := recipe(weight=0.5))
        assert data.slates is not None
        click_SL = np.where(data.slates.shown_SL, 1 - data.slates.click_SL, 0) if flip else data.slates.click_SL
        flipped = replace(data, slates=replace(data.slates, click_SL=click_SL.astype(np.float32)))
        train(flipped, model, config, seed=0, epochs=2)
        found.append(model.item.vectors.ids.get_parameter("weight"))
    assert not torch.equal(*found)


def test_every_weight_has_one_optimiser() -> None:
    model, data = world(config := recipe(bias=Additive()))
    run = TrainState(data, model, config, seed=0, epochs=1)
    held = [id(w) for each in run.optimisers.optimisers for group in each.param_groups for w in group["params"]]
    assert sorted(held) == sorted({id(weight) for weight in model.parameters() if weight.requires_grad})
    rates = dict(zip(map(id, run.optimisers.optimisers), run.optimisers.rates, strict=True))
    of_bias = next(
        each for each in run.optimisers.optimisers
        if any(w is model.get_parameter("clicks.bias.tables.0.weight") for g in each.param_groups for w in g["params"])
    )  # fmt: skip
    assert rates[id(of_bias)] == 0.05


def test_the_bias_does_not_decay() -> None:
    config = recipe(bias=Additive())
    model, data = world(config := replace(config, optimisation=replace(config.optimisation, weight_decay=0.1)))
    run = TrainState(data, model, config, seed=0, epochs=1)
    decay = {
        id(weight): group.get("weight_decay", 0.0)
        for each in run.optimisers.optimisers for group in each.param_groups for weight in group["params"]
    }  # fmt: skip
    assert {decay[id(weight)] for weight in model.clicks.bias_weights()} == {0.0}  # type: ignore[union-attr]
    assert 0.1 in decay.values()


def test_an_epoch_of_clicks_alone_is_one_pass_over_the_answers() -> None:
    steps, read, _, built = read_in_an_epoch(recipe(weight=1.0, slates=7))
    assert not built.called
    assert len(read) == steps == -(-40 // 7)
    assert sorted(np.concatenate(read)[:40]) == list(range(40))


@pytest.mark.parametrize("slates", [1, 30])
def test_an_epoch_beside_retrieval_reads_each_answer(slates: int) -> None:
    """Few steps of retrieval take more answers each; many of them read all answers again."""
    steps, read, batches, _ = read_in_an_epoch(recipe(weight=0.5, slates=slates))
    assert len(read) == steps == batches
    assert {len(each) for each in read} == {max(slates, -(-40 // batches))}
    assert sorted(np.concatenate(read)[:40]) == list(range(40))


@pytest.mark.parametrize(("bias", "places", "pairs"), [(Additive(), 9, 10**9), (CrossPositional(), 10**9, 27)])
def test_a_step_holds_no_more_than_its_bound(bias: BiasModel, places: int, pairs: int) -> None:
    """Answers have three places."""
    with patch.object(click_objective, "PLACES", places), patch.object(click_objective, "PAIRS", pairs):
        _, read, batches, _ = read_in_an_epoch(recipe(weight=0.5, slates=1, bias=bias))
    assert batches * 3 < 40
    assert {len(each) for each in read} == {3}


def read_in_an_epoch(config: TrainConfig) -> tuple[int, list[np.ndarray], int, Mock]:
    """Steps that were planned, answers of each step, batches of retrieval, and calls for interactions."""
    model, data = world(config)
    assert data.slates is not None and len(data.slates) == 40
    run = TrainState(data, model, config, seed=0, epochs=1)
    assert run.clicks is not None
    read: list[np.ndarray] = []
    taken = run.clicks._next

    def noted() -> np.ndarray:
        read.append(taken())
        return read[-1]

    with patch.object(run.clicks, "_next", noted), patch.object(TrainingSet, "batch", Mock(wraps=data.batch)) as built:
        run.epoch()
    batches = len(data.batches(config.optimisation.batch_size, np.random.default_rng(0)))
    return run.optimisers.steps, read, batches, built


def test_a_step_is_the_same_on_any_number_of_threads() -> None:
    """Gradients of an item in many answers are added in one order."""
    threads, found = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        for _ in range(6):
            model, data = world(config := recipe(weight=1.0, bias=Additive(), slates=40))
            assert data.slates is not None and config.impressions is not None
            many = replace(data, slates=data.slates.take(np.tile(np.arange(40), 200)))
            objective = ClickObjective(many, replace(config.impressions, slates=8_000), seed=0)
            model.eval()
            objective.loss(model, embedding_of(config, model.device)).backward()
            found.append(model.item.vectors.ids.get_parameter("weight").grad.to_dense())  # type: ignore[union-attr]
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(each, found[0]) for each in found)


def test_rare_impressions_count_more() -> None:
    data = with_slates(small_data())
    assert data.slates is not None
    propensity_SL = np.where(np.arange(3) == 2, 0.25, 0.5).astype(np.float32) * np.ones(
        (len(data.slates), 1), np.float32
    )
    weighted = replace(data, slates=replace(data.slates, propensity_SL=propensity_SL))
    objective = ClickObjective(weighted, ImpressionTask(selection=InversePropensity()), seed=0)
    shown_SL = data.slates.shown_SL
    assert (objective.labels.weight_SL[~shown_SL] == 0).all()
    assert objective.labels.weight_SL[shown_SL].mean() == pytest.approx(1)
    assert objective.labels.weight_SL[1, 2] == pytest.approx(2 * objective.labels.weight_SL[1, 0])


def test_what_cannot_be_learned_is_refused_with_the_way_out() -> None:
    data = with_slates(small_data())
    assert data.slates is not None
    with pytest.raises(ValueError, match="the impressions have none: log"):
        ClickObjective(data, ImpressionTask(selection=InversePropensity()), seed=0)
    skewed_SL = np.ones(data.slates.item_SL.shape, np.float32)
    skewed_SL[0, 0] = 1e-4
    skewed = replace(data, slates=replace(data.slates, propensity_SL=skewed_SL))
    with pytest.raises(ValueError, match="effective; wanted at least"):
        ClickObjective(skewed, ImpressionTask(selection=InversePropensity(clip=1e-4, least_effective=0.1)), seed=0)
    with pytest.raises(ValueError, match="the training set has none"):
        ClickObjective(small_data(), ImpressionTask(), seed=0)
    none = replace(data.slates, click_SL=np.zeros_like(data.slates.click_SL))
    with pytest.raises(ValueError, match="none have a click"):
        add_clicks(small_model(recipe()), none, recipe(), seed=0)
    with pytest.raises(ValueError, match="leaves the loss of retrieval out, and repeat rests on it"):
        replace(CONFIG, repeat=RepeatTerm(), impressions=ImpressionTask(weight=1))


def test_a_checkpoint_of_the_towers_holds_no_click_model(tmp_path: Path) -> None:
    from training.artifacts.export import _unshared

    model, _ = world(recipe(bias=Additive()))
    assert any(name.startswith("clicks.") for name in model.state_dict())
    state, aliases = _unshared(model)
    assert not any(name.startswith("clicks.") for name in (*state, *aliases))


def test_one_click_at_a_low_position_does_not_run_away() -> None:
    """Label 10 of an item that is shown once: without a bound its log-odds grow with each step."""
    model, data = world(config := recipe(weight=1))
    assert data.slates is not None and config.impressions is not None
    item_SL, click_SL = data.slates.item_SL.copy(), data.slates.click_SL.copy()
    answer, *others = np.flatnonzero((item_SL == 11).any(axis=1))
    item_SL[others] = np.where(item_SL[others] == 11, NO_ITEM, item_SL[others])
    click_SL[item_SL == NO_ITEM] = 0
    once_SL = item_SL == 11
    slates = replace(data.slates, item_SL=item_SL, click_SL=np.where(once_SL, 1, click_SL).astype(np.float32))
    data = replace(data, slates=slates)
    labels = ClickLabels(
        label_SL=np.where(once_SL, 10, slates.click_SL).astype(np.float32),
        weight_SL=slates.shown_SL.astype(np.float32),
    )
    with patch.object(click_objective, "click_labels", Mock(return_value=labels)):
        train(data, model, config, seed=0, epochs=200)
    embedding = embedding_of(config, model.device)
    found = clicks_of(model.eval(), data, slates.take(np.array([answer])), embedding)
    odds = (found.log_click_KSL - found.log_none_KSL)[0][torch.from_numpy(once_SL[[answer]])]
    assert model.clicks is not None
    assert odds.item() < 12
    assert model.clicks.log_gain.exp().item() < 20
