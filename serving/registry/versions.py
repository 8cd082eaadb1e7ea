"""Model versions: their states, their tags, and the champion alias.

A version is registered as the last act of its run, and counts as complete only when that run has finished: a crash
leaves a version that no search finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from serving.registry.connection import Connection
from serving.registry.tags import CHAMPION, INPUT_KEY, OUTCOME

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun
    from mlflow.entities.model_registry import ModelVersion

MOST_VERSIONS = 10_000


@dataclass(frozen=True, kw_only=True)
class VersionSummary:
    """One complete version."""

    version: int
    created: datetime
    """Time of registration, naive UTC."""
    outcome: str | None
    """Outcome of the gate; None before the version is sealed."""
    metrics: dict[str, float]
    """Metrics of its run."""
    champion: bool
    tags: dict[str, str]


class Versions(Connection):
    """The model versions of one dataset."""

    def find(self, input_key: str) -> int | None:
        """Return the newest complete version of this input; None if there is none."""
        same = [each for each in self._registered() if each.tags.get(INPUT_KEY) == input_key]
        return max((int(version.version) for version, _ in self._complete(same)), default=None)

    def versions(self) -> list[VersionSummary]:
        """List all complete versions, newest first."""
        champion = self.champion()
        summaries = [_summary(version, run, champion) for version, run in self._complete(self._registered())]
        return sorted(summaries, key=lambda summary: -summary.version)

    def _registered(self) -> list[ModelVersion]:
        found = self._client.search_model_versions(f"name = '{self.dataset}'", max_results=MOST_VERSIONS)
        return list(found)

    def _complete(self, versions: list[ModelVersion]) -> list[tuple[ModelVersion, MlflowRun]]:
        """Keep the versions that are ready and whose run has finished.

        Pair each with that run.
        """
        pairs = [(version, self._client.get_run(run_id(version))) for version in versions if version.status == "READY"]
        return [(version, run) for version, run in pairs if run.info.status == "FINISHED"]

    def _version(self, version: int) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_model_version(self.dataset, str(version))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise LookupError(f"{self.dataset} has no version {version}; `gatehouse releases` lists them") from error

    def tags(self, version: int) -> dict[str, str]:
        """Return the tags of a version. LookupError if there is no such version."""
        return dict(self._version(version).tags)

    def set_tags(self, version: int, tags: Mapping[str, str]) -> None:
        """Set tags one after the other. Put the tag that completes a state last."""
        for name, value in tags.items():
            self._client.set_model_version_tag(self.dataset, str(version), name, value)

    def champion(self) -> int | None:
        """Return the version that serves; None before the first promotion."""
        from mlflow.exceptions import MlflowException

        try:
            aliases = self._client.get_registered_model(self.dataset).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return int(aliases[CHAMPION]) if CHAMPION in aliases else None

    def set_champion(self, version: int) -> None:
        """Move the champion alias to a version."""
        self._client.set_registered_model_alias(self.dataset, CHAMPION, str(version))


def run_id(version: ModelVersion) -> str:
    """Return the id of a version's run.

    LookupError for a version that Gatehouse did not register.
    """
    if version.run_id is None:
        raise LookupError(f"{version.name} version {version.version} was registered without a run, not by Gatehouse")
    return version.run_id


def _summary(version: ModelVersion, run: MlflowRun, champion: int | None) -> VersionSummary:
    return VersionSummary(
        version=int(version.version),
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).replace(tzinfo=None),
        outcome=version.tags.get(OUTCOME),
        metrics={name.replace("_at_", "@"): value for name, value in run.data.metrics.items()},
        champion=int(version.version) == champion,
        tags=dict(version.tags),
    )
