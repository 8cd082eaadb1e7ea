"""Error rates and power of the gate in planted worlds: drawn users, the real bootstrap, the real decision."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from serving.gate.comparison import Comparison
from serving.gate.policy import CHAMPION, Kind, Rule, Undecided
from serving.gate.power import pass_probability
from serving.gate.verdict import Outcome
from tests.unit.orchestration.gate_world import METRIC, Pair, verdict_on

WORLDS, SAMPLES = 400, 300
CLOSE = Rule(kind=Kind.NON_INFERIORITY, against=CHAMPION, metrics=(METRIC,), margin=0.08)
AHEAD = Rule(kind=Kind.SUPERIORITY, against=CHAMPION, metrics=(METRIC,))


@cache
def worlds(users: int, loss: float) -> list[Comparison]:
    rng = np.random.default_rng(round(1e6 * loss) + users)
    return [Pair.draw(rng, users, loss).compared(seed=seed, samples=SAMPLES)[0] for seed in range(WORLDS)]


def shares(rule: Rule, users: int, loss: float) -> dict[Outcome, float]:
    counts = Counter(verdict_on([each], rule).outcome for each in worlds(users, loss))
    return {outcome: counts[outcome] / WORLDS for outcome in Outcome}


def test_another_seed_of_the_same_quality_is_rarely_taken_for_better() -> None:
    found = shares(AHEAD, 600, 0.0)
    assert found[Outcome.PASSED] <= 0.05
    assert found[Outcome.UNDECIDED] > 0.9


def test_a_loss_of_the_margin_rarely_passes_and_no_loss_mostly_does() -> None:
    assert shares(CLOSE, 600, CLOSE.margin)[Outcome.PASSED] <= 0.05
    assert shares(CLOSE, 600, 0.0)[Outcome.FAILED] == 0
    assert shares(CLOSE, 600, 0.0)[Outcome.PASSED] > 0.9


def test_a_planted_loss_is_found() -> None:
    found = shares(CLOSE, 600, 0.18)
    assert found[Outcome.FAILED] > 0.9 and found[Outcome.PASSED] == 0


@pytest.mark.parametrize("undecided", [Undecided.UNDECIDED, Undecided.ESTIMATE, Undecided.PASSED])
@pytest.mark.parametrize("users", [100, 600])
@pytest.mark.parametrize("loss", [0.0, 0.08])
def test_the_shown_chances_are_those_of_drawn_worlds(undecided: Undecided, users: int, loss: float) -> None:
    rule = replace(CLOSE, undecided=undecided)
    expected = np.mean([pass_probability(rule, each, 0.95, -loss) for each in worlds(users, loss)])
    assert shares(rule, users, loss)[Outcome.PASSED] == pytest.approx(expected, abs=0.07)


def test_the_visible_loss_is_seen_four_times_in_five() -> None:
    visible = float(np.mean([each.visible_loss(0.95) for each in worlds(600, 0.0)]))
    rng = np.random.default_rng(9)
    found = [Pair.draw(rng, 600, visible).compared(seed=seed, samples=SAMPLES)[0].high < 0 for seed in range(WORLDS)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


SLICES = (
    "cold_users",
    "light_users",
    "regular_users",
    "heavy_users",
    "head_items",
    "torso_items",
    "tail_items",
    "repeat",
)
GUARD = replace(CLOSE, slices=SLICES, undecided=Undecided.PASSED)


def test_eight_slices_raise_no_more_false_alarms_than_one() -> None:
    """Every slice loses exactly what is allowed. Judged one by one, a sixth of such challengers would fail."""
    rng, size, one_by_one, together = np.random.default_rng(3), 200, 0, 0
    rows = np.split(np.arange(size * len(SLICES)), len(SLICES))
    for seed in range(WORLDS // 2):
        pair = Pair.draw(rng, size * len(SLICES), GUARD.margin)
        compared = pair.compared(rows, seed=seed, samples=SAMPLES)
        together += verdict_on(compared, GUARD).outcome is Outcome.FAILED
        one_by_one += any(each.interval(0.95)[1] < -GUARD.margin for each in compared[1:])
    assert 2 * together / WORLDS <= 0.05 < 0.1 < 2 * one_by_one / WORLDS


def test_a_planted_loss_of_one_slice_is_found() -> None:
    rng, size, found = np.random.default_rng(4), 500, 0
    rows = np.split(np.arange(size * len(SLICES)), len(SLICES))
    for seed in range(50):
        pair, worse = Pair.draw(rng, size * len(SLICES), 0.0), Pair.draw(rng, size * len(SLICES), 0.25)
        for side in ("challenger_Q", "champion_Q"):
            getattr(pair, side)[rows[3]] = getattr(worse, side)[rows[3]]
        verdict = verdict_on(pair.compared(rows, seed=seed, samples=SAMPLES), GUARD)
        found += verdict.outcome is Outcome.FAILED and any("heavy_users failed" in each for each in verdict.reasons)
    assert found >= 40
