"""Exposures and outcomes that the service of a home has logged."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import polars as pl

from feature_repo.errors import InputError, unknown_name
from feature_repo.events.base_note import kinds_reader
from feature_repo.events.frames import as_frame, read_frame
from feature_repo.events.history import once
from orchestration.experiments.tables import EXPOSURES, OUTCOMES
from serving.experiments.definition import CLICK, PURCHASE, Experiment
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


def logged_outcomes(settings: Settings, dataset: str, experiment: Experiment) -> pl.DataFrame:
    """Clicks and purchases of the event log, as OUTCOMES.

    Args:
        settings: the home.
        dataset: name of the dataset.
        experiment: names the kinds of events that are clicks and purchases.

    Raises:
        InputError: it names a kind that neither the dataset nor its log has.
    """
    events = as_frame([])
    if settings.has_event_log(dataset):
        with closing(settings.open_event_log(dataset)) as log:
            events = once(read_frame(log))
    named = (*experiment.clicks, *experiment.purchases)
    found = events.filter(pl.col("kind").is_in(named))
    # A kind of a former gatehouse.yaml still counts where the log has it.
    known = [*dict(kinds_reader(settings.feast_home, dataset)()), *found["kind"].unique()]
    for kind in named:
        if kind not in (CLICK, PURCHASE, *known):
            raise InputError(f"{experiment.name}, {dataset}: {unknown_name('kind of events', kind, known)}")
    return found.select(pl.col(name).cast(dtype) for name, dtype in OUTCOMES.items())
