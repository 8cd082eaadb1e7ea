"""Impressions in a training: what each part of it reads, and what the report says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import numpy as np
import polars as pl
import pytest

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Entity
from tests.unit.training.click_log_world import shown_to
from tests.unit.training.fit_world import CONFIG, CUT, VALIDATION, frames, joined, shown_frames
from training import clicked_answers
from training.artifacts.bias import FILE, BiasReport, read_bias, write_bias
from training.clicked_answers import ImpressionLog, with_answers
from training.data.answers import answers
from training.data.assemble import assemble, fit_encoders
from training.data.interactions import answered, at, interactions, item_rows, query_rows
from training.data.retrieved import retrieved
from training.data.snapshots import Snapshots
from training.fit import fit
from training.recipes import (
    SALES,
    Additive,
    Corpus,
    ImpressionTask,
    InverseExamination,
    InversePropensity,
    Mixture,
    Negatives,
    PolicyGradient,
    TrainConfig,
)
from training.untrained import Fitted, untrained

DEBIASED = replace(CONFIG, impressions=ImpressionTask(bias=Additive()), leave_out=SALES)


def trained(config: TrainConfig, impressions: pl.DataFrame | None) -> Fitted:
    tables, queries, items, positives = frames() if impressions is None else shown_frames()
    return fit(
        schema=tables.schema, queries=queries, item_snapshots=items, positives=positives, events=tables.events,
        validation_start=VALIDATION, cut=CUT, config=config, seed=0, on_epoch=lambda epoch, metrics: None,
        impressions=impressions,
    )  # fmt: skip


def test_the_trial_reads_answers_before_its_window_and_the_refit_all_before_the_cut() -> None:
    asked = Mock(side_effect=answers)
    with patch.object(clicked_answers, "answers", asked):
        result = trained(DEBIASED, shown_to(frames()[0]))
    assert [call.args[4] for call in asked.call_args_list] == [VALIDATION, CUT]
    assert result.bias is not None
    assert "half of the answers meet user features older than 0." in result.bias.impressions[-2]
    assert result.bias.impressions[-1].startswith("retrieval learns all 4,505 positives")
    assert result.bias.model == repr(Additive())
    assert result.bias.converged is not None
    assert list(result.bias.values) == ["1", "2", "3", "4", "5", "6"]
    assert result.bias.values["6"] < result.bias.values["3"] < result.bias.values["1"] == 0


def clicked_a_day_later() -> tuple[Tables, pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """World whose events hold each click of its impressions, a day later: tables, users, items, positives, clicks."""
    tables = shown_frames()[0]
    assert tables.impressions is not None
    next_day = (pl.col("timestamp", "created") + timedelta(hours=24)).name.keep()
    clicks = tables.impressions.filter("click").select("user_id", "item_id", next_day)
    tables = replace(tables, events=pl.concat([tables.events, clicks], how="diagonal").sort("timestamp"))
    positives = interactions(tables.events, CUT, tables.schema.snapshots)
    keys = query_rows(positives, tables.users["user_id"], (VALIDATION, CUT), answered(tables.impressions, CUT))
    queries = joined(tables, Entity.USER, keys)
    items = joined(tables, Entity.ITEM, item_rows(positives, tables.items["item_id"], (VALIDATION, CUT)))
    return tables, queries, items, positives, clicks


def test_a_click_of_an_impression_is_learned_by_its_answer_and_no_positive_of_retrieval() -> None:
    tables, queries, items, positives, clicks = clicked_a_day_later()
    taken, shown, granularity = shown_frames()[3], tables.impressions, tables.schema.snapshots
    assert shown is not None
    config = replace(DEBIASED, weighting=replace(DEBIASED.weighting, min_count=60))
    marked = retrieved(positives, tables.events, shown, CUT, config.impressions, granularity)
    log = ImpressionLog(shown, queries, marked, tables.events, at(items, CUT, week=True), CUT, granularity)
    given = tables.schema, queries, items, log.corpus
    start, data = untrained(*given, marked, config, 0, answered=log.keys)
    assert len(data.item_I) == marked["weight"].count() == taken.height
    taken_UN = {(user, item) for user, item in zip(*data.known.nonzero(), strict=True)}
    assert len(taken_UN) == positives.select("user_id", "item_id").n_unique()
    data, found = with_answers(data, start.model, log, config, seed=0)
    assert found is not None and found.slates.click_SL.sum() == clicks.height
    often = [each["item_id"].value_counts().filter(pl.col("count") >= 60).height for each in (taken, positives)]
    assert often[0] < often[1] == start.item_encoder.own_ids
    # Each answer names the snapshot of its own day, though clicks of other days have left the set.
    asked = shown.group_by("user_id", "request_id").agg(pl.col("timestamp").min()).sort("user_id", "timestamp")
    asked = asked.with_columns(event_timestamp=pl.col("timestamp").dt.truncate("1d"))
    rows = asked.join(queries.lazy().collect(), on=["user_id", "event_timestamp"], how="left", maintain_order="left")
    encoder = start.user_encoder.without_histories()
    wanted = encoder.encode(rows.select(encoder.columns))
    assert data.slates is not None and data.slates.query_S.max() < len(data.user_Q)
    assert all(np.array_equal(data.queries[name][data.slates.query_S], array) for name, array in wanted.items())


def test_an_item_that_is_clicked_again_is_no_negative_of_the_repeat_head() -> None:
    tables, queries, items, positives, _ = clicked_a_day_later()
    assert tables.impressions is not None
    keys, corpus = answered(tables.impressions, CUT), at(items, CUT, week=True)
    marked = retrieved(positives, tables.events, tables.impressions, CUT, ImpressionTask(), tables.schema.snapshots)
    encoders = fit_encoders(tables.schema, queries, items, positives, CONFIG)
    labels = {}
    for name, each in {"some": marked, "all": positives}.items():
        data = assemble(queries, items, each, *encoders, corpus, label_days=28, answered=keys)
        found = Snapshots.used(queries, each.drop_nulls("weight"), "user_id", "query_time", keys).keys
        assert data.label_QL is not None
        labels[name] = dict(zip(found.rows(), data.label_QL, strict=True))
    assert 0 < len(labels["some"]) < len(labels["all"])
    assert all(np.array_equal(label_L, labels["all"][key]) for key, label_L in labels["some"].items())


def test_a_user_who_takes_nothing_is_learned_from() -> None:
    """Half of the users lose their interactions, and keep their answers, of which none is clicked."""
    tables, queries, items, positives = frames()
    shown = shown_to(tables)
    silent = pl.col("user_id").is_in(tables.users["user_id"][::2].implode())
    events, taken = tables.events.filter(~silent), positives.filter(~silent)
    shown = shown.with_columns(click=pl.col("click") & ~silent)
    tables = replace(tables, events=events, impressions=shown)
    keys = answered(shown, CUT)
    queries = joined(tables, Entity.USER, query_rows(taken, tables.users["user_id"], (VALIDATION, CUT), keys))
    log = ImpressionLog(shown, queries, taken, events, at(items, CUT, week=True), CUT, tables.schema.snapshots)
    given = tables.schema, queries, items, log.corpus, taken, DEBIASED, 0
    start, data = untrained(*given, answered=log.keys)
    data, found = with_answers(data, start.model, log, DEBIASED, seed=0)
    assert found is not None and data.slates is not None
    assert data.slates.query_S.max() < len(data.user_Q)
    assert found.account.kept == found.account.impressions == shown.height
    assert found.account.age_days < 1
    # Users with interactions come first, and only they are in batches.
    user_S = data.user_Q[data.slates.query_S]
    with_taken = taken["user_id"].n_unique()
    assert data.known.shape[0] == tables.users.height
    assert data.user_Q[data.query_I].max() == with_taken - 1
    clicks_U = np.bincount(user_S, data.slates.click_SL.sum(axis=1), minlength=tables.users.height)
    assert (np.bincount(user_S) > 0).all()
    assert (clicks_U[with_taken:] == 0).all() and clicks_U[:with_taken].sum() > 0
    assert len(np.unique(found.user_S)) == tables.users.height


def test_what_happens_after_the_cut_changes_nothing() -> None:
    before = shown_to(frames()[0])
    later = before.with_columns(pl.lit(CUT).alias("timestamp"), pl.lit(CUT).alias("created"), click=~pl.col("click"))
    plain, more = (trained(DEBIASED, log) for log in (before, pl.concat([before, later])))
    for name, weight in plain.model.state_dict().items():
        assert np.array_equal(weight.numpy(), more.model.state_dict()[name].numpy()), name


def test_impressions_alone_change_no_tower_but_are_reported() -> None:
    with_log, without = trained(CONFIG, shown_to(frames()[0])), trained(CONFIG, None)
    for name, weight in without.model.state_dict().items():
        assert np.array_equal(weight.numpy(), with_log.model.state_dict()[name].numpy()), name
    assert without.bias is None
    assert with_log.bias is not None
    assert (with_log.bias.model, with_log.bias.converged) == (None, None)
    assert with_log.bias.outcome in ("advised", "not identifiable", "not needed")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda log: log.drop("position"), "have no position"),
        (lambda log: log.with_columns(pl.lit(CUT).alias("timestamp")), "none is left to learn from"),
    ],
)
def test_impressions_that_tell_nothing_stop_no_recipe_that_does_without(broken: Any, reason: str) -> None:
    found = trained(CONFIG, broken(shown_to(frames()[0]))).bias
    assert found is not None
    assert found.outcome is None
    assert reason in found.reasons[0]


def test_a_recipe_that_needs_impressions_is_refused_before_any_training() -> None:
    told = Mock()
    tables, queries, items, positives = frames()
    with pytest.raises(ValueError, match="the data have none: bring a table"):
        fit(
            schema=tables.schema, queries=queries, item_snapshots=items, positives=positives, events=tables.events,
            validation_start=VALIDATION, cut=CUT, config=DEBIASED, seed=0, on_epoch=told,
        )  # fmt: skip
    told.assert_not_called()
    with pytest.raises(ValueError, match="the recipe reads device of impressions"):
        trained(replace(DEBIASED, impressions=ImpressionTask(bias=Additive(features=("device",)))), shown_to(tables))


def test_weights_of_a_recipe_are_reported(tmp_path: Path) -> None:
    """Of a log that tells the random order and the propensity of each item."""
    tables = frames()[0]
    drawn = shown_to(tables).with_columns(pl.lit("all").alias("randomised"), propensity=pl.lit(1 / 6))
    task = ImpressionTask(selection=InversePropensity(), examination=InverseExamination(source="randomised"))
    found = trained(replace(CONFIG, impressions=task, leave_out=SALES), drawn).bias
    assert found is not None
    assert (found.model, found.converged) == (repr(task.examination), True)
    numbers = {name: value for name, value in found.numbers.items() if name.startswith("weighting/")}
    assert set(numbers) == {
        f"weighting/{name}"
        for name in ("effective_impressions", "effective_answers", "effective_clicks", "left_out", "largest_move")
    }
    assert numbers["weighting/largest_move"] > 0.5
    assert len(found.weighting) == 2 and found.weighting[0] in found.lines
    assert "answers with items in random order" in "".join(found.impressions)
    write_bias(tmp_path, found)
    assert read_bias(tmp_path) == found
    former = json.loads((tmp_path / FILE).read_text())
    former.pop("weighting")
    assert BiasReport.from_dict(former).weighting == ()


def test_the_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = BiasReport(
        model=repr(Mixture()), outcome="advised", reasons=("a", "b"), numbers={"effect": 0.4}, impressions=("c",),
        converged=True, convergence="d", values={"1": 0.0},
    )  # fmt: skip
    assert read_bias(tmp_path) is None
    write_bias(tmp_path, report)
    assert read_bias(tmp_path) == report
    assert report.lines[0] == "bias model: advised"


def test_a_recipe_for_rewards_is_reported_with_the_users_that_it_learned_from() -> None:
    """It leaves positives without a return out, and their snapshots are no rows of its training set."""
    policy = PolicyGradient(k=5, horizon_days=14)
    config = replace(
        CONFIG, policy=policy, strata=False, negatives=Negatives(sampler=Corpus()), leave_out=SALES,
        optimisation=replace(CONFIG.optimisation, patience=None, epochs=1),
    )  # fmt: skip
    tables = frames()[0]
    found = trained(config, shown_to(tables)).bias
    assert found is not None
    kept = next(line for line in found.impressions if " in " in line)
    assert int(kept.split()[0].replace(",", "")) > 0
