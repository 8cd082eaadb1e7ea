"""Strategies of a replay: which version each would have served, and what it would have cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestration.replay.record import FULL, Night, last_passed


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to keep a release up to date."""

    name: str
    serves: Callable[[Sequence[Night]], int | None]
    """Version that serves after these nights; None for none."""
    pays: Callable[[int, Night], float]
    """Seconds that it pays of a night, by the number and record of it."""


def _champion(nights: Sequence[Night]) -> int | None:
    return nights[-1].champion


def _full(nights: Sequence[Night]) -> int | None:
    return last_passed(nights, FULL)


def _refitted(nights: Sequence[Night]) -> int | None:
    """Refit of the last full training that passed; without one, that training."""
    for night in reversed(nights):
        if night.kind == FULL and night.outcome == "passed":
            return night.refitted or night.version
    return None


def _first(nights: Sequence[Night]) -> int | None:
    return next((each.version for each in nights if each.kind == FULL and each.outcome == "passed"), None)


def _without_refit(night: Night) -> float:
    return night.seconds - night.refit_seconds


FULL_AND_UPDATES, FULL_AND_REFIT, FULL_ONLY, NEVER = (
    "full + incremental",
    "full + refit",
    "full only",
    "never retrained",
)
STRATEGIES = (
    Strategy(name=FULL_AND_UPDATES, serves=_champion, pays=lambda _, night: night.seconds),
    Strategy(name=FULL_AND_REFIT, serves=_refitted, pays=lambda _, night: night.seconds * (night.kind == FULL)),
    Strategy(name=FULL_ONLY, serves=_full, pays=lambda _, night: _without_refit(night) * (night.kind == FULL)),
    Strategy(name=NEVER, serves=_first, pays=lambda number, night: _without_refit(night) * (number == 0)),
)


def strategies_of(nights: Sequence[Night]) -> list[Strategy]:
    """Strategies that the nights tell of: one of refits only where a full training has one."""
    refits = any(night.refitted for night in nights if night.kind == FULL)
    return [each for each in STRATEGIES if refits or each.name != FULL_AND_REFIT]


def served(nights: Sequence[Night]) -> set[int]:
    """Versions that any strategy serves after these nights."""
    found = {each.serves(nights) for each in STRATEGIES}
    return {number for number in found if number is not None}
