"""Reads of one version straight from MLflow's SQLite file.

Importing MLflow takes longer than an answer.

Only what loading a release asks: alias, tags, and where files lie. The hashes that a
release is verified by are compared with these tags as they are with MLflow's own answers.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from serving.registry.registry import Registry
from serving.registry.runs import FOLDER
from serving.registry.tags import CHAMPION
from serving.settings import Settings

REVISION = "dc11669786a5"
"""Revision of MLflow's tables that the queries below are written for (MLflow 3.17)."""
PREFIX = "sqlite:///"
WAIT_SECONDS = 60
VERSION = """
SELECT version.run_id, coalesce(version.storage_location, version.source), run.artifact_uri
FROM model_versions AS version LEFT JOIN runs AS run ON run.run_uuid = version.run_id
WHERE version.workspace = 'default' AND version.name = ? AND version.version = ?
  AND version.current_stage <> 'Deleted_Internal'
"""


def open_registry(settings: Settings, dataset: str) -> Registry:
    """Return the quickest registry that reads this home.

    SQLite's where MLflow keeps it in a file, else MLflow's.
    """
    path = Path(settings.mlflow_uri.removeprefix(PREFIX))
    if not settings.mlflow_uri.startswith(PREFIX) or not path.is_file():
        return Registry(settings, dataset)
    with closing(_connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone() if tables else None
    known = revision == (REVISION,)
    return SqliteRegistry(settings, dataset, path) if known else Registry(settings, dataset)


class SqliteRegistry(Registry):
    """Registry whose reads of a version need no MLflow.

    Everything else is MLflow's, imported when it is used.

    Args:
        settings: the home.
        dataset: dataset, by whose name MLflow knows the model.
        path: MLflow's SQLite file, with tables of REVISION.
    """

    def __init__(self, settings: Settings, dataset: str, path: Path) -> None:
        super().__init__(settings, dataset)
        self._path = path

    def champion(self) -> int | None:
        """Return the version that serves; None before the first promotion."""
        query = "SELECT version FROM registered_model_aliases WHERE workspace = 'default' AND name = ? AND alias = ?"
        found = self._rows(query, self.dataset, CHAMPION)
        return int(found[0][0]) if found else None

    def tags(self, version: int) -> dict[str, str]:
        """Return the tags of a version. LookupError if there is no such version."""
        self._stored(version)
        query = "SELECT key, value FROM model_version_tags WHERE workspace = 'default' AND name = ? AND version = ?"
        return dict(self._rows(query, self.dataset, version))

    def download(self, version: int) -> Path:
        """Return a version's artifact folder.

        In place if it is on this machine, else a downloaded copy.
        """
        _, uri, _ = self._stored(version)
        local = _local(uri)
        return local / "artifacts" / FOLDER if local else super().download(version)

    def read_text(self, version: int, name: str) -> str:
        """Read a text file of the version's run. FileNotFoundError if it is not there."""
        run, _, uri = self._stored(version)
        local = _local(uri) if run else None
        if local is None:
            return super().read_text(version, name)
        try:
            return (local / name).read_text(encoding="utf-8")
        except OSError as error:
            raise FileNotFoundError(f"{self.dataset} version {version} has no {name}") from error

    def _stored(self, version: int) -> tuple[str | None, str, str | None]:
        """Run, address of the model and address of the run's files."""
        found = self._rows(VERSION, self.dataset, version)
        if not found:
            raise LookupError(f"{self.dataset} has no version {version}; `gatehouse releases` lists them")
        run, model, files = found[0]
        return run, model, files

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(_connect(self._path)) as connection:
            return connection.execute(query, values).fetchall()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=WAIT_SECONDS)


def _local(uri: str | None) -> Path | None:
    """Path of a file address on this machine; None for any other address."""
    address = urlsplit(uri or "models:")
    return Path(unquote(address.path)) if address.scheme in ("", "file") else None
