"""Impressions and clicks that are posted to the service: into its log, the next run, its diagnosis and the gate."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from feature_repo.datasets.canonical import Tables
from feature_repo.utc import present_time
from orchestration.asset_files import read_tables
from serving.gate.verdict import RuleKind
from serving.registry import Registry
from serving.release.manifest import read
from tests.pipeline.planted import Home, world, write_world
from training.artifacts.bias import read_bias

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
LOOKS = np.array([1.0, 0.6, 0.35, 0.2])
"""Probability of a look at each position."""
ANSWERS, BATCH = 40, 500
VALIDATION, HOLDOUT = timedelta(days=2), timedelta(days=7)


def moved(tables: Tables, start: datetime) -> Tables:
    """The world, whose validation window begins at a time."""
    newest = tables.events["timestamp"].dt.truncate("1d").max()
    by = start + VALIDATION + HOLDOUT - newest - timedelta(days=1)  # type: ignore[operator]
    return replace(tables, events=tables.events.with_columns(pl.col("timestamp", "created") + by))


def shown_in_random_order(tables: Tables, until: datetime) -> pl.DataFrame:
    """Answers of the same four items to a user; two are of the own group, and clicked if they are looked at."""
    rng, rows = np.random.default_rng(5), []
    for number, user in enumerate(tables.users["user_id"].to_list()):
        groups = np.array([number, number, number + 1, number + 2]) % 4
        items = groups + 4 * rng.choice(40, 4, replace=False)
        for answer in range(ANSWERS):
            time = until - timedelta(minutes=int(rng.integers(1, 6 * 1440)))
            for position, item in enumerate(rng.permutation(items), 1):
                clicked = bool(item % 4 == number % 4 and rng.random() < LOOKS[position - 1])
                rows.append((user, f"i{item:03}", f"{user}-{answer}", position, time, clicked))
    names = ["user_id", "item_id", "request_id", "position", "timestamp", "click"]
    return pl.DataFrame(rows, names, orient="row").with_columns(pl.col("timestamp").cast(pl.Datetime("us")))


@contextmanager
def serving(home: Home, dataset: str) -> Iterator[str]:
    """Address of `gatehouse serve` on a home."""
    own = {"GATEHOUSE_HOME": str(home.settings.home), "PYTHONUNBUFFERED": "1"}
    own["PYTHONPATH"] = os.environ.get("PYTHONPATH", str(ROOT))
    line = [sys.executable, "-m", "orchestration.cli", "serve", "--dataset", dataset, "--port", "0", "--no-consumer"]
    process = subprocess.Popen(line, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith(f"{dataset}: http://"), first + process.stdout.read()
        yield first.split()[1].rstrip(";")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def post(address: str, shown: pl.DataFrame) -> None:
    """Post impressions and their clicks."""
    rows = shown.with_columns(
        kind=pl.lit("impression"),
        propensity=0.25,
        time=pl.format("{}Z", pl.col("timestamp").dt.to_string("iso:strict")),
    )
    events = pl.concat([rows, rows.filter("click").with_columns(kind=pl.lit("click"))]).drop("click", "timestamp")
    events = events.with_columns(event_id=pl.concat_str("kind", "request_id", "position", separator="-"))
    for batch in events.iter_slices(BATCH):
        body, sent = batch.write_json().encode(), {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{address}/v1/events", body, sent), timeout=60) as answer:
            assert json.loads(answer.read())["accepted"] == batch.height


def test_what_is_posted_is_trained_on_diagnosed_and_judged(home: Home) -> None:
    now = present_time().replace(microsecond=0)
    start = (now + timedelta(hours=1)).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    tables, end = moved(world("posted"), start), (start + VALIDATION + HOLDOUT).isoformat()
    folder = write_world(home.root / "posted", replace(tables, events=tables.events.filter(pl.col("timestamp") < now)))
    with (folder / "gatehouse.yaml").open("a") as file:
        file.write(yaml.safe_dump({"validation": f"{VALIDATION.days}d", "holdout": f"{HOLDOUT.days}d"}))
    home.light().run(folder, now=end)
    assert home.champion("posted") == 1
    shown = shown_in_random_order(tables, now)
    with serving(home, "posted") as address:
        post(address, shown)
    tables.events.write_csv(folder / "events.csv")
    judged = home.light().run(folder, now=end, recipe="clicking")
    kept = read_tables(judged.version.source).impressions
    assert kept is not None
    order = ["request_id", "position"]
    assert_frame_equal(kept.select(shown.columns).sort(order), shown.sort(order), check_dtypes=False)
    assert kept["propensity"].unique().to_list() == [0.25]
    registry = Registry(home.settings, "posted")
    report = read_bias(registry.download(judged.version.version))
    assert report is not None
    assert report.outcome == "advised", report.reasons
    assert report.impressions[0].startswith(f"{shown.height:,} of {shown.height:,} impressions")
    assert (np.diff(list(report.values.values())) < 0).all(), report.values
    verdict = read(registry, judged.version.version).verdict
    reasons = dict(zip((rule.kind for rule in verdict.rules), verdict.reasons, strict=True))
    assert reasons[RuleKind.BIAS].startswith(f"{'passed' if report.converged else 'undecided'}: Additive(")
