"""Log of exposures: an SQLite file of its own beside the event log.

It is no part of the event log: an impression has one item, an exposure a whole answer
with its variant; and clients report impressions of what a person really saw.

Commits survive the end of the process. A loss of power may take the last ones away:
that costs some answers of each variant alike, and no fsync delays the service.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from feature_repo.events.sqlite_file import FileKind, prepare
from serving.experiments.exposure import Exposure

TABLE = """
CREATE TABLE IF NOT EXISTS exposures (number INTEGER PRIMARY KEY, experiment TEXT NOT NULL, user_id TEXT NOT NULL,
request_id TEXT NOT NULL, line TEXT NOT NULL, UNIQUE (experiment, user_id, request_id));
"""
INSERT = "INSERT OR IGNORE INTO exposures (experiment, user_id, request_id, line) VALUES (?, ?, ?, ?)"
READ = "SELECT line FROM exposures WHERE experiment = ? ORDER BY number"
WAIT_SECONDS = 5.0
"""Longest wait for another process that writes."""


class ExposureLogError(RuntimeError):
    """Log that cannot be written or read."""


KIND = FileKind(name="log of exposures", format=1, tables=TABLE, failed=ExposureLogError, busy=ExposureLogError)


class ExposureLog:
    """Exposures of one dataset in a file, for many processes and one thread at a time.

    Args:
        path: the file; made if missing.
        is_shared: whether several hosts share the file.

    Raises:
        ExposureLogError: the file cannot be opened, or is no log of exposures.
    """

    def __init__(self, path: Path, *, is_shared: bool = False) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with _explained(path):
            prepare(path, KIND, is_shared=is_shared)
            self._connection = sqlite3.connect(path, timeout=WAIT_SECONDS, check_same_thread=False)

    def keep(self, exposures: Sequence[Exposure]) -> int:
        """Keep exposures and count the new ones.

        The first answer to a user in a request counts. A request that a client sends
        again has the same id, and so has one answer.
        """
        rows = [(each.experiment, each.user_id, each.request_id, each.to_json()) for each in exposures]
        with _explained(self.path), self._connection:
            return self._connection.executemany(INSERT, rows).rowcount

    def lines(self, experiment: str) -> list[str]:
        """Exposures of an experiment as JSON, in the order of their arrival."""
        with _explained(self.path):
            return [line for (line,) in self._connection.execute(READ, (experiment,))]

    def forget(self, user_id: str) -> int:
        """Delete the exposures of a user for good, and count them."""
        with _explained(self.path):
            self._connection.execute("PRAGMA secure_delete = ON")
            with self._connection:
                count = self._connection.execute("DELETE FROM exposures WHERE user_id = ?", (user_id,)).rowcount
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # no byte stays beside the file
        return count

    def count(self, user_id: str) -> int:
        """Count the exposures of a user."""
        with _explained(self.path):
            (found,) = self._connection.execute(
                "SELECT count(*) FROM exposures WHERE user_id = ?", (user_id,)
            ).fetchone()
        return int(found)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def read_lines(path: Path, experiment: str) -> list[str]:
    """Exposures of an experiment as JSON; none where there is no log.

    ExposureLogError if the log cannot be read.
    """
    if not path.is_file():
        return []
    with closing(ExposureLog(path)) as log:
        return log.lines(experiment)


def forget_users(path: Path, users: Sequence[str], *, dry_run: bool) -> dict[str, int]:
    """Delete the exposures of users for good, and count them; none where there is no log.

    Args:
        path: the file.
        users: ids of the users.
        dry_run: whether to count only.

    Raises:
        ExposureLogError: the log cannot be read or written.
    """
    if not path.is_file():
        return dict.fromkeys(users, 0)
    with closing(ExposureLog(path)) as log:
        return {user: log.count(user) if dry_run else log.forget(user) for user in dict.fromkeys(users)}


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into those of a log."""
    try:
        yield
    except sqlite3.Error as error:
        raise ExposureLogError(f"log of exposures {path}: {error}; see to the disk and the folder's rights") from error
