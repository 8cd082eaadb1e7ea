"""Refits and their judged twins: which answers for which, and which are kept for which."""

from __future__ import annotations

import pytest

from serving.registry import CHAMPION, PARENT, TRAINING, Registry
from serving.registry.tags import BASE
from serving.release.history import record
from serving.release.judged_twin import judged_twin, refits_of, stands_beside
from serving.release.retention import kept_versions
from tests.unit.serving.memory_registry import MemoryRegistry


@pytest.fixture
def registry() -> MemoryRegistry:
    """1, its refits 2 and 3; 4, an update of 1, and its refit 5; 6."""
    made = MemoryRegistry()
    made.add("passed")
    made.add("passed", "passed", **{TRAINING: "refit", PARENT: "1"})
    made.add("passed", **{TRAINING: "update", PARENT: "1"})
    made.add("passed", **{TRAINING: "refit", PARENT: "4"})
    made.add("passed")
    return made


def test_a_refit_is_answered_for_by_its_twin_and_nothing_else_by_another(registry: Registry) -> None:
    assert [judged_twin(registry, version) for version in range(1, 7)] == [1, 1, 1, 4, 4, 6]
    assert (refits_of(registry, 1), refits_of(registry, 4), refits_of(registry, 6)) == ([3, 2], [5], [])


def test_a_kept_refit_keeps_its_twin(registry: MemoryRegistry) -> None:
    for version in (2, 5):
        record(registry, version)  # type: ignore[arg-type]
        registry.alias[CHAMPION] = version
    assert kept_versions(registry, 0) == {  # type: ignore[arg-type]
        5: "alias champion",
        4: "judged twin of version 5",
        2: "a rollback goes to it",
        1: "judged twin of version 2",
    }
    assert list(kept_versions(registry, 1)) == [6, 5, 4, 2, 1]  # type: ignore[arg-type]


def test_a_kept_update_keeps_the_version_that_the_next_one_starts_from(registry: MemoryRegistry) -> None:
    """7 and 8 are updates of the refit 2, which no longer serves, nor is it a way back."""
    registry.add("passed", "passed", **{TRAINING: "refit", PARENT: "1", BASE: "2"})
    for version in (2, 7, 8):
        record(registry, version)  # type: ignore[arg-type]
        registry.alias[CHAMPION] = version
    assert kept_versions(registry, 0) == {  # type: ignore[arg-type]
        8: "alias champion",
        7: "a rollback goes to it",
        2: "base of version 7",
        1: "judged twin of version 2",
    }


def test_updates_are_counted_by_themselves(registry: MemoryRegistry) -> None:
    """Else half an hour's updates would push all releases out."""
    registry.add("passed", "passed", "passed", **{TRAINING: "refit", PARENT: "4", BASE: "5"})
    assert kept_versions(registry, 1) == {  # type: ignore[arg-type]
        9: "one of the newest 1 updates",
        6: "one of the newest 1",
        5: "base of version 9",
        4: "judged twin of version 5",
    }


@pytest.mark.parametrize(
    ("champion", "compared", "beside"),
    [
        (3, (1, 6), True),  # an update came while the challenger was judged against another one of its twin
        (5, (1, 6), False),
        (5, (6, 5), True),
        (1, (1, None), True),  # a refit after its twin
        (None, (1, 6), False),
        (3, (1, 9), True),  # 9, what the twin was compared with, was removed
        (3, (6, 9), False),
        (1, (9, 1), True),
    ],
)
def test_what_stands_beside_the_same_twin_was_compared(
    registry: Registry, champion: int | None, compared: tuple[int | None, ...], beside: bool
) -> None:
    assert stands_beside(registry, champion, compared) is beside
