"""Jobs that move the champion on purpose, from Dagster's page."""

import os

import dagster as dg
from pydantic import Field

from orchestration.champion_moves import promote_on_purpose, roll_back
from orchestration.defs.champion_check import champion_facts
from orchestration.defs.moves import CHAMPION
from serving.registry.sqlite import open_registry
from serving.release.manifest import Manifest
from serving.settings import Settings

OLD_FEATURES = "Whether to move at once, however old the online features of the version are."


class Promotion(dg.Config):
    """A promotion on purpose."""

    dataset: str = Field(description="Dataset of the version.")
    version: int = Field(description="Version that `gatehouse releases` lists.")
    override: str = Field(default="", description="Reason to promote a version that the gate did not pass.")
    old_features: bool = Field(default=False, description=OLD_FEATURES)


class Rollback(dg.Config):
    """A way back."""

    dataset: str = Field(description="Dataset whose champion goes back.")
    old_features: bool = Field(default=False, description=OLD_FEATURES)


@dg.op(description="Makes a version the champion, as `gatehouse promote` does.")
def promote_version(context: dg.OpExecutionContext, config: Promotion) -> None:
    """Promote a version on purpose."""
    settings = Settings.from_environment(os.environ)
    manifest = promote_on_purpose(
        settings,
        config.dataset,
        config.version,
        override_reason=config.override or None,
        old_features=config.old_features,
        tell=context.log.warning,
    )
    _moved(context, settings, manifest)


@dg.op(description="Makes the version that served before the champion again, as `gatehouse rollback` does.")
def go_back(context: dg.OpExecutionContext, config: Rollback) -> None:
    """Go back to the last version that served well."""
    settings = Settings.from_environment(os.environ)
    manifest = roll_back(settings, config.dataset, old_features=config.old_features, tell=context.log.warning)
    _moved(context, settings, manifest)


def _moved(context: dg.OpExecutionContext, settings: Settings, manifest: Manifest) -> None:
    """Show a move on the page of the champion."""
    context.log.info(f"champion: {manifest.dataset} v{manifest.version}")
    facts = champion_facts(open_registry(settings, manifest.dataset), manifest.version)
    context.log_event(dg.AssetObservation(CHAMPION, metadata={"dataset": manifest.dataset, **facts}))


@dg.job(executor_def=dg.in_process_executor, description="Make a version the champion: name dataset and version.")
def promote_job() -> None:
    """Promote a version from Dagster's page."""
    promote_version()


@dg.job(executor_def=dg.in_process_executor, description="Go back to the version that served before the champion.")
def rollback_job() -> None:
    """Roll back from Dagster's page."""
    go_back()
