"""The registered model as MLflow loads it: from code, without a pickled object.

`predict(inputs, params={"tower": "user"})` takes the output of `Encoder.encode` (a dict of arrays, or a DataFrame with
one column per input, lists where an input is wide) and returns embeddings, float32 [B, D], L2-normalised.
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
        """Load both towers from the artifact folder."""
        folder = Path(context.artifacts["release"])
        self._towers = {
            tower: load_program((folder / f"{tower}_tower.pt2").read_bytes(), f"{tower}_tower.pt2").module()
            for tower in ("user", "item")
        }

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> np.ndarray:
        """Embed by the tower that params["tower"] names, by default the user tower.

        Args:
            context: context of MLflow; not used.
            model_input: encoded inputs. A dict of arrays works too: MLflow reads the type hint, and has none for both.
            params: {"tower": "user"} or {"tower": "item"}.

        Returns:
            Embeddings, float32 [B, D].
        """
        import torch

        tower = (params or {}).get("tower", "user")
        if tower not in self._towers:
            raise ValueError(f"tower {tower!r}: wanted 'user' or 'item'")
        inputs = {name: torch.from_numpy(np.stack(list(model_input[name]))) for name in list(model_input)}
        with torch.inference_mode():
            return self._towers[tower](inputs).numpy()


mlflow.models.set_model(TowersModel())
