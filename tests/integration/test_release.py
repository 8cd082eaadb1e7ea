"""Sealing, loading, promoting and rolling back, on real MLflow and Milvus Lite."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serving.gate.verdict import Outcome
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.pt2 import UnsafeArchiveError
from serving.registry import OUTCOME, OVERRIDE, Registry
from serving.release import promotion_lock as lock_module
from serving.release.load import Release
from serving.release.manifest import MANIFEST, MANIFEST_SHA256, ReleaseError, collection_name, read
from serving.release.promotion import promote, promote_challenger, rollback
from serving.settings import Settings
from tests.integration.release_world import (
    DATASET,
    ITEMS,
    NOW,
    USERS,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_database(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two different models."""
    root = tmp_path_factory.mktemp("artifacts")
    return write_artifacts(root / "a", schema()), write_artifacts(root / "b", schema(), slope=0.05)


@pytest.fixture
def settings(tmp_path: Path, database: Path) -> Settings:
    return fresh_home(tmp_path / "home", database)


def alias(settings: Settings) -> str | None:
    with MilvusIndex(settings, Fields(types={})) as index:
        return index.target(f"{DATASET}_items")


def champion(settings: Settings) -> int | None:
    return Registry(settings, DATASET).champion()


def test_a_sealed_version_loads_whole(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    manifest = seal_as(settings, register(settings, artifacts[0]))
    release = Release.load(settings, DATASET, 1)
    assert release.manifest == manifest
    assert (manifest.item_count, manifest.dim, manifest.collection) == (40, 2, "shop_items_v1")
    assert manifest.metrics == {"all/recall@20": 0.5, "all/cold_users/recall@20": None}
    assert manifest.schema_digest == release.schema.digest == schema().digest
    assert release.popular[0] == ("toys05", 9)
    np.testing.assert_allclose(release.embed_users(USERS), [[1, 0], [0, 1], [1, 0]], atol=1e-6)
    np.testing.assert_allclose(release.embed_items(ITEMS[:1]), release.embed_items(ITEMS)[:1], atol=1e-6)


def test_sealing_twice_is_sealing_once(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    version = register(settings, artifacts[0])
    assert seal_as(settings, version) == seal_as(settings, version) == read(Registry(settings, DATASET), version)
    with pytest.raises(ReleaseError, match=r"sealed with another (metrics|verdict)"):
        seal_as(settings, version, "failed")
    assert Registry(settings, DATASET).tags(version)[OUTCOME] == "passed"


def test_nothing_but_a_passed_verdict_is_promoted(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    good, failed, undecided, unsealed = (register(settings, artifacts[n % 2]) for n in range(4))
    seal_as(settings, good)
    seal_as(settings, failed, "failed")
    seal_as(settings, undecided, "undecided")
    with pytest.raises(ReleaseError, match="no champion yet"):
        Release.load(settings, DATASET)
    promote(settings, DATASET, good)
    for version, problem in ((failed, "verdict is failed"), (undecided, "is undecided"), (unsealed, "not sealed")):
        with pytest.raises(ReleaseError, match=problem):
            promote(settings, DATASET, version)
        with pytest.raises(ReleaseError):
            promote(settings, DATASET, version, override_reason="  " if version != unsealed else "a real reason")
        assert (champion(settings), alias(settings)) == (good, "shop_items_v1")
    with pytest.raises(LookupError, match="no version 9"):
        promote(settings, DATASET, 9)


def test_an_override_is_recorded(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    version = register(settings, artifacts[0])
    seal_as(settings, version, "failed")
    promote(settings, DATASET, version, override_reason="the baseline's data was broken")
    (summary,) = Registry(settings, DATASET).versions()
    assert summary.tags[OVERRIDE] == "the baseline's data was broken"
    assert (summary.champion, summary.outcome) == (True, "failed")


def test_an_override_is_shown_with_the_version(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    failed, passed = register(settings, artifacts[0]), register(settings, artifacts[1])
    seal_as(settings, failed, "failed")
    seal_as(settings, passed)
    for reason in ("<b>why</b>\nnot?", "<b>why</b>\nnot?", "another"):
        promote(settings, DATASET, failed, override_reason=reason)
    promote(settings, DATASET, passed, override_reason="nobody asked")
    client = Registry(settings, DATASET)._client
    said = [client.get_model_version(DATASET, str(version)).description or "" for version in (failed, passed)]
    line = "Promoted against the gate, by an override:"
    assert said == [f"{line} &lt;b&gt;why&lt;/b&gt; not?\n\n{line} another", ""]
    overrides = [Release.load(settings, DATASET, version).override for version in (failed, passed)]
    assert overrides == ["another", None]


@pytest.mark.parametrize(
    "tags",
    [{OUTCOME: "passed"}, {OUTCOME: "passed", MANIFEST_SHA256: "0" * 64}],
)
def test_a_tag_alone_does_not_make_it_pass(
    settings: Settings, artifacts: tuple[Path, Path], tags: dict[str, str]
) -> None:
    version = register(settings, artifacts[0])
    seal_as(settings, version, "failed")
    Registry(settings, DATASET).set_tags(version, tags)
    with pytest.raises(ReleaseError, match=r"the tag says 'passed'|differs from the tag"):
        promote(settings, DATASET, version)
    with pytest.raises(ReleaseError):
        Release.load(settings, DATASET, version)
    assert champion(settings) is None


def test_a_tampered_manifest_is_refused(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    version = register(settings, artifacts[0])
    manifest = seal_as(settings, version)
    Registry(settings, DATASET).write_text(version, MANIFEST, replace(manifest, item_count=41).to_json())
    with pytest.raises(ReleaseError, match="manifest was changed"):
        Release.load(settings, DATASET, version)


def test_the_manifest_of_another_version_is_refused(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    first, second = register(settings, artifacts[0]), register(settings, artifacts[1])
    manifest = seal_as(settings, first)
    seal_as(settings, second, "failed")
    registry = Registry(settings, DATASET)
    registry.write_text(second, MANIFEST, manifest.to_json())
    registry.set_tags(second, {OUTCOME: "passed", MANIFEST_SHA256: registry.tags(first)[MANIFEST_SHA256]})
    with pytest.raises(ReleaseError, match="is that of shop version 1"):
        promote(settings, DATASET, second)


@pytest.mark.parametrize(
    "name", ["popular.json", "user_tower.pt2", "checkpoint.safetensors", "added", "item_encoder.json"]
)
def test_a_tampered_file_is_refused(settings: Settings, artifacts: tuple[Path, Path], name: str) -> None:
    version = register(settings, artifacts[0])
    seal_as(settings, version)
    path = Registry(settings, DATASET).download(version) / name
    if name == "item_encoder.json":
        path.unlink()
    else:
        path.write_bytes((path.read_bytes() if path.exists() else b"") + b" ")
    for use in (Release.load, promote):
        with pytest.raises(ReleaseError, match=name):
            use(settings, DATASET, version)
    assert champion(settings) is None


def test_a_sealed_archive_with_a_pickle_is_refused(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    """Hashes say who made it; this says that even its maker cannot run code in the server."""
    import zipfile

    version = register(settings, artifacts[0])
    path = Registry(settings, DATASET).download(version) / "user_tower.pt2"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = next(name for name in members if name.endswith("model_weights_config.json"))
    entries = json.loads(members[config])
    next(iter(entries["config"].values()))["use_pickle"] = True
    members[config] = json.dumps(entries).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    seal_as(settings, version)
    for use in (Release.load, promote):
        with pytest.raises(UnsafeArchiveError, match="use_pickle"):
            use(settings, DATASET, version)
    assert champion(settings) is None


def test_an_incomplete_collection_is_not_promoted(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    version = register(settings, artifacts[0])
    seal_as(settings, version)
    with MilvusIndex(settings, Fields(types={})) as index:
        index._client.delete(collection_name(DATASET, version), filter='item_id == "food00"')
    with pytest.raises(ReleaseError, match=r"holds 39 items .* 40 items"):
        promote(settings, DATASET, version)
    with MilvusIndex(settings, Fields(types={})) as index:
        index.drop(collection_name(DATASET, version))
    with pytest.raises(ReleaseError, match="holds nothing"):
        promote(settings, DATASET, version)
    assert (champion(settings), alias(settings)) == (None, None)


def test_a_challenger_replaces_only_the_champion_it_was_compared_with(
    settings: Settings, artifacts: tuple[Path, Path]
) -> None:
    """Two first runs at once: both are judged while nobody serves, and the second must not push the first aside."""
    first, second, third = (register(settings, artifacts[n % 2]) for n in range(3))
    seal_as(settings, first, against=None)
    seal_as(settings, second, against=None)
    seal_as(settings, third, against=first)
    promote_challenger(settings, DATASET, first)
    with pytest.raises(ReleaseError, match="judged against no champion, and now version 1 serves"):
        promote_challenger(settings, DATASET, second)
    assert (champion(settings), alias(settings)) == (first, "shop_items_v1")
    promote_challenger(settings, DATASET, third)
    promote_challenger(settings, DATASET, third)  # again: nothing changes
    assert champion(settings) == third
    promote(settings, DATASET, second)  # on purpose it goes
    assert champion(settings) == second


def test_rollback_goes_back_one_champion_at_a_time(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    versions = [register(settings, artifacts[n % 2]) for n in range(3)]
    for version in versions:
        seal_as(settings, version)
        promote(settings, DATASET, version)
    for version in (2, 1):
        assert rollback(settings, DATASET).version == version
        assert (champion(settings), alias(settings)) == (version, f"shop_items_v{version}")
    with pytest.raises(ReleaseError, match="no version to go back to"):
        rollback(settings, DATASET)
    assert champion(settings) == 1


def test_rollback_refuses_a_predecessor_that_is_gone(settings: Settings, artifacts: tuple[Path, Path]) -> None:
    for n in range(2):
        version = register(settings, artifacts[n])
        seal_as(settings, version)
        promote(settings, DATASET, version)
    shutil.rmtree(Registry(settings, DATASET).download(1))
    with pytest.raises(ReleaseError, match="missing"):
        rollback(settings, DATASET)
    assert (champion(settings), alias(settings)) == (2, "shop_items_v2")


def test_promotions_wait_for_each_other(
    settings: Settings, artifacts: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    seal_as(settings, register(settings, artifacts[0]))
    held, short = FileLock(settings.home / "promotion.lock"), lock_module.promotion_lock(settings, DATASET, 0.05)
    with held, pytest.raises(ReleaseError, match=r"running for 0\.05 s"), short:
        pass
    monkeypatch.setattr(lock_module, "LOCK_SECONDS", 0.1)
    with FileLock(settings.home / "promotion.lock"), pytest.raises(ReleaseError, match=r"another .* for 0\.1 s"):
        promote(settings, DATASET, 1)
    assert promote(settings, DATASET, 1).verdict.outcome is Outcome.PASSED
    assert read(Registry(settings, DATASET), 1).created == NOW
