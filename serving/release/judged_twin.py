"""The version whose hold-out answers for another one: of a refit its judged twin."""

from __future__ import annotations

from collections.abc import Mapping

from serving.registry import PARENT, TRAINING, Registry, Training


def is_refit(tags: Mapping[str, str]) -> bool:
    """Whether a version is a refit, by its tags."""
    return tags.get(TRAINING) == Training.REFIT


def judged_twin(registry: Registry, version: int) -> int:
    """Return the judged version that a refit repeats; any other version itself."""
    tags = registry.tags(version)
    return int(tags[PARENT]) if is_refit(tags) else version


def refits_of(registry: Registry, version: int) -> list[int]:
    """List the complete refits of a version, newest first."""
    wanted = str(version)
    return [each.version for each in registry.versions() if is_refit(each.tags) and each.tags.get(PARENT) == wanted]
