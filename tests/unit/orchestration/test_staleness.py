"""What has grown old is told once, and again after it was young."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import defs
from orchestration.defs import staleness
from orchestration.local.datasets import remember
from orchestration.staleness import Ages, ages_of, too_old
from serving.settings import Settings
from tests.unit.orchestration.alert_world import webhook

NOW = datetime(2024, 3, 1)
YOUNG = Ages(newest=NOW, features=NOW, champion=NOW, last_run=NOW)
OF_THE_PAST = Ages(**dict.fromkeys(("newest", "features", "champion"), datetime(2017, 12, 31)), last_run=NOW)


@pytest.mark.parametrize(
    ("ages", "old"),
    [
        (YOUNG, []),
        (OF_THE_PAST, []),  # no newer data have come
        (replace(YOUNG, features=NOW - timedelta(days=7)), []),
        (replace(YOUNG, features=NOW - timedelta(days=7, seconds=1)), ["features"]),
        (replace(YOUNG, champion=NOW - timedelta(days=30)), []),
        (replace(YOUNG, champion=NOW - timedelta(days=31)), ["champion"]),
        (replace(YOUNG, last_run=NOW - timedelta(days=9)), ["runs"]),
        (Ages(newest=None, features=None, champion=None, last_run=None), []),  # before the first release
    ],
)
def test_age_is_told_from_the_newest_data_and_of_runs_from_the_clock(ages: Ages, old: list[str]) -> None:
    assert list(too_old(ages, NOW, 7.0)) == old


def test_a_home_without_a_release_has_no_ages(tmp_path: Path) -> None:
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path)})
    settings.create_home()
    found = ages_of(settings, "shop", tmp_path / "values" / "own")
    assert found == Ages(newest=None, features=None, champion=None, last_run=None)


def test_each_thing_is_told_once_until_it_is_young_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path, mlflow_uri="")
    settings.create_home()
    remember(settings, "shop", {"dataset": "own", "data": "files"})
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    monkeypatch.setattr(staleness, "present_time", lambda: NOW)
    old, cursor, told = replace(YOUNG, features=NOW - timedelta(days=9)), None, []
    with webhook() as channel, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("GATEHOUSE_ALERT_WEBHOOK", channel.uri)
        for ages in (YOUNG, old, old, YOUNG, old):
            monkeypatch.setattr(staleness, "ages_of", lambda *_, ages=ages: ages)
            tick = defs.resolve_sensor_def("stale").evaluate_tick(
                dg.build_sensor_context(instance=instance, cursor=cursor)
            )
            cursor = tick.cursor
            told.append(len(channel.bodies))
    assert told == [0, 1, 1, 1, 2]
    assert "shop: features too old" in json.loads(channel.bodies[0])["text"]


def test_a_dataset_that_cannot_be_read_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not told anew of what it was told."""
    settings = Settings(home=tmp_path, mlflow_uri="")
    settings.create_home()
    for name in ("broken", "shop"):
        remember(settings, name, {"dataset": "own", "data": name})
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    monkeypatch.setattr(staleness, "present_time", lambda: NOW)

    def ages_of(_: Settings, dataset: str, values: Path) -> Ages:
        if dataset == "broken":
            raise RuntimeError("the database is locked")
        return replace(YOUNG, features=NOW - timedelta(days=9))

    monkeypatch.setattr(staleness, "ages_of", ages_of)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=json.dumps({"broken": ["champion"]}))
        tick = defs.resolve_sensor_def("stale").evaluate_tick(context)
    assert json.loads(str(tick.cursor)) == {"broken": ["champion"], "shop": ["features"]}
    assert tick.skip_message == "broken: RuntimeError: the database is locked; shop: features too old"
