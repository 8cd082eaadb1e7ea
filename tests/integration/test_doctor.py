"""The doctor names each thing that is planted, with a way out, and nothing else; and changes nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from feature_repo.events.base import write_base
from feature_repo.events.base_note import note_path
from feature_repo.events.event import Event, EventKind
from feature_repo.events.log import EventLog
from orchestration.cleaning import clean, plan_cleaning
from orchestration.doctor import Finding, examine, findings_text, home
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry import INPUT_KEY, OVERRIDE, Registry
from serving.registry.lock import RegistryLock
from serving.registry.sqlite import open_registry
from serving.release.manifest import alias_name, collection_name
from serving.running import FILE
from serving.settings import Settings
from tests.integration.doctor_world import as_before, judged_home
from tests.integration.release_world import (
    DATASET,
    ITEMS,
    register,
    schema,
    seal_as,
    write_artifacts,
)

NOW = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifacts(tmp_path_factory.mktemp("artifacts") / "a", schema())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, artifacts: Path) -> Settings:
    return judged_home(tmp_path_factory.mktemp("doctor"), artifacts)


@pytest.fixture
def settings(template: Settings) -> Settings:
    return as_before(template)


def found(settings: Settings) -> list[Finding]:
    """Findings, after a look that has changed no file."""
    findings = examine(settings, NOW)
    assert all(each.problem and each.way_out for each in findings)
    return findings


def test_a_sound_home_is_called_that_and_left_alone(settings: Settings) -> None:
    before = {path: path.stat().st_mtime_ns for path in settings.home.rglob("*")}
    assert found(settings) == []
    assert {path: path.stat().st_mtime_ns for path in settings.home.rglob("*")} == before
    assert findings_text(settings, []) == f"{settings.home}: nothing is half-done or wrong"


def interrupted(settings: Settings, artifacts: Path) -> None:
    """A training that ends after it has registered its version."""
    with pytest.raises(KeyboardInterrupt), Registry(settings, DATASET).run("towers") as run:
        run.register(artifacts, {INPUT_KEY: "another"})
        raise KeyboardInterrupt


def collection_of_nobody(settings: Settings, artifacts: Path) -> None:
    with MilvusIndex(settings, Fields.of(schema())) as index:
        _, vectors = index.contents(collection_name(DATASET, 1))
        index.build(collection_name(DATASET, 99), ITEMS.sort("item_id"), vectors)


def collection_gone(settings: Settings, artifacts: Path) -> None:
    with MilvusIndex(settings, Fields(types={})) as index:
        index.drop(collection_name(DATASET, 1))


def lagging_mirror(settings: Settings, artifacts: Path) -> None:
    with MilvusIndex(settings, Fields(types={})) as index:
        index.point(alias_name(DATASET), collection_name(DATASET, 1))


def alias_at(version: int) -> Callable[[Settings, Path], None]:
    return lambda settings, artifacts: Registry(settings, DATASET).set_champion(version)


def alias_deleted(settings: Settings, artifacts: Path) -> None:
    Registry(settings, DATASET)._client.delete_registered_model_alias(DATASET, "champion")


def left_lock(settings: Settings, artifacts: Path) -> None:
    assert RegistryLock(settings, DATASET).take() is None


def not_promoted(settings: Settings, artifacts: Path) -> None:
    seal_as(settings, register(settings, artifacts))


def killed_override(settings: Settings, artifacts: Path) -> None:
    Registry(settings, DATASET).set_tags(3, {OVERRIDE: "on purpose"})


@pytest.mark.parametrize(
    ("plant", "wanted"),
    [
        (interrupted, ["version 4 was registered by a training that was interrupted"]),
        (register, ["version 4 is trained but not judged"]),
        (not_promoted, ["version 4 passed and was never promoted"]),
        (killed_override, ["version 3 did not pass, and its promotion by an override was interrupted"]),
        (collection_of_nobody, ["the collection shop_items_v99 belongs to no version"]),
        (collection_gone, ["version 1 has lost its collection shop_items_v1"]),
        (lagging_mirror, ["the Milvus alias shop_items points at shop_items_v1"]),
        (alias_at(1), ["version 1 has the alias, the history ends with 2", "the Milvus alias"]),
        (alias_at(3), ["version 3 has the alias and may not serve"]),
        (alias_deleted, ["there is no champion: the alias was deleted; version 2 served last"]),
        (left_lock, ["the lock of promotions in the registry was left behind"]),
    ],
    ids=lambda each: getattr(each, "__name__", "wanted"),
)
def test_what_is_planted_is_named(
    settings: Settings, artifacts: Path, plant: Callable[[Settings, Path], object], wanted: list[str]
) -> None:
    plant(settings, artifacts)
    problems = [each.problem for each in found(settings)]
    assert len(problems) == len(wanted)
    for text, problem in zip(wanted, problems, strict=True):
        assert problem.startswith(text)


def test_a_creation_that_was_killed_does_not_refuse_the_name(settings: Settings) -> None:
    """Milvus Lite makes the folder first, and its schema last."""
    (settings.milvus_folder / "collections" / "shop_items_v99" / "wal").mkdir(parents=True)
    collection_of_nobody(settings, Path())
    with MilvusIndex(settings, Fields(types={})) as index:
        info = index.info("shop_items_v99")
    assert info is not None and info.complete


def test_a_lost_manifest_is_named(settings: Settings, artifacts: Path) -> None:
    path = open_registry(settings, DATASET).run_file(1, "manifest.json")
    kept = path.rename(path.with_name("elsewhere"))
    try:
        assert ["its manifest is gone" in each.problem for each in found(settings)] == [True]
    finally:
        kept.rename(path)


@pytest.fixture
def partial(settings: Settings) -> Iterator[Path]:
    folder = settings.home / "data" / DATASET / "input" / "source.partial"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_half_built_folder_is_named_unless_somebody_builds_it(
    settings: Settings, artifacts: Path, partial: Path
) -> None:
    (finding,) = found(settings)
    assert str(partial) in finding.problem
    interrupted(settings, artifacts)
    with FileLock(partial.with_name("source.lock")):
        assert found(settings) == []  # nor the version that a run at work has just registered


def test_a_cleaning_removes_what_was_left_an_hour_ago(settings: Settings, artifacts: Path, partial: Path) -> None:
    interrupted(settings, artifacts)
    for after, removed in ((timedelta(0), False), (timedelta(hours=2), True)):
        plan = plan_cleaning(settings, DATASET, 10, datetime.now(UTC) + after)
        assert ((4 in plan.versions), (partial in plan.folders)) == (removed, removed)
    registry = open_registry(settings, DATASET)
    before = registry.champion()
    clean(settings, plan, now=datetime.now(UTC) + timedelta(hours=2))
    assert (found(settings), registry.champion()) == ([], before)


@pytest.fixture
def log(settings: Settings, tmp_path: Path) -> Iterator[EventLog]:
    """The event log of the dataset, whose features were loaded from data with its first event."""
    (tmp_path / "event_log.json").write_text('{"until": 1}')
    write_base(settings.feast_home, DATASET, key="base", folder=tmp_path, as_of=NOW.replace(tzinfo=None))
    with closing(settings.open_event_log(DATASET)) as opened:
        yield opened
    shutil.rmtree(settings.home / "events")
    note_path(settings.feast_home, DATASET).unlink()


def event(number: int) -> Event:
    at = NOW.replace(tzinfo=None) - timedelta(minutes=10 - number)
    return Event(event_id=str(number), kind=EventKind.CLICK, user_id="anna", item_id="food00", time=at, arrived=at)


def test_a_consumer_that_is_far_behind_is_named(settings: Settings, log: EventLog) -> None:
    for number in range(1, 4):
        log.append([event(number)])
    (finding,) = examine(settings, NOW)
    assert finding.problem == "2 events of the log are not online, the oldest of 2024-05-31 23:52"
    assert examine(settings, NOW - timedelta(minutes=4)) == []  # it has not waited for long
    log.commit("another, from former data", 3)
    log.commit("shop: all views, from base", 2)
    (finding,) = examine(settings, NOW)
    assert finding.problem.startswith("1 events of the log are not online")
    log.commit("shop: all views, from base", 3)
    assert examine(settings, NOW) == []


def test_a_damaged_event_log_is_named(settings: Settings, log: EventLog) -> None:
    for number in range(1, 200):
        log.append([replace(event(1), event_id=str(number))])
    log.close()
    path = settings.event_log(DATASET)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    path.write_bytes(content[:-4_096] + bytes(4_096))
    (finding,) = examine(settings, NOW)
    assert finding.problem.startswith(f"the event log {path} is damaged: ")
    path.write_bytes(content[:100])
    (finding,) = examine(settings, NOW)
    assert "is damaged" in finding.problem


def test_a_service_that_has_ended_is_named(settings: Settings) -> None:
    note = settings.home / FILE
    note.write_text(json.dumps({"mlflow": {"pid": 2**22 + 1, "uri": "http://127.0.0.1:1"}}))
    try:
        (finding,) = found(settings)
    finally:
        note.unlink()
    assert "mlflow is noted in services.json as process" in finding.problem


def test_a_policy_that_cannot_be_read_is_named(settings: Settings, tmp_path: Path) -> None:
    policy = tmp_path / "gate.yaml"
    policy.write_text("rules: all of them\n")
    (finding,) = found(replace(settings, gate_policy=policy))
    assert finding.about == "gate" and str(policy) in finding.problem


def test_services_that_are_away_are_named_without_their_passwords(settings: Settings) -> None:
    away = "http://me:secret@127.0.0.1:1"
    findings = found(replace(settings, mlflow_uri=away, milvus_server=away, feature_registry=away))
    assert [each.about for each in findings] == ["services"] * 3
    assert "secret" not in findings_text(settings, findings)
    assert [each.about for each in found(replace(settings, milvus_server=away))] == ["services", "index"]


def test_every_server_of_production_that_is_away_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    redis = {"type": "redis", "connection_string": "127.0.0.1:1,password=secret"}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4")
    away = replace(
        settings, online_store=redis, kafka={"type": "kafka", "bootstrap.servers": "127.0.0.1:2,127.0.0.1:3"}
    )
    named = home.addresses(replace(away, data="s3://bucket/data"))
    assert named["GATEHOUSE_EVENT_LOG"] == ["tcp://127.0.0.1:2", "tcp://127.0.0.1:3"]
    problems = [each.problem for each in home._services(replace(away, data="s3://bucket/data"))]
    assert problems == [
        "127.0.0.1:1 (GATEHOUSE_ONLINE_STORE) does not answer",
        "127.0.0.1:2, 127.0.0.1:3 (GATEHOUSE_EVENT_LOG) does not answer",
        "127.0.0.1:4 (AWS_ENDPOINT_URL) does not answer",
    ]
    postgres = {"type": "postgres", "host": "127.0.0.1", "port": 1}
    (finding,) = home._services(replace(settings, online_store=postgres))
    assert finding.problem == "127.0.0.1:1 (GATEHOUSE_ONLINE_STORE) does not answer"


def test_a_full_disk_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", ["free"])
    monkeypatch.setattr(home.shutil, "disk_usage", lambda path: usage(free=10_000_000))
    (finding,) = found(settings)
    assert finding.problem.startswith("10 MB are free")


def test_an_empty_home_is_sound(tmp_path: Path) -> None:
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path / "home")})
    settings.create_home()
    assert found(settings) == []
