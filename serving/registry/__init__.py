"""The registry in MLflow: runs, model versions, their files, and the champion."""

from serving.registry.listing import Listing, TrainingRun, VersionSummary
from serving.registry.registry import Registry
from serving.registry.runs import Lineage, Run
from serving.registry.tags import CHAMPION, DAGSTER_RUN, INPUT_KEY, OUTCOME, OVERRIDE, PARENT, TRAINING, Training

__all__ = [
    "CHAMPION",
    "DAGSTER_RUN",
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
    "TrainingRun",
    "VersionSummary",
]
