"""The MLflow alias is the whole commit of a promotion; the Milvus alias follows it when it can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestration.cleaning import clean, plan_cleaning
from serving.index.base import Fields
from serving.index.collection_file import FILE
from serving.index.milvus import MilvusIndex
from serving.registry import Registry
from serving.registry.sqlite import open_registry
from serving.release.__main__ import main as roll_back_for_page
from serving.release.history import served
from serving.release.load import Release
from serving.release.manifest import ReleaseError, alias_name, collection_name
from serving.release.mirror import mirror_alias
from serving.release.promotion import PROMOTED, promote, rollback
from serving.settings import Settings
from serving.variables import MILVUS
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
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three passed versions of two models, none of which serves."""
    root = tmp_path_factory.mktemp("one_move")
    settings = fresh_home(root / "home", empty_database(root / "empty"))
    models = [write_artifacts(root / name, schema(), slope=slope) for name, slope in (("a", 0.1), ("b", 0.05))]
    for n in range(3):
        seal_as(settings, register(settings, models[n % 2]))
    return settings


@pytest.fixture(autouse=True)
def first_serves(settings: Settings) -> None:
    """Version 1 alone has served before each test."""
    promote(settings, DATASET, 1)
    assert served(Registry(settings, DATASET)) == (1,)


def mirrored(settings: Settings) -> str | None:
    with MilvusIndex(settings, Fields(types={})) as index:
        return index.target(alias_name(DATASET))


def away(settings: Settings) -> Settings:
    return replace(settings, milvus_server="http://127.0.0.1:1")


def raiser(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any) -> None:
        raise error

    return fail


def test_before_the_commit_nothing_has_moved(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Registry, "set_champion", raiser(KeyboardInterrupt()))
        promote(settings, DATASET, 2)
    assert Release.load(settings, DATASET).manifest.version == 1
    assert mirrored(settings) == collection_name(DATASET, 1)
    promote(settings, DATASET, 2)
    assert Release.load(settings, DATASET).manifest.version == 2
    assert rollback(settings, DATASET).version == 1  # the second call did not make it its own predecessor


@pytest.mark.parametrize("error", [RuntimeError("Milvus is ill"), KeyboardInterrupt()])
def test_after_the_commit_nothing_is_undone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The alias for readers outside lags; the mirror repairs it, once."""
    with monkeypatch.context() as patch:
        patch.setattr(MilvusIndex, "point", raiser(error))
        if isinstance(error, Exception):
            assert promote(settings, DATASET, 2).version == 2
        else:
            with pytest.raises(KeyboardInterrupt):
                promote(settings, DATASET, 2)
    assert (open_registry(settings, DATASET).champion(), mirrored(settings)) == (2, collection_name(DATASET, 1))
    assert f"points at {collection_name(DATASET, 2)}, before at" in str(mirror_alias(settings, DATASET))
    assert mirrored(settings) == collection_name(DATASET, 2)
    assert mirror_alias(settings, DATASET) is None


def test_a_champion_moves_while_milvus_is_away(settings: Settings) -> None:
    """Its verified file serves. A rollback cannot wait for Milvus."""
    assert promote(away(settings), DATASET, 2).version == 2
    assert Release.load(settings, DATASET).manifest.version == 2
    assert rollback(away(settings), DATASET).version == 1
    assert served(Registry(settings, DATASET)) == (1,)


def test_what_searches_in_milvus_does_not_move_while_it_is_away(settings: Settings) -> None:
    with pytest.raises(ReleaseError, match=r"would search in Milvus, which is away: Milvus at http://127.0.0.1:1"):
        promote(replace(away(settings), search=MILVUS), DATASET, 2)
    assert (open_registry(settings, DATASET).champion(), served(Registry(settings, DATASET))) == (1, (1,))


def test_without_its_file_no_version_moves(settings: Settings, tmp_path: Path) -> None:
    path = open_registry(settings, DATASET).run_file(2, FILE)
    kept = path.rename(tmp_path / FILE)
    try:
        with pytest.raises(ReleaseError, match="version 2"):
            promote(away(settings), DATASET, 2)
    finally:
        kept.rename(path)
    assert open_registry(settings, DATASET).champion() == 1


def test_a_champion_that_may_not_serve_is_not_mirrored(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(settings, DATASET)
    registry.set_champion(2)
    monkeypatch.setattr("serving.release.mirror.may_serve", lambda tags: False)
    assert mirror_alias(settings, DATASET) is None
    assert mirrored(settings) == collection_name(DATASET, 1)


def test_a_champion_that_is_left_is_known_to_have_served(settings: Settings) -> None:
    """Though its own promotion was killed between the commit and its tag."""
    registry = Registry(settings, DATASET)
    registry.set_champion(3)
    registry._client.delete_model_version_tag(DATASET, "3", PROMOTED) if PROMOTED in registry.tags(3) else None
    assert rollback(settings, DATASET).version == 1
    assert PROMOTED in registry.tags(3)


def test_the_page_goes_back_from_the_version_that_it_shows(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a process of its own. A page that was loaded before another move does not go back by two."""
    monkeypatch.setenv("GATEHOUSE_HOME", str(settings.home))
    promote(settings, DATASET, 2)
    for wanted in ('{"champion": 1}', "version 1 is champion by now, not version 2"):
        roll_back_for_page(DATASET, 2)
        assert wanted in capsys.readouterr().out
    assert open_registry(settings, DATASET).champion() == 1


def test_a_lagging_alias_does_not_stop_a_cleaning(settings: Settings) -> None:
    """Last in this module: it removes a version."""
    for version in (1, 2, 3):
        promote(settings, DATASET, version)
    with MilvusIndex(settings, Fields(types={})) as index:
        index.point(alias_name(DATASET), collection_name(DATASET, 1))
    clean(settings, plan_cleaning(settings, DATASET, 1))
    assert mirrored(settings) == collection_name(DATASET, 3)
    assert [each.version for each in open_registry(settings, DATASET).versions()] == [3, 2]
