"""The history of champions, and what is kept for a way back."""

from __future__ import annotations

import pytest

from serving.registry import OUTCOME, OVERRIDE, PARENT, TRAINING
from serving.release.history import SERVED, may_serve, predecessors, record, served
from serving.release.retention import PINNED, kept_versions
from tests.unit.serving.memory_registry import MemoryRegistry


def serve(registry: MemoryRegistry, *versions: int) -> None:
    for version in versions:
        record(registry, version)  # type: ignore[arg-type]
        registry.set_champion(version)


@pytest.fixture
def registry() -> MemoryRegistry:
    """Six versions, of which the fourth failed."""
    registry = MemoryRegistry()
    registry.add("passed", "passed", "passed", "failed", "passed", "passed")
    return registry


@pytest.mark.parametrize(
    ("moves", "history", "back"),
    [
        ((1,), (1,), ()),
        ((1, 2, 3), (1, 2, 3), (2, 1)),
        ((1, 2, 2), (1, 2), (1,)),
        ((1, 2, 3, 1), (1,), ()),
        ((1, 2, 3, 2, 5), (1, 2, 5), (2, 1)),
    ],
)
def test_going_back_takes_back_what_served_after(
    registry: MemoryRegistry, moves: tuple[int, ...], history: tuple[int, ...], back: tuple[int, ...]
) -> None:
    serve(registry, *moves)
    assert served(registry) == history  # type: ignore[arg-type]
    assert predecessors(registry) == back  # type: ignore[arg-type]


@pytest.mark.parametrize(("by_hand", "history"), [(3, (1, 2, 3, 5)), (4, (1, 2, 5)), (1, (1, 5))])
def test_a_version_that_was_moved_to_by_hand_served_only_if_it_may(
    registry: MemoryRegistry, by_hand: int, history: tuple[int, ...]
) -> None:
    serve(registry, 1, 2)
    registry.set_champion(by_hand)
    serve(registry, 5)
    assert served(registry) == history  # type: ignore[arg-type]


def test_from_a_foreign_champion_the_way_back_is_the_last_that_served(registry: MemoryRegistry) -> None:
    serve(registry, 1, 2)
    registry.set_champion(4)
    assert predecessors(registry) == (2, 1)  # type: ignore[arg-type]


def test_a_long_history_keeps_its_end(registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.release.history.MOST", 3)
    serve(registry, 1, 2, 3, 5, 6)
    assert registry.model[SERVED] == "3 5 6"


def test_a_verdict_or_an_override_lets_a_version_serve() -> None:
    assert may_serve({OUTCOME: "passed"})
    assert may_serve({OUTCOME: "failed", OVERRIDE: "on purpose"})
    assert not any(may_serve(tags) for tags in ({}, {OUTCOME: "failed"}, {OUTCOME: "undecided"}))


def test_what_is_kept_and_why(registry: MemoryRegistry) -> None:
    serve(registry, 1, 2)
    registry.alias["canary"] = 4
    registry.stored[3][PINNED] = "a paper quotes it"
    assert kept_versions(registry, 1) == {  # type: ignore[arg-type]
        6: "one of the newest 1",
        4: "alias canary",
        3: "pinned: a paper quotes it",
        2: "alias champion",
        1: "a rollback goes to it",
    }


def test_a_way_back_that_may_not_serve_is_none(registry: MemoryRegistry) -> None:
    serve(registry, 1, 2, 3)
    registry.stored[2][OUTCOME] = "failed"
    assert set(kept_versions(registry, 1)) == {6, 3, 1}  # type: ignore[arg-type]


def test_a_version_whose_run_was_deleted_by_hand_stays_with_what_it_needs(registry: MemoryRegistry) -> None:
    """3 is pinned and not usable now, nor is 5, the champion, which is a refit of 1; a rollback goes to 2."""
    registry.add("passed")
    registry.stored[5] |= {TRAINING: "refit", PARENT: "1"}
    serve(registry, 2, 5)
    registry.set_tags(3, {PINNED: ""})
    registry.aside = {3, 5}
    assert kept_versions(registry, 1) == {  # type: ignore[arg-type]
        7: "one of the newest 1",
        5: "set aside: `gatehouse releases` says why",
        3: "set aside: `gatehouse releases` says why",
        2: "a rollback goes to it",
        1: "judged twin of version 5",
    }
