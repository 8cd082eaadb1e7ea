"""Versions that served, kept apart from the alias.

Anybody can move the alias in MLflow.
"""

from __future__ import annotations

from collections.abc import Mapping

from serving.gate.verdict import Outcome
from serving.registry import OUTCOME, OVERRIDE, Registry

SERVED = "gatehouse.served"
"""Tag of the dataset's model: numbers of the versions that served, in order."""
PREVIOUS = "gatehouse.previous_champion"
"""Tag by which each version named its predecessor, before there was a history."""
MOST = 500
"""Length of the history: MLflow cuts a tag at 5,000 characters."""


def served(registry: Registry) -> tuple[int, ...]:
    """List the versions that served, without those that were taken back.

    The last one is the champion, unless the alias was moved by hand.
    """
    kept = registry.model_tags().get(SERVED)
    return _by_previous(registry) if kept is None else tuple(map(int, kept.split()))


def has_moved(registry: Registry) -> bool:
    """Whether the alias points elsewhere than the last recorded move has left it.

    Or a version that may not serve has it where no move was ever recorded.
    """
    champion, history = registry.champion(), registry.model_tags().get(SERVED)
    if history is None:
        return champion is not None and not may_serve(registry.tags(champion))
    return history.split()[-1:] != [str(champion)]


def record(registry: Registry, version: int) -> None:
    """Record that a version is about to serve.

    What served after it before, if it did, is taken back: someone went back to it.
    """
    history, current = served(registry), registry.champion()
    if current in history:
        history = history[: history.index(current) + 1]
    elif current is not None and may_serve(registry.tags(current)):
        history = (*history, current)
    if version in history:
        history = history[: history.index(version)]
    registry.set_model_tags({SERVED: " ".join(map(str, (*history, version)[-MOST:]))})


def predecessors(registry: Registry) -> tuple[int, ...]:
    """List the versions that a rollback may go to, the nearest first."""
    history, current = served(registry), registry.champion()
    before = history[: history.index(current)] if current in history else history
    return before[::-1]


def last_champion(registry: Registry) -> int | None:
    """Return the champion; where its alias was deleted, the version that served last; None if none has served."""
    return registry.champion() or next(iter(predecessors(registry)), None)


def may_serve(tags: Mapping[str, str]) -> bool:
    """Whether the tags of a version let it serve: a passed verdict, or an override."""
    return tags.get(OUTCOME) == Outcome.PASSED or OVERRIDE in tags


def _by_previous(registry: Registry) -> tuple[int, ...]:
    chain: list[int] = []
    version = registry.champion()
    while version and version not in chain:
        chain.append(version)
        version = int(registry.tags(version).get(PREVIOUS) or 0)
    return tuple(reversed(chain))
