"""Randomised answers: what they tell of examination, whatever the ranker knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks.bias.clicks import PositionBased
from tests.benchmarks.bias.loggers import ByRelevance, Random
from tests.benchmarks.bias.simulators import planted, simulate
from training.data.click_labels import estimated
from training.data.randomised import randomised, randomised_examination
from training.data.slates import NO_GROUP, NO_ITEM, Slates
from training.recipes import ImpressionTask, InverseExamination
from training.recipes.impressions import check_impressions

LENGTH = 5
TRUTH = 1 / np.arange(1, LENGTH + 1)
WORLD = planted(users=20_000, items=40, seed=0)


def logged(answers: int, group_L: list[int], *, ranked: bool = False) -> Slates:
    """Answers to a user each; the groups are told whether or not the order was random."""
    logger = ByRelevance() if ranked else Random()
    biased = PositionBased(examination=tuple(TRUTH.tolist()))
    slates = simulate(WORLD, logger, biased, answers=answers, length=LENGTH, seed=1).slates
    return replace(slates, query_S=np.arange(answers), group_SL=np.tile(np.array(group_L), (answers, 1)))


def test_a_random_order_tells_examination_though_no_user_sees_an_item_twice() -> None:
    slates = logged(20_000, [1] * LENGTH)
    found = randomised_examination(slates, slates.query_S, seed=0)
    assert (np.abs(found.relative_K - TRUTH)[1:] < 3 * found.standard_error_K[1:]).all()
    assert found.standard_error_K.max() < 0.03


def test_answers_of_the_ranker_play_no_part() -> None:
    drawn, ranked = logged(6_000, [1] * LENGTH), logged(6_000, [NO_GROUP] * LENGTH, ranked=True)
    arrays = ("query_S", "item_SL", "context_SLC", "click_SL", "group_SL")
    joined = {name: np.concatenate([getattr(ranked, name), getattr(drawn, name)]) for name in arrays}
    both = replace(drawn, propensity_SL=None, **joined)
    alone, beside = (randomised_examination(each, np.arange(len(each)), seed=0) for each in (drawn, both))
    np.testing.assert_allclose(beside.relative_K, alone.relative_K)


def test_items_beside_the_group_are_left_out() -> None:
    slates = logged(300, [NO_GROUP, 1, 1, 2, NO_GROUP])
    found = randomised(slates, slates.query_S)
    assert found is not None
    assert ((found.slates.item_SL != NO_ITEM) == [False, True, True, True, False]).all()
    shown = found.count()
    assert shown.code_K.tolist() == [2, 3, 4]
    assert shown.units == 600  # two groups of each answer


def test_without_a_randomised_answer_the_way_out_is_named() -> None:
    for slates in (logged(300, [NO_GROUP] * LENGTH), replace(logged(300, [1] * LENGTH), group_SL=None)):
        assert randomised(slates, slates.query_S) is None
        with pytest.raises(ValueError, match="tells of none among 300 answers: randomise a share"):
            estimated(slates, InverseExamination(source="randomised"), slates.query_S)


def test_a_recipe_takes_the_source_that_it_names() -> None:
    slates = logged(20_000, [1] * LENGTH)
    found = estimated(slates, InverseExamination(source="randomised"), slates.query_S)
    np.testing.assert_allclose(found.relative_K, TRUTH, atol=0.1)
    with pytest.raises(ValueError, match="no item with a click was shown to the same user"):
        estimated(slates, InverseExamination(), slates.query_S)
    task = ImpressionTask(examination=InverseExamination(source="randomised"))
    with pytest.raises(ValueError, match="the recipe reads randomised of impressions"):
        check_impressions(["user_id", "position"], task)
    check_impressions(["user_id", "position", "randomised"], task)
