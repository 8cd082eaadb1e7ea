"""Gatehouse in Python: `import gatehouse as gh`.

Frames in, recommendations out:

    data = gh.Dataset.from_frames(events, users, items)
    model = gh.fit(data, recipe="base", seed=0)
    report = gh.evaluate(model, data, baselines=("popularity", "ease"))
    model.recommend(["u1", "u2"], k=20)

Features are as of the cut, search is exact, and nothing is registered or gated: that is
what `gh.run` and `gh.open_champion` are for. Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feature_repo.errors import InputError
    from orchestration.api.dataset import Dataset
    from orchestration.api.evaluation import Report, evaluate
    from orchestration.api.model import RetrievalModel, fit, load_model
    from orchestration.api.pipeline import open_champion, run
    from training import recipes
    from training.recipes import TrainConfig

__all__ = [
    "Dataset",
    "InputError",
    "Report",
    "RetrievalModel",
    "TrainConfig",
    "evaluate",
    "fit",
    "load_model",
    "open_champion",
    "recipes",
    "run",
]
_HOMES = {
    "Dataset": "orchestration.api.dataset",
    "InputError": "feature_repo.errors",
    "Report": "orchestration.api.evaluation",
    "RetrievalModel": "orchestration.api.model",
    "TrainConfig": "training.recipes",
    "evaluate": "orchestration.api.evaluation",
    "fit": "orchestration.api.model",
    "load_model": "orchestration.api.model",
    "open_champion": "orchestration.api.pipeline",
    "run": "orchestration.api.pipeline",
}


def __getattr__(name: str) -> Any:
    if name == "recipes":
        return import_module("training.recipes")
    if name not in _HOMES:
        raise AttributeError(f"gatehouse has no {name!r}; there are {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
