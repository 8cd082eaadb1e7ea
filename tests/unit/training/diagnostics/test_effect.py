"""Test of an effect of the position within units, against scipy and against permutations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from training.data.shown import count_shown
from training.data.slates import NO_ITEM, Slates
from training.diagnostics.effect import effect_test


def answers_of_one(unit_P: np.ndarray, position_P: np.ndarray, click_P: np.ndarray) -> Slates:
    """Answers of a single item, each at some position."""
    return Slates(
        query_S=np.zeros(len(unit_P), int),
        item_SL=unit_P[:, None],
        context_SLC=position_P[:, None, None],
        names=("position",),
        sizes=(int(position_P.max()) + 1,),
        click_SL=click_P[:, None].astype(np.float32),
    )


def drawn(seed: int, units: int, positions: int, impressions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units of their own click rates, whose ranker prefers positions; no effect of positions."""
    rng = np.random.default_rng(seed)
    unit_P = rng.integers(units, size=impressions)
    liked_UK = rng.dirichlet(np.ones(positions), size=units)
    position_P = 1 + (rng.random((impressions, 1)) > liked_UK[unit_P].cumsum(axis=1)[:, :-1]).sum(axis=1)
    return unit_P, position_P, rng.random(impressions) < rng.random(units)[unit_P]


def test_one_unit_has_the_chi_square_of_its_table() -> None:
    unit_P, position_P, click_P = drawn(4, 1, 4, 300)
    table = np.array([[(click_P[position_P == k] == c).sum() for k in range(1, 5)] for c in (False, True)])
    test = effect_test(count_shown(answers_of_one(unit_P, position_P, click_P)))
    pearson = stats.chi2_contingency(table, correction=False).statistic
    assert test.degrees == 3
    assert test.p_value == pytest.approx(stats.chi2.sf(pearson * 299 / 300, 3), rel=1e-9)


def test_the_p_value_is_that_of_permutations_within_units() -> None:
    unit_P, position_P, click_P = drawn(1, 40, 3, 400)
    test = effect_test(count_shown(answers_of_one(unit_P, position_P, click_P)))
    inverse_KK = np.linalg.pinv(test.covariance_KK)

    def statistic(click_P: np.ndarray) -> float:
        expected_U = np.bincount(unit_P, click_P) / np.bincount(unit_P)
        surplus_K = np.bincount(position_P - 1, click_P - expected_U[unit_P])
        return float(surplus_K @ inverse_KK @ surplus_K)

    rng, order = np.random.default_rng(0), np.argsort(unit_P, kind="stable")
    permuted = np.empty(2_000)
    for row in range(len(permuted)):
        shuffled = np.lexsort((rng.random(len(unit_P)), unit_P))
        moved_P = np.empty_like(click_P)
        moved_P[order] = click_P[shuffled]
        permuted[row] = statistic(moved_P)
    assert test.p_value == pytest.approx((permuted >= statistic(click_P)).mean(), abs=0.03)


def test_pooled_clicks_would_find_an_effect_where_the_ranker_prefers_the_clicked() -> None:
    """Units that everybody clicks stand first nine times in ten, the others last."""
    rng = np.random.default_rng(2)
    unit_P = rng.integers(200, size=4_000)
    good_P = unit_P < 100
    position_P = np.where(rng.random(4_000) < 0.9, np.where(good_P, 1, 2), np.where(good_P, 2, 1))
    click_P = rng.random(4_000) < np.where(good_P, 0.8, 0.2)
    table = np.array([[(click_P[position_P == k] == c).sum() for k in (1, 2)] for c in (False, True)])
    assert stats.chi2_contingency(table).pvalue < 1e-50
    assert effect_test(count_shown(answers_of_one(unit_P, position_P, click_P))).p_value > 0.05


def test_units_at_one_position_tell_nothing() -> None:
    unit_P = np.arange(300) % 30
    test = effect_test(count_shown(answers_of_one(unit_P, 1 + unit_P % 3, unit_P % 2 == 0)))
    assert test.degrees == 0 and test.p_value == 1
    np.testing.assert_allclose(test.clicks_K, 0)


def test_columns_behind_an_answer_are_no_impressions() -> None:
    unit_P, position_P, click_P = drawn(3, 20, 3, 300)
    slates = answers_of_one(unit_P, position_P, click_P)
    padded = Slates(
        query_S=slates.query_S,
        item_SL=np.column_stack([slates.item_SL, np.full((300, 2), NO_ITEM)]),
        context_SLC=np.concatenate([slates.context_SLC, np.ones((300, 2, 1), int)], axis=1),
        names=slates.names,
        sizes=slates.sizes,
        click_SL=np.column_stack([slates.click_SL, np.zeros((300, 2), np.float32)]),
    )
    assert effect_test(count_shown(padded)).p_value == effect_test(count_shown(slates)).p_value
