"""The registry in MLflow: runs, model versions, their files, and the champion."""

from serving.registry.registry import Registry
from serving.registry.runs import Lineage, Run
from serving.registry.tags import CHAMPION, INPUT_KEY, OUTCOME, OVERRIDE, PARENT, TRAINING, Training
from serving.registry.versions import VersionSummary

__all__ = [
    "CHAMPION",
    "INPUT_KEY",
    "OUTCOME",
    "OVERRIDE",
    "PARENT",
    "TRAINING",
    "Lineage",
    "Registry",
    "Run",
    "Training",
    "VersionSummary",
]
