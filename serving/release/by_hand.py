"""Moves of the champion by hand in MLflow: noticed, then followed or put back.

Serving refuses a version that may not serve, whoever moved the alias. Until the alias is right again, though, no
service of the dataset could start, and no challenger be compared.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from serving.pt2 import UnsafeArchiveError
from serving.registry import Registry
from serving.registry.lock import RegistryLock
from serving.registry.override import override_of
from serving.registry.sqlite import open_registry
from serving.release.history import has_moved, record, served
from serving.release.manifest import ReleaseError
from serving.release.mirror import try_to_mirror
from serving.release.promotion import PROMOTED, check_version, move_to_first_whole
from serving.release.promotion_lock import check_held, promotion_lock
from serving.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class HandMove:
    """A move that no command made, and what came of it."""

    dataset: str
    before: int | None
    """Version that served last by the history; None if none is recorded."""
    found: int | None
    """Version that the alias was found at; None if the alias was deleted."""
    champion: int | None
    """Version that has the alias now."""
    problem: str | None = None
    """Why the found version may not serve; None if it was followed."""
    override: str | None = None
    """Reason by which the champion serves against the gate; None without one."""

    @property
    def is_mended(self) -> bool:
        """Whether a version that may serve has the alias now."""
        return self.problem is None or self.champion != self.found

    def subject(self) -> str:
        """Say what happened, in a line."""
        # A command that was killed between its history and its commit leaves the same.
        found = f"moved to version {self.found} by hand, or by a command that was killed" if self.found else "deleted"
        made = "followed" if self.problem is None else f"put back to version {self.champion}"
        return f"{self.dataset}: the champion's alias was {found}: {made if self.is_mended else 'cannot be put back'}"

    def text(self) -> str:
        """Say why, and what to do."""
        before = f"Version {self.before} served before." if self.before else "No version is known to have served."
        if self.problem is None:
            by = f" by an override ({self.override})" if self.override else ""
            return f"{before} Version {self.found} may serve{by} and is whole: it is recorded in the history."
        way = (
            "`gatehouse promote` moves the champion on purpose, `gatehouse rollback` goes back."
            if self.is_mended
            else "No version that served is whole: `gatehouse doctor` names what is wrong with each."
        )
        return f"{before} {self.problem}. {way}"


def unsettled(settings: Settings, dataset: str) -> str | None:
    """Describe a move that is to be settled, by the found version and the history; None if there is none."""
    registry = open_registry(settings, dataset)
    return f"version {registry.champion()} after {served(registry)}" if has_moved(registry) else None


def settle(settings: Settings, dataset: str, seconds: float | None = None) -> HandMove | None:
    """Follow a move by hand to a version that may serve; put any other back to the last good one.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        seconds: longest wait for another move of the champion; None for that of `promotion_lock`.

    Returns:
        The move; None if there was none. Without one nothing but the registry is read.

    Raises:
        ReleaseError: another move of the champion has been at work for so long.
        OSError: files of a version cannot be read now; nothing has moved.
    """
    if not has_moved(open_registry(settings, dataset)):
        return None
    with promotion_lock(settings, dataset, seconds) as lock:
        registry = Registry(settings, dataset)
        # A promotion records before it commits: it may have been between the two.
        return _settled(settings, registry, lock) if has_moved(registry) else None


def _settled(settings: Settings, registry: Registry, lock: RegistryLock) -> HandMove:
    history, found = served(registry), registry.champion()
    before = history[-1] if history and history[-1] != found else None
    problem = _problem(settings, registry, found)
    if found is not None and problem is None:
        check_held(lock, registry.dataset)  # the history is another home's by then
        record(registry, found)
        registry.set_tags(found, {PROMOTED: "true"})
        try_to_mirror(settings, registry.dataset)
        override = override_of(registry, found)
        return HandMove(dataset=registry.dataset, before=before, found=found, champion=found, override=override)
    good = [version for version in history[::-1] if version != found]
    put_back, _ = move_to_first_whole(settings, registry, good, lock, warn=logger.warning)
    champion = put_back.version if put_back else found
    return HandMove(
        dataset=registry.dataset,
        before=before,
        found=found,
        champion=champion,
        problem=problem,
        override=override_of(registry, champion),
    )


def _problem(settings: Settings, registry: Registry, version: int | None) -> str | None:
    """Why a version may not serve; None if it may."""
    if version is None:
        return "Without the alias nothing serves"
    try:
        check_version(settings, registry, version)
    except (ReleaseError, UnsafeArchiveError, LookupError) as error:
        return str(error)
    return None
