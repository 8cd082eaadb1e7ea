"""The registry of one dataset: runs, versions, and the files of a version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from serving.registry.runs import FOLDER, Run, Runs
from serving.registry.versions import MISSING, Versions, run_id

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL = "models:/"
"""Address of a logged model before its id; that of a version of a registered model ends with name/number."""
UI = "http://127.0.0.1:5000"
"""Default address of `mlflow server`."""


class Registry(Runs, Versions):
    """The runs and model versions of one dataset, with the files of each version."""

    def download(self, version: int) -> Path:
        """Return a version's artifact folder.

        It is used in place if it is on this machine, else downloaded.
        """
        self._version(version)
        uri = self._client.get_model_version_download_uri(self.dataset, str(version))
        if urlsplit(uri).scheme in ("", "file"):
            return Path(unquote(urlsplit(uri).path)) / "artifacts" / FOLDER
        import mlflow

        return Path(mlflow.artifacts.download_artifacts(f"{uri}/artifacts/{FOLDER}"))

    def log_results(self, version: int, metrics: Mapping[str, float], figures: Mapping[str, Figure]) -> None:
        """Add metrics and figures to the finished run of a version.

        Args:
            version: the version that was measured.
            metrics: values by name.
            figures: figures by file name.
        """
        run = Run(id=run_id(self._version(version)), dataset=self.dataset, _client=self._client)
        run.log_metrics(metrics)
        for name, figure in figures.items():
            run.log_figure(figure, name)

    def write_text(self, version: int, name: str, text: str) -> None:
        """Write a text file into the version's run.

        Args:
            version: the version that the text belongs to.
            name: file name; a file of the same name is replaced.
            text: content.
        """
        self._client.log_text(run_id(self._version(version)), text, name)

    def write_file(self, version: int, path: Path) -> None:
        """Copy a file into the version's run; a file of the same name is replaced."""
        self._client.log_artifact(run_id(self._version(version)), str(path))

    def run_file(self, version: int, name: str) -> Path:
        """Return a file of the version's run.

        It is used in place if it is on this machine, else downloaded. FileNotFoundError if it is not there.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        run = self._run(run_id(self._version(version)))
        try:
            if run is None:
                raise FileNotFoundError("its run was deleted in MLflow for good")
            return Path(mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/{name}"))
        except (MlflowException, OSError) as error:
            raise FileNotFoundError(f"{self.dataset} version {version} has no {name}: {error}") from error

    def read_text(self, version: int, name: str) -> str:
        """Read a text file of the version's run. FileNotFoundError if it is not there."""
        import mlflow
        from mlflow.exceptions import MlflowException

        run = self._run(run_id(self._version(version)))
        try:
            if run is None:
                raise FileNotFoundError("its run was deleted in MLflow for good")
            return mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{name}")
        except (MlflowException, OSError) as error:
            raise FileNotFoundError(f"{self.dataset} version {version} has no {name}: {error}") from error

    def read_file(self, version: int, name: str) -> str:
        """Read a text file of the version's artifact folder.

        FileNotFoundError if it is not there.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        self._version(version)
        uri = self._client.get_model_version_download_uri(self.dataset, str(version))
        try:
            return mlflow.artifacts.load_text(f"{uri}/artifacts/{FOLDER}/{name}")
        except (MlflowException, OSError) as error:
            raise FileNotFoundError(f"{self.dataset} version {version} has no {name}: {error}") from error

    def addresses(self, version: int) -> list[str]:
        """Return the addresses of a version's files: its model, and its run."""
        run = self._run(run_id(self._version(version)))
        model = self._client.get_model_version_download_uri(self.dataset, str(version))
        return [model, *([run.info.artifact_uri] if run else [])]

    def delete(self, version: int, *, for_good: bool = False) -> None:
        """Delete a version, its model and its run.

        Args:
            version: number of the version.
            for_good: delete what MLflow would keep until `mlflow gc`: the metrics and parameters of the run. Only
                where their files are deleted already, and MLflow is a database: gc could not find the files any more.
        """
        stored = self._version(version)
        source = stored.source or ""
        model = source.removeprefix(MODEL)
        if model != source and "/" not in model:  # what people registered by hand may lie elsewhere
            self._delete_model(model, for_good=for_good)
        self._client.delete_model_version(self.dataset, str(version))
        if stored.run_id and self._run(stored.run_id):
            self.delete_training(stored.run_id, for_good=for_good)

    def _delete_model(self, model: str, *, for_good: bool) -> None:
        """Delete the logged model of a version, unless it is gone: its files are not its run's, and gc asks for both.

        Args:
            model: its id.
            for_good: as of `delete`.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._client.delete_logged_model(model)
        except MlflowException as error:
            if error.error_code != MISSING:
                raise
            return
        if for_good:
            self._client._tracking_client.store._hard_delete_logged_model(model)

    def delete_training(self, run: str, *, for_good: bool = False) -> None:
        """Delete the run of a training that has no version any more.

        Args:
            run: its id.
            for_good: as of `delete`.
        """
        self._client.delete_run(run)
        if for_good:
            self._client._tracking_client.store._hard_delete_run(run)

    def end_training(self, run: str) -> None:
        """Note that a training was killed, which by force says RUNNING for good."""
        self._client.set_terminated(run, "KILLED")

    @property
    def is_database(self) -> bool:
        """Whether this process writes to MLflow's database, and not to its server."""
        return not self.settings.mlflow_uri.startswith(("http://", "https://"))

    def run_url(self, version: int, artifact: str | None = None) -> str:
        """Return the address of the version's run in the MLflow UI, or of an artifact of it."""
        uri = self.settings.mlflow_uri
        base = uri if uri.startswith("http") else self.settings.running("mlflow") or UI
        run = f"{base}/#/experiments/{self._experiment_id}/runs/{self._version(version).run_id}"
        return f"{run}/artifacts/{artifact}" if artifact else run
