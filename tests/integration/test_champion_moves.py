"""A rollback brings the features of its target up to date first, and refuses or tells where it cannot."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feature_repo.store.store import Store
from orchestration.champion_moves import promote_on_purpose, roll_back
from serving.registry import Registry
from serving.registry.sqlite import open_registry
from serving.release.freshness import FeaturesBehindError, age_of
from serving.release.history import SERVED
from serving.release.manifest import ReleaseError
from serving.release.promotion import rollback
from serving.settings import Settings
from tests.integration.behind_world import FORMER, NEWER, TABLES, THEN, answers, before, computed, make_behind
from tests.integration.release_world import DATASET


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_behind(tmp_path_factory.mktemp("behind"))


@pytest.fixture
def settings(world: Settings, tmp_path: Path) -> Any:
    """The home as it was before each test: its champion, its online features, its data."""
    for name in ("feast", "data"):
        shutil.copytree(world.home / name, tmp_path / name)
    yield world
    for name in ("feast", "data"):
        shutil.rmtree(world.home / name)
        shutil.copytree(tmp_path / name, world.home / name)
    registry = Registry(world, DATASET)
    registry.set_champion(2)
    registry.set_model_tags({SERVED: "1 2"})


@pytest.fixture
def told() -> list[str]:
    return []


MOVES: list[Callable[..., Any]] = [
    lambda settings, **options: roll_back(settings, DATASET, **options),
    lambda settings, **options: promote_on_purpose(settings, DATASET, 1, **options),
]


@pytest.mark.parametrize("move", MOVES)
def test_the_champion_gone_back_to_answers_by_the_newest_data(
    settings: Settings, told: list[str], move: Callable[..., Any]
) -> None:
    wanted = computed(settings, 1, TABLES)
    assert wanted != computed(settings, 1, before(TABLES, THEN))
    assert move(settings, tell=told.append).version == 1
    assert answers(settings) == (1, wanted)
    assert told == ["the online features of version 1 are loaded first, as of 2024-03-01 00:00:00"]
    assert age_of(settings, FORMER) is None


def test_what_is_up_to_date_is_not_loaded(settings: Settings, told: list[str]) -> None:
    roll_back(settings, DATASET, tell=told.append)
    told.clear()
    promote_on_purpose(settings, DATASET, 2, tell=told.append)
    roll_back(settings, DATASET, tell=told.append)
    assert told == []


def test_the_page_loads_nothing_and_says_which_command_does(settings: Settings) -> None:
    with pytest.raises(FeaturesBehindError, match=r"version 1 has old features: .*`gatehouse rollback`"):
        rollback(settings, DATASET, serves=2)
    assert (open_registry(settings, DATASET).champion(), age_of(settings, NEWER)) == (2, None)


def test_at_once_is_with_old_features_and_says_so(settings: Settings, told: list[str]) -> None:
    assert roll_back(settings, DATASET, old_features=True, tell=told.append).version == 1
    (text,) = told
    assert "version 1 answers with old features: its online features stand for 2024-02-20" in text
    assert age_of(settings, FORMER) is not None


def test_without_the_data_it_is_refused_with_the_way_out(settings: Settings, told: list[str]) -> None:
    shutil.rmtree(settings.home / "data" / DATASET / "input" / "source")
    with pytest.raises(ReleaseError, match=r"would serve old features: .* `gatehouse run` loads"):
        roll_back(settings, DATASET, tell=told.append)
    assert told[0].startswith("the online features of version 1 stay as they are: ")
    assert open_registry(settings, DATASET).champion() == 2
    patient = replace(settings, features_behind_days=10)
    assert roll_back(patient, DATASET, tell=told.append).version == 1


def test_killed_during_the_load_nothing_has_moved(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    former, real = answers(settings), Store.load_online

    def killed(store: Store, *arguments: Any) -> int:
        real(store, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "load_online", killed)
    with pytest.raises(KeyboardInterrupt):
        roll_back(settings, DATASET, tell=lambda _: None)
    assert answers(settings) == former
    monkeypatch.setattr(Store, "load_online", real)
    assert roll_back(settings, DATASET, tell=lambda _: None).version == 1


def test_a_night_that_promotes_during_the_load_is_not_gone_back_from(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Store.load_online

    def meanwhile(store: Store, *arguments: Any) -> int:
        Registry(settings, DATASET).set_champion(1)
        return real(store, *arguments)

    monkeypatch.setattr(Store, "load_online", meanwhile)
    with pytest.raises(ReleaseError, match="version 1 is champion by now, not version 2"):
        roll_back(settings, DATASET, tell=lambda _: None)
