"""Verdicts that did not pass and failed runs are alerted, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import defs
from tests.unit.orchestration.alert_world import Received, webhook


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))
    with webhook() as received:
        monkeypatch.setenv("GATEHOUSE_ALERT_WEBHOOK", received.uri)
        yield received


def texts(channel: Received) -> list[str]:
    return [json.loads(body)["text"] for body in channel.bodies]


class Watched:
    """An instance with verdicts, and the sensor that looks at it."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None

    def judge(self, version: int, outcome: str, dataset: str = "shop") -> None:
        facts = {
            "dataset": dataset,
            "version": version,
            "outcome": outcome,
            "reasons": dg.MetadataValue.md("- it fell"),
        }
        self.instance.report_runless_asset_event(dg.AssetMaterialization("verdict", metadata=facts))

    def look(self) -> None:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        self.cursor = defs.resolve_sensor_def("verdicts").evaluate_tick(context).cursor


@pytest.fixture
def watched() -> Iterator[Watched]:
    with dg.DagsterInstance.ephemeral() as instance:
        watched = Watched(instance)
        watched.judge(1, "failed")
        watched.look()
        yield watched


def test_every_verdict_since_the_last_look_is_told_with_its_reasons(watched: Watched, channel: Received) -> None:
    for version, outcome in ((2, "failed"), (3, "passed"), (4, "undecided"), (5, "passed")):
        watched.judge(version, outcome)
    watched.look()
    assert [text.splitlines()[0] for text in texts(channel)] == [
        "*Gatehouse, shop: version 2 is failed*",
        "*Gatehouse, shop: version 4 is undecided*",
    ]
    assert all("- it fell" in text for text in texts(channel))


def test_what_passed_or_was_known_is_not_told(watched: Watched, channel: Received) -> None:
    watched.look()
    watched.judge(2, "passed")
    watched.look()
    assert texts(channel) == []


def test_a_version_is_told_once_whatever_the_nights_repeat(watched: Watched, channel: Received) -> None:
    for _ in range(3):
        watched.judge(2, "failed")
        watched.judge(2, "failed", dataset="other")
        watched.look()
    assert len(texts(channel)) == 2


def test_a_channel_that_is_away_stops_no_sensor(
    watched: Watched, channel: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEHOUSE_ALERT_WEBHOOK", "http://127.0.0.1:9/")
    watched.judge(2, "failed")
    watched.look()
    monkeypatch.setenv("GATEHOUSE_ALERT_WEBHOOK", channel.uri)
    watched.judge(3, "failed")
    watched.look()
    assert ["version 3" in text for text in texts(channel)] == [True]


@dg.asset
def table() -> None:
    """Fail as an asset does."""
    raise RuntimeError("the disk is full: free 3 GB")


def test_a_failed_run_is_told_with_its_first_error(channel: Received) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([table], instance=instance, raise_on_error=False, tags={"gatehouse/dataset": "shop"})
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_runs",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
        ).for_run_failure()
        defs.resolve_sensor_def("failed_runs")(context)
    (text,) = texts(channel)
    assert text.startswith("*Gatehouse, shop: a run failed*\ntable: RuntimeError: the disk is full: free 3 GB")
    assert result.run_id in text


def test_nothing_looks_before_the_switch_is_on() -> None:
    for name in ("new_files", "sealed_events", "verdicts", "failed_runs"):
        assert defs.resolve_sensor_def(name).default_status is dg.DefaultSensorStatus.STOPPED
