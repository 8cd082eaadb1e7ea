"""The hold-out ends with its newest event, however late that became known, and however late the data ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from orchestration.asset_values import json_io_manager
from orchestration.defs.features import source
from orchestration.workspace import Workspace
from tests.pipeline.planted import Home, write_world
from tests.worlds import taste_groups

LATER = timedelta(days=60)


@pytest.mark.parametrize("late", ["created", "as_of"])
def test_neither_the_windows_nor_their_line_reach_the_end_of_the_data(tmp_path: Path, late: str) -> None:
    tables = taste_groups(users=40, items=20, days=50, per_day=20)
    newest = tables.events["timestamp"].max()
    if late == "created":
        known = pl.when(pl.int_range(pl.len()) == 0).then(pl.col("created") + LATER).otherwise("created")
        tables = replace(tables, events=tables.events.with_columns(created=known))
    end, data = newest + timedelta(microseconds=1), write_world(tmp_path / "files", tables)
    options = {"dataset": "own", "data": str(data), "now": "2024-12-01"}
    options |= {"as_of": str(newest + LATER)} if late == "as_of" else {}
    home = Home(root=tmp_path).light()
    resources = {"workspace": Workspace(**options), "io_manager": json_io_manager}
    with home.entered(), dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([source], resources=resources, instance=instance)
    value = result.output_for_node("source", "events")
    assert value.holdout_end == end < value.as_of
    arguments = [f"--{name.replace('_', '-')}={given}" for name, given in options.items() if name != "dataset"]
    assert f"hold out until {end} " in home.command("run", *arguments, "--dry-run", "--json").data["windows"]
