"""Promotion and rollback of the champion: one move of one alias.

Whatever can fail comes before: the files, the collection and the features are verified, the history is written. Then
the MLflow alias `champion` moves, which is the commit. Serving resolves this alias only and opens the version's own
collection, so before it the former champion serves, after it the new one, each whole. The Milvus alias, which only
readers outside Gatehouse use, follows the champion (`serving.release.mirror`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from serving.gate.verdict import Outcome
from serving.index.milvus_connection import IndexBusyError
from serving.pt2 import UnsafeArchiveError
from serving.registry import OVERRIDE, Registry
from serving.registry.connection import MlflowAwayError
from serving.registry.lock import RegistryLock
from serving.registry.override import describe_override
from serving.release.freshness import FeatureRule, FeaturesBehindError, check_fresh, check_up_to_date
from serving.release.history import may_serve, predecessors, record, served
from serving.release.judged_twin import judged_twin, stands_beside
from serving.release.load import check_may_serve
from serving.release.manifest import Manifest, ReleaseError, read
from serving.release.mirror import try_to_mirror
from serving.release.promotion_lock import LostLockError, check_held, promotion_lock
from serving.release.wholeness import check_whole
from serving.settings import Settings

logger = logging.getLogger(__name__)
PROMOTED = "gatehouse.promoted"
"""Tag of every version that has been champion, and of the judged twin of such a refit."""


class TakenBackError(ReleaseError):
    """The champion that an update started from was taken back: the update would undo that."""


def promote(
    settings: Settings,
    dataset: str,
    version: int,
    *,
    override_reason: str | None = None,
    features: FeatureRule = check_up_to_date,
) -> Manifest:
    """Make a version the champion.

    A second call changes nothing, or completes an interrupted move.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        version: number of the version.
        override_reason: reason to promote a version that did not pass; it stays with the version.
        features: how old its online features may be.

    Raises:
        FeaturesBehindError: by that rule its online features are to be loaded first.
        ReleaseError: the version is not sealed or did not pass, its files changed, its collection is not whole or
            cannot be verified, or its online features are old. The champion is untouched.
    """
    with promotion_lock(settings, dataset) as lock:
        return _promote(settings, Registry(settings, dataset), version, override_reason, lock, features)


def promote_challenger(settings: Settings, dataset: str, version: int, *, started_from: int | None = None) -> Manifest:
    """Promote a passed version over the champion that it was compared with, or one beside the same judged twin.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        version: number of the version.
        started_from: champion that an update started from; None for what is no update.

    Raises:
        TakenBackError: that champion was taken back meanwhile.
        ReleaseError: as `promote`; also if the champion has moved since the comparison.
    """
    with promotion_lock(settings, dataset) as lock:
        registry = Registry(settings, dataset)
        if started_from is not None and started_from not in (registry.champion(), *served(registry)):
            raise TakenBackError(
                f"{dataset} version {version} is not promoted: version {started_from}, which it updates, was taken back"
                f" meanwhile. `gatehouse promote {version}` promotes it on purpose"
            )
        manifest, champion = read(registry, version), registry.champion()
        against = manifest.against
        # Without a champion, because the alias was deleted, the version mends it.
        if champion not in (None, against, version) and not stands_beside(
            registry, champion, (manifest.judged, against)
        ):
            raise ReleaseError(
                f"{dataset} version {version} is not promoted: it was judged against {_shown(against)}, and now"
                f" {_shown(champion)} serves. Judge another challenger (`gatehouse run --retrain`), or promote this one"
                f" on purpose (`gatehouse promote {version}`)"
            )
        return _promote(settings, registry, version, None, lock)


def rollback(
    settings: Settings,
    dataset: str,
    *,
    serves: int | None = None,
    warn: Callable[[str], None] = logger.warning,
    features: FeatureRule = check_up_to_date,
) -> Manifest:
    """Make the last version that served well before the champion champion again.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        serves: version to go back from; None for whatever is the champion.
        warn: told which versions are skipped, and why.
        features: how old the online features of its target may be.

    Raises:
        FeaturesBehindError: by that rule those of the target are to be loaded first.
        ReleaseError: no version served before, none of them is whole, or another one is to be gone back from. The
            champion is untouched.
    """
    with promotion_lock(settings, dataset) as lock:
        registry = Registry(settings, dataset)
        if serves not in (None, registry.champion()):
            raise ReleaseError(
                f"{dataset} is not rolled back: {_shown(registry.champion())} is champion by now, not version {serves}"
            )
        manifest, skipped = move_to_first_whole(
            settings, registry, predecessors(registry), lock, warn=warn, features=features
        )
        if manifest:
            return manifest
        if skipped:
            raise ReleaseError(f"{dataset} is not rolled back: {'; '.join(skipped)}")
        champion = registry.champion()
        raise ReleaseError(
            f"{dataset} has no version to go back to: {_shown(champion)} serves, and no version that served before it"
            " is recorded. `gatehouse releases` lists all versions, `gatehouse promote VERSION` moves on purpose"
        )


def move_to_first_whole(
    settings: Settings,
    registry: Registry,
    versions: Iterable[int],
    lock: RegistryLock,
    *,
    warn: Callable[[str], None],
    features: FeatureRule = check_fresh,
) -> tuple[Manifest | None, list[str]]:
    """Make the first version that may serve and is whole the champion.

    Args:
        settings: the home and its services.
        registry: registry of the dataset.
        versions: versions to try, in this order.
        lock: the held lock of the champion.
        warn: told which versions are skipped, and why.
        features: how old its online features may be.

    Returns:
        Its manifest, None if there is none; and what was skipped, in words.

    Raises:
        FeaturesBehindError: by that rule those of the first whole one are to be loaded. The champion is untouched.
        LostLockError: another home has taken the lock over. The champion is untouched.
        IndexBusyError, MlflowAwayError, ConnectionError, TimeoutError: a service does not answer. The champion is
            untouched, and the same call can be tried again.
    """
    from mlflow.exceptions import MlflowException

    # Faults of the way to a version, not of the version: to go further back would take this one back for good.
    passing = (LostLockError, FeaturesBehindError, IndexBusyError, MlflowAwayError, ConnectionError, TimeoutError)
    skipped: list[str] = []
    for version in versions:
        try:
            manifest = check_version(settings, registry, version, features)
            move(settings, registry, manifest, lock)
        except passing:
            raise
        # A RuntimeError is a ReleaseError as well, and of a program that cannot be read.
        except (RuntimeError, MlflowException, UnsafeArchiveError, LookupError, OSError) as error:
            skipped.append(f"version {version} is skipped: {error}")
            warn(skipped[-1])
        else:
            return manifest, skipped
    return None, skipped


def check_version(
    settings: Settings, registry: Registry, version: int, features: FeatureRule = check_fresh
) -> Manifest:
    """Verify that a version may serve and is whole.

    Args:
        settings: the home and its services.
        registry: registry of the dataset.
        version: number of the version.
        features: how old its online features may be.

    Raises:
        FeaturesBehindError: by that rule its online features are to be loaded first; all else is whole.
        ReleaseError: it may not, or is not.
        UnsafeArchiveError: a program could run code while being loaded.
        LookupError: there is no such version.
    """
    manifest = read(registry, version)
    check_may_serve(registry, manifest)
    check_whole(settings, registry, manifest, features)
    return manifest


def _promote(
    settings: Settings,
    registry: Registry,
    version: int,
    override_reason: str | None,
    lock: RegistryLock,
    features: FeatureRule = check_fresh,
) -> Manifest:
    manifest = read(registry, version)
    override = _override(manifest, override_reason)
    check_whole(settings, registry, manifest, features)
    if override:
        check_held(lock, registry.dataset)  # else a version that did not pass could be moved to by hand from now on
        registry.set_tags(version, override)
        describe_override(registry, version)
    move(settings, registry, manifest, lock)
    _note_promoted(registry, version)
    return manifest


def _note_promoted(registry: Registry, version: int) -> None:
    """Note that a version has served: no run promotes it again, nor the judged twin that it repeats."""
    for each in (version, judged_twin(registry, version)):
        with suppress(LookupError):  # the twin was removed
            if PROMOTED not in registry.tags(each):
                registry.set_tags(each, {PROMOTED: "true"})


def _shown(champion: int | None) -> str:
    return "no champion" if champion is None else f"version {champion}"


def _override(manifest: Manifest, reason: str | None) -> dict[str, str]:
    """Return the tags that record an override.

    None for a passed version. ReleaseError if it may not be promoted.
    """
    outcome = manifest.verdict.outcome
    if outcome is Outcome.PASSED:
        return {}
    if reason is None or not reason.strip():
        open_reasons = "; ".join(manifest.verdict.unmet)
        raise ReleaseError(
            f"{manifest.dataset} version {manifest.version} is not promoted: its verdict is {outcome.value}"
            f" ({open_reasons}). To promote it all the same, give a reason"
        )
    return {OVERRIDE: reason.strip()}


def move(settings: Settings, registry: Registry, manifest: Manifest, lock: RegistryLock) -> None:
    """Make a verified version the champion.

    Args:
        settings: the home and its services.
        registry: registry of the dataset.
        manifest: manifest of the version.
        lock: the held lock of the champion.

    Raises:
        LostLockError: another home has taken the lock over. The champion is untouched.
    """
    former = registry.champion()
    # Noted here too, for one whose promotion was killed after its commit: no run promotes it again.
    if former is not None and may_serve(registry.tags(former)):
        _note_promoted(registry, former)
    check_held(lock, registry.dataset)  # before the history, which is the other home's by then
    record(registry, manifest.version)
    check_held(lock, registry.dataset)
    registry.set_champion(manifest.version)
    try_to_mirror(settings, registry.dataset)
