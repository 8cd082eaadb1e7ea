"""Cleaning: versions behind an old champion, and datasets of any name."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from feature_repo.events.base import write_base
from feature_repo.schema import stored_name
from feature_repo.store.retention import other_schemas
from orchestration import old_runs
from orchestration.cleaning import _is_unkept, clean, plan_cleaning
from orchestration.day_notes import note_day
from orchestration.local.services import is_locked
from orchestration.workspace import Workspace
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry import Registry
from serving.registry.lock import RegistryLock
from serving.release import retention
from serving.release.load import Release
from serving.release.manifest import collection_name
from serving.release.promotion import promote
from serving.release.promotion_lock import LostLockError
from serving.release.retention import pin, unpin
from tests.integration.release_world import (
    DATASET,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)

EXPERIMENT = """
bold:
  start: 2024-06-01
  end: 2024-07-01
  variants: {now: {serves: champion, weight: 1}, third: {serves: 3, weight: 1}}
  shadows: {never_made: 77, second: 2}
"""


def test_what_is_newer_than_an_old_champion_goes_but_for_what_is_needed_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty"))
    artifacts = write_artifacts(tmp_path / "artifacts", schema())
    for outcome in ("passed", "passed", "failed", "failed", "failed"):
        seal_as(settings, register(settings, artifacts), outcome)
    for version in (1, 2):
        promote(settings, DATASET, version)
    former, begun = (settings.home / "data" / DATASET / name for name in ("former", "begun"))
    for folder in (former, begun):
        (folder / "v3").mkdir(parents=True)
    registry = Registry(settings, DATASET)
    pin(registry, 3, "a paper quotes it")
    assert plan_cleaning(settings, DATASET, 1).kept[3] == "pinned: a paper quotes it"
    pin(registry, 3, "two\nlines")
    assert plan_cleaning(settings, DATASET, 1).kept[3] == "pinned: two\\nlines"
    with pytest.raises(LookupError, match="has no version 99"):
        pin(registry, 99, "")
    unpin(registry, 3)
    unpin(registry, 3)  # again: nothing changes
    plan = plan_cleaning(settings, DATASET, 1)
    assert (set(plan.kept), set(plan.versions)) == ({1, 2, 5}, {3, 4})
    assert set(plan.folders) == {former, begun}
    experiments = settings.home / "experiments.yaml"
    experiments.write_text(EXPERIMENT)
    named = plan_cleaning(settings, DATASET, 1)
    assert (list(named.kept), named.versions) == ([5, 3, 2, 1], (4,))
    assert named.kept[3] == "experiment bold names it"
    experiments.unlink()
    # What happens between the plan and its execution.
    promote(settings, DATASET, 4, override_reason="since the plan")
    monkeypatch.setenv("GATEHOUSE_HOME", str(settings.home))
    Workspace(dataset=DATASET).note_begun(begun)
    for _ in range(2):  # another cleaning had the same plan
        clean(settings, plan)
    assert {each.version for each in Registry(settings, DATASET).versions()} == {1, 2, 4, 5}
    with MilvusIndex(settings, Fields(types={})) as index:
        assert index.names() == [collection_name(DATASET, version) for version in (1, 2, 4, 5)]
    assert (former.exists(), begun.exists()) == (False, True)
    with sqlite3.connect(settings.home / "mlflow" / "mlflow.db") as connection:  # all that the removed one logged
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (4,)
        assert connection.execute("SELECT count(DISTINCT run_uuid) FROM metrics").fetchone() == (4,)
    after = plan_cleaning(settings, DATASET, 1)
    assert after.versions == (1,)  # a rollback from 4 goes to 2
    before = bytes_below(settings.home)
    clean(settings, after)
    assert before - bytes_below(settings.home) == pytest.approx(after.bytes, rel=0.1)


def test_what_a_version_needs_whose_run_was_deleted_by_hand_stays(tmp_path: Path) -> None:
    """It serves on, and MLflow deletes the alias with a version."""
    settings = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty"))
    artifacts = write_artifacts(tmp_path / "artifacts", schema())
    for _ in range(3):
        seal_as(settings, register(settings, artifacts))
    promote(settings, DATASET, 1)
    registry = Registry(settings, DATASET)
    registry._client.delete_run(registry._version(1).run_id)
    own, loaded, other = (settings.home / "data" / DATASET / name for name in ("own", "loaded", "other"))
    (own / "v1").mkdir(parents=True)
    for folder in (loaded, other):
        (folder / "source").mkdir(parents=True)
    as_of = datetime(2024, 3, 1)
    write_base(settings.feast_home, DATASET, key="key", folder=loaded / "source", as_of=as_of)
    plan = plan_cleaning(settings, DATASET, 1)
    assert (plan.versions, plan.collections) == ((2,), (collection_name(DATASET, 2),))
    assert plan.folders == (other,)  # the consumer goes on from `loaded`
    assert "set aside" in plan.kept[1]
    clean(settings, plan)
    assert Release.load(settings, DATASET).manifest.version == 1


def test_a_cleaning_whose_lock_is_another_homes_removes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other home may have promoted any of them."""
    settings = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty"))
    artifacts = write_artifacts(tmp_path / "artifacts", schema())
    for _ in range(3):
        seal_as(settings, register(settings, artifacts))
    answers = [True] * 3  # both collections and the first version
    monkeypatch.setattr(RegistryLock, "is_held", lambda _: bool(answers and answers.pop()))
    with pytest.raises(LostLockError):
        clean(settings, plan_cleaning(settings, DATASET, 1))
    assert [each.version for each in Registry(settings, DATASET).versions()] == [3, 1]


