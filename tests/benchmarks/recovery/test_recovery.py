"""Recovery experiments in short: one seed, little data, loose thresholds.

`python -m tests.benchmarks.recovery` is the real measurement.
"""

from __future__ import annotations

import pytest

from tests.benchmarks.recovery import cold_start, logq, mixed, rescored, shown
from tests.benchmarks.recovery.experiment import Measure
from tests.benchmarks.recovery.experiments import EXPERIMENTS


def test_logq_learns_the_next_click_and_without_it_taste() -> None:
    found = logq.measure(0, users=3_000)
    assert abs(found["slope with logQ"]) < 0.4
    assert found["slope without"] < -0.7
    assert found["next click: Recall@20 gain"] > 0.15
    assert found["taste: Recall@20 gain"] < -0.03


def test_mixed_negatives_find_junk_that_was_never_shown_and_are_not_needed_where_it_shows() -> None:
    found = mixed.measure(0, users=5_000, epochs=5)
    assert found["Recall@20 gain over in-batch"] > 0.1
    assert found["fresh share, mixture - unigram Q"] > 0
    assert found["junk visible: Recall@20 gain"] < 0
    assert found["junk visible: fresh share gain"] < 0


def test_content_and_id_dropout_serve_users_and_items_that_came_later() -> None:
    found = cold_start.measure(0, users=5_000, epochs=10)
    assert found["cold users: Recall@20 / popularity's"] > 1.5
    assert found["cold items: Recall@20 gain of id dropout"] > 0.0


def test_a_scorer_finds_what_no_product_of_the_towers_can_say_and_adds_nothing_to_what_one_says() -> None:
    found = rescored.measure(0, users=6_000, epochs=20)
    assert found["Recall@20 gain"] > 0.01
    assert abs(found["a product to find: Recall@20 gain"]) < 0.02


def test_what_was_shown_in_vain_undoes_promotion_and_near_misses_mislead() -> None:
    found = shown.measure(0)
    assert found["promoted: Recall@20 gain, 16 a row"] > 0.02
    assert found["near misses: Recall@20 gain, 16 a row"] < -0.03


def test_a_measure_holds_only_if_every_seed_is_within() -> None:
    measure = Measure(name="gain", low=0.1)
    assert measure.holds([0.1, 0.2])
    assert not measure.holds([0.09, 0.9])
    assert not measure.holds([float("nan")])


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_names_are_told_apart(experiment) -> None:  # type: ignore[no-untyped-def]
    names = [each.name for each in experiment.measures]
    assert len(set(names)) == len(names)
    assert sum(each.name == experiment.name for each in EXPERIMENTS) == 1
