"""Impressions on their whole way: from the user's file into the training, and into what decides a version."""

from __future__ import annotations

from unittest.mock import Mock, patch

import polars as pl
import yaml

from orchestration.asset_files import read_tables
from orchestration.evaluated import Evaluated
from orchestration.reporting.tables import metrics_markdown
from serving.gate.verdict import Outcome, RuleKind
from serving.registry import Registry
from serving.release.manifest import read
from tests.pipeline.planted import Home, shown, world, write_world
from tests.unit.training.click_log_world import shown_to
from training import untrained
from training.artifacts.bias import read_bias
from training.data.exposures import with_impressions
from training.recipes import Additive
from training.recipes.serialization import from_json


def test_what_a_file_says_was_shown_reaches_both_trainings(home: Home) -> None:
    tables = world("shown")
    folder = write_world(home.root / "shown", tables)
    in_vain = tables.events.select("user_id", "timestamp", pl.col("item_id").shuffle(seed=1))
    in_vain.write_parquet(folder / "impressions.parquet")
    section = {"file": "impressions.parquet", "user": "user_id", "item": "item_id", "timestamp": "timestamp"}
    with (folder / "gatehouse.yaml").open("a") as file:
        file.write(yaml.safe_dump({"impressions": section}))
    asked = Mock(side_effect=with_impressions)
    with patch.object(untrained, "with_impressions", asked):
        judged = home.light().run(folder, recipe="shown")
    kept = read_tables(judged.version.source).impressions
    assert kept is not None
    assert kept.height == in_vain.height
    assert [call.args[1].equals(kept) for call in asked.call_args_list] == [True, True]
    release = Registry(home.settings, "shown").download(judged.version.version)
    assert from_json((release / "recipe.json").read_text()) == shown()


def test_a_recipe_without_its_impressions_ends_before_anything_is_computed(home: Home) -> None:
    folder = write_world(home.root / "unseen", world("unseen"))
    ended = home.light().command("run", "--data", folder, "--recipe", "clicking")
    assert ended.code
    assert "the recipe learns from impressions, and the data have none" in ended.err
    assert not list(home.settings.home.rglob("*unseen*/**/user_features*"))


def test_impressions_that_no_training_knows_yet_end_a_run_before_anything_is_computed(home: Home) -> None:
    tables = world("young")
    folder = write_world(home.root / "young", tables)
    newest = tables.events.tail(20).select("user_id", "item_id", "timestamp", position=pl.lit(1))
    newest.write_parquet(folder / "impressions.parquet")
    names = {name: name for name in ("timestamp", "position")}
    section = {"file": "impressions.parquet", "user": "user_id", "item": "item_id", **names}
    with (folder / "gatehouse.yaml").open("a") as file:
        file.write(yaml.safe_dump({"impressions": section}))
    ended = home.light().command("run", "--data", folder, "--recipe", "clicking", "--dry-run")
    assert ended.code
    assert "none of 20 was known before" in ended.err


def test_a_run_says_what_the_impressions_tell_about_their_bias_and_the_gate_judges_it(home: Home) -> None:
    tables = world("clicked")
    folder = write_world(home.root / "clicked", tables)
    shown_to(tables).write_parquet(folder / "impressions.parquet")
    names = {"user": "user_id", "item": "item_id", "request": "request_id"}
    columns = ("timestamp", "created", "position", "click")
    section = {"file": "impressions.parquet", **names, **{name: name for name in columns}}
    with (folder / "gatehouse.yaml").open("a") as file:
        file.write(yaml.safe_dump({"impressions": section}))
    judged = home.light().run(folder, recipe="clicking")
    registry = Registry(home.settings, "clicked")
    report = read_bias(registry.download(judged.version.version))
    assert report is not None
    assert report.model == repr(Additive())
    # Few answers of few users: nothing says how clicks of one and the same thing differ by its position.
    assert report.outcome == "not identifiable"
    told = Evaluated.from_json(judged.path.read_text())
    assert told.bias == report
    assert "- bias model: not identifiable" in metrics_markdown(told).split("\n")
    verdict = read(registry, judged.version.version).verdict
    kinds = [rule.kind for rule in verdict.rules]
    reason = verdict.reasons[kinds.index(RuleKind.BIAS)]
    assert reason.startswith("undecided: Additive(")
    assert verdict.outcome is not Outcome.PASSED
    assert registry.champion() is None
