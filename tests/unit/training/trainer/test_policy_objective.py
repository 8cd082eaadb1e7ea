"""The behaviour policy is learned beside the towers, and leaves no trace in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.unit.training.trainer.trainer_world import CONFIG, QUIET, small_data, small_model
from training.data.training_set import TrainingSet
from training.losses.policy import log_policy
from training.recipes import Corpus, EstimatedBehaviour, Mixed, Negatives, PolicyGradient, TrainConfig, Uniform
from training.trainer import train
from training.trainer.candidates import CandidateBuilder
from training.trainer.policy_objective import BehaviourPolicy, PolicyObjective
from training.trainer.state import TrainState
from training.trainer.step import backpropagate

REWARD = replace(
    CONFIG, tower=QUIET, strata=False, policy=PolicyGradient(k=2), negatives=Negatives(sampler=Corpus()),
    optimisation=replace(CONFIG.optimisation, patience=None, epochs=3, batch_size=16),
)  # fmt: skip
CPU = torch.device("cpu")


def rewarded(data: TrainingSet) -> TrainingSet:
    return replace(data, return_I=np.random.default_rng(0).uniform(0, 2, len(data.item_I)).astype(np.float32))


def gradients(config: TrainConfig, behaviour_of: float = 0.0) -> tuple[dict[str, torch.Tensor], PolicyObjective, float]:
    """Gradients of the towers in one step, after a shift of the behaviour policy's weights."""
    data, model = rewarded(small_data(12)), small_model(config)
    objective = PolicyObjective(data, config, CPU)
    with torch.no_grad():
        objective.behaviour.weight_ND[:, 0] += behaviour_of * torch.arange(data.size)
    batch = data.batch(np.arange(24), whole_corpus=config.whole_corpus)
    loss = backpropagate(model, batch, CandidateBuilder(data, config, model, 0), config, None, objective)
    return (
        {name: each.grad.to_dense() for name, each in model.named_parameters() if each.grad is not None},
        objective,
        loss,
    )


def test_the_behaviour_policy_s_loss_reaches_its_own_weights_alone() -> None:
    data, model = rewarded(small_data(12)), small_model(REWARD)
    objective = PolicyObjective(data, REWARD, CPU)
    batch = data.batch(np.arange(24), whole_corpus=True)
    c = CandidateBuilder(data, REWARD, model, 0).build(model, batch, lambda tower, features: tower(features))
    of_towers, of_behaviour = objective.losses(c, batch)
    of_behaviour.backward(retain_graph=True)
    assert objective.behaviour.weight_ND.grad.any()  # type: ignore[union-attr]
    assert all(weight.grad is None for weight in model.parameters())
    objective.behaviour.weight_ND.grad = None
    of_towers.backward()
    assert objective.behaviour.weight_ND.grad is None
    assert any(weight.grad is not None for weight in model.parameters())


def test_the_behaviour_policy_corrects_the_towers() -> None:
    """Of a log that held an item more often, each interaction counts less."""
    plain, _, _ = gradients(REWARD)
    other, _, _ = gradients(REWARD, behaviour_of=3.0)
    assert any(not torch.allclose(plain[name], other[name]) for name in plain)


def test_a_sample_of_columns_estimates_the_policy_over_the_corpus() -> None:
    """1 / π is a sum over items, of which the drawn ones, divided by their probability, are unbiased."""
    data = rewarded(small_data(12, items=10))

    def inverse(config: TrainConfig, draws: int) -> torch.Tensor:
        model = small_model(config).eval()
        builder, batch = (
            CandidateBuilder(data, config, model, 0),
            data.batch(np.arange(24), whole_corpus=config.whole_corpus),
        )
        with torch.no_grad():
            built = [builder.build(model, batch, lambda tower, features: tower(features)) for _ in range(draws)]
            return torch.stack([(-log_policy(c)).exp() for c in built])

    exact_P = inverse(REWARD, 1)[0]
    drawn_BP = inverse(replace(REWARD, negatives=Negatives(sampler=Uniform(number=4))), 200)
    sure_P = drawn_BP.std(dim=0) / 200**0.5
    assert (sure_P / exact_P).max() < 0.1
    assert ((drawn_BP.mean(dim=0) - exact_P).abs() < 4 * sure_P).all()


