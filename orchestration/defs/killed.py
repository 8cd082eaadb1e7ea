"""Sensor that ends runs which were killed: the others would wait for their end."""

import os
from datetime import UTC, datetime

import dagster as dg

from orchestration.dagster_runs import end_runs, gone_runs, silent_runs
from orchestration.defs.switch import sensor_status
from serving.settings import Settings


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=sensor_status(),
    description="Ends runs that say that they are at work and were killed: those whose process on this host is gone,"
    " and those that have said nothing for twelve hours.",
)
def killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Note that killed runs have failed, whatever the nightly cleaning keeps."""
    settings = Settings.from_environment(os.environ)
    killed = gone_runs(settings)
    end_runs(settings, killed, "nobody holds its lock any more")
    silent = silent_runs(settings, datetime.now(UTC))
    end_runs(settings, silent)
    for run in (*killed, *silent):
        context.log.warning(f"run {run} said that it was at work, and was killed: it is ended")
    return dg.SkipReason(f"ended, since they were killed: {', '.join((*killed, *silent)) or 'none'}")
