"""Labels over the probability of a look: unbiased by an exact expectation, and in a planted log."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.benchmarks.bias.clicks import PositionBased
from tests.benchmarks.bias.fitted import fit, ndcg
from tests.benchmarks.bias.loggers import ByIrrelevant, ByRelevance
from tests.benchmarks.bias.simulators import planted, simulate
from training.data.click_labels import click_labels, estimated
from training.data.interventions import Examination
from training.data.propensities import click_weights
from training.data.slates import UNKNOWN, Slates
from training.losses.clicks import click_loss
from training.recipes import Additive, ImpressionTask, InverseExamination, InversePropensity

LOOKS = np.array([1.0, 0.5, 0.2])
RELEVANT = np.array([0.3, 0.9, 0.6])
TASK = ImpressionTask(examination=InverseExamination())
LOG = simulate(
    planted(users=200, items=20, seed=0), ByIrrelevant(noise=1.0), PositionBased(examination=tuple(LOOKS)),
    answers=6_000, length=3, seed=1,
)  # fmt: skip


def every_outcome() -> tuple[Slates, np.ndarray]:
    """Each pattern of clicks on three items as an answer, and its probability."""
    click_SL = np.array(list(product([0, 1], repeat=3)), np.float32)
    rate_L = LOOKS * RELEVANT
    position_SLC = np.tile(np.arange(1, 4), (8, 1))[..., None]
    slates = Slates(
        query_S=np.zeros(8, np.int64), item_SL=np.tile(np.arange(3), (8, 1)), context_SLC=position_SLC,
        names=("position",), sizes=(4,), click_SL=click_SL,
    )  # fmt: skip
    return slates, np.where(click_SL > 0, rate_L, 1 - rate_L).prod(axis=1)


def expected_loss(logit_L: torch.Tensor, label_SL: np.ndarray, probability_S: np.ndarray) -> torch.Tensor:
    """Mean of the loss over all patterns of clicks."""
    logit_KSL, label_SL1 = logit_L.expand(1, 1, 3), torch.from_numpy(label_SL).unsqueeze(1)
    parts = F.logsigmoid(logit_KSL), F.logsigmoid(-logit_KSL), torch.zeros(1)
    each_S = torch.stack([click_loss(*parts, label_1L, torch.ones(1, 3)) for label_1L in label_SL1])
    return (each_S * torch.from_numpy(probability_S)).sum()


def test_the_mean_loss_is_that_of_the_relevance_whoever_looks() -> None:
    """Exact: over all patterns of clicks, and with its gradient."""
    slates, probability_S = every_outcome()
    exact = Examination(code_K=np.arange(1, 4), relative_K=LOOKS, resampled_BK=LOOKS[None])
    label_SL = slates.click_SL * click_weights(slates, exact, clip=0.1)
    logit_L = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)
    wanted = F.binary_cross_entropy_with_logits(logit_L, torch.tensor(RELEVANT, dtype=torch.float32))
    got = expected_loss(logit_L, label_SL, probability_S)
    torch.testing.assert_close(got.float(), wanted)
    mine, exact_L = (torch.autograd.grad(value, logit_L)[0] for value in (got, wanted))
    torch.testing.assert_close(mine, exact_L)
    naive = expected_loss(logit_L, slates.click_SL, probability_S)
    assert abs(naive.item() - wanted.item()) > 0.05


def test_labels_of_a_log_are_its_relevance_in_the_mean() -> None:
    """Relative to the first position, where everybody looks; clicks themselves are far below it."""
    found = click_labels(LOG.slates, TASK, LOG.slates.query_S)
    relevant_L, label_L = LOG.relevance_SL.mean(axis=0), found.label_SL.mean(axis=0)
    np.testing.assert_allclose(label_L, relevant_L, rtol=0.12)
    assert LOG.slates.click_SL.mean(axis=0)[-1] < 0.3 * relevant_L[-1]
    assert (found.weight_SL == 1).all()


def test_without_examination_clicks_are_the_labels() -> None:
    found = click_labels(LOG.slates, ImpressionTask(bias=Additive()), LOG.slates.query_S)
    assert found.label_SL is LOG.slates.click_SL


def test_both_weights_multiply() -> None:
    """What was shown there and who looked there are two probabilities."""
    task = replace(TASK, selection=InversePropensity())
    propensity_SL = np.where(np.arange(3) == 1, 0.2, 0.8) * np.ones((len(LOG.slates), 1))
    log = replace(LOG.slates, propensity_SL=propensity_SL.astype(np.float32))
    found = click_labels(log, task, log.query_S)
    np.testing.assert_allclose(found.weight_SL[0], np.array([1.25, 5, 1.25]) / 2.5, rtol=1e-5)
    np.testing.assert_allclose(found.label_SL, click_labels(log, TASK, log.query_S).label_SL)


def test_impressions_without_a_position_are_left_out() -> None:
    code_SLC = LOG.slates.context_SLC.copy()
    code_SLC[:100] = UNKNOWN
    found = click_labels(replace(LOG.slates, context_SLC=code_SLC), TASK, LOG.slates.query_S)
    assert not found.weight_SL[:100].any()
    assert found.weight_SL[100:].all()


def test_a_log_that_cannot_tell_who_looks_is_refused_with_the_way_out() -> None:
    fixed = simulate(
        planted(users=200, items=20, seed=0), ByRelevance(), PositionBased(examination=tuple(LOOKS)),
        answers=6_000, length=3, seed=1, fixed=True,
    )  # fmt: skip
    with pytest.raises(ValueError, match="randomise the order of a small share"):
        click_labels(fixed.slates, TASK, fixed.slates.query_S)
    with pytest.raises(ValueError, match="no position has enough impressions"):
        few = LOG.slates.take(np.arange(50))
        estimated(few, InverseExamination(), few.query_S)
    rare = ImpressionTask(examination=InverseExamination(least_effective=0.95))
    with pytest.raises(ValueError, match=r"clicks effective; wanted at least 95.00%: raise InverseExamination.clip"):
        click_labels(LOG.slates, rare, LOG.slates.query_S)


def test_weights_beside_a_bias_model_are_refused() -> None:
    with pytest.raises(ValueError, match="leave bias or examination out"):
        ImpressionTask(bias=Additive(), examination=InverseExamination())
    with pytest.raises(ValueError, match="clip is a probability above 0"):
        InverseExamination(clip=0)


def test_towers_rank_by_relevance_where_clicks_follow_positions() -> None:
    """The logger ranks by a feature of no relevance, which towers that trust clicks take for one."""
    world = planted(users=300, items=60, seed=0)
    looks = (1.0, 0.6, 0.36, 0.22, 0.13, 0.08, 0.05, 0.03)
    log = simulate(world, ByIrrelevant(noise=1.0), PositionBased(examination=looks), answers=4_000, length=8, seed=0)
    tasks = ImpressionTask(weight=1), ImpressionTask(weight=1, examination=InverseExamination())
    naive, weighted = (ndcg(fit(log, task, seed=0, epochs=4), world, seed=9) for task in tasks)
    assert weighted > naive + 0.02
