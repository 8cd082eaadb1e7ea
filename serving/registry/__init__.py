"""The registry in MLflow: runs, model versions, their files, and the champion."""

from serving.registry.listing import Listing, VersionSummary
from serving.registry.registry import Registry
from serving.registry.runs import Lineage, Run
from serving.registry.tags import CHAMPION, INPUT_KEY, OUTCOME, OVERRIDE, PARENT, TRAINING, Training

__all__ = [
    "CHAMPION",
    "INPUT_KEY",
    "OUTCOME",
    "OVERRIDE",
    "PARENT",
    "TRAINING",
    "Lineage",
    "Listing",
    "Registry",
    "Run",
    "Training",
    "VersionSummary",
]
