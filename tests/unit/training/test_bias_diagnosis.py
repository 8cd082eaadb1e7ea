"""Reports on logs whose labels over examination rest on one of two comparisons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import polars as pl
import pytest

from tests.benchmarks.bias.clicks import PositionBased
from tests.benchmarks.bias.loggers import ByRelevance, Logger, Random
from tests.benchmarks.bias.simulators import planted, simulate
from tests.unit.training.fit_world import CONFIG
from training.artifacts.bias import BiasReport, read_bias, write_bias
from training.bias_diagnosis import diagnosed, examined
from training.clicked_answers import ImpressionLog
from training.data.account import Account
from training.data.answers import Answers
from training.data.interventions import Examination
from training.data.slates import NO_GROUP, Slates
from training.data.surroundings import Surroundings
from training.diagnostics.evidence import Evidence
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


def report(slates: Slates, source: Source | None = None, randomised: int | None = None) -> BiasReport:
    """Report on a log, for labels from a source."""
    task = ImpressionTask(examination=InverseExamination(source=source, least_effective=0)) if source else None
    values = (("unknown", *map(str, range(1, LENGTH + 1))),)
    answers = Answers(
        slates=slates, user_S=slates.query_S, surroundings=Surroundings(names=("position",), values=values),
        account=Mock(spec=Account, lines=lambda: (), randomised=randomised),
    )  # fmt: skip
    log = Mock(spec=ImpressionLog, positives=pl.DataFrame({"weight": [1.0, None, 1.0]}))
    return diagnosed(log, answers, replace(CONFIG, impressions=task), seed=0)


def outcome(slates: Slates, source: Source | None) -> tuple[str | None, str]:
    """Outcome of the report, and its first reason."""
    found = report(slates, source)
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


def test_what_cannot_be_harvested_but_was_randomised_is_said() -> None:
    slates = part(Random(), users=25, answers=200, group=1)
    assert (
        "200 answers stand in random order, which source='randomised'" in report(slates, "harvested", 200).reasons[-1]
    )
    assert "random order" not in "".join(report(slates, "harvested").reasons)
    told = part(Random(), users=200, answers=8_000, group=1)
    assert "which source" not in "".join(report(told, "harvested", 8_000).reasons)


def test_the_report_has_the_looks_at_each_position_and_keeps_them(tmp_path: Path) -> None:
    found = report(part(Random(), users=200, answers=8_000, group=NO_GROUP))
    places = found.examination["position"]
    assert list(places) == ["1", "2", "3", "4", "5"]
    assert places["1"] == (1, 1, 1)
    for place, (look, low, high) in places.items():
        assert low <= look <= high
        assert low - 0.05 < 1 / int(place) < high + 0.05
    write_bias(tmp_path, found)
    assert read_bias(tmp_path) == found


def test_a_log_that_tells_nothing_has_no_looks() -> None:
    slates = part(Random(), users=200, answers=2_000, group=NO_GROUP)
    places_SLC = np.where(slates.item_SL < 20, 1, 2)[:, :, None]
    found = report(replace(slates, context_SLC=places_SLC))
    assert (found.outcome, found.examination) == ("not identifiable", {})


def test_looks_that_no_resample_connects_are_left_out() -> None:
    surroundings = Surroundings(names=("position", "device"), values=(("unknown", "1"), ("unknown", "tv", "pc", "tab")))
    resampled_BK = np.array([[1.0, 0.4, np.nan], [1.0, 0.6, 0.1]])
    relative_K = np.array([1.0, 0.5, 0.2])
    looks = Examination(code_K=np.array([1, 2, 3]), relative_K=relative_K, resampled_BK=resampled_BK)
    evidence = Mock(spec=Evidence, examination=looks)
    evidence.name = "device"
    found = examined(evidence, surroundings)
    assert list(found) == ["tv", "pc"]
    assert found["pc"] == pytest.approx((0.5, 0.405, 0.595))


@pytest.mark.parametrize("group", [NO_GROUP, 1])
def test_without_enough_random_answers_the_way_out_is_named(group: int) -> None:
    drawn = part(Random(), users=50, answers=50, group=group)
    slates = both(part(ByRelevance(), users=200, answers=2_000, group=NO_GROUP), drawn)
    with pytest.raises(ValueError, match=r"randomise a (larger )?share"):
        outcome(slates, "randomised")
