"""MLflow runs: the record of a training and the version that it registers."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving import model as model_package
from serving.registry.connection import Connection
from serving.registry.holder import HOLDER, holder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

FOLDER = "release"
"""Name of the artifact folder inside a logged model."""
PYFUNC = Path(str(model_package.__file__)).with_name("pyfunc.py")
"""Copied into every logged model: the code by which MLflow loads it."""


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The data that a run learned from."""

    name: str
    path: Path
    digest: str
    """Fingerprint of the data, at most 36 characters."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """An open or finished MLflow run. `Runs.run` opens one."""

    id: str
    dataset: str
    _client: MlflowClient

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters by name; each can be logged once."""
        for name, value in params.items():
            self._client.log_param(self.id, name, value)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Log values by name.

        `@`, which MLflow does not allow in names, is stored as `_at_`.
        """
        import mlflow

        named = {name.replace("@", "_at_"): float(value) for name, value in metrics.items()}
        mlflow.log_metrics(named, step=step, run_id=self.id)

    def log_epoch(self, metrics: Mapping[str, float], epoch: int) -> None:
        """Log the values of one epoch, which the run's page draws as curves."""
        self.log_metrics(metrics, step=epoch)

    def log_figure(self, figure: Figure, name: str) -> None:
        """Save a figure under a file name that may contain folders."""
        self._client.log_figure(self.id, figure, name)

    def log_artifact(self, path: Path) -> None:
        """Copy a file, or a folder with its content, into the run."""
        (self._client.log_artifacts if path.is_dir() else self._client.log_artifact)(self.id, str(path))

    def log_dataset(self, lineage: Lineage) -> None:
        """Link the run to the data that it learned from."""
        import mlflow
        from mlflow.data.dataset_source_registry import resolve_dataset_source
        from mlflow.data.meta_dataset import MetaDataset

        source = resolve_dataset_source(str(lineage.path.absolute()))
        data = MetaDataset(source=source, name=lineage.name, digest=lineage.digest)  # type: ignore[abstract]
        mlflow.log_input(data, context="training")

    def register(self, folder: Path, tags: Mapping[str, str], *, card: str = "") -> int:
        """Register an artifact folder as the next version and tag it in the same step.

        Args:
            folder: folder of the artifacts.
            tags: tags of the version.
            card: description on the version's page, in Markdown.

        Returns:
            The number of the version.
        """
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types.schema import ParamSchema, ParamSpec

        with tempfile.TemporaryDirectory() as scratch:
            copy = shutil.copytree(folder, Path(scratch) / FOLDER)  # MLflow takes the stored name from the source
            # Models from code: of an object MLflow would make a pickle, which can run
            # anything.
            model = mlflow.pyfunc.log_model(
                name="towers",
                python_model=str(PYFUNC),
                artifacts={FOLDER: str(copy)},
                signature=ModelSignature(params=ParamSchema([ParamSpec("tower", "string", "user")])),
                pip_requirements=["gatehouse"],
            )
        self._create_model()
        version = self._client.create_model_version(
            self.dataset,
            model.model_uri,
            run_id=self.id,
            tags=dict(tags),
            model_id=model.model_id,
            description=card or None,
        )
        return int(version.version)

    def _create_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self.dataset)
        # Asking first would race with another run that registers the same dataset.
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


class Runs(Connection):
    """The runs of one dataset."""

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str] | None = None) -> Iterator[Run]:
        """Open a run.

        It ends as FINISHED, as FAILED after an exception, or as KILLED after Ctrl-C.

        Exceptions pass through.
        """
        client = self._client
        import mlflow

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="mlflow")
            named = {HOLDER: holder(self.settings), **(tags or {})}
            run = mlflow.start_run(experiment_id=self._experiment_id, run_name=name, tags=named)
            # Whatever is no Exception is an end from outside: Ctrl-C, by any name that the
            # caller's framework gives it.
            status = "KILLED"
            try:
                yield Run(id=run.info.run_id, dataset=self.dataset, _client=client)
                status = "FINISHED"
            except Exception:
                status = "FAILED"
                raise
            finally:
                mlflow.end_run(status)
