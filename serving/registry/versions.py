"""Model versions: their states, their tags, and the champion alias.

A version is registered as the last act of its run, and counts as complete only when that run has finished: a crash
leaves a version that no search finds. What people do in MLflow by hand (a version that they register, a run that they
delete) is skipped and named, and never stops a command.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from serving.registry.connection import Connection
from serving.registry.holder import HOLDER
from serving.registry.listing import Listing, RunState, TrainingRun, Version, VersionSummary, listing_of
from serving.registry.tags import CHAMPION, DAGSTER_RUN, INPUT_KEY

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun
    from mlflow.entities.model_registry import ModelVersion

logger = logging.getLogger(__name__)
VERSIONS_AT_ONCE, RUNS_AT_ONCE = 10_000, 1_000
DESCRIPTION_LENGTH = 5_000
"""Characters that MLflow's database has room for."""
MISSING = "RESOURCE_DOES_NOT_EXIST"


class Versions(Connection):
    """The model versions of one dataset."""

    def find(self, input_key: str) -> int | None:
        """Return the newest complete version of this input; None if there is none."""
        same = list(self._registered(f" and tags.`{INPUT_KEY}` = '{input_key}'"))
        runs = {each.run_id: self._run(each.run_id) for each in same if each.run_id}
        found = listing_of(map(_version, same), {id_: _state(run) for id_, run in runs.items() if run}, {})
        return max((each.version for each in found.versions), default=None)

    def listing(self) -> Listing:
        """List all complete versions, and name those that cannot be used."""
        found = list(map(_version, self._registered()))
        runs = {run.info.run_id: _state(run) for run in self._experiment_runs()}
        for id_ in {each.run_id for each in found if each.run_id} - runs.keys():
            run = self._run(id_)  # of another experiment, or deleted
            if run:
                runs[id_] = _state(run)
        return listing_of(found, runs, self.aliases())

    def trainings(self) -> list[TrainingRun]:
        """List the runs of all trainings, those without a version too."""
        versions = {each.run_id: int(each.version) for each in self._registered() if each.run_id}
        return [
            TrainingRun(
                id=run.info.run_id,
                status=run.info.status,
                started=utc(run.info.start_time),
                files=run.info.artifact_uri,
                version=versions.get(run.info.run_id),
                dagster_run=run.data.tags.get(DAGSTER_RUN),
                home=run.data.tags.get(HOLDER),
            )
            for run in self._experiment_runs()
        ]

    def versions(self) -> list[VersionSummary]:
        """List all complete versions, newest first."""
        return list(self.listing().versions)

    def summary(self, version: int) -> VersionSummary:
        """Describe one version. LookupError if there is none, or it is not complete."""
        stored = _version(self._version(version))
        run = self._run(stored.run_id) if stored.run_id else None
        runs = {run.info.run_id: _state(run)} if run else {}
        found = listing_of([stored], runs, self.aliases())
        if not found.versions:
            reason = "; ".join(found.skipped) or "its run has not finished"
            raise LookupError(f"{self.dataset} version {version} is not complete: {reason}")
        return found.versions[0]

    def _registered(self, more: str = "") -> Iterator[ModelVersion]:
        wanted: dict[str, Any] = {"filter_string": f"name = '{self.dataset}'{more}", "max_results": VERSIONS_AT_ONCE}
        token: str | None = ""
        while token is not None:
            page = self._client.search_model_versions(**wanted, page_token=token or None)
            yield from page
            token = page.token or None

    def _experiment_runs(self) -> Iterator[MlflowRun]:
        experiment = self._client.get_experiment_by_name(self.dataset)
        token: str | None = ""
        while experiment and token is not None:
            page = self._client.search_runs(
                [experiment.experiment_id], max_results=RUNS_AT_ONCE, page_token=token or None
            )
            yield from page
            token = page.token or None

    def _run(self, id_: str) -> MlflowRun | None:
        """Return a run; None if it is gone for good."""
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(id_)
        except MlflowException as error:
            if error.error_code != MISSING:
                raise
            return None

    def _version(self, version: int) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_model_version(self.dataset, str(version))
        except MlflowException as error:
            if error.error_code != MISSING:
                raise
            raise LookupError(f"{self.dataset} has no version {version}; `gatehouse releases` lists them") from error

    def tags(self, version: int) -> dict[str, str]:
        """Return the tags of a version. LookupError if there is no such version."""
        return dict(self._version(version).tags)

    def set_tags(self, version: int, tags: Mapping[str, str]) -> None:
        """Set tags one after the other. Put the tag that completes a state last."""
        for name, value in tags.items():
            self._client.set_model_version_tag(self.dataset, str(version), name, value)

    def remove_tag(self, version: int, name: str) -> None:
        """Remove a tag that a version has."""
        self._client.delete_model_version_tag(self.dataset, str(version), name)

    def describe(self, version: int, line: str) -> None:
        """Append a line to the description of a version, unless it stands there.

        What stands there is kept: a line that finds no room is left out, with a warning.
        """
        former = self._version(version).description or ""
        if line in former.splitlines():
            return
        text = f"{former}\n\n{line}" if former else line
        if len(text) > DESCRIPTION_LENGTH:
            logger.warning("the description of %s version %d has no room for: %s", self.dataset, version, line)
            return
        self._client.update_model_version(self.dataset, str(version), text)

    def model_tags(self) -> dict[str, str]:
        """Return the tags of the dataset's model; none before its first version."""
        model = self._model()
        return dict(model.tags) if model else {}

    def set_model_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the dataset's model, which has a version."""
        for name, value in tags.items():
            self._client.set_registered_model_tag(self.dataset, name, value)

    def aliases(self) -> dict[str, int]:
        """Return the versions that aliases point at, by alias."""
        model = self._model()
        return {alias: int(version) for alias, version in model.aliases.items()} if model else {}

    def champion(self) -> int | None:
        """Return the version that the champion alias points at; None if there is none."""
        return self.aliases().get(CHAMPION)

    def set_champion(self, version: int) -> None:
        """Move the champion alias to a version."""
        self._client.set_registered_model_alias(self.dataset, CHAMPION, str(version))

    def _model(self) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_registered_model(self.dataset)
        except MlflowException as error:
            if error.error_code != MISSING:
                raise
            return None


def run_id(version: ModelVersion) -> str:
    """Return the id of a version's run.

    LookupError for a version that Gatehouse did not register.
    """
    if version.run_id is None:
        raise LookupError(f"{version.name} version {version.version} was registered without a run, not by Gatehouse")
    return version.run_id


def _version(stored: ModelVersion) -> Version:
    return Version(
        number=int(stored.version),
        created=utc(stored.creation_timestamp),
        ready=stored.status == "READY",
        run_id=stored.run_id or None,
        tags=dict(stored.tags),
    )


def _state(run: MlflowRun) -> RunState:
    return RunState(
        finished=run.info.status == "FINISHED",
        deleted=run.info.lifecycle_stage == "deleted",
        metrics=dict(run.data.metrics),
    )


def utc(milliseconds: int) -> datetime:
    """Naive UTC time of MLflow's milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
