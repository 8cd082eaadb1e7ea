"""Settings from the environment: the home folder and the addresses of services."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_repo.whole_file import write_text
from serving import variables
from serving.alert_settings import AlertSettings
from serving.folder_store import FolderStore
from serving.running import running

if TYPE_CHECKING:
    from feature_repo.events.log import EventLog
    from feature_repo.items.store import ItemStore

FORMAT = "2"
"""Layout of the home folder. Raised when an older Gatehouse can no longer read what this one writes."""
READABLE = ("1", FORMAT)
"""Layouts that this Gatehouse reads. In layout 1, recipes name types and fields as they were called then."""


@dataclass(frozen=True, kw_only=True)
class IndexParams:
    """Type and parameters of the vector index in Milvus."""

    index_type: str
    build: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    """Search parameters; a search for more than `ef` items raises ef to their number."""


EXACT = IndexParams(index_type="FLAT")
"""Default for Milvus Lite.

At 92,000 x 64, HNSW was no faster there (1 s for 256 queries, 0.1 s for one), took 20 % more memory and returned at
most 1,800 items.
"""
GRAPH = IndexParams(index_type="HNSW", build={"M": 16, "efConstruction": 200}, search={"ef": 256})
"""Default for a Milvus server."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Addresses of everything that a command talks to.

    By default all of it lies in `home` and needs no server.
    """

    home: Path
    mlflow_uri: str
    """Address of MLflow's tracking and registry."""
    milvus_server: str | None = None
    """Address of a Milvus server; None for Milvus Lite in `home`."""
    index: IndexParams = EXACT
    online_store: Mapping[str, Any] | None = None
    """A Feast `online_store` configuration; None for SQLite in `feast_home`."""
    artifacts: str | None = None
    """Address of the files of runs, such as s3://bucket/folder; None for the home, or as an MLflow server decides."""
    data: str | None = None
    """Address of tables, features and training sets, such as s3://bucket/folder; None for the home alone."""
    feature_registry: str | None = None
    """Address of the database of Feast's registry; None for SQLite in `feast_home`."""
    dagster_storage: str | None = None
    """Address of the Postgres database of Dagster's runs and schedules; None for what its dagster.yaml says."""
    dagster_yaml: Path | None = None
    """File that the home's dagster.yaml is a copy of; None for what Gatehouse writes, or was edited."""
    kafka: Mapping[str, Any] | None = None
    """Settings of the event log in Kafka; None for SQLite in `home`."""
    gate_policy: Path | None = None
    """File of the gate's policy; None for the shipped policy."""
    features_behind_days: float = 7.0
    """Longest time by which a version's online features may be older than the newest ones, to be promoted."""
    keep: int | None = variables.KEEP
    """Number of newest versions that a cleaning keeps; None for no cleaning by itself."""
    search: str = variables.MEMORY
    """Searcher of the service and the gate: memory, or milvus, which is the store of record in any case."""
    search_seconds: float | None = None
    """Longest search of Milvus, where it searches; None for no limit."""
    shared_home: bool = False
    """Whether processes on several hosts share the home."""
    lite_wait_seconds: float = 60.0
    """Longest wait for a Milvus Lite folder that another process holds."""
    alerts: AlertSettings = field(default_factory=AlertSettings)
    """Channels of alerts."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read the GATEHOUSE_* variables.

        GATEHOUSE_HOME: the home folder; default `.gatehouse`.
        GATEHOUSE_MLFLOW_URI: default SQLite in the home.
        GATEHOUSE_ARTIFACTS: default files in the home.
        GATEHOUSE_DATA: default files in the home.
        GATEHOUSE_FEATURE_REGISTRY: default SQLite in the home.
        GATEHOUSE_DAGSTER_STORAGE: default SQLite in the home.
        GATEHOUSE_DAGSTER_YAML: path of a file; default what Gatehouse writes.
        GATEHOUSE_MILVUS_URI: default Milvus Lite in the home.
        GATEHOUSE_MILVUS_INDEX: JSON with index_type, build and search.
        GATEHOUSE_ONLINE_STORE: JSON, or the path of a YAML file.
        GATEHOUSE_EVENT_LOG: JSON, or the path of a YAML file.
        GATEHOUSE_POLICY: path of a policy file.
        GATEHOUSE_FEATURES_BEHIND_DAYS: a number of days; default 7.
        GATEHOUSE_KEEP: a number of versions, or off; default 10.
        GATEHOUSE_SEARCH: memory or milvus; default memory.
        GATEHOUSE_SHARED_HOME: on or off; default off.
        GATEHOUSE_ALERT_WEBHOOK, GATEHOUSE_ALERT_MAIL: channels of alerts, see `AlertSettings`.

        Raises:
            ValueError: a variable cannot be used; the message names it.
            RuntimeError: the home has a format that this Gatehouse does not read.
        """
        home = Path(environ.get("GATEHOUSE_HOME") or ".gatehouse").expanduser().absolute()
        milvus, policy = environ.get("GATEHOUSE_MILVUS_URI") or None, environ.get("GATEHOUSE_POLICY")
        store = environ.get("GATEHOUSE_ONLINE_STORE")
        index, behind = environ.get("GATEHOUSE_MILVUS_INDEX"), environ.get("GATEHOUSE_FEATURES_BEHIND_DAYS")
        settings = cls(
            home=home,
            mlflow_uri=variables.address(environ, "GATEHOUSE_MLFLOW_URI") or f"sqlite:///{home}/mlflow/mlflow.db",
            artifacts=variables.address(environ, "GATEHOUSE_ARTIFACTS"),
            data=variables.bucket(environ, "GATEHOUSE_DATA"),
            feature_registry=variables.address(environ, "GATEHOUSE_FEATURE_REGISTRY"),
            dagster_storage=variables.dagster_storage(environ.get(variables.DAGSTER_STORAGE)),
            dagster_yaml=variables.file(environ, "GATEHOUSE_DAGSTER_YAML"),
            milvus_server=milvus,
            index=_index_params(index) if index else GRAPH if milvus else EXACT,
            online_store=variables.configured("GATEHOUSE_ONLINE_STORE", store, "a Feast online_store configuration"),
            kafka=variables.event_log(environ.get("GATEHOUSE_EVENT_LOG")),
            gate_policy=Path(policy) if policy else None,
            features_behind_days=variables.days(behind) if behind else 7.0,
            keep=variables.keep(environ.get("GATEHOUSE_KEEP") or str(variables.KEEP)),
            search=variables.search(environ.get("GATEHOUSE_SEARCH") or variables.MEMORY),
            shared_home=variables.switch(environ, "GATEHOUSE_SHARED_HOME"),
            alerts=AlertSettings.from_environment(environ),
        )
        settings.check_format()
        return settings

    @property
    def mlflow_artifacts(self) -> str | None:
        """Address of the files of runs; None where an MLflow server decides."""
        is_server = self.mlflow_uri.startswith(("http://", "https://"))
        return None if is_server else self.artifacts or (self.home / "mlflow" / "artifacts").as_uri()

    @property
    def data_folder(self) -> Path:
        """Folder of the tables, features and training sets of runs."""
        return self.home / "data"

    @cached_property
    def folder_store(self) -> FolderStore | None:
        """Bucket that has the folders of `data_folder` too; None if there is none."""
        return FolderStore(self.data, self.data_folder) if self.data else None

    @property
    def milvus_folder(self) -> Path:
        """Folder of Milvus Lite."""
        return self.home / "milvus" / "items.db"

    @property
    def milvus_uri(self) -> str:
        """Address to connect to now.

        The configured server, else that of `gatehouse up`, else the Lite folder.
        """
        return self.milvus_server or self.running("milvus") or str(self.milvus_folder)

    @property
    def feast_home(self) -> Path:
        """Folder of the feature registry and the default online store."""
        return self.home / "feast"

    def event_log(self, dataset: str) -> Path:
        """Return the file of a dataset's event log, where it is not in Kafka."""
        return self.home / "events" / f"{dataset}.db"

    def open_event_log(self, dataset: str) -> EventLog:
        """Open the event log of a dataset; made if missing.

        Raises:
            EventLogError: the log cannot be opened.
            ValueError: the client of Kafka is not installed.
        """
        from feature_repo.events.opening import open_kafka_log
        from feature_repo.events.sqlite_log import SqliteEventLog

        return open_kafka_log(self.kafka, dataset) if self.kafka else SqliteEventLog(self.event_log(dataset))

    def has_event_log(self, dataset: str) -> bool:
        """Whether there is an event log to read."""
        return self.kafka is not None or self.event_log(dataset).is_file()

    def item_store(self, dataset: str) -> Path:
        """Return the file of a dataset's new and hidden items."""
        return self.home / "items" / f"{dataset}.db"

    def open_item_store(self, dataset: str) -> ItemStore:
        """Open the file of a dataset's new and hidden items; made if missing."""
        from feature_repo.items.store import ItemStore

        return ItemStore(self.item_store(dataset), is_shared=self.shared_home)

    def exposure_log(self, dataset: str) -> Path:
        """Return the file of a dataset's log of exposures."""
        return self.home / "experiments" / f"{dataset}.db"

    def running(self, service: str) -> str | None:
        """Return the address of a service that runs on this home.

        None unless it is alive and answers.
        """
        return running(self.home, service)

    def check_format(self) -> None:
        """Raise RuntimeError if the home has a format that this Gatehouse does not read."""
        path = self.home / "format"
        found = path.read_text().strip() if path.exists() else FORMAT
        if found not in READABLE:
            raise RuntimeError(
                f"{self.home} has format {found!r}, this Gatehouse reads {' and '.join(READABLE)}: use the version that"
                " wrote it, or another folder (GATEHOUSE_HOME)"
            )

    def create_home(self) -> None:
        """Make the folders and note the format.

        A home of an older format is raised to this one without loss.
        """
        self.check_format()
        for folder in (self.home / "mlflow", self.milvus_folder.parent, self.feast_home):
            folder.mkdir(parents=True, exist_ok=True)
        note = self.home / "format"
        if not note.exists() or note.read_text().strip() != FORMAT:
            write_text(note, FORMAT + "\n")  # another command may be reading it


def _index_params(text: str) -> IndexParams:
    try:
        return IndexParams(**json.loads(text))
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f'GATEHOUSE_MILVUS_INDEX={text!r}: wanted JSON such as {{"index_type": "HNSW", "build": {{"M": 16}},'
            f' "search": {{"ef": 256}}}} ({error})'
        ) from error
