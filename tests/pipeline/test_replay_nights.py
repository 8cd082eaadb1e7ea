"""Nights of a replay that are like no other: a closed shop, a gate that cannot judge."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets.canonical import Tables
from orchestration.replay.report import find, report_data
from orchestration.replay.strategies import FULL_AND_UPDATES, NEVER
from orchestration.replay.text import replay_markdown
from tests.pipeline.drift_world import shop_world
from tests.pipeline.planted import write_world
from tests.pipeline.test_replay import PLAN, home_at, walk

CLOSED = datetime(2024, 2, 5)
"""Closed day, at whose start and end a night stands."""
FEW_FROM = datetime(2024, 1, 30)
"""Start of the hold-out of the third night."""


def quiet_shop() -> Tables:
    """A shop that is closed on a day, and has half of its users in its last days."""
    tables = shop_world(drifts=False, days=40)
    day, late = pl.col("timestamp").dt.truncate("1d"), pl.col("timestamp") >= FEW_FROM
    kept = (day != CLOSED) & ~(late & (pl.col("user_id") >= "u040"))
    return replace(tables, events=tables.events.filter(kept))


def test_a_closed_shop_and_a_gate_that_cannot_judge_leave_the_champion(tmp_path: Path) -> None:
    source = write_world(tmp_path / "files", quiet_shop())
    plan = replace(PLAN, start=CLOSED, end=datetime(2024, 2, 8), every=1, full=7)
    nights = walk(home_at(tmp_path / "place"), plan, source, min_holdout_users=50)
    first, nothing, last = nights
    assert [(night.kind, night.outcome, night.champion) for night in nights] == [
        ("full", "passed", 1),
        ("update", "none", 1),
        ("update", "undecided", 1),
    ]
    assert (first.users, first.metrics) == (0, {})  # the shop is closed until the next night
    assert "no event is left for an update" in nothing.note
    found = find(nights)
    assert ([night.moment for night in found.nights], found.left_out) == ([nothing.moment, last.moment], 1)
    data = report_data(found, seed=0)
    assert data["systems"][FULL_AND_UPDATES]["seconds"] == pytest.approx(sum(night.seconds for night in nights))
    assert data["systems"][FULL_AND_UPDATES]["all/recall@20"] == data["systems"][NEVER]["all/recall@20"] > 0
    text = replay_markdown("drift", plan, data)
    assert "2 nights count, 1 do not" in text and "Verdicts: 1 passed, 1 undecided." in text
