"""Every MLflow call: runs, the registered model (both towers in one version), its tags and the champion alias.

A registered model is named after its dataset. A version is registered as the last act of its run, and counts as
complete only when that run has finished: a crash leaves a version that nothing finds.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from serving.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
INPUT_KEY = "gatehouse.input_key"
OUTCOME = "gatehouse.outcome"
OVERRIDE = "gatehouse.override_reason"
TRAINING = "gatehouse.training"
PARENT = "gatehouse.parent"
"""The version that the training went on from, where it is not a full one."""
FOLDER = "release"
UI = "http://127.0.0.1:5000"
"""Where `mlflow server` listens by default."""


class Training(StrEnum):
    """How a version came to its weights. A version without the tag was trained in full."""

    FULL = "full"
    WARM_START = "warm start"
    UPDATE = "update"


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The data that a run learned from. digest: at most 36 characters, the data's fingerprint."""

    name: str
    path: Path
    digest: str


@dataclass(frozen=True, kw_only=True)
class VersionSummary:
    """One complete version. created: naive UTC. outcome: None before it is sealed. metrics: those of its run."""

    version: int
    created: datetime
    outcome: str | None
    metrics: dict[str, float]
    champion: bool
    tags: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Run:
    """An open MLflow run of `Registry.run`."""

    id: str
    dataset: str
    _client: MlflowClient

    def log_params(self, params: Mapping[str, Any]) -> None:
        for name, value in params.items():
            self._client.log_param(self.id, name, value)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Log values by name; `@`, which MLflow does not allow in names, is stored as `_at_`."""
        import mlflow

        named = {name.replace("@", "_at_"): float(value) for name, value in metrics.items()}
        mlflow.log_metrics(named, step=step, run_id=self.id)

    def log_epoch(self, metrics: Mapping[str, float], epoch: int) -> None:
        """Log one epoch's values: the curves of the run's page."""
        self.log_metrics(metrics, step=epoch)

    def log_figure(self, figure: Figure, name: str) -> None:
        self._client.log_figure(self.id, figure, name)

    def log_artifact(self, path: Path) -> None:
        """Keep a file, or a folder with its content, with the run."""
        (self._client.log_artifacts if path.is_dir() else self._client.log_artifact)(self.id, str(path))

    def log_dataset(self, lineage: Lineage) -> None:
        """Link the run to the data it learned from."""
        import mlflow
        from mlflow.data.dataset_source_registry import resolve_dataset_source
        from mlflow.data.meta_dataset import MetaDataset

        source = resolve_dataset_source(str(lineage.path.absolute()))
        data = MetaDataset(source=source, name=lineage.name, digest=lineage.digest)  # type: ignore[abstract]
        mlflow.log_input(data, context="training")

    def register(self, folder: Path, tags: Mapping[str, str]) -> int:
        """Log the artifact folder of both towers and make it one model version, with its tags in the same step."""
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types.schema import ParamSchema, ParamSpec

        with tempfile.TemporaryDirectory() as scratch:
            copy = shutil.copytree(folder, Path(scratch) / FOLDER)  # MLflow takes the stored name from the source
            model = mlflow.pyfunc.log_model(
                name="towers",
                python_model=str(Path(__file__).with_name("model") / "pyfunc.py"),
                artifacts={FOLDER: str(copy)},
                signature=ModelSignature(params=ParamSchema([ParamSpec("tower", "string", "user")])),
                pip_requirements=["gatehouse"],
            )
        self._create_model()
        version = self._client.create_model_version(
            self.dataset, model.model_uri, run_id=self.id, tags=dict(tags), model_id=model.model_id
        )
        return int(version.version)

    def _create_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self.dataset)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


class Registry:
    """The runs and model versions of one dataset."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        self.settings = settings
        self.dataset = dataset

    @cached_property
    def _client(self) -> MlflowClient:
        self.settings.create_home()
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        mlflow.set_tracking_uri(self.settings.mlflow_uri)
        mlflow.set_registry_uri(self.settings.mlflow_uri)
        return mlflow.MlflowClient(self.settings.mlflow_uri, self.settings.mlflow_uri)

    @cached_property
    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self.dataset)
        if found:
            return found.experiment_id
        return self._client.create_experiment(self.dataset, artifact_location=self.settings.mlflow_artifacts)

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str] | None = None) -> Iterator[Run]:
        """Open a run. It ends FINISHED, FAILED after an exception, KILLED after Ctrl-C; exceptions pass through."""
        client = self._client
        import mlflow

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="mlflow")
            run = mlflow.start_run(experiment_id=self._experiment_id, run_name=name, tags=dict(tags or {}))
            status = "KILLED"  # whatever is no Exception: Ctrl-C, also as the caller's framework names it
            try:
                yield Run(id=run.info.run_id, dataset=self.dataset, _client=client)
                status = "FINISHED"
            except Exception:
                status = "FAILED"
                raise
            finally:
                mlflow.end_run(status)

    def find(self, input_key: str) -> int | None:
        """The newest complete version made from this input; None if there is none."""
        keys = {int(version.version): version.tags.get(INPUT_KEY) for version, _ in self._complete()}
        return max((version for version, key in keys.items() if key == input_key), default=None)

    def versions(self) -> list[VersionSummary]:
        """All complete versions, newest first."""
        champion = self.champion()
        summaries = [
            VersionSummary(
                version=int(version.version),
                created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).replace(tzinfo=None),
                outcome=version.tags.get(OUTCOME),
                metrics={name.replace("_at_", "@"): value for name, value in run.data.metrics.items()},
                champion=int(version.version) == champion,
                tags=dict(version.tags),
            )
            for version, run in self._complete()
        ]
        return sorted(summaries, key=lambda summary: -summary.version)

    def _complete(self) -> list[tuple[ModelVersion, MlflowRun]]:
        """Versions that are ready and whose run has finished, with that run."""
        versions = self._client.search_model_versions(f"name = '{self.dataset}'", max_results=10_000)
        pairs = [(version, self._client.get_run(_run_id(version))) for version in versions]
        return [(v, run) for v, run in pairs if v.status == "READY" and run.info.status == "FINISHED"]

    def _version(self, version: int) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_model_version(self.dataset, str(version))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise LookupError(f"{self.dataset} has no version {version}; `gatehouse releases` lists them") from error

    def tags(self, version: int) -> dict[str, str]:
        """A version's tags. LookupError if there is no such version."""
        return dict(self._version(version).tags)

    def set_tags(self, version: int, tags: Mapping[str, str]) -> None:
        """Set tags one after the other, in their order: put the one that completes a state last."""
        for name, value in tags.items():
            self._client.set_model_version_tag(self.dataset, str(version), name, value)

    def download(self, version: int) -> Path:
        """The version's artifact folder: where it lies if that is on this machine, else a downloaded copy."""
        self._version(version)
        uri = self._client.get_model_version_download_uri(self.dataset, str(version))
        if urlsplit(uri).scheme in ("", "file"):
            return Path(unquote(urlsplit(uri).path)) / "artifacts" / FOLDER
        import mlflow

        return Path(mlflow.artifacts.download_artifacts(f"{uri}/artifacts/{FOLDER}"))

    def log_results(self, version: int, metrics: Mapping[str, float], figures: Mapping[str, Figure]) -> None:
        """Add metrics, and figures by file name, to the finished run of a version."""
        run = Run(id=_run_id(self._version(version)), dataset=self.dataset, _client=self._client)
        run.log_metrics(metrics)
        for name, figure in figures.items():
            run.log_figure(figure, name)

    def write_text(self, version: int, name: str, text: str) -> None:
        """Add a text file to the version's run, replacing one of the same name."""
        self._client.log_text(_run_id(self._version(version)), text, name)

    def read_text(self, version: int, name: str) -> str:
        """A text file of the version's run. FileNotFoundError if it is not there."""
        import mlflow
        from mlflow.exceptions import MlflowException

        run_id = _run_id(self._version(version))
        try:
            return mlflow.artifacts.load_text(f"{self._client.get_run(run_id).info.artifact_uri}/{name}")
        except (MlflowException, OSError) as error:
            raise FileNotFoundError(f"{self.dataset} version {version} has no {name}") from error

    def champion(self) -> int | None:
        """The version that serves; None before the first promotion."""
        from mlflow.exceptions import MlflowException

        try:
            aliases = self._client.get_registered_model(self.dataset).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return int(aliases[CHAMPION]) if CHAMPION in aliases else None

    def set_champion(self, version: int) -> None:
        self._client.set_registered_model_alias(self.dataset, CHAMPION, str(version))

    def clear_champion(self) -> None:
        self._client.delete_registered_model_alias(self.dataset, CHAMPION)

    def run_url(self, version: int) -> str:
        """Page of the version's run in the MLflow UI."""
        uri = self.settings.mlflow_uri
        base = uri if uri.startswith("http") else self.settings.running("mlflow") or UI
        return f"{base}/#/experiments/{self._experiment_id}/runs/{self._version(version).run_id}"


def _run_id(version: ModelVersion) -> str:
    if version.run_id is None:
        raise LookupError(f"{version.name} version {version.version} was registered without a run, not by Gatehouse")
    return version.run_id
