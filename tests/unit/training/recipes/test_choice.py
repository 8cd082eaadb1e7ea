"""The greedy choice between switches of a recipe, on trials that cost what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from training.recipes import SALES, Corpus, InBatch, TrainConfig, base, without_repeats
from training.recipes.choice import BASE, LEAST_GAIN, SMALL_CORPUS, SWITCHES, Trial, choice_lines, choose

ITEMS = SMALL_CORPUS


def scored(gains: dict[str, float], seconds: float = 1.0) -> tuple[Callable[[str, TrainConfig], Trial], list[str]]:
    """Trial whose score is 1 plus the gain of its name, and the names that it was called by."""
    called: list[str] = []

    def trial(name: str, config: TrainConfig) -> Trial:
        called.append(name)
        return Trial(score=1 + gains.get(name, 0.0), seconds=seconds)

    return trial, called


def test_every_switch_that_gains_enough_is_kept_and_no_other() -> None:
    trial, called = scored({"statistics": -0.1, "no history": 0.1, "user id": 0.11, "whole corpus": 0.2})
    config, tried = choose(without_repeats(), trial, items=ITEMS, seconds=100)
    assert called == [BASE, *SWITCHES]
    assert [each.name for each in tried if each.taken] == [BASE, "no history", "whole corpus"]
    assert config.leave_out == (*SALES, "history") and config.whole_corpus and not config.tower.user_id
    assert tried[3].gain == pytest.approx(1.11 / 1.1 - 1) and 0 < tried[3].gain < LEAST_GAIN


def test_a_switch_is_tried_on_the_best_recipe_so_far() -> None:
    seen = {}

    def trial(name: str, config: TrainConfig) -> Trial:
        seen[name] = config
        return Trial(score={"statistics": 2.0}.get(name, 1.0), seconds=1.0)

    choose(without_repeats(), trial, items=ITEMS, seconds=100)
    assert seen["user id"] == replace(seen["statistics"], tower=replace(base().tower, user_id=True))
    assert seen["statistics"].leave_out == () and isinstance(seen["statistics"].negatives.sampler, InBatch)
    assert "whole corpus" not in seen  # it would compare statistics of different times


def test_no_trial_starts_that_the_budget_may_not_hold() -> None:
    """Seconds are those of the trials: 10 for each, and a third would end at 30."""
    trial, called = scored({"no history": 0.5}, seconds=10)
    config, tried = choose(without_repeats(), trial, items=ITEMS, seconds=29)
    assert called == [BASE, "statistics"]
    assert config == without_repeats()
    assert [each.name for each in tried if each.score is None] == ["no history", "user id", "whole corpus"]
    trial, called = scored({}, seconds=10)
    choose(without_repeats(), trial, items=ITEMS, seconds=30)
    assert called == [BASE, "statistics", "no history"]


def test_the_base_is_tried_without_any_budget() -> None:
    trial, called = scored({})
    assert choose(base(), trial, items=ITEMS, seconds=0)[0] == base()
    assert called == [BASE]


def test_a_large_corpus_and_a_repeat_head_exclude_what_they_cannot_have() -> None:
    trial, called = scored({})
    config, _ = choose(base(), trial, items=SMALL_CORPUS + 1, seconds=100)
    assert called == [BASE, "user id"]
    trial, called = scored({"whole corpus": 1.0})
    config, _ = choose(base(), trial, items=ITEMS, seconds=100)
    assert called == [BASE, "user id", "whole corpus"]
    assert config.repeat and isinstance(config.negatives.sampler, Corpus)


def test_what_was_chosen_is_told_with_its_gain() -> None:
    trial, _ = scored({"statistics": 0.1, "no history": 0.0}, seconds=10)
    _, tried = choose(without_repeats(), trial, items=ITEMS, seconds=30)
    assert choice_lines(tried) == [
        "base: score 1.0000 on the validation window, 10 s",
        "statistics: taken, score 1.1000 (+10.0%), 10 s",
        "no history: left out, score 1.0000 (-9.1%), 10 s",
        "user id: not tried, the budget was spent",
    ]
