"""The lock of a dataset's champion: one move at a time, in this home and among homes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from serving.registry.lock import RegistryLock
from serving.release.manifest import ReleaseError
from serving.settings import Settings

LOCK_SECONDS = 60
RETRY_SECONDS = 0.2


class LostLockError(ReleaseError):
    """Another home has taken the lock over: no further version is tried."""


@contextmanager
def promotion_lock(settings: Settings, dataset: str, seconds: float | None = None) -> Iterator[RegistryLock]:
    """Serialise the moves of a champion: in this home by a file, among homes in the registry.

    Args:
        settings: the home and its services.
        dataset: dataset of the champion.
        seconds: longest wait; None for LOCK_SECONDS.

    Raises:
        ReleaseError: another move has been at work for so long.
    """
    from filelock import FileLock, Timeout

    settings.create_home()
    seconds = LOCK_SECONDS if seconds is None else seconds
    deadline = time.monotonic() + seconds
    try:
        here = FileLock(settings.home / "promotion.lock").acquire(timeout=seconds)
    except Timeout as error:
        raise ReleaseError(f"another promotion has been running for {seconds:g} s: try again") from error
    with here:
        lock = RegistryLock(settings, dataset)
        while holder := lock.take():
            if time.monotonic() > deadline:
                raise ReleaseError(f"a promotion of {holder} has been running for {seconds:g} s: try again")
            time.sleep(RETRY_SECONDS)
        try:
            yield lock
        finally:
            lock.give_back()


def check_held(lock: RegistryLock, dataset: str) -> None:
    """Raise LostLockError if another home has taken a lock over."""
    if not lock.is_held():
        raise LostLockError(f"{lock.name} of {dataset} was taken over by another home: try again")
