"""The greedy choice between switches of a recipe, on trials that cost what they say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from training.recipes import SALES, Corpus, InBatch, TrainConfig, base, without_repeats
from training.recipes.choice import BASE, LEAST_GAIN, SMALL_CORPUS, SWITCHES, Trial, TryRecipe, choice_lines, choose

ITEMS = SMALL_CORPUS


def scored(gains: dict[str, float], seconds: float = 1.0) -> tuple[TryRecipe, dict[str, float]]:
    """Trial of five epochs whose score is 1 plus the gain of its name.

    And the names that it was called by, with the time that they were given.
    """
    called: dict[str, float] = {}

    def trial(name: str, config: TrainConfig, left: float) -> Trial:
        called[name] = left
        return Trial(score=1 + gains.get(name, 0.0), epochs=5, seconds=seconds)

    return trial, called


def test_every_switch_that_gains_enough_is_kept_and_no_other() -> None:
    trial, called = scored({"statistics": -0.1, "no history": 0.1, "user id": 0.11, "whole corpus": 0.2})
    config, tried = choose(without_repeats(), trial, items=ITEMS, seconds=100)
    assert list(called) == [BASE, *SWITCHES]
    assert [each.name for each in tried if each.taken] == [BASE, "no history", "whole corpus"]
    assert config.leave_out == (*SALES, "history") and config.whole_corpus and not config.tower.user_id
    assert tried[3].gain == pytest.approx(1.11 / 1.1 - 1) and 0 < tried[3].gain < LEAST_GAIN


def test_a_switch_is_tried_on_the_best_recipe_so_far() -> None:
    seen = {}

    def trial(name: str, config: TrainConfig, left: float) -> Trial:
        seen[name] = config
        return Trial(score={"statistics": 2.0}.get(name, 1.0), epochs=1, seconds=1.0)

    choose(without_repeats(), trial, items=ITEMS, seconds=100)
    assert seen["user id"] == replace(seen["statistics"], tower=replace(base().tower, user_id=True))
    assert seen["statistics"].leave_out == () and isinstance(seen["statistics"].negatives.sampler, InBatch)
    assert "whole corpus" not in seen  # it would compare statistics of different times


def test_no_trial_starts_that_the_budget_may_not_hold() -> None:
    """A trial has 10 seconds and 5 epochs, so that the budget must hold 3 epochs, 6 seconds."""
    trial, called = scored({"no history": 0.5}, seconds=10)
    config, tried = choose(without_repeats(), trial, items=ITEMS, seconds=25)
    assert list(called) == [BASE, "statistics"]
    assert config == without_repeats()
    assert [each.name for each in tried if each.score is None] == ["no history", "user id", "whole corpus"]
    trial, called = scored({}, seconds=10)
    choose(without_repeats(), trial, items=ITEMS, seconds=26)
    assert called == {BASE: math.inf, "statistics": 16, "no history": 6}


def test_the_base_is_tried_without_any_budget() -> None:
    trial, called = scored({})
    assert choose(base(), trial, items=ITEMS, seconds=0)[0] == base()
    assert list(called) == [BASE]


def test_a_large_corpus_and_a_repeat_head_exclude_what_they_cannot_have() -> None:
    trial, called = scored({})
    config, _ = choose(base(), trial, items=SMALL_CORPUS + 1, seconds=100)
    assert list(called) == [BASE, "user id"]
    trial, called = scored({"whole corpus": 1.0})
    config, _ = choose(base(), trial, items=ITEMS, seconds=100)
    assert list(called) == [BASE, "user id", "whole corpus"]
    assert config.repeat and isinstance(config.negatives.sampler, Corpus)


def test_what_was_chosen_is_told_with_its_gain() -> None:
    trial, _ = scored({"statistics": 0.1, "no history": 0.0}, seconds=10)
    _, tried = choose(without_repeats(), trial, items=ITEMS, seconds=26)
    assert choice_lines(tried) == [
        "base: score 1.0000 on the validation window, 5 epochs in 10 s",
        "statistics: taken, score 1.1000 (+10.0%), 5 epochs in 10 s",
        "no history: left out, score 1.0000 (-9.1%), 5 epochs in 10 s",
        "user id: not tried, the budget was spent",
    ]
