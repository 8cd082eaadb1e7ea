"""Assignment: sticky, uniform, independent between salts; new weights move few users."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from serving.experiments.assignment import assign, uniform
from serving.experiments.definition import Experiment
from tests.unit.serving.experiments.definitions import experiment

USERS = [f"u{number}" for number in range(10_000)]
CHANCE = 1e-4
"""p-value that a right assignment falls below once in 10,000 choices of salt."""


def variants(found: Experiment) -> list[str]:
    return [assign(found, user).variant for user in USERS]


def test_users_have_variants_in_proportion_to_the_weights() -> None:
    found = experiment(1, 2, 5)
    counts = Counter(variants(found))
    expected = [len(USERS) * share for share in (1 / 8, 2 / 8, 5 / 8)]
    assert chisquare([counts[name] for name in "abc"], expected).pvalue > CHANCE
    assert assign(found, USERS[0]).propensity == found.propensities[assign(found, USERS[0]).variant]


def test_a_user_keeps_the_variant_in_every_process() -> None:
    """Stored values: another hash would move every user of a running experiment."""
    assert uniform("salt", "a", "u1") == 0.9051212888526434
    assert [assign(experiment(1, 1), user).variant for user in USERS[:8]] == list("baabbbbb")


def test_experiments_of_other_salts_are_independent() -> None:
    first, second = variants(experiment(1, 1)), variants(experiment(1, 1, salt="other"))
    table = [[sum(pair == (x, y) for pair in zip(first, second, strict=True)) for y in "ab"] for x in "ab"]
    assert chi2_contingency(table).pvalue > CHANCE
    assert np.min(table) > len(USERS) / 5


@pytest.mark.parametrize(
    ("before", "after", "raised"), [((9, 1), (5, 5), "b"), ((1, 1, 1), (1, 4, 1), "b"), ((1, 1), (1, 1, 2), "c")]
)
def test_new_weights_move_users_to_the_raised_variant_alone(
    before: tuple[float, ...], after: tuple[float, ...], raised: str
) -> None:
    old, new = experiment(*before), experiment(*after)
    moved = [(x, y) for x, y in zip(variants(old), variants(new), strict=True) if x != y]
    assert {y for _, y in moved} == {raised}
    needed = new.propensities[raised] - old.propensities.get(raised, 0.0)
    assert len(moved) / len(USERS) == pytest.approx(needed, abs=0.02)


def test_texts_keep_their_borders() -> None:
    assert uniform("a", "bc") != uniform("ab", "c")
