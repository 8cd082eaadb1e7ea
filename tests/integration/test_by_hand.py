"""What people do by hand in MLflow's UI: it never serves unjudged, and never stops a command."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from serving.registry import INPUT_KEY, OUTCOME, Registry
from serving.registry.sqlite import SqliteRegistry, open_registry
from serving.release.history import served
from serving.release.load import Release
from serving.release.manifest import MANIFEST_SHA256, ReleaseError
from serving.release.promotion import promote, promote_challenger, rollback
from serving.settings import Settings
from tests.integration.release_world import (
    DATASET,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifacts(tmp_path_factory.mktemp("artifacts") / "a", schema())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, artifacts: Path) -> Settings:
    """Two champions, one after the other, and a version that failed."""
    root = tmp_path_factory.mktemp("template")
    settings = fresh_home(root / "home", empty_database(root / "empty"))
    for outcome in ("passed", "passed", "failed"):
        seal_as(settings, register(settings, artifacts), outcome)
    for version in (1, 2):
        promote(settings, DATASET, version)
    return settings


@pytest.fixture
def settings(template: Settings) -> Settings:
    """The same home before each test: its addresses are absolute, so it cannot be copied."""
    database, kept = template.home / "mlflow" / "mlflow.db", template.home / "mlflow.db.kept"
    artifacts, kept_artifacts = template.home / "mlflow" / "artifacts", template.home / "artifacts.kept"
    if kept.exists():
        shutil.copy(kept, database)
        shutil.rmtree(artifacts)
        shutil.copytree(kept_artifacts, artifacts)
    else:
        shutil.copy(database, kept)
        shutil.copytree(artifacts, kept_artifacts)
    return template


@pytest.fixture
def client(settings: Settings) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(settings.mlflow_uri, settings.mlflow_uri)


def serving(settings: Settings) -> int:
    return Release.load(settings, DATASET).manifest.version


def delete_run(client: mlflow.MlflowClient, version: int, *, for_good: bool = False) -> None:
    """Delete the run of a version; for good, as `mlflow gc` does."""
    run = client.get_run(client.get_model_version(DATASET, str(version)).run_id)
    client.delete_run(run.info.run_id)
    if for_good:
        client._tracking_client.store._hard_delete_run(run.info.run_id)
        shutil.rmtree(run.info.artifact_uri.removeprefix("file://"))


def test_an_alias_on_a_version_that_failed_does_not_serve(settings: Settings, client: mlflow.MlflowClient) -> None:
    client.set_registered_model_alias(DATASET, "champion", "3")
    with pytest.raises(ReleaseError, match="its verdict is failed and no override is recorded"):
        Release.load(settings, DATASET)
    assert rollback(settings, DATASET).version == 2
    assert serving(settings) == 2
    assert rollback(settings, DATASET).version == 1  # not to the one that failed


def test_an_override_lets_it_serve(settings: Settings, client: mlflow.MlflowClient) -> None:
    promote(settings, DATASET, 3, override_reason="on purpose")
    assert serving(settings) == 3
    assert rollback(settings, DATASET).version == 2


def test_a_deleted_alias_is_called_that_and_mended(
    settings: Settings, client: mlflow.MlflowClient, artifacts: Path
) -> None:
    client.delete_registered_model_alias(DATASET, "champion")
    with pytest.raises(ReleaseError, match=r"alias was deleted in MLflow. Version 2 served last"):
        Release.load(settings, DATASET)
    assert rollback(settings, DATASET).version == 2
    client.delete_registered_model_alias(DATASET, "champion")
    challenger = register(settings, artifacts)
    seal_as(settings, challenger, against=2)
    promote_challenger(settings, DATASET, challenger)
    assert serving(settings) == challenger
    assert rollback(settings, DATASET).version == 2


def test_a_passed_version_that_was_moved_to_by_hand_is_gone_back_to(
    settings: Settings, client: mlflow.MlflowClient, artifacts: Path
) -> None:
    by_hand, later = (register(settings, artifacts) for _ in range(2))
    for version in (by_hand, later):
        seal_as(settings, version)
    client.set_registered_model_alias(DATASET, "champion", str(by_hand))
    promote(settings, DATASET, later)
    assert [rollback(settings, DATASET).version for _ in range(3)] == [by_hand, 2, 1]


def test_promoting_a_former_champion_takes_back_what_served_after_it(settings: Settings) -> None:
    promote(settings, DATASET, 1)
    assert served(Registry(settings, DATASET)) == (1,)
    with pytest.raises(ReleaseError, match="no version that served before"):
        rollback(settings, DATASET)
    assert serving(settings) == 1


def test_a_rollback_skips_and_names_what_is_broken(settings: Settings, artifacts: Path) -> None:
    third = register(settings, artifacts)
    seal_as(settings, third)
    promote(settings, DATASET, third)
    shutil.rmtree(Registry(settings, DATASET).download(2))
    said: list[str] = []
    assert rollback(settings, DATASET, warn=said.append).version == 1
    assert len(said) == 1
    assert said[0].startswith("version 2 is skipped: shop version 2: the files in")


def test_homes_without_a_history_go_back_by_the_tags_of_the_versions(
    settings: Settings, client: mlflow.MlflowClient
) -> None:
    client.delete_registered_model_tag(DATASET, "gatehouse.served")
    Registry(settings, DATASET).set_tags(2, {"gatehouse.previous_champion": "1"})
    assert rollback(settings, DATASET).version == 1


@pytest.mark.parametrize("for_good", [False, True])
def test_a_version_that_lost_its_run_is_skipped_and_named(
    settings: Settings, client: mlflow.MlflowClient, for_good: bool
) -> None:
    delete_run(client, 1, for_good=for_good)
    for registry in (Registry(settings, DATASET), open_registry(settings, DATASET)):
        listing = registry.listing()
        assert [each.version for each in listing.versions] == [3, 2]
        assert [text.split(":")[0] for text in listing.skipped] == [
            "version 1 has lost its run, which was deleted in MLflow for good"
            if for_good
            else "version 1 has a run that was deleted in MLflow"
        ]
        assert registry.find("key") == 3
    assert serving(settings) == 2
    if for_good:
        with pytest.raises(ReleaseError, match="version 1: its manifest is gone"):
            rollback(settings, DATASET)


def test_a_champion_that_lost_its_run_is_gone_back_from(settings: Settings, client: mlflow.MlflowClient) -> None:
    delete_run(client, 2, for_good=True)
    with pytest.raises(ReleaseError, match="its manifest is gone"):
        Release.load(settings, DATASET)
    assert rollback(settings, DATASET).version == 1
    assert serving(settings) == 1


def test_a_version_that_others_registered_is_skipped_and_named(settings: Settings, client: mlflow.MlflowClient) -> None:
    client.create_model_version(DATASET, source=(settings.home / "elsewhere").as_uri())
    for registry in (Registry(settings, DATASET), open_registry(settings, DATASET)):
        listing = registry.listing()
        assert [each.version for each in listing.versions] == [3, 2, 1]
        assert listing.skipped == ("version 4 was not registered by Gatehouse",)
        assert registry.find("key") == 3
    with pytest.raises(LookupError, match="version 4 is not complete: version 4 was not registered by Gatehouse"):
        Registry(settings, DATASET).summary(4)
    client.set_registered_model_alias(DATASET, "champion", "4")
    with pytest.raises(ReleaseError, match="not sealed"):
        Release.load(settings, DATASET)
    assert rollback(settings, DATASET).version == 2


def test_a_deleted_experiment_is_restored_by_the_next_run(settings: Settings, client: mlflow.MlflowClient) -> None:
    client.delete_experiment(client.get_experiment_by_name(DATASET).experiment_id)
    assert open_registry(settings, DATASET).listing().versions == ()
    assert serving(settings) == 2
    registry = Registry(settings, DATASET)
    with registry.run("towers"):
        pass
    assert [each.version for each in registry.versions()] == [3, 2, 1]


def test_both_listings_are_the_same(settings: Settings) -> None:
    with Registry(settings, DATASET).run("unfinished"):
        quick = open_registry(settings, DATASET)
        assert isinstance(quick, SqliteRegistry)
        assert quick.listing() == Registry(settings, DATASET).listing()
    assert quick.champion() == 2
    assert quick.model_tags() == Registry(settings, DATASET).model_tags()


def test_a_thousand_versions_are_listed_within_a_second(settings: Settings) -> None:
    """CPU seconds: what else runs on the machine does not count."""
    many, metrics = 1_000, 190
    with closing(sqlite3.connect(settings.home / "mlflow" / "mlflow.db")) as database, database:
        model = database.execute("SELECT * FROM model_versions WHERE version = 1").fetchone()
        columns = [each[1] for each in database.execute("PRAGMA table_info(model_versions)")]
        version, run = columns.index("version"), columns.index("run_id")
        for number in range(10, 10 + many):
            row = [f"run{number}" if n == run else number if n == version else each for n, each in enumerate(model)]
            database.execute(f"INSERT INTO model_versions VALUES ({','.join('?' * len(row))})", row)
        database.execute(
            "INSERT INTO runs (run_uuid, status, lifecycle_stage, experiment_id)"
            " SELECT run_id, 'FINISHED', 'active', 1 FROM model_versions WHERE version >= 10"
        )
        tags = ((name, "x", DATASET, 10 + n) for n in range(many) for name in (INPUT_KEY, OUTCOME, MANIFEST_SHA256))
        database.executemany("INSERT INTO model_version_tags (key, value, name, version) VALUES (?, ?, ?, ?)", tags)
        values = ((f"all/metric{m}", 0.5, 0, f"run{10 + n}") for n in range(many) for m in range(metrics))
        insert = "INSERT INTO latest_metrics (key, value, step, is_nan, run_uuid) VALUES (?, ?, ?, 0, ?)"
        database.executemany(insert, values)
    before = time.process_time()
    listing = open_registry(settings, DATASET).listing()
    assert time.process_time() - before < 1
    assert len(listing.versions) == many + 3
    assert len(listing.versions[0].metrics) == metrics
