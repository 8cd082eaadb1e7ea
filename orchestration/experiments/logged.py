"""Exposures and outcomes that the service of a home has logged."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import polars as pl

from feature_repo.events.frames import as_frame, read_frame
from feature_repo.events.history import once
from orchestration.experiments.tables import CLICK, EXPOSURES, OUTCOMES, PURCHASE
from serving.experiments.exposure_log import read_lines
from serving.settings import Settings


def logged_exposures(settings: Settings, dataset: str, experiment: str) -> pl.DataFrame:
    """Exposures of an experiment, as EXPOSURES; none where the service has logged none.

    Args:
        settings: the home.
        dataset: name of the dataset.
        experiment: name of the experiment.
    """
    return parsed(read_lines(settings.exposure_log(dataset), experiment))


def parsed(lines: Sequence[str]) -> pl.DataFrame:
    """Exposures of their JSON, as EXPOSURES."""
    written = pl.Struct({**EXPOSURES, "timestamp": pl.String})
    rows = pl.Series("line", lines, pl.String).str.json_decode(written).struct.unnest()
    return rows.with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us"))


def logged_outcomes(settings: Settings, dataset: str) -> pl.DataFrame:
    """Clicks and purchases of the event log, as OUTCOMES."""
    events = as_frame([])
    if settings.has_event_log(dataset):
        with closing(settings.open_event_log(dataset)) as log:
            events = once(read_frame(log))
    return events.filter(pl.col("kind").is_in([CLICK, PURCHASE])).select(
        pl.col(name).cast(kind) for name, kind in OUTCOMES.items()
    )
