"""CUPED: the same effect, with a variance that shrinks by the squared correlation."""

from __future__ import annotations

import numpy as np
import pytest

from serving.experiments.statistics.cuped import adjusted
from serving.experiments.statistics.estimate import difference
from serving.experiments.statistics.means import mean


def world(correlation: float, effect: float, users: int, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """Outcomes, and the time before, of two variants."""
    before = [rng.normal(5, 1, users) for _ in range(2)]
    noise = np.sqrt(1 - correlation**2)
    outcomes = [correlation * x + noise * rng.normal(size=users) for x in before]
    outcomes[1] += effect
    return [outcomes, before]


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_the_variance_shrinks_by_the_planted_correlation(correlation: float) -> None:
    outcomes, before = world(correlation, 0.5, 20_000, np.random.default_rng(0))
    plain = difference(*map(mean, reversed(outcomes)))
    found = adjusted(outcomes, before)
    assert found is not None
    assert (difference(*map(mean, reversed(found))).error / plain.error) ** 2 == pytest.approx(
        1 - correlation**2, abs=0.02
    )


def test_the_effect_stays_and_its_intervals_hold_it() -> None:
    rng, values, held = np.random.default_rng(1), [], 0
    for _ in range(500):
        found = adjusted(*world(0.8, 1.0, 200, rng))
        assert found is not None
        each = difference(mean(found[1]), mean(found[0]))
        values.append(each.value)
        low, high = each.interval()
        held += low <= 1.0 <= high
    assert np.mean(values) == pytest.approx(1.0, abs=4 * np.std(values) / np.sqrt(500))
    assert held / 500 == pytest.approx(0.95, abs=0.035)


def test_the_effect_is_that_of_a_regression_on_variant_and_time_before() -> None:
    outcomes, before = world(0.6, 0.5, 300, np.random.default_rng(2))
    found = adjusted(outcomes, before)
    assert found is not None
    variant_Q = np.repeat([0.0, 1.0], 300)
    design = np.column_stack([np.ones(600), variant_Q, np.concatenate(before)])
    coefficients = np.linalg.lstsq(design, np.concatenate(outcomes), rcond=None)[0]
    assert difference(mean(found[1]), mean(found[0])).value == pytest.approx(coefficients[1])


def test_users_who_do_not_differ_before_are_not_adjusted() -> None:
    assert adjusted([np.arange(3.0), np.arange(3.0)], [np.ones(3), np.ones(3)]) is None
