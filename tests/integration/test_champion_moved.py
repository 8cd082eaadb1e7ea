"""The champion is moved by hand in MLflow: a version that may serve is followed, any other put back, both alerted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import mlflow
import pytest

from feature_repo.utc import present_time
from orchestration.definitions import defs
from orchestration.defs import moves
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry import OVERRIDE, Registry
from serving.registry.sqlite import open_registry
from serving.release import by_hand
from serving.release.by_hand import settle
from serving.release.history import served
from serving.release.load import Release
from serving.release.manifest import alias_name, collection_name
from serving.release.promotion import PROMOTED, promote
from serving.release.promotion_lock import promotion_lock
from serving.settings import Settings
from tests.integration.moved_world import facts_of, judged_home, said, tick
from tests.integration.release_world import DATASET


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return judged_home(tmp_path_factory.mktemp("moved"))


@pytest.fixture
def settings(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Versions 1 and 2 have served, one after the other."""
    monkeypatch.setenv("GATEHOUSE_HOME", str(home.home))
    for version in (1, 2):
        promote(home, DATASET, version)
    return home


@pytest.fixture
def client(settings: Settings) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(settings.mlflow_uri, settings.mlflow_uri)


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(moves, "alert", lambda settings, subject, text: told.append((subject, text)))
    return told


