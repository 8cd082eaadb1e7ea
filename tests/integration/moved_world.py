"""A home whose champion is moved, and the sensors and jobs that move it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from orchestration.definitions import defs
from serving.settings import Settings
from tests.integration.release_world import (
    DATASET,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)


def judged_home(root: Path) -> Settings:
    """Versions 1, 2 and 4 passed, 3 failed."""
    settings = fresh_home(root / "home", empty_database(root / "empty"))
    (settings.home / "data" / DATASET).mkdir(parents=True)  # as a run leaves it
    artifacts = write_artifacts(root / "artifacts", schema())
    for outcome in ("passed", "passed", "failed", "passed"):
        seal_as(settings, register(settings, artifacts), outcome)
    return settings


def tick(name: str, cursor: str | None = None) -> dg.SensorResult:
    # An instance that Dagster makes itself stays current until it is collected.
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor, sensor_name=name)
        found = defs.resolve_sensor_def(name)(context)
    assert isinstance(found, dg.SensorResult)
    return found


def said(result: dg.SensorResult) -> str:
    assert isinstance(result.skip_reason, dg.SkipReason)
    return str(result.skip_reason.skip_message)


def run_job(name: str, **config: object) -> dg.ExecuteInProcessResult:
    (op,) = defs.resolve_job_def(name).nodes
    with dg.DagsterInstance.ephemeral() as instance:
        config_of_run = {"ops": {op.name: {"config": {"dataset": DATASET, **config}}}}
        return defs.resolve_job_def(name).execute_in_process(
            run_config=config_of_run, instance=instance, raise_on_error=False
        )


def facts_of(observation: object) -> dict[str, object]:
    assert isinstance(observation, dg.AssetObservation)
    return {name: each.value for name, each in observation.metadata.items()}