def test_a_version_whose_files_cannot_be_deleted_stays_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty"))
    artifacts = write_artifacts(tmp_path / "artifacts", schema())
    for _ in range(2):
        seal_as(settings, register(settings, artifacts))

    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(retention, "shutil", SimpleNamespace(rmtree=refuse))
    with pytest.raises(OSError, match="cannot be deleted, and stays registered"):
        retention.remove(Registry(settings, DATASET), 1)
    assert [each.version for each in Registry(settings, DATASET).versions()] == [2, 1]


def test_the_folders_of_noted_days_stay_until_a_day_is_computed_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty"))
    monkeypatch.setenv("GATEHOUSE_HOME", str(settings.home))
    folders = {name: settings.home / "data" / DATASET / name for name in ("day", "late", "nobody")}
    for folder in folders.values():
        (folder / "training_set").mkdir(parents=True)
    for derived, unneeded in (("day", {"late", "nobody"}), ("late", {"day", "nobody"})):
        note_day(Workspace(dataset=DATASET, past=True).values_folder, "2024-01-09", "digest", folders[derived])
        note_day(Workspace(dataset="another", past=True).values_folder, "2024-01-09", "", tmp_path / "another" / "day")
        assert {each.name for each in plan_cleaning(settings, DATASET, 1).folders} == unneeded


def test_no_rollback_waits_while_old_runs_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand take a minute."""
    settings = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty"))
    deleted: list[bool] = []

    def delete_runs(*_: object) -> None:
        deleted.append(is_locked(settings.home / "promotion.lock"))

    monkeypatch.setattr(old_runs, "delete_runs", delete_runs)
    clean(settings, plan_cleaning(settings, DATASET, 1))
    assert deleted == [False]


def bytes_below(folder: Path) -> int:
    """Size of the files that a cleaning removes; a database keeps its size, and a lock is one of Milvus's."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".db")


def test_a_dataset_in_any_letters_is_cleaned(tmp_path: Path) -> None:
    name = "лавка"
    assert _is_unkept(collection_name(name, 3), name, {1})
    assert not _is_unkept(collection_name(name, 1), name, {1})
    with sqlite3.connect(tmp_path / "registry.db") as connection:
        connection.execute("CREATE TABLE feature_views (feature_view_name TEXT, project_id TEXT)")
        connection.execute("INSERT INTO feature_views VALUES ('profile_0123abcd', ?)", [stored_name(name)])
    assert other_schemas(name, [], tmp_path) == ["0123abcd"]
