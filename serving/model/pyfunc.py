"""The registered model as MLflow loads it: tower inputs to embeddings. Models-from-code: no pickled Python object.

`predict(inputs, params={"tower": "user"})` takes what `Encoder.encode` gives (a dict of arrays, or a DataFrame with one
column per input and lists in the wide ones) and returns float32 [B, D], L2-normalised.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

from serving.pt2 import load_program


class TowersModel(PythonModel):
    """Both towers of one version."""

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["release"])
        self._towers = {
            tower: load_program((folder / f"{tower}_tower.pt2").read_bytes(), f"{tower}_tower.pt2").module()
            for tower in ("user", "item")
        }

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> np.ndarray:
        """Embeddings [B, D] of the tower that params["tower"] names, the user tower by default.

        A dict of arrays does as well: MLflow reads the type hint, and knows none for both.
        """
        import torch

        tower = (params or {}).get("tower", "user")
        if tower not in self._towers:
            raise ValueError(f"tower {tower!r}: wanted 'user' or 'item'")
        inputs = {name: torch.from_numpy(np.stack(list(model_input[name]))) for name in list(model_input)}
        with torch.inference_mode():
            return self._towers[tower](inputs).numpy()


mlflow.models.set_model(TowersModel())
