"""Cleaning: versions behind an old champion, and datasets of any name."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from feature_repo.schema import stored_name
from feature_repo.store.retention import other_schemas
from orchestration.cleaning import _is_unkept, clean, plan_cleaning
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry import Registry
from serving.release.manifest import collection_name
from serving.release.promotion import promote
from tests.integration.release_world import (
    DATASET,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)


def test_an_old_champion_does_not_keep_what_is_newer(tmp_path: Path) -> None:
    settings = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty"))
    artifacts = write_artifacts(tmp_path / "artifacts", schema())
    for outcome in ("passed", "passed", "failed", "failed", "failed"):
        seal_as(settings, register(settings, artifacts), outcome)
    for version in (1, 2):
        promote(settings, DATASET, version)
    plan = plan_cleaning(settings, DATASET, 1)
    assert (set(plan.kept), set(plan.versions)) == ({1, 2, 5}, {3, 4})
    clean(settings, plan)
    assert {each.version for each in Registry(settings, DATASET).versions()} == {1, 2, 5}
    with MilvusIndex(settings, Fields(types={})) as index:
        assert index.names() == [collection_name(DATASET, version) for version in (1, 2, 5)]
    after = plan_cleaning(settings, DATASET, 1)
    assert not after.versions + after.collections


def test_a_dataset_in_any_letters_is_cleaned(tmp_path: Path) -> None:
    name = "лавка"
    assert _is_unkept(collection_name(name, 3), name, {1})
    assert not _is_unkept(collection_name(name, 1), name, {1})
    with sqlite3.connect(tmp_path / "registry.db") as connection:
        connection.execute("CREATE TABLE feature_views (feature_view_name TEXT, project_id TEXT)")
        connection.execute("INSERT INTO feature_views VALUES ('profile_0123abcd', ?)", [stored_name(name)])
    assert other_schemas(name, [], tmp_path) == ["0123abcd"]
