"""Names of the tags and of the alias that a model version carries."""

from __future__ import annotations

from enum import StrEnum

CHAMPION = "champion"
"""Alias of the version that serves."""
INPUT_KEY = "gatehouse.input_key"
"""Hash of everything that decides a version. The same key means the same version."""
SEEDLESS_KEY = "gatehouse.seedless_key"
"""The same hash without the seed. Versions with the same one differ in their seeds alone."""
OUTCOME = "gatehouse.outcome"
"""Outcome of the gate, set when the version is sealed."""
OVERRIDE = "gatehouse.override_reason"
"""Reason of a promotion against the gate."""
TRAINING = "gatehouse.training"
"""The kind of training, a value of `Training`."""
HOLDOUT, VALIDATION = "gatehouse.holdout", "gatehouse.validation"
"""Lengths of the windows as declared."""
PARENT = "gatehouse.parent"
"""Base version of an update or a warm start; the judged version of a refit."""
DATA = "gatehouse.data"
"""Name of the folder of everything that is derived from a version's data."""
BASE = "gatehouse.base"
"""Version whose weights an update of a refit started from."""
DAGSTER_RUN = "dagster_run"
"""Tag of an MLflow run: the run of Dagster that it is of."""


class Training(StrEnum):
    """Kind of training that gave a version its weights.

    A version without the tag was trained in full.
    """

    FULL = "full"
    WARM_START = "warm start"
    UPDATE = "update"
    REFIT = "refit"
