"""The MLflow client of one dataset, made at first use: the import takes seconds."""

from __future__ import annotations

import logging
import os
import re
from functools import cached_property
from typing import TYPE_CHECKING

from serving.probe import listens
from serving.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class MlflowAwayError(RuntimeError):
    """The MLflow server does not answer."""


class Connection:
    """One dataset in MLflow. Its experiment and its registered model bear its name."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        self.settings = settings
        self.dataset = dataset

    @cached_property
    def _client(self) -> MlflowClient:
        self.settings.create_home()
        uri = self.settings.mlflow_uri
        # MLflow's client would try again for minutes.
        if uri.startswith(("http://", "https://")) and not listens(uri):
            address = re.sub(r"//[^/@]*@", "//", uri)  # without user and password
            raise MlflowAwayError(f"MLflow at {address} does not answer: start it, or mend GATEHOUSE_MLFLOW_URI")
        os.environ.update(ENVIRONMENT)
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        # It prints, with a trace, what it raises anyway.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        mlflow.set_tracking_uri(self.settings.mlflow_uri)
        mlflow.set_registry_uri(self.settings.mlflow_uri)
        return mlflow.MlflowClient(self.settings.mlflow_uri, self.settings.mlflow_uri)

    @cached_property
    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self.dataset)
        if found:
            # Deleted by hand in MLflow, with its runs; MLflow starts no run in it.
            if found.lifecycle_stage == "deleted":
                self._client.restore_experiment(found.experiment_id)
                logger.warning("the MLflow experiment %s was deleted by hand: restored with its runs", self.dataset)
            return found.experiment_id
        # An experiment keeps its location: later settings do not move it.
        return self._client.create_experiment(self.dataset, artifact_location=self.settings.mlflow_artifacts)
