"""Paired comparisons, beside a plain loop and the bootstrap of scipy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from tests.unit.training.evaluation.sizes import ITEMS
from training.evaluation.bootstrap import UserGroup, resample_counts, resampled_group_means
from training.evaluation.comparison import LARGEST, compare, relative_lead
from training.evaluation.evaluate import evaluate, evaluate_systems
from training.evaluation.holdout import ITEM_GROUPS, Holdout
from training.evaluation.result import LEAST_USERS, Evaluation
from training.retrieval.exact import score_search

SAMPLES = 4_000


def recalls(rng: np.random.Generator, users: int, loss: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Skewed values of two systems that share most of what a user is."""
    base = rng.beta(0.5, 3.0, users)
    other = np.clip(base + rng.normal(0, 0.03, users), 0, 1)
    return other * (1 - loss), base


def compared(values: np.ndarray, others: np.ndarray, *, seed: int = 0):
    both = np.stack([values, others], axis=1)
    (means,) = resampled_group_means([UserGroup(values_GM=both)], len(both), seed=seed, samples=SAMPLES)
    return compare(both[:, :1], both[:, 1:], means[:, :1], means[:, 1:])[0]


def test_the_interval_is_that_of_scipy() -> None:
    values, others = recalls(np.random.default_rng(0), 300, loss=0.05)
    found = compared(values, others)
    expected = scipy_bootstrap(
        (values, others),
        lambda a, b, axis: a.mean(axis=axis) / b.mean(axis=axis) - 1,
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=SAMPLES,
        rng=np.random.default_rng(1),
    )
    error = expected.standard_error
    low, high = expected.confidence_interval
    assert (found.low, found.high) == (pytest.approx(low, abs=0.15 * error), pytest.approx(high, abs=0.15 * error))
    assert found.error / found.other == pytest.approx(error, rel=0.1)
    assert (found.users, found.value, found.other) == (300, values.mean(), others.mean())


def test_groups_equal_a_loop_over_resamples_and_users() -> None:
    """Each user is repeated as often as drawn; a slice is averaged over those of its users that were drawn."""
    rng, users = np.random.default_rng(2), 60
    values_QM, rows = rng.exponential(size=(users, 3)), np.arange(5, users, 3)
    other_GM = rng.exponential(size=(len(rows), 2))
    groups = [UserGroup(values_GM=values_QM), UserGroup(values_GM=other_GM, rows_G=rows)]
    whole, part = resampled_group_means(groups, users, seed=7, samples=50)
    for sample, counts_Q in enumerate(np.concatenate(list(resample_counts(users, seed=7, samples=50)))):
        drawn = np.repeat(np.arange(users), counts_Q.astype(int))
        assert whole[sample] == pytest.approx(values_QM[drawn].mean(axis=0))
        inside = [np.flatnonzero(rows == user)[0] for user in drawn if user in rows]
        assert part[sample] == pytest.approx(other_GM[inside].mean(axis=0))


def test_the_interval_decides_like_that_of_the_difference_to_any_share() -> None:
    """Sign of the percentile of value - (1 + r) * other, whatever r."""
    rng = np.random.default_rng(3)
    values, others = recalls(rng, 200)
    both = np.stack([values, others], axis=1)
    (means,) = resampled_group_means([UserGroup(values_GM=both)], 200, seed=0, samples=999)
    low = np.quantile(relative_lead(means[:, 0], means[:, 1]), 0.025, method="lower")
    for share in (-0.3, -0.02, 0.0, 0.1, low - 1e-6, low + 1e-6):
        contrast = np.quantile(means[:, 0] - (1 + share) * means[:, 1], 0.025, method="lower")
        assert (low > share) == (contrast > 0)


def test_beside_a_system_that_finds_nothing_any_hit_is_a_large_lead_and_none_is_no_loss() -> None:
    hits, nothing = np.array([0.0] * 20 + [0.5] * 20), np.zeros(40)
    ahead, level = compared(hits, nothing), compared(nothing, nothing)
    assert (ahead.low, ahead.high) == (LARGEST, LARGEST)
    assert (level.low, level.high, level.error) == (0, 0, 0)


