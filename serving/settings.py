"""Where things are: the home folder and the addresses of the services, read from the environment."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FORMAT = "2"
"""Layout of the home folder. Raised when an older Gatehouse can no longer read what this one writes."""
READABLE = ("1", FORMAT)
"""Layouts that this Gatehouse reads. In layout 1, recipes name types and fields as they were called then."""


@dataclass(frozen=True, kw_only=True)
class IndexParams:
    """The vector index in Milvus. `search` may be overridden upwards: ef is never below the k of a search."""

    index_type: str
    build: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)


EXACT = IndexParams(index_type="FLAT")
"""For Milvus Lite: measured at 92,000 x 64, HNSW there is no faster (1 s for 256 queries either way, 0.1 s for one),
takes 20 % more memory and returns at most 1,800 items, so exact search costs nothing.
"""
GRAPH = IndexParams(index_type="HNSW", build={"M": 16, "efConstruction": 200}, search={"ef": 256})
"""For a Milvus server."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Addresses of everything that a command talks to. By default all of it lies in `home` and needs no server.

    mlflow_uri: tracking and registry address. milvus_server: address of a Milvus server; None for Milvus Lite in
    `home`. online_store: a Feast `online_store` configuration; None for SQLite in `feast_home`. gate_policy: file of
    the gate's policy; None for the one that is shipped.
    """

    home: Path
    mlflow_uri: str
    milvus_server: str | None = None
    index: IndexParams = EXACT
    online_store: Mapping[str, Any] | None = None
    gate_policy: Path | None = None
    lite_wait_seconds: float = 60.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read the GATEHOUSE_* variables.

        GATEHOUSE_HOME (`.gatehouse`), GATEHOUSE_MLFLOW_URI (SQLite in the home), GATEHOUSE_MILVUS_URI (Milvus Lite in
        the home), GATEHOUSE_MILVUS_INDEX (JSON: index_type, build, search), GATEHOUSE_ONLINE_STORE (JSON, or the path
        of a YAML file), GATEHOUSE_POLICY (path). ValueError names the variable that cannot be used; RuntimeError says
        that another version of Gatehouse wrote the home.
        """
        home = Path(environ.get("GATEHOUSE_HOME") or ".gatehouse").expanduser().absolute()
        milvus, policy = environ.get("GATEHOUSE_MILVUS_URI") or None, environ.get("GATEHOUSE_POLICY")
        index = environ.get("GATEHOUSE_MILVUS_INDEX")
        settings = cls(
            home=home,
            mlflow_uri=environ.get("GATEHOUSE_MLFLOW_URI") or f"sqlite:///{home}/mlflow/mlflow.db",
            milvus_server=milvus,
            index=_index_params(index) if index else GRAPH if milvus else EXACT,
            online_store=_online_store(environ.get("GATEHOUSE_ONLINE_STORE")),
            gate_policy=Path(policy) if policy else None,
        )
        settings.check_format()
        return settings

    @property
    def mlflow_artifacts(self) -> str | None:
        """Where runs keep their files; None where an MLflow server decides."""
        is_server = self.mlflow_uri.startswith(("http://", "https://"))
        return None if is_server else (self.home / "mlflow" / "artifacts").as_uri()

    @property
    def milvus_folder(self) -> Path:
        """Milvus Lite's folder."""
        return self.home / "milvus" / "items.db"

    @property
    def milvus_uri(self) -> str:
        """What to connect to now: the configured server, else one that `gatehouse up` runs, else the Lite folder."""
        return self.milvus_server or self.running("milvus") or str(self.milvus_folder)

    @property
    def feast_home(self) -> Path:
        """Folder of the feature registry and the default online store."""
        return self.home / "feast"

    def running(self, service: str) -> str | None:
        """Address of a service that `gatehouse up` runs, from services.json; None unless it is alive and answers."""
        try:
            entry = json.loads((self.home / "services.json").read_text()).get(service)
        except FileNotFoundError:  # asked for and not looked for first: `up` may end at any moment
            return None
        return entry["uri"] if entry and _alive(entry["pid"]) and _answers(entry["uri"]) else None

    def check_format(self) -> None:
        """RuntimeError if another version of Gatehouse wrote the home folder."""
        path = self.home / "format"
        found = path.read_text().strip() if path.exists() else FORMAT
        if found not in READABLE:
            raise RuntimeError(
                f"{self.home} has format {found!r}, this Gatehouse reads {' and '.join(READABLE)}: use the version that"
                " wrote it, or another folder (GATEHOUSE_HOME)"
            )

    def create_home(self) -> None:
        """Make the folders and note the format; a home of an older format takes this one, and loses nothing."""
        self.check_format()
        for folder in (self.home / "mlflow", self.milvus_folder.parent, self.feast_home):
            folder.mkdir(parents=True, exist_ok=True)
        note, partial = self.home / "format", self.home / f"format.{os.getpid()}.partial"
        if not note.exists() or note.read_text().strip() != FORMAT:
            partial.write_text(FORMAT + "\n")
            partial.replace(note)  # whole at once: another command may be reading it


def _index_params(text: str) -> IndexParams:
    try:
        return IndexParams(**json.loads(text))
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f'GATEHOUSE_MILVUS_INDEX={text!r}: wanted JSON such as {{"index_type": "HNSW", "build": {{"M": 16}},'
            f' "search": {{"ef": 256}}}} ({error})'
        ) from error


def _online_store(text: str | None) -> Mapping[str, Any] | None:
    import yaml

    if not text:
        return None
    source = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8")
    config = yaml.safe_load(source)  # JSON is YAML
    if not isinstance(config, dict) or "type" not in config:
        raise ValueError(
            f"GATEHOUSE_ONLINE_STORE={text!r}: wanted a Feast online_store configuration with a type, as JSON or as the"
            f" path of a YAML file; got {config!r}"
        )
    return config


def _alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid)


def _answers(uri: str) -> bool:
    address = urlsplit(uri)
    try:
        with socket.create_connection((address.hostname or "127.0.0.1", address.port or 80), timeout=1):
            return True
    except OSError:
        return False
