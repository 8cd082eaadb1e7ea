"""Lock of a run, which its process holds as long as it lives: it tells a run that was killed from one at work."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feature_repo.whole_file import write_text
from orchestration.local.services import is_locked


def lock_files(home: Path, run: str) -> tuple[Path, Path]:
    """Lock of a run, and the note that names the host of its process."""
    folder = home / "dagster" / "at_work"
    return folder / f"{run}.lock", folder / f"{run}.host"


@contextmanager
def held(home: Path, run: str) -> Iterator[None]:
    """Hold the lock of a run. In a home without a folder of Dagster, whose runs are kept elsewhere, there is none."""
    if not (home / "dagster").is_dir():
        yield
        return
    from filelock import FileLock

    lock, host = lock_files(home, run)
    lock.parent.mkdir(exist_ok=True)
    try:
        with FileLock(lock):
            # Written under the lock and deleted under it: only a kill leaves it beside a free lock.
            write_text(host, platform.node())
            try:
                yield
            finally:
                host.unlink(missing_ok=True)
    finally:
        lock.unlink(missing_ok=True)


def was_killed(home: Path, run: str) -> bool:
    """Whether the process of a run began on this host and is gone without having ended.

    Of a run on another host nothing is said: a lock on a shared disk may not be seen from here.
    """
    lock, host = lock_files(home, run)
    # The note before the lock, since a run may be beginning now, and after it, since it may be ending.
    return _is_of_here(host) and not is_locked(lock) and _is_of_here(host)


def _is_of_here(host: Path) -> bool:
    try:
        return host.read_text(encoding="utf-8") == platform.node()
    except FileNotFoundError:
        return False