def test_the_order_of_the_users_changes_no_conclusion() -> None:
    """The same resamples fall on other users: the ends move by the noise of the resampling, the rest not at all."""
    rng = np.random.default_rng(4)
    values, others = recalls(rng, 400, loss=0.03)
    first = compared(values, others)
    for _ in range(3):
        order = rng.permutation(400)
        each = compared(values[order], others[order])
        assert (each.value, each.other, each.error) == pytest.approx((first.value, first.other, first.error))
        noise = 0.15 * first.error / first.other
        assert (each.low, each.high) == (pytest.approx(first.low, abs=noise), pytest.approx(first.high, abs=noise))


def test_systems_are_paired_by_user() -> None:
    """Of unpaired users the interval would be several times as wide."""
    rng = np.random.default_rng(5)
    values, others = recalls(rng, 400)
    paired, apart = compared(values, others), compared(rng.permutation(values), others)
    assert (apart.high - apart.low) > 3 * (paired.high - paired.low)
    assert apart.error > 3 * paired.error


def test_one_user_decides_nothing() -> None:
    assert np.isnan(compared(np.array([0.5]), np.array([0.2])).error)


def test_every_view_and_slice_is_compared_on_its_own_users(holdout: Holdout, random_search) -> None:
    head = (holdout.item_groups() == 0).astype(np.float32)
    head_first = score_search(lambda rows: np.tile(head, (len(rows), 1)))
    systems = {"head": head_first, "random": random_search}
    found = evaluate_systems(
        iter(systems.items()), holdout, corpora={"whole": None}, ks=(20,), seed=0, reference="head"
    )
    ours, theirs = found["whole"]["head"], found["whole"]["random"]
    assert ours.comparisons == {}
    big_enough = {name for name, users in theirs.users.items() if users >= LEAST_USERS}
    assert {name.rsplit("/", 1)[0] for name in theirs.comparisons} == big_enough
    assert {"all", "discovery/cold_users", "all/tail_items"} <= big_enough
    for name, each in theirs.comparisons.items():
        assert each.users == theirs.users[name.rsplit("/", 1)[0]]
        assert (each.value, each.other) == pytest.approx((ours.metrics[name], theirs.metrics[name]))
    assert theirs.comparisons["all/head_items/recall@20"].low > 1
    assert theirs.comparisons["all/tail_items/recall@20"].high < 0


def test_a_slice_is_compared_as_it_would_be_alone(holdout: Holdout, random_search) -> None:
    """Cold users are the users of a hold-out of their own."""
    cold = np.flatnonzero(holdout.user_slices()["cold_users"])
    likes = np.arange(ITEMS, dtype=np.float32)
    last_first = score_search(lambda rows: np.tile(likes, (len(rows), 1)))
    search = {"last": last_first, "random": random_search}
    found = evaluate_systems(iter(search.items()), holdout, corpora={"w": None}, ks=(20,), seed=0, reference="last")
    each = found["w"]["random"].comparisons["all/cold_users/recall@20"]
    alone = [evaluate(one, holdout, ks=(20,), seed=0).per_user["all/recall@20"][cold] for one in search.values()]
    expected = compared(*alone)
    noise = 0.25 * expected.error / expected.other
    assert each.error == pytest.approx(expected.error)
    assert (each.low, each.high) == (pytest.approx(expected.low, abs=noise), pytest.approx(expected.high, abs=noise))


def test_item_slices_have_values_of_their_own(holdout: Holdout, random_search) -> None:
    result = evaluate(random_search, holdout, ks=(20,), seed=0)
    for group in ITEM_GROUPS:
        name = f"all/{group}"
        values = result.of_slice(name, "recall@20")
        assert len(values) == len(result.slice_rows[name]) == result.users[name]
        assert values.mean() == pytest.approx(result.metrics[f"{name}/recall@20"])
    assert json.loads(result.to_json())["per_slice"] == {}
    assert Evaluation.from_json(result.to_json()).slice_rows == {}
