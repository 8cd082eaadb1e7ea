"""The real daemon: what did not pass and what is old is told, and nothing else; the Milvus alias follows."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from feature_repo.utc import present_time
from orchestration.local.datasets import remember
from orchestration.local.home import prepare_home
from orchestration.workspace import Workspace
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.release.manifest import alias_name, collection_name
from serving.release.promotion import promote
from serving.settings import Settings
from tests.integration.daemon_world import SECONDS, daemon, wait_for
from tests.integration.release_world import (
    DATASET,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)
from tests.unit.orchestration.alert_world import webhook


@pytest.fixture(autouse=True)
def no_home_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATEHOUSE_HOME", "DAGSTER_HOME", "GATEHOUSE_SCHEDULES"):
        monkeypatch.setenv(name, "")


def judged(version: int, outcome: str) -> dg.AssetMaterialization:
    reasons = dg.MetadataValue.md("- recall@20 fell")
    return dg.AssetMaterialization(
        "verdict", metadata={"dataset": DATASET, "version": version, "outcome": outcome, "reasons": reasons}
    )


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_what_did_not_pass_and_what_is_old_is_told_and_nothing_else(tmp_path: Path) -> None:
    settings, log = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path / "home")}), tmp_path / "daemon.log"
    prepare_home(settings)
    for name, days in (("young", 7), ("old", 9)):
        options = {"dataset": "own", "data": str(tmp_path / name)}
        remember(settings, name, options)
        (values := Workspace(**options).values_folder).mkdir(parents=True)
        (values / "verdict.json").write_text("{}")
        ended = (present_time() - timedelta(days=days)).timestamp()
        os.utime(values / "verdict.json", (ended, ended))

    def told(about: str) -> list[str]:
        return [line for body in channel.bodies if about in (line := json.loads(body)["text"].splitlines()[0])]

    with webhook() as channel, dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(judged(1, "failed"))  # known before the daemon's first look
        with daemon({"GATEHOUSE_SCHEDULES": "on", "GATEHOUSE_ALERT_WEBHOOK": channel.uri}, log):
            for said in ("looks from now on", "old: runs too old"):
                wait_for(lambda said=said: said in log.read_text(errors="replace"), log)
            assert told("by the gate") == []
            for version, outcome in ((2, "passed"), (3, "failed"), (3, "failed"), (4, "undecided"), (5, "passed")):
                instance.report_runless_asset_event(judged(version, outcome))
            wait_for(lambda: len(told("by the gate")) >= 2, log)
            before = log.stat().st_size
            wait_for(lambda: b"0 alerts" in log.read_bytes()[before:], log)  # a further look
    assert told("by the gate") == [
        f"*Gatehouse, {DATASET}: version {version} is {outcome} by the gate*"
        for version, outcome in ((3, "failed"), (4, "undecided"))
    ]
    assert told("too old") == ["*Gatehouse, old: runs too old*"]


@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS + 60)
def test_the_milvus_alias_follows_the_champion_and_nothing_else(tmp_path: Path) -> None:
    """Its sensor is on without the switch of the schedules."""
    settings, log = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty")), tmp_path / "daemon.log"
    (settings.home / "data" / DATASET).mkdir(parents=True)
    artifacts = write_artifacts(tmp_path / "artifacts", schema())
    for _ in range(2):
        seal_as(settings, register(settings, artifacts), "passed")
    prepare_home(settings)
    environment = {"GATEHOUSE_HOME": str(settings.home)}

    def follow() -> str | None:
        with dg.DagsterInstance.get(), daemon(environment, log):
            wait_for(lambda: "every alias follows its champion" in log.read_text(errors="replace"), log)
        with MilvusIndex(settings, Fields(types={})) as index:
            return index.target(alias_name(DATASET))

    assert follow() is None  # two versions, and no champion
    promote(settings, DATASET, 2)
    with MilvusIndex(settings, Fields(types={})) as index:
        index.point(alias_name(DATASET), collection_name(DATASET, 1))
    assert follow() == collection_name(DATASET, 2)
