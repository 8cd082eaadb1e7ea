"""Verdicts that did not pass and failed runs are alerted, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import defs
from orchestration.defs import watch
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

    def judge(self, version: int, outcome: str, dataset: str = "shop", asset: str = "verdict") -> None:
        facts = {
            "dataset": dataset,
            "version": version,
            "outcome": outcome,
            "reasons": dg.MetadataValue.md("- it fell"),
        }
        self.instance.report_runless_asset_event(dg.AssetMaterialization(asset, metadata=facts))

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
        "*Gatehouse, shop: version 2 is failed by the gate*",
        "*Gatehouse, shop: version 4 is undecided by the gate*",
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


def test_refused_refits_and_updates_are_told_between_the_verdicts(watched: Watched, channel: Received) -> None:
    watched.judge(2, "passed")
    watched.judge(3, "failed", asset="refit")
    watched.judge(4, "failed")
    watched.instance.report_runless_asset_event(dg.AssetMaterialization("refit", metadata={"refit": "off"}))
    for _ in range(2):
        watched.judge(5, "undecided", asset="id_update")
        watched.look()
    assert [text.splitlines()[0] for text in texts(channel)] == [
        "*Gatehouse, shop: version 3 is failed by the guards of the refit*",
        "*Gatehouse, shop: version 4 is failed by the gate*",
        "*Gatehouse, shop: version 5 is undecided by the guards of the update*",
    ]


def test_more_verdicts_than_fit_a_look_wait_for_the_next(
    watched: Watched, channel: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "AT_ONCE", 2)
    for version, asset in ((2, "id_update"), (3, "id_update"), (4, "id_update"), (5, "verdict")):
        watched.judge(version, "failed", asset=asset)
    for seen in (2, 4, 4):
        watched.look()
        assert len(texts(channel)) == seen


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


def fail(
    instance: dg.DagsterInstance, job: str, error: str, dataset: str = "shop", tags: dict[str, str] | None = None
) -> str:
    """Let a job of this name fail, and the sensor look at it; returns the run's id."""

    @dg.op
    def table() -> None:
        raise RuntimeError(error)

    @dg.job(name=job, tags=tags or {"gatehouse/dataset": dataset})
    def run() -> None:
        table()

    result = run.execute_in_process(instance=instance, raise_on_error=False)
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    ).for_run_failure()
    defs.resolve_sensor_def("failed_runs")(context)
    return result.run_id


@pytest.mark.parametrize("job", ["release_job", "update_job"])
def test_a_failed_run_is_told_with_its_job_and_first_error(channel: Received, job: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = fail(instance, job, "the disk is full: free 3 GB")
    (text,) = texts(channel)
    told = f"*Gatehouse, shop: a run of {job} failed*\ntable: RuntimeError: the disk is full: free 3 GB"
    assert text.startswith(told)
    assert run_id in text


def test_failed_runs_of_each_job_that_starts_by_itself_are_watched() -> None:
    watched = defs.resolve_sensor_def("failed_runs")
    names = {"release_job", "update_job", "training_days", "cleaning_job", "replay"}
    assert {job.name for job in watched._monitored_jobs} == names


def test_days_that_fail_alike_are_told_once_with_the_first(channel: Received) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for day, error in (("2024-01-08", "no space"), ("2024-01-09", "no space"), ("2024-01-10", "no memory")):
            fail(instance, "training_days", error, tags={"dagster/partition": day})
    assert [text.splitlines()[:2] for text in texts(channel)] == [
        ["*Gatehouse, 2024-01-08: a run of training_days failed*", "table: RuntimeError: no space"],
        ["*Gatehouse, 2024-01-10: a run of training_days failed*", "table: RuntimeError: no memory"],
    ]


def test_an_update_that_fails_each_half_hour_is_told_once_for_each_reason(channel: Received) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for error in ("no champion", "no champion", "the disk is full", "the disk is full"):
            fail(instance, "update_job", error)
            fail(instance, "update_job", "no champion", dataset="other")
        assert [text.splitlines()[1] for text in texts(channel)] == [
            "table: RuntimeError: no champion",
            "table: RuntimeError: no champion",  # of the other dataset
            "table: RuntimeError: the disk is full",
        ]
        run = dg.DagsterRun(
            job_name="update_job", tags={"gatehouse/dataset": "shop"}, status=dg.DagsterRunStatus.SUCCESS
        )
        instance.add_run(run)
        fail(instance, "update_job", "the disk is full")
        for _ in range(2):
            fail(instance, "release_job", "the disk is full")
    assert len(texts(channel)) == 6


def test_what_the_channel_refused_is_sent_at_a_later_look(
    watched: Watched, channel: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensor of the verdict has noted it as told."""
    monkeypatch.setenv("GATEHOUSE_ALERT_WEBHOOK", "http://127.0.0.1:1/hook")
    watched.judge(1, "failed")
    watched.look()
    monkeypatch.setenv("GATEHOUSE_ALERT_WEBHOOK", channel.uri)
    watched.look()
    assert texts(channel) == []
    sensor = defs.resolve_sensor_def("unsent_alerts")
    for said in ("1 of 1 alerts sent again", "every alert was sent"):
        assert sensor.evaluate_tick(dg.build_sensor_context(instance=watched.instance)).skip_message == said
    assert [each.splitlines()[0] for each in texts(channel)] == ["*Gatehouse, shop: version 1 is failed by the gate*"]
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_nothing_looks_before_the_switch_is_on() -> None:
    for name in ("new_files", "sealed_events", "verdicts", "failed_runs", "killed_runs"):
        assert defs.resolve_sensor_def(name).default_status is dg.DefaultSensorStatus.STOPPED
