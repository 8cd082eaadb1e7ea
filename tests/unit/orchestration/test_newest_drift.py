"""Features of the newest data that moved away from the champion's are alerted, each once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest

from orchestration.asset_values import Source
from orchestration.definitions import defs
from orchestration.defs import drift as sensor
from orchestration.defs.new_data import DATASET
from orchestration.drift import FEATURE_PROFILE
from orchestration.local.datasets import remember
from orchestration.newest_drift import features_at_end, newest_source
from orchestration.workspace import Workspace
from serving.settings import Settings
from tests.unit.orchestration.alert_world import Received, webhook
from tests.unit.orchestration.newest_world import ITEMS, USERS, shop, write_newest
from training.evaluation.drift import profile

OPTIONS = {"dataset": "own", "data": "files"}
MOVED = shop(town=["bath"] * USERS)


class Registry:
    """A champion whose judged version kept its distributions."""

    def __init__(self) -> None:
        self.serves: int | None = 1
        self.kept = ""

    def champion(self) -> int | None:
        return self.serves

    def tags(self, _: int) -> dict[str, str]:
        return {}

    def read_text(self, version: int, name: str) -> str:
        if (version, name) != (1, FEATURE_PROFILE):
            raise FileNotFoundError(name)
        return self.kept


class Home:
    """A home with a champion, the newest data, and the sensor that compares them."""

    def __init__(self, root: Path, registry: Registry, channel: Received, instance: dg.DagsterInstance) -> None:
        self.root, self.registry, self.channel, self.instance = root, registry, channel, instance
        self.settings = Settings(home=root / "home", mlflow_uri="")
        self.settings.create_home()
        remember(self.settings, "shop", OPTIONS)
        self.values, self.runs = Workspace(**OPTIONS).values_folder, 0
        self.cursor: str | None = None
        source = self.land(shop())
        found = {name: asdict(profile(each)) for name, each in features_at_end(source).items()}
        registry.kept = json.dumps(found)

    def land(self, features: dict[str, Any]) -> Source:
        self.runs += 1
        return write_newest(self.root / f"run{self.runs}", self.values, features)

    def look(self) -> list[str]:
        """First lines of the alerts of one look."""
        before = len(self.channel.bodies)
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        tick = defs.resolve_sensor_def("drifted").evaluate_tick(context)
        self.cursor, self.said = tick.cursor, str(tick.skip_message)
        self.texts = [json.loads(each)["text"] for each in self.channel.bodies[before:]]
        return [text.splitlines()[0] for text in self.texts]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))
    registry = Registry()
    monkeypatch.setattr(sensor, "open_registry", lambda *_: registry)
    with webhook() as channel, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("GATEHOUSE_ALERT_WEBHOOK", channel.uri)
        yield Home(tmp_path, registry, channel, instance)


def test_data_like_those_of_the_champion_are_not_told(home: Home) -> None:
    home.land(shop())
    assert [home.look() for _ in range(2)] == [[], []]
    assert home.said == "no feature moved"


def test_a_feature_that_moved_is_told_once_with_its_index(home: Home) -> None:
    home.land(MOVED)
    assert home.look() == ["*Gatehouse, shop: 1 feature of the newest data moved*"]
    assert "user town: PSI 4." in home.texts[0] and "user age" not in home.texts[0]
    home.land(MOVED)  # another run, the same drift
    assert [home.look() for _ in range(2)] == [[], []]
    assert home.said == "shop: user town moved"


def test_a_second_feature_is_told_and_one_that_was_back_is_told_again(home: Home) -> None:
    told = []
    both = MOVED | {"price": [100.0 + n for n in range(ITEMS)]}
    for features in (MOVED, both, MOVED, shop(), MOVED):
        home.land(features)
        told.append(len(home.look()))
    assert told == [1, 1, 0, 0, 1]


def test_the_newest_row_that_was_known_counts(home: Home) -> None:
    source = newest_source(home.values)
    assert source is not None
    ages = features_at_end(source)["user age"]
    assert sorted(ages) == sorted(shop()["age"])


def test_times_are_not_compared(home: Home) -> None:
    source = newest_source(home.values)
    assert source is not None
    assert features_at_end(source).keys() == {"user age", "user town", "item price"}


def test_a_run_at_work_may_be_the_cure(home: Home) -> None:
    home.land(MOVED)
    run = dg.DagsterRun(job_name="release_job", run_id="8b1c2d3e-0000-4000-8000-000000000001", tags={DATASET: "shop"})
    home.instance.add_run(run.with_status(dg.DagsterRunStatus.STARTED))
    assert home.look() == [] and home.said == "shop: a run is at work"
    home.instance.delete_run(run.run_id)
    assert len(home.look()) == 1


def test_a_run_by_hand_may_be_the_cure_but_for_one_that_was_killed(home: Home) -> None:
    home.land(MOVED)
    for job in ("cleaning_job", "release_job"):
        home.instance.add_run(dg.DagsterRun(job_name=job, status=dg.DagsterRunStatus.STARTED))
    assert home.look() == [] and home.said == "shop: a run is at work"
    with patch.object(sensor, "SILENT_FOR", timedelta(0)):
        assert len(home.look()) == 1


def test_a_champion_that_kept_nothing_or_no_champion_is_no_drift(home: Home) -> None:
    home.land(MOVED)
    for champion in (None, 2):
        home.registry.serves = champion
        assert home.look() == []
    home.registry.serves = 1
    assert len(home.look()) == 1


def test_features_that_are_gone_stop_no_look_and_forget_nothing(home: Home) -> None:
    home.land(MOVED)
    home.look()
    home.land(MOVED)
    shutil.rmtree(home.root / f"run{home.runs}" / "features")
    assert home.look() == []
    assert "shop: " in home.said and "Error" in home.said
    home.land(MOVED)
    assert home.look() == []


def test_a_policy_without_drift_or_with_another_limit_counts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(sensor.__file__).parents[2] / "serving" / "gate.yaml").read_text()
    policy = home.root / "gate.yaml"
    monkeypatch.setenv("GATEHOUSE_POLICY", str(policy))
    home.land(MOVED)
    told = []
    for limits in ("null", "{note: 99}", "{note: 0.25}"):
        policy.write_text(text.replace("drift: {note: 0.25}", f"drift: {limits}"))
        told.append(len(home.look()))
    assert told == [0, 0, 1]
