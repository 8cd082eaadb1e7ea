"""The version whose hold-out answers for another one: of a refit its judged twin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from serving.registry import PARENT, TRAINING, Registry, Training


def is_refit(tags: Mapping[str, str]) -> bool:
    """Whether a version is a refit, by its tags."""
    return tags.get(TRAINING) == Training.REFIT


def judged_twin(registry: Registry, version: int) -> int:
    """Return the judged version that a refit repeats; any other version itself."""
    tags = registry.tags(version)
    return int(tags[PARENT]) if is_refit(tags) else version


def stands_beside(registry: Registry, champion: int | None, compared: Iterable[int | None]) -> bool:
    """Whether a champion stands beside the judged twin of what a version was compared with, or of itself.

    Args:
        registry: the registry.
        champion: what serves.
        compared: the versions, of which None is none.
    """
    if champion is None:
        return False
    twin = judged_twin(registry, champion)
    return any(twin == _known_twin(registry, version) for version in compared if version is not None)


def _known_twin(registry: Registry, version: int) -> int:
    """Return the judged twin of a version; the version itself where it was removed."""
    try:
        return judged_twin(registry, version)
    except LookupError:  # nothing keeps what a twin was once compared with
        return version


def refits_of(registry: Registry, version: int) -> list[int]:
    """List the complete refits of a version, newest first."""
    wanted = str(version)
    return [each.version for each in registry.versions() if is_refit(each.tags) and each.tags.get(PARENT) == wanted]