@pytest.mark.parametrize("parts", [1, 3])
def test_a_step_in_parts_has_the_gradients_of_a_whole_one(parts: int) -> None:
    config = replace(REWARD, optimisation=replace(REWARD.optimisation, parts=parts))
    whole, one, _ = gradients(REWARD)
    found, other, _ = gradients(config)
    for name, gradient in whole.items():
        assert torch.allclose(found[name], gradient, atol=1e-6), name
    assert torch.allclose(one.behaviour.weight_ND.grad, other.behaviour.weight_ND.grad, atol=1e-6)  # type: ignore[arg-type]


def test_smaller_dimensions_are_trained_too() -> None:
    _, _, alone = gradients(REWARD)
    _, _, both = gradients(replace(REWARD, prefixes=(4,)))
    assert both > alone > 0


def test_a_logged_policy_is_learned() -> None:
    """From states that lie still, to within the noise of the log."""
    rng = torch.Generator().manual_seed(0)
    user_RD = torch.randn(20_000, 4, generator=rng)
    truth_RN = torch.softmax(user_RD @ torch.randn(4, 6, generator=rng) + torch.tensor([2.0, 0, 0, 0, 0, -1]), dim=1)
    item_P, row_P = torch.multinomial(truth_RN, 1, generator=rng).squeeze(1), torch.arange(20_000)
    behaviour = BehaviourPolicy(torch.bincount(item_P, minlength=6).float(), 4)
    optimiser = torch.optim.Adam(behaviour.parameters(), lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        (-behaviour(user_RD, row_P, item_P).mean()).backward()
        optimiser.step()
    with torch.no_grad():
        found_RN = torch.stack([behaviour(user_RD, row_P, torch.full_like(row_P, n)).exp() for n in range(6)], dim=1)
    assert torch.allclose(found_RN.sum(dim=1), torch.ones(20_000), atol=1e-4)
    assert (found_RN - truth_RN).abs().mean() < 0.01


def test_it_begins_as_the_popularity_of_the_log() -> None:
    data = rewarded(small_data(12))
    behaviour = PolicyObjective(data, REWARD, CPU).behaviour
    counts_N = np.bincount(data.item_S[data.item_I], minlength=data.size) + 1
    item_N = torch.arange(data.size)
    found_N = behaviour(torch.randn(1, 8), torch.zeros_like(item_N), item_N).exp()
    assert found_N.tolist() == pytest.approx((counts_N / counts_N.sum()).tolist(), rel=1e-4)


@pytest.mark.parametrize("sampler", [Corpus(), Uniform(number=3), Mixed(number=3)], ids=str)
def test_a_training_reports_its_policy(sampler: Corpus | Uniform | Mixed) -> None:
    config = replace(REWARD, negatives=Negatives(sampler=sampler))
    data, model = rewarded(small_data(20)), small_model(config)
    for epoch in train(data, model, config, seed=0):
        assert epoch["policy/interactions"] == 40
        assert 0 <= epoch["policy/capped_share"] <= 1
        assert 0 < epoch["policy/effective_share"] <= 1
        assert epoch["policy/behaviour_loss"] > 0
    assert model.state_dict().keys() == small_model(CONFIG).state_dict().keys()


def test_the_behaviour_policy_has_its_own_learning_rate() -> None:
    slow = replace(REWARD.policy, behaviour=EstimatedBehaviour(learning_rate=0.003))
    run = TrainState(rewarded(small_data()), small_model(REWARD), replace(REWARD, policy=slow), seed=0, epochs=1)
    assert run.optimisers.rates[-1] == 0.003
    assert run.policy is not None
    before = run.policy.behaviour.weight_ND.detach().clone()
    run.epoch()
    assert 0 < (run.policy.behaviour.weight_ND - before).abs().max() <= 0.003 * run.optimisers.step_number * 1.01


def test_a_training_set_without_returns_is_refused() -> None:
    with pytest.raises(ValueError, match="this training set has no returns"):
        train(small_data(), small_model(REWARD), REWARD, seed=0)
