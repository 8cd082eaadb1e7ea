"""A rollback brings the features of its target up to date first, and refuses or tells where it cannot."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feature_repo.events.base import read_base
from feature_repo.schema import USER_ID, Entity
from feature_repo.store.store import Store
from feature_repo.tables.other_schema import under_schema
from orchestration.champion_moves import promote_on_purpose, roll_back
from orchestration.forgetting import forget_users
from orchestration.latest_features import compute_latest
from serving.registry import Registry
from serving.registry.sqlite import open_registry
from serving.release.freshness import FeaturesBehindError, age_of
from serving.release.history import SERVED
from serving.release.manifest import ReleaseError
from serving.release.promotion import rollback
from serving.settings import Settings
from tests.integration.behind_world import FORMER, NEWER, TABLES, THEN, answers, before, computed, make_behind
from tests.integration.online_servers import free_port
from tests.integration.release_world import DATASET, NOW


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
    shutil.rmtree(world.home / "events", ignore_errors=True)
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


def test_a_user_who_was_forgotten_since_does_not_come_back(settings: Settings, told: list[str]) -> None:
    """Though a run has left the features of all users in its folder."""
    forgotten, base = TABLES.users[USER_ID][0], read_base(settings.feast_home, DATASET)
    compute_latest(settings, under_schema(base.tables, FORMER), NOW, base.folder.parent / f"online_{FORMER.digest}")
    with closing(settings.open_event_log(DATASET)) as log:
        forget_users(settings, DATASET, log, [forgotten], now=NOW, dry_run=False)
    assert roll_back(settings, DATASET, tell=told.append).version == 1
    known = Store(FORMER, settings.feast_home).known_of_all(Entity.USER)  # in every schema, and that of the seen items
    assert known == set(TABLES.users[USER_ID]) - {forgotten}
    assert age_of(settings, FORMER) is None


def test_a_bucket_that_is_away_keeps_nobody_from_going_back(
    settings: Settings, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    assert roll_back(replace(settings, data="s3://nobodys/data"), DATASET, tell=told.append).version == 1
    assert told == ["the online features of version 1 are loaded first, as of 2024-03-01 00:00:00"]


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
