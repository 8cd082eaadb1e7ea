"""What would fail after the features or the towers is refused at the source, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from feature_repo.datasets.canonical import Tables
from tests.pipeline.planted import Home, write_world
from tests.worlds import taste_groups

CUT = pl.col("timestamp") >= datetime(2024, 2, 1)
"""Before the hold-out's start and the validation window's."""


def known_late(tables: Tables) -> Tables:
    """Every event became known at the time of the export."""
    known = pl.lit(tables.events["timestamp"].max())
    return replace(tables, events=tables.events.with_columns(created=known))


def one_item(tables: Tables) -> Tables:
    events = tables.events.with_columns(item_id=pl.lit("i000"))
    return replace(tables, events=events, items=tables.items.head(1))


def nothing_new(tables: Tables) -> Tables:
    """From February on users take only what they had before."""
    before = tables.events.filter(~CUT)
    had = before.group_by("user_id").agg(pl.col("item_id").min())
    after = tables.events.filter(CUT).drop("item_id").join(had, on="user_id").select(before.columns)
    return replace(tables, events=pl.concat([before, after]))


CASES: dict[str, tuple[Callable[[Tables], Tables], bool, str]] = {
    "known late": (known_late, True, "no event was known before 2024-02-02 00:00:00, so that nothing can be learned"),
    "one item": (one_item, True, "items.csv, column 'item_id': got 1 item; wanted at least 2"),
    "nothing new": (
        nothing_new,
        False,
        "seen_items_may_return: true or a longer `holdout:`, or bring a log with new items",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_ends_at_the_source(home: Home, tmp_path: Path, name: str) -> None:
    change, returning, said = CASES[name]
    tables = taste_groups(users=14, items=12, groups=2, days=40, per_day=8, dataset="early")
    folder = write_world(tmp_path / "early", change(tables))
    config = yaml.safe_load((folder / "gatehouse.yaml").read_text())
    (folder / "gatehouse.yaml").write_text(yaml.safe_dump(config | {"seen_items_may_return": returning}))
    planned = home.command("run", "--data", folder, "--recipe", "quick", "--dry-run")
    ended = home.command("run", "--data", folder, "--recipe", "quick")
    assert planned.code == ended.code == 1
    assert said in planned.err and said in ended.err
    assert "user_features" not in ended.err
