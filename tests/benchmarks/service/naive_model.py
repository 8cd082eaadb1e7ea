"""User tower of a release as MLflow serves it: from code, by the features that the online store returns.

It encodes as the service does, by look-ups in dicts: what the naive chain loses is lost
between its parts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

from feature_repo.encode.request import RequestEncoder
from serving.model.bundle import ModelBundle

TIME = "event_time"
"""Column of the time of a row, in microseconds."""


class UserTower(PythonModel):
    """Encoder and user tower."""

    def load_context(self, context: Any) -> None:
        """Load the artifacts of the release."""
        tower = ModelBundle.from_folder(Path(context.artifacts["release"])).user
        self._encoder, self._program = RequestEncoder(tower.encoder), tower.program

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> np.ndarray:
        """Embed users by their features."""
        columns = {str(name): [_plain(value) for value in model_input[name].tolist()] for name in model_input}
        times_B = np.array(columns.pop(TIME), np.int64)
        return self._program(self._encoder.encode(columns, times_B))


def _plain(value: Any) -> Any:
    return None if value != value else value  # pandas has NaN for a missing value


mlflow.models.set_model(UserTower())
