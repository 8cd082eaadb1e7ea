"""Homes that share one registry and one index: one of them promotes at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any

import pytest

from serving.registry import Registry
from serving.registry.holder import HOLDER
from serving.registry.lock import TOKEN, UNTIL, RegistryLock
from serving.release import promotion
from serving.release import promotion_lock as lock_module
from serving.release.history import served
from serving.release.manifest import ReleaseError
from serving.release.promotion import promote, promote_challenger
from serving.release.promotion_lock import promotion_lock
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
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Settings]:
    """Two homes with two sealed versions, both judged while nobody served."""
    root = tmp_path_factory.mktemp("homes")
    database = empty_database(root / "template")
    first = fresh_home(root / "first", database)
    shared = {"mlflow_uri": first.mlflow_uri, "milvus_server": first.milvus_uri}
    second = replace(fresh_home(root / "second", database), **shared)
    folder = write_artifacts(root / "artifacts", schema())
    for _ in range(2):
        seal_as(first, register(first, folder))
    return first, second


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "LOCK_SECONDS", 0.1)


def test_of_two_challengers_of_no_champion_one_is_promoted(
    homes: tuple[Settings, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have compared with the champion before either moves the alias, unless one waits for the other."""
    real = promotion.move

    def slow(*arguments: Any) -> None:
        sleep(1)
        real(*arguments)

    monkeypatch.setattr(promotion, "move", slow)
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(promote_challenger, home, DATASET, n) for n, home in enumerate(homes, 1)]
    errors = [each.exception() for each in done]
    champion = Registry(homes[0], DATASET).champion()
    (refused,) = (error for error in errors if error)
    assert isinstance(refused, ReleaseError)
    assert f"judged against no champion, and now version {champion} serves" in str(refused)


def test_another_home_waits_and_names_who_promotes(homes: tuple[Settings, Settings], impatient: None) -> None:
    with promotion_lock(homes[0], DATASET):
        with pytest.raises(ReleaseError, match=f"a promotion of .*:{homes[0].home} has been running"):
            promote(homes[1], DATASET, 1)
        with promotion_lock(homes[1], "another_dataset"):
            pass
    promote(homes[1], DATASET, 1)


def test_a_lock_that_a_killed_process_left_ends(homes: tuple[Settings, Settings], impatient: None) -> None:
    left = RegistryLock(homes[0], DATASET)
    assert left.take() is None
    with pytest.raises(ReleaseError, match="a promotion of"):
        promote(homes[1], DATASET, 1)  # it may be at work in the other home
    promote(homes[0], DATASET, 1)  # in its own home nobody is at work
    assert left.take() is None
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    left._client.set_registered_model_tag(left.name, UNTIL, past)
    promote(homes[1], DATASET, 1)


def test_a_left_lock_that_another_has_replaced_meanwhile_is_left_to_it(
    homes: tuple[Settings, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, ours, theirs = (RegistryLock(homes[number], DATASET) for number in (0, 1, 1))
    assert left.take() is None
    left._client.set_registered_model_tag(left.name, UNTIL, (datetime.now(UTC) - timedelta(seconds=1)).isoformat())
    real = RegistryLock._tags

    def late(lock: RegistryLock) -> dict[str, str]:
        found = real(lock)
        monkeypatch.undo()
        assert theirs.take() is None
        return found

    monkeypatch.setattr(RegistryLock, "_tags", late)
    assert ours.take() == left.holder
    assert theirs.is_held()
    theirs.give_back()


def test_who_lost_the_lock_moves_nothing(
    homes: tuple[Settings, Settings], impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(homes[0], DATASET, 1)
    real = promotion.move

    def late(settings: Settings, registry: Registry, manifest: Any, lock: RegistryLock) -> None:
        for tag, value in ((TOKEN, "another"), (HOLDER, "elsewhere")):
            registry._client.set_registered_model_tag(lock.name, tag, value)
        real(settings, registry, manifest, lock)

    monkeypatch.setattr(promotion, "move", late)
    with pytest.raises(ReleaseError, match="taken over by another home"):
        promote(homes[0], DATASET, 2)
    assert Registry(homes[0], DATASET).champion() == 1
    assert served(Registry(homes[0], DATASET))[-1] == 1
    lock = RegistryLock(homes[0], DATASET)
    assert lock.take() == "elsewhere"  # and the other's lock is left to it
    lock._delete()


def test_a_lock_that_is_given_back_while_mlflow_looks_for_its_holder_is_taken_next(
    homes: tuple[Settings, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    ours, theirs = (RegistryLock(each, DATASET) for each in homes)
    assert theirs.take() is None
    real = SqlAlchemyStore.get_registered_model

    def late(store: SqlAlchemyStore, name: str) -> Any:
        monkeypatch.undo()
        theirs.give_back()
        return real(store, name)

    monkeypatch.setattr(SqlAlchemyStore, "get_registered_model", late)
    assert ours.take() == "another home"
    assert ours.take() is None
    ours.give_back()
