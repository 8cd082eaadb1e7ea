"""The release: one verified version, loaded to serve; and the two moves of the champion, promote and roll back.

Two systems cannot flip at once. The Milvus alias moves first, for readers outside Gatehouse; the MLflow alias
`champion` moves last and is the commit. Serving resolves only the MLflow alias and opens the version's own collection,
so between the two, or after a crash there, it still serves the former champion whole; the same command again completes
the move.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from serving.gate.verdict import Outcome
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.pt2 import refuse_code
from serving.registry import OVERRIDE, Registry
from serving.release.load import champion_of, check_collection
from serving.release.manifest import Manifest, ReleaseError, read, verified_files
from serving.settings import Settings

PREVIOUS = "gatehouse.previous_champion"
PROMOTED = "gatehouse.promoted"
"""Set once a version has been champion."""
LOCK_SECONDS = 60


def promote(settings: Settings, dataset: str, version: int, *, override_reason: str | None = None) -> Manifest:
    """Make a version the champion. Doing it again changes nothing, or completes what was interrupted.

    Refused with ReleaseError, the champion untouched: a version that is not sealed or not passed, whose files were
    changed, or whose collection is not whole. `override_reason` lets a version through that did not pass (and only
    that); the reason stays with the version, and `gatehouse releases` shows it.
    """
    with _promotion_lock(settings):
        return _promote(settings, Registry(settings, dataset), version, override_reason)


def promote_challenger(settings: Settings, dataset: str, version: int) -> Manifest:
    """What a run does with a passed version: promote it over the champion that it was compared with, and no other.

    Refused with ReleaseError like `promote`, and also if the champion has moved since: the verdict says nothing of it.
    """
    with _promotion_lock(settings):
        registry = Registry(settings, dataset)
        against, champion = read(registry, version).against, registry.champion()
        if champion not in (against, version):
            raise ReleaseError(
                f"{dataset} version {version} is not promoted: it was judged against {_shown(against)}, and now"
                f" {_shown(champion)} serves. Judge another challenger (`gatehouse run --retrain`), or promote this one"
                f" on purpose (`gatehouse promote {version}`)"
            )
        return _promote(settings, registry, version, None)


def rollback(settings: Settings, dataset: str) -> Manifest:
    """Make the champion's predecessor champion again. ReleaseError if there is none or it is not whole any more."""
    with _promotion_lock(settings):
        registry = Registry(settings, dataset)
        current = champion_of(registry)
        previous = registry.tags(current).get(PREVIOUS)
        if not previous:
            raise ReleaseError(f"{dataset} version {current} is the first champion: there is none to go back to")
        manifest = read(registry, int(previous))
        _check_release(registry, manifest)
        _move(settings, registry, manifest)
        return manifest


def _promote(settings: Settings, registry: Registry, version: int, override_reason: str | None) -> Manifest:
    manifest = read(registry, version)
    override = _override(manifest, override_reason)
    _check_release(registry, manifest)
    previous = registry.champion()
    if previous != version:
        registry.set_tags(version, override | {PREVIOUS: str(previous or "")})
    _move(settings, registry, manifest)
    registry.set_tags(version, {PROMOTED: "true"})
    return manifest


def _shown(champion: int | None) -> str:
    return "no champion" if champion is None else f"version {champion}"


def _override(manifest: Manifest, reason: str | None) -> dict[str, str]:
    """The tags that record an override: none for a passed version. ReleaseError if the version may not be promoted."""
    outcome = manifest.verdict.outcome
    if outcome is Outcome.PASSED:
        return {}
    if reason is None or not reason.strip():
        open_reasons = "; ".join(r for r in manifest.verdict.reasons if not r.startswith(Outcome.PASSED.value))
        raise ReleaseError(
            f"{manifest.dataset} version {manifest.version} is not promoted: its verdict is {outcome.value}"
            f" ({open_reasons}). To promote it all the same, give a reason"
        )
    return {OVERRIDE: reason.strip()}


def _check_release(registry: Registry, manifest: Manifest) -> None:
    files = verified_files(registry.download(manifest.version), manifest)
    for name in (name for name in files if name.endswith(".pt2")):
        refuse_code(files[name], name)


def _move(settings: Settings, registry: Registry, manifest: Manifest) -> None:
    with MilvusIndex(settings, Fields(types={})) as index:
        check_collection(index, manifest)
        index.point(manifest.alias, manifest.collection)
    registry.set_champion(manifest.version)


@contextmanager
def _promotion_lock(settings: Settings) -> Iterator[None]:
    """One promotion or rollback at a time: MLflow has no compare-and-set on aliases."""
    from filelock import FileLock, Timeout

    settings.create_home()
    lock = FileLock(settings.home / "promotion.lock", timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise ReleaseError(f"another promotion has been running for {LOCK_SECONDS} s: try again") from error
    try:
        yield
    finally:
        lock.release()
