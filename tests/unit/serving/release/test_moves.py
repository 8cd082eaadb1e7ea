"""Moves of the champion in a registry in memory: what stops one, what is skipped, what is noted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from feature_repo.errors import OnlineStoreError
from serving.gate.verdict import Outcome, Verdict
from serving.index.milvus_connection import IndexBusyError
from serving.registry import OVERRIDE, PARENT, TRAINING
from serving.registry.connection import MlflowAwayError
from serving.release import promotion
from serving.release.history import record, served
from serving.release.manifest import ReleaseError
from serving.release.promotion import (
    PROMOTED,
    TakenBackError,
    move,
    move_to_first_whole,
    promote_challenger,
)
from serving.release.promotion_lock import LostLockError
from tests.unit.serving.memory_registry import MemoryRegistry

SETTINGS: Any = None


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three versions that passed, of which the third serves after the others."""
    made: Any = MemoryRegistry()
    made.add("passed", "passed", "passed")
    for version in (1, 2, 3):
        record(made, version)
        made.set_champion(version)
    monkeypatch.setattr(promotion, "try_to_mirror", lambda *_: None)
    monkeypatch.setattr(promotion, "check_version", lambda _, __, version, ___: sealed(version))
    return made


def sealed(version: int, **more: Any) -> Any:
    return SimpleNamespace(version=version, **more, verdict=Verdict(Outcome.PASSED, ()))


def lock(*held: bool) -> Any:
    """A lock that answers so, and by the last answer from then on."""
    answers = list(held)
    return SimpleNamespace(name="lock", is_held=lambda: answers.pop(0) if len(answers) > 1 else answers[0])


@pytest.mark.parametrize(("held", "history"), [((False,), (1, 2, 3)), ((True, False), (1,))])
def test_who_lost_the_lock_moves_nothing(registry: Any, held: Sequence[bool], history: tuple[int, ...]) -> None:
    """Nor is the history written, unless the lock was lost while it was."""
    with pytest.raises(LostLockError, match="taken over by another home"):
        move(SETTINGS, registry, sealed(1), lock(*held))
    assert (registry.champion(), served(registry)) == (3, history)


@pytest.mark.parametrize(("back_to", "goes"), [(None, True), (4, False), (5, False)])
def test_an_update_does_not_undo_a_rollback(
    registry: Any, monkeypatch: pytest.MonkeyPatch, back_to: int | None, goes: bool
) -> None:
    """4 served, then its updates 5 and 6; 7 started from 6, and a person went back while it was at work."""
    registry.add("passed")
    registry.add("passed", "passed", "passed", **{TRAINING: "refit", PARENT: "4"})
    monkeypatch.setattr(promotion, "Registry", lambda *_: registry)
    monkeypatch.setattr(promotion, "promotion_lock", lambda *_: nullcontext(lock(True)))
    monkeypatch.setattr(promotion, "read", lambda _, version: sealed(version, judged=4, against=3))
    monkeypatch.setattr(promotion, "check_whole", lambda *_: None)
    for version in (4, 5, 6, *([back_to] if back_to else [])):
        move(SETTINGS, registry, sealed(version), lock(True))
    if goes:
        promote_challenger(SETTINGS, "shop", 7, started_from=6)
    else:
        with pytest.raises(TakenBackError, match="version 6, which it updates, was taken back"):
            promote_challenger(SETTINGS, "shop", 7, started_from=6)
    assert registry.champion() == (7 if goes else back_to)


def test_with_a_refit_its_judged_twin_is_noted_as_promoted(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else, after a rollback from the refit, the same run would promote what it repeats."""
    registry.add("passed")
    registry.add("passed", **{TRAINING: "refit", PARENT: "4"})
    monkeypatch.setattr(promotion, "read", lambda _, version: sealed(version))
    monkeypatch.setattr(promotion, "check_whole", lambda *_: None)
    promotion._promote(SETTINGS, registry, 5, None, lock(True))
    assert [PROMOTED in registry.tags(version) for version in (4, 5)] == [True, True]


def test_a_refit_that_is_left_was_promoted_with_its_judged_twin(registry: Any) -> None:
    """Also one that a person has moved the alias to, or whose twin is gone."""
    registry.add("passed")
    registry.add("passed", **{TRAINING: "refit", PARENT: "4"})
    for gone in (False, True):
        registry.set_champion(5)
        move(SETTINGS, registry, sealed(3), lock(True))
        assert PROMOTED in registry.tags(5) and (gone or PROMOTED in registry.tags(4))
        registry.stored.pop(4, None)


def test_a_lost_lock_is_no_broken_version(registry: Any) -> None:
    told: list[str] = []
    with pytest.raises(LostLockError):
        move_to_first_whole(SETTINGS, registry, (2, 1), lock(False), warn=told.append)
    assert (registry.champion(), served(registry), told) == (3, (1, 2, 3), [])


@pytest.mark.parametrize(
    "error", [IndexBusyError("another process writes"), MlflowAwayError("no answer"), OnlineStoreError("no answer")]
)
def test_a_service_that_does_not_answer_is_no_broken_version(
    registry: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A step further back would take back what only could not be reached."""

    def check(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(promotion, "check_version", check)
    with pytest.raises(type(error)):
        move_to_first_whole(SETTINGS, registry, (2, 1), lock(True), warn=lambda _: None)
    assert (registry.champion(), served(registry)) == (3, (1, 2, 3))


def test_who_lost_the_lock_records_no_override(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.add("failed")
    failed = SimpleNamespace(version=4, dataset="shop", verdict=Verdict(Outcome.FAILED, ()))
    monkeypatch.setattr(promotion, "read", lambda *_: failed)
    monkeypatch.setattr(promotion, "check_whole", lambda *_: None)
    with pytest.raises(LostLockError):
        promotion._promote(SETTINGS, registry, 4, "on purpose", lock(False))
    assert OVERRIDE not in registry.tags(4)


@pytest.mark.parametrize(
    "error",
    [ReleaseError("lost"), MlflowException("not there"), KeyError("gone"), OSError("disk"), RuntimeError("no program")],
)
def test_whatever_is_wrong_with_a_version_the_next_is_tried(
    registry: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def check(_: Any, __: Any, version: int, ___: Any) -> Any:
        if version == 2:
            raise error
        return sealed(version)

    monkeypatch.setattr(promotion, "check_version", check)
    moved, skipped = move_to_first_whole(SETTINGS, registry, (2, 1), lock(True), warn=lambda _: None)
    assert (moved, registry.champion()) == (sealed(1), 1)
    assert len(skipped) == 1 and skipped[0].startswith("version 2 is skipped: ")
