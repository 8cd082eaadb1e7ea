"""Impressions on their whole way: from the user's file into the training, and into what decides a version."""

from __future__ import annotations

from unittest.mock import Mock, patch

import polars as pl
import yaml

from orchestration.asset_files import read_tables
from serving.registry import Registry
from tests.pipeline.planted import Home, shown, world, write_world
from training import fit, untrained
from training.data.exposures import with_impressions
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
    with patch.object(untrained, "with_impressions", asked), patch.object(fit, "with_impressions", asked):
        judged = home.light().run(folder, recipe="shown")
    kept = read_tables(judged.version.source).impressions
    assert kept is not None
    assert kept.height == in_vain.height
    assert [call.args[1].equals(kept) for call in asked.call_args_list] == [True, True]
    release = Registry(home.settings, "shown").download(judged.version.version)
    assert from_json((release / "recipe.json").read_text()) == shown()