def test_where_nothing_moved_nothing_is_done(
    settings: Settings, alerts: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the lock is taken: it would hold up a promotion twice a minute."""
    monkeypatch.setattr(by_hand, "promotion_lock", None)
    assert "where its last move left it" in said(tick("champion_moved"))
    assert alerts == []


def test_a_version_that_may_serve_is_followed(
    settings: Settings, client: mlflow.MlflowClient, alerts: list[tuple[str, str]]
) -> None:
    client.set_registered_model_alias(DATASET, "champion", "4")
    result = tick("champion_moved")
    assert "moved to version 4 by hand" in said(result) and "followed" in said(result)
    (event,) = result.asset_events
    assert (event.asset_key.to_user_string(), event.metadata["champion"].value) == ("champion", 4)
    registry = Registry(settings, DATASET)
    assert (registry.champion(), served(registry)) == (4, (1, 2, 4))
    assert PROMOTED in registry.tags(4)  # no run promotes it once more after a rollback
    assert [subject for subject, _ in alerts] == [said(result)]
    assert tick("champion_moved").asset_events == []


def test_an_older_version_that_may_serve_is_gone_back_to(settings: Settings, client: mlflow.MlflowClient) -> None:
    client.set_registered_model_alias(DATASET, "champion", "1")
    moved = settle(settings, DATASET)
    assert moved and (moved.before, moved.champion, moved.problem) == (2, 1, None)
    assert served(Registry(settings, DATASET)) == (1,)


@pytest.mark.parametrize("version", ["3", None])
def test_any_other_is_put_back(
    settings: Settings, client: mlflow.MlflowClient, alerts: list[tuple[str, str]], version: str | None
) -> None:
    if version:
        client.set_registered_model_alias(DATASET, "champion", version)
    else:
        client.delete_registered_model_alias(DATASET, "champion")
    result = tick("champion_moved")
    assert "put back to version 2" in said(result)
    assert Release.load(settings, DATASET).manifest.version == 2
    assert served(Registry(settings, DATASET)) == (1, 2)
    ((subject, text),) = alerts
    assert subject == said(result)
    assert ("its verdict is failed and no override is recorded" if version else "nothing serves") in text


def test_it_is_put_back_past_what_is_broken(
    settings: Settings,
    client: mlflow.MlflowClient,
    alerts: list[tuple[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And where nothing is whole, that is said once, and looked at again an hour later."""
    folders = [Registry(settings, DATASET).download(version) for version in (2, 1)]
    kept = [tmp_path / str(n) for n in range(2)]
    client.set_registered_model_alias(DATASET, "champion", "3")
    try:
        for folder, aside in zip(folders, kept, strict=True):
            shutil.move(folder, aside)
        first = tick("champion_moved")
        assert "cannot be put back" in said(first)
        again = tick("champion_moved", first.cursor)
        assert said(again) == said(first)
        assert len(alerts) == 1
        assert json.loads(str(again.cursor)) == {DATASET: said(first)}
        shutil.move(kept[1], folders[1])
        assert said(tick("champion_moved", again.cursor)) == said(first)
        later = present_time() + timedelta(hours=1)
        monkeypatch.setattr(moves, "present_time", lambda: later)
        assert "put back to version 1" in said(tick("champion_moved", again.cursor))
        assert len(alerts) == 2
    finally:
        for folder, aside in zip(folders, kept, strict=True):
            if aside.exists():
                shutil.move(aside, folder)
    assert open_registry(settings, DATASET).champion() == 1


def test_a_promotion_between_its_history_and_its_commit_is_left_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensor waits for its lock, and looks again."""
    registry = Registry(settings, DATASET)
    registry.set_model_tags({"gatehouse.served": "1 2 4"})

    @contextmanager
    def committed(*arguments: object) -> Iterator[object]:
        registry.set_champion(4)  # what the other did while this one waited
        with promotion_lock(settings, DATASET) as lock:
            yield lock

    monkeypatch.setattr(by_hand, "promotion_lock", committed)
    assert settle(settings, DATASET) is None
    assert served(registry) == (1, 2, 4)


def test_the_milvus_alias_follows(settings: Settings, client: mlflow.MlflowClient) -> None:
    with MilvusIndex(settings, Fields(types={})) as index:
        index.point(alias_name(DATASET), collection_name(DATASET, 1))
    result = tick("milvus_alias")
    with MilvusIndex(settings, Fields(types={})) as index:
        assert index.target(alias_name(DATASET)) == collection_name(DATASET, 2)
    assert json.loads(str(result.cursor)) == {DATASET: 2}


def test_an_alias_that_cannot_follow_is_tried_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_MILVUS_URI", "http://127.0.0.1:1")
    result = tick("milvus_alias", json.dumps({DATASET: 2}))
    assert "Milvus at http://127.0.0.1:1 does not answer" in said(result)
    assert json.loads(str(result.cursor)) == {}


def test_a_milvus_lite_folder_is_opened_for_a_new_champion_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, "try_to_mirror", None)
    assert said(tick("milvus_alias", json.dumps({DATASET: 2}))) == "every alias follows its champion"


@pytest.mark.parametrize("content", [None, b""])
def test_a_look_makes_no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> None:
    """The first run of the home is making it, and two that do so at once get in each other's way."""
    (tmp_path / "data" / DATASET).mkdir(parents=True)
    (tmp_path / "mlflow").mkdir()
    database = tmp_path / "mlflow" / "mlflow.db"
    if content is not None:
        database.write_bytes(content)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    for name in ("champion_moved", "champion_overrides", "milvus_alias"):
        tick(name)
    assert database.exists() == (content is not None)
    assert content is None or database.read_bytes() == content


def test_they_watch_without_being_switched_on() -> None:
    for name in ("champion_moved", "champion_overrides", "milvus_alias"):
        sensor = defs.resolve_sensor_def(name)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
        assert sensor.minimum_interval_seconds is not None and sensor.minimum_interval_seconds <= 60


def test_a_move_by_hand_to_an_overridden_version_says_so(
    settings: Settings, client: mlflow.MlflowClient, alerts: list[tuple[str, str]]
) -> None:
    registry = Registry(settings, DATASET)
    registry.set_tags(3, {OVERRIDE: "in a hurry"})
    client.set_registered_model_alias(DATASET, "champion", "3")
    try:
        (event,) = tick("champion_moved").asset_events
        assert facts_of(event)["override"] == "in a hurry"
        ((_, text),) = alerts
        assert "Version 3 may serve by an override (in a hurry)" in text
    finally:
        promote(settings, DATASET, 2)
        registry.remove_tag(3, OVERRIDE)
