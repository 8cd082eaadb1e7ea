"""The update between two releases: which champions have one, and what it does when they were taken back meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from orchestration.defs import updates
from serving.gate.verdict import Outcome, Verdict
from serving.registry import PARENT, TRAINING
from serving.release.history import record
from serving.release.promotion import TakenBackError
from tests.mistakes.mistake import undecorated
from tests.unit.serving.memory_registry import MemoryRegistry


class World:
    """Version 1 passed, its refit 2 serves, and an update makes version 3."""

    def __init__(self) -> None:
        self.registry: Any = MemoryRegistry()
        self.registry.add("passed")
        self.registry.add("passed", "passed", **{TRAINING: "refit", PARENT: "1"})
        record(self.registry, 2)
        self.registry.set_champion(2)
        self.outcomes = {1: Outcome.PASSED}
        self.promoted: list[tuple[int, int]] = []
        self.is_taken_back = False

    def read(self, _: Any, version: int) -> Any:
        verdict = Verdict(self.outcomes.get(version, Outcome.PASSED), ())
        return SimpleNamespace(version=version, judged=1, verdict=verdict, schema_digest="digest")

    def promote(self, _: Any, __: str, version: int, *, started_from: int) -> None:
        if self.is_taken_back:
            raise TakenBackError("taken back")
        self.promoted.append((version, started_from))

    def update(self) -> dict[str, Any]:
        """Metadata of an update."""
        features = Mock(source=SimpleNamespace(dataset="shop"))
        done = undecorated(updates.id_update)(Mock(), Mock(), features, features)
        return dict(done.metadata)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    instead: dict[str, Any] = {
        "require_checked": lambda _: None,
        "Registry": lambda *_: made.registry,
        "read": made.read,
        "check_may_serve": lambda *_: None,
        "nothing_new": lambda *_: None,
        "read_schema": lambda _: SimpleNamespace(digest="digest"),
        "read_policy": lambda _: Mock(),
        "_base": lambda *_: SimpleNamespace(version=2),
        "refit_version": lambda *_: SimpleNamespace(version=3),
        "promote_challenger": made.promote,
    }
    for name, each in instead.items():
        monkeypatch.setattr(updates, name, each)
    return made


def test_an_update_names_the_champion_that_it_started_from(world: World) -> None:
    assert world.update()["version"] == 3
    assert world.promoted == [(3, 2)]


def test_an_update_of_what_was_taken_back_ends_green_and_serves_not(world: World) -> None:
    world.is_taken_back = True
    assert world.update()["champion"] == 2
    assert world.promoted == []


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNDECIDED])
def test_what_serves_by_an_override_is_not_updated(world: World, outcome: Outcome) -> None:
    """The guards would seal the update as passed, though quality passed nowhere."""
    world.outcomes[1] = outcome
    done = world.update()
    assert done["skipped"].startswith(f"no update: version 1, which was judged, is {outcome.value} and serves by an")
    assert (done["champion"], world.promoted) == (2, [])
