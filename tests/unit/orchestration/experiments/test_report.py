"""Report: planted effects inside their intervals, and nothing where nothing can be said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from feature_repo.errors import InputError
from orchestration.experiments.effects import Effect
from orchestration.experiments.report import Report, report_of
from orchestration.experiments.users import Users, users_of
from tests.unit.orchestration.experiments.experiment_world import (
    CLICK_RATE,
    CLICKS_MORE,
    END,
    EXPERIMENT,
    INTERLEAVED,
    VALUE_MORE,
    day,
    exposures_of,
    interleaved_world,
    outcomes_of,
    world,
)


def report() -> Report:
    return report_of(EXPERIMENT, world().exposures, world().outcomes, END)


def effect(found: Report, metric: str, *, cuped: bool) -> Effect:
    (one,) = [each for each in found.effects if (each.metric, each.cuped) == (metric, cuped)]
    return one


def test_planted_effects_are_inside_their_intervals() -> None:
    found = report()
    assert found.notes == []
    for metric, planted in (("ctr", CLICKS_MORE), ("value", VALUE_MORE)):
        relative = effect(found, metric, cuped=False).relative
        assert relative is not None
        assert relative.anytime_low < relative.low < planted < relative.high < relative.anytime_high
        assert relative.low > 0
    ctr = {level.variant: level for level in found.levels if level.metric == "ctr"}
    assert ctr["now"].low < CLICK_RATE < ctr["now"].high < ctr["seven"].value
    conversion = [level.value for level in found.levels if level.metric == "conversion"]
    assert conversion == [1.0, 1.0]


def test_cuped_narrows_the_interval_by_the_planted_correlation() -> None:
    found = report()
    plain, adjusted = (effect(found, "value", cuped=cuped).difference for cuped in (False, True))
    # Outcomes and the time before share a half of their variance; so a quarter goes.
    assert (adjusted.detectable / plain.detectable) ** 2 == pytest.approx(0.75, abs=0.06)
    assert adjusted.low < 20 * VALUE_MORE < adjusted.high


def test_users_count_for_their_first_variant_and_once_their_window_is_complete() -> None:
    found = report_of(EXPERIMENT, world().exposures, world().outcomes, day(12))
    assert (
        sum(found.users.values())
        == world()
        .exposures.filter(pl.col("timestamp").min().over("user_id") <= day(12) - EXPERIMENT.window)["user_id"]
        .n_unique()
    )
    assert found.waiting > 0
    assert sum(found.sample_ratio.users.values()) == sum(found.users.values()) + found.waiting


def one_user(*outcomes: pl.DataFrame) -> Users:
    exposures = exposures_of(
        variant=["now", "seven", "now"],
        user_id="u",
        request_id=["r2", "r3", "r1"],
        timestamp=[day(8), day(16), day(7)],
        items=[["1"]] * 3,
    )
    return users_of(EXPERIMENT, exposures, pl.concat(outcomes), END)


def test_only_outcomes_inside_the_window_count_and_those_before_are_a_covariate() -> None:
    value = {day(-1): 1.0, day(6.9): 10.0, day(7): 100.0, day(13.9): 1_000.0, day(14): 10_000.0}
    bought = outcomes_of(kind="purchase", user_id="u", item_id="1", timestamp=list(value), value=list(value.values()))
    row = one_user(bought).counted.row(0, named=True)
    assert (row["value"], row["value_before"], row["answers"], row["variant"]) == (1_100.0, 10.0, 2.0, "now")
    assert one_user(bought).crossed == 1


def test_a_click_counts_once_for_its_answer() -> None:
    clicks = outcomes_of(
        kind="click",
        user_id="u",
        item_id=["1", "2", "1", "1"],
        request_id=["r1", "r1", "r3", None],
        timestamp=[day(7.1), day(7.1), day(16.1), day(7.2)],
    )
    row = one_user(clicks).counted.row(0, named=True)
    assert (row["clicked"], row["answers"]) == (1.0, 2.0)


def test_lost_users_are_a_sample_ratio_mismatch_and_take_the_effects_away() -> None:
    some = pl.col("user_id").str.contains("[37]$")
    lost = world().exposures.filter(~((pl.col("variant") == "seven") & some))
    found = report_of(EXPERIMENT, lost, world().outcomes, END)
    assert found.sample_ratio.mismatch
    assert found.effects == [] and found.levels != []
    assert found.notes[0].startswith("SAMPLE-RATIO MISMATCH, p = ")


def test_few_users_have_no_metrics() -> None:
    found = report_of(EXPERIMENT, world(150).exposures, world(150).outcomes, END)
    assert found.levels == [] and found.effects == []
    assert "no metrics: fewer than 100 users of now, seven" in found.notes[0]


def test_the_kinds_of_events_that_a_dataset_names_count_and_no_others() -> None:
    other = pl.col("user_id").hash() % 2 == 0
    bought = pl.when(other).then(pl.lit("bought")).otherwise(pl.lit("rented"))
    kind = pl.when(pl.col("kind") == "click").then(pl.lit("played")).otherwise(bought)
    renamed = world().outcomes.with_columns(kind=kind)
    named = replace(EXPERIMENT, clicks=("played",), purchases=("bought", "rented"))
    assert report_of(named, world().exposures, renamed, END) == report()
    assert len(report_of(EXPERIMENT, world().exposures, renamed, END).notes) == 3
    data = interleaved_world()
    played = data.outcomes.with_columns(kind=pl.lit("played"))
    found = report_of(replace(INTERLEAVED, clicks=("played",)), data.exposures, played, END)
    assert found.preference == report_of(INTERLEAVED, data.exposures, data.outcomes, END).preference


def test_a_metric_without_outcomes_is_named() -> None:
    clicks = world().outcomes.filter(pl.col("kind") == "click")
    found = report_of(EXPERIMENT, world().exposures, clicks, END)
    counted = "is 0 for every user; purchases are events of kind purchase"
    assert found.notes == [f"no conversion: converted {counted}", f"no value: value {counted}"]
    assert {level.metric for level in found.levels} == {"ctr"}


def test_exposures_that_the_definition_does_not_explain_are_refused() -> None:
    exposures, outcomes = world().exposures, world().outcomes
    changed = pl.when(pl.col("timestamp") > day(10)).then(0.1).otherwise("propensity")
    with pytest.raises(InputError, match=r"propensities 0.1 to 0.5, and its weight gives 0.5.*new name and salt"):
        report_of(EXPERIMENT, exposures.with_columns(propensity=changed), outcomes, END)
    with pytest.raises(InputError, match=r"variant 'seven'; wanted one of now, eight"):
        eight = replace(EXPERIMENT.variants[1], name="eight")
        report_of(replace(EXPERIMENT, variants=(EXPERIMENT.variants[0], eight)), exposures, outcomes, END)
    with pytest.raises(InputError, match="no exposure of older"):
        report_of(replace(EXPERIMENT, name="older"), exposures, outcomes, END)
    with pytest.raises(InputError, match="there are no exposures of newer yet"):
        report_of(EXPERIMENT, exposures.clear(), outcomes, None)


def test_a_shadow_like_a_variant_has_its_ctr_and_one_like_none_is_refused() -> None:
    found = report()
    like_seven, like_none = found.shadows
    seven = next(level for level in found.levels if (level.metric, level.variant) == ("ctr", "seven"))
    assert like_seven.refused is None
    assert like_seven.estimates["snips"].value == pytest.approx(seven.value)
    for low, high in like_seven.intervals.values():
        assert low < CLICK_RATE * (1 + CLICKS_MORE) < high
    assert like_none.estimates == {}
    assert like_none.refused == "0 effective users; wanted at least 200"


def test_a_planted_preference_of_interleaved_answers_is_found() -> None:
    data = interleaved_world()
    found = report_of(INTERLEAVED, data.exposures, data.outcomes, END).preference
    assert found is not None
    assert found.for_second > found.for_first and found.p < 1e-3
    assert found.share.interval()[0] > 0.5


def test_interleaved_answers_without_teams_or_clicks_prefer_none() -> None:
    data = interleaved_world()
    found = report_of(INTERLEAVED, data.exposures, data.outcomes.head(10), END)
    assert found.preference is None
    assert found.notes == ["no preference: fewer than 20 users have clicked; clicks are events of kind click"]
    broken = data.exposures.with_columns(teams=pl.col("teams").list.head(1))
    with pytest.raises(InputError, match="request 'r000000' has other numbers of items and teams"):
        report_of(INTERLEAVED, broken, data.outcomes, END)


def test_a_longer_window_counts_fewer_users() -> None:
    longer = report_of(replace(EXPERIMENT, window=timedelta(days=20)), world().exposures, world().outcomes, END)
    assert sum(longer.users.values()) < sum(report().users.values())
