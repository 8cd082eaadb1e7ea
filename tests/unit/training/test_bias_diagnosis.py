"""Reports on logs whose labels over examination rest on one of two comparisons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from tests.benchmarks.bias.clicks import PositionBased
from tests.benchmarks.bias.loggers import ByRelevance, Logger, Random
from tests.benchmarks.bias.simulators import planted, simulate
from tests.unit.training.fit_world import CONFIG
from training.bias_diagnosis import diagnosed
from training.data.answers import Account, Answers
from training.data.slates import NO_GROUP, Slates
from training.data.surroundings import Surroundings
from training.recipes import ImpressionTask, InverseExamination
from training.recipes.impressions import Source

LENGTH = 5
LOOKS = PositionBased(examination=tuple((1 / np.arange(1, LENGTH + 1)).tolist()))


def part(logger: Logger, *, users: int, answers: int, group: int, fixed: bool = False) -> Slates:
    """Answers of one ranker; a user's go in turn."""
    world = planted(users=users, items=40, seed=0)
    slates = simulate(world, logger, LOOKS, answers=answers, length=LENGTH, seed=1, fixed=fixed).slates
    group_SL = np.full(slates.item_SL.shape, group, np.int64)
    return replace(slates, query_S=np.arange(answers) % users, group_SL=group_SL, propensity_SL=None)


def both(one: Slates, other: Slates) -> Slates:
    """Two logs of different users as one."""
    names = ("query_S", "item_SL", "context_SLC", "click_SL", "group_SL")
    apart = replace(other, query_S=other.query_S + one.query_S.max() + 1)
    given: dict[str, Any] = {name: np.concatenate([getattr(one, name), getattr(apart, name)]) for name in names}
    return replace(one, **given)


def outcome(slates: Slates, source: Source | None) -> tuple[str | None, str]:
    """Outcome of the report on a log, for labels from a source, and its first reason."""
    task = ImpressionTask(examination=InverseExamination(source=source, least_effective=0)) if source else None
    values = (("unknown", *map(str, range(1, LENGTH + 1))),)
    answers = Answers(
        slates=slates, user_S=slates.query_S, surroundings=Surroundings(names=("position",), values=values),
        account=Mock(spec=Account, lines=lambda: ()),
    )  # fmt: skip
    found = diagnosed(Mock(), answers, replace(CONFIG, impressions=task), seed=0)
    return found.outcome, found.reasons[0]


def test_harvested_labels_are_not_judged_by_the_randomised_answers() -> None:
    """8,000 users with one random answer each tell examination; 25 with swaps do not."""
    drawn = part(Random(), users=8_000, answers=8_000, group=1)
    slates = both(drawn, part(Random(), users=25, answers=200, group=NO_GROUP))
    assert outcome(slates, "randomised")[0] == "advised"
    found, reason = outcome(slates, "harvested")
    assert found == "not identifiable"
    assert reason.startswith("swaps tell too little")


def test_randomised_labels_are_not_judged_by_the_whole_log() -> None:
    """130 random answers are too few beside 8,000 with swaps."""
    drawn = part(Random(), users=130, answers=130, group=1)
    slates = both(part(ByRelevance(), users=200, answers=8_000, group=NO_GROUP), drawn)
    assert outcome(slates, "harvested")[0] == outcome(slates, None)[0] == "advised"
    found, reason = outcome(slates, "randomised")
    assert found == "not identifiable"
    assert reason.startswith("answers in random order tell too little")


@pytest.mark.parametrize("group", [NO_GROUP, 1])
def test_without_enough_random_answers_the_way_out_is_named(group: int) -> None:
    drawn = part(Random(), users=50, answers=50, group=group)
    slates = both(part(ByRelevance(), users=200, answers=2_000, group=NO_GROUP), drawn)
    with pytest.raises(ValueError, match=r"randomise a (larger )?share"):
        outcome(slates, "randomised")
