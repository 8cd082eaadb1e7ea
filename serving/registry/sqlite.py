"""Reads of versions straight from MLflow's SQLite file.

Importing MLflow takes longer than an answer, and its listing of a thousand versions
with their metrics takes minutes.

Only what loading and listing releases ask: aliases, tags, run states, and where files
lie. The hashes that a release is verified by are compared with these tags as they are
with MLflow's own answers.
"""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from serving.registry.holder import HOLDER
from serving.registry.listing import Listing, RunState, TrainingRun, Version, listing_of
from serving.registry.registry import Registry
from serving.registry.runs import FOLDER
from serving.registry.tags import DAGSTER_RUN
from serving.registry.versions import utc
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
VERSIONS = """
SELECT version.version, version.creation_time, version.status, version.run_id,
       run.status, run.lifecycle_stage
FROM model_versions AS version LEFT JOIN runs AS run ON run.run_uuid = version.run_id
WHERE version.workspace = 'default' AND version.name = ? AND version.current_stage <> 'Deleted_Internal'
"""
TRAININGS = """
SELECT run.run_uuid, run.status, run.start_time, run.artifact_uri,
       (SELECT max(version) FROM model_versions
        WHERE run_id = run.run_uuid AND name = experiments.name AND workspace = 'default'
          AND current_stage <> 'Deleted_Internal'),
       (SELECT value FROM tags WHERE tags.run_uuid = run.run_uuid AND key = ?),
       (SELECT value FROM tags WHERE tags.run_uuid = run.run_uuid AND key = ?)
FROM runs AS run JOIN experiments USING (experiment_id)
WHERE experiments.workspace = 'default' AND experiments.name = ? AND run.lifecycle_stage = 'active'
"""
TAGS = "SELECT version, key, value FROM model_version_tags WHERE workspace = 'default' AND name = ?"
METRICS = """
SELECT run_uuid, key, CASE WHEN is_nan THEN NULL ELSE value END FROM latest_metrics
WHERE run_uuid IN (SELECT run_id FROM model_versions WHERE workspace = 'default' AND name = ?)
"""
ALIASES = "SELECT alias, version FROM registered_model_aliases WHERE workspace = 'default' AND name = ?"
MODEL_TAGS = "SELECT key, value FROM registered_model_tags WHERE workspace = 'default' AND name = ?"


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


def is_made(settings: Settings) -> bool:
    """Whether MLflow has made its tables, where it keeps them in a file; True for a server.

    Whoever only looks asks this first: two processes that make the tables at once get in each other's way.
    """
    if not settings.mlflow_uri.startswith(PREFIX):
        return True
    path = Path(settings.mlflow_uri.removeprefix(PREFIX))
    if not path.is_file():
        return False
    with closing(_connect(path)) as connection:
        # The revision is noted when all tables are there.
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        return bool(tables and connection.execute("SELECT version_num FROM alembic_version").fetchone())


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

    def listing(self) -> Listing:
        """List all complete versions, and name those that cannot be used."""
        tags: dict[int, dict[str, str]] = defaultdict(dict)
        for version, name, value in self._rows(TAGS, self.dataset):
            tags[version][name] = value
        metrics: dict[str, dict[str, float]] = defaultdict(dict)
        for run, name, value in self._rows(METRICS, self.dataset):
            metrics[run][name] = math.nan if value is None else value
        versions, runs = [], {}
        for number, created, status, run, run_status, stage in self._rows(VERSIONS, self.dataset):
            ready = status == "READY"
            versions.append(Version(number=number, created=utc(created), ready=ready, run_id=run, tags=tags[number]))
            if run_status is not None:
                finished = run_status == "FINISHED"
                runs[run] = RunState(finished=finished, deleted=stage == "deleted", metrics=metrics[run])
        return listing_of(versions, runs, self.aliases())

    def trainings(self) -> list[TrainingRun]:
        """List the runs of all trainings, those without a version too."""
        return [
            TrainingRun(
                id=id_, status=status, started=utc(at), files=files, version=version, dagster_run=run, home=home
            )
            for id_, status, at, files, version, run, home in self._rows(TRAININGS, DAGSTER_RUN, HOLDER, self.dataset)
        ]

    def aliases(self) -> dict[str, int]:
        """Return the versions that aliases point at, by alias."""
        return {alias: int(version) for alias, version in self._rows(ALIASES, self.dataset)}

    def model_tags(self) -> dict[str, str]:
        """Return the tags of the dataset's model; none before its first version."""
        return dict(self._rows(MODEL_TAGS, self.dataset))

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
            raise FileNotFoundError(f"{self.dataset} version {version} has no {name}: {error}") from error

    def run_file(self, version: int, name: str) -> Path:
        """Return a file of the version's run.

        In place if it is on this machine, else a downloaded copy. FileNotFoundError if it is not there.
        """
        run, _, uri = self._stored(version)
        local = _local(uri) if run else None
        if local is None:
            return super().run_file(version, name)
        if not (local / name).is_file():
            raise FileNotFoundError(f"{self.dataset} version {version} has no {name} in {local}")
        return local / name

    def read_file(self, version: int, name: str) -> str:
        """Read a text file of the version's artifact folder.

        FileNotFoundError if it is not there.
        """
        local = _local(self._stored(version)[1])
        if local is None:
            return super().read_file(version, name)
        try:
            return (local / "artifacts" / FOLDER / name).read_text(encoding="utf-8")
        except OSError as error:
            raise FileNotFoundError(f"{self.dataset} version {version} has no {name}: {error}") from error

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
    """Open the file to read.

    A process that died within a commit has left a journal, which whoever reads next takes back. That is a write.
    """
    connection = _opened(path, "ro")
    try:
        connection.execute("SELECT name FROM sqlite_master LIMIT 1")
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        return _opened(path, "rw")
    return connection


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=WAIT_SECONDS)


def _local(uri: str | None) -> Path | None:
    """Path of a file address on this machine; None for any other address."""
    address = urlsplit(uri or "models:")
    return Path(unquote(address.path)) if address.scheme in ("", "file") else None
