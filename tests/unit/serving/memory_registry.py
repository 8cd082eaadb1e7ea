"""A registry in memory: tags, aliases and versions of one dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from serving.registry import CHAMPION, OUTCOME, Listing, VersionSummary


@dataclass(kw_only=True)
class MemoryRegistry:
    """The methods of `serving.registry.Registry` that moves of the champion need."""

    dataset: str = "shop"
    stored: dict[int, dict[str, str]] = field(default_factory=dict)
    """Tags by version."""
    alias: dict[str, int] = field(default_factory=dict)
    model: dict[str, str] = field(default_factory=dict)
    """Tags of the model."""
    aside: set[int] = field(default_factory=set)
    """Versions whose run was deleted in MLflow."""

    def add(self, *outcomes: str | None, **tags: str) -> None:
        """Versions with these outcomes, None for those that are not judged."""
        for outcome in outcomes:
            self.stored[len(self.stored) + 1] = ({OUTCOME: outcome} if outcome else {}) | tags

    def tags(self, version: int) -> dict[str, str]:
        return self.stored[version]

    def set_tags(self, version: int, tags: Mapping[str, str]) -> None:
        self.stored[version].update(tags)

    def model_tags(self) -> dict[str, str]:
        return self.model

    def set_model_tags(self, tags: Mapping[str, str]) -> None:
        self.model.update(tags)

    def champion(self) -> int | None:
        return self.alias.get(CHAMPION)

    def set_champion(self, version: int) -> None:
        self.alias[CHAMPION] = version

    def listing(self) -> Listing:
        found = self._summaries()
        aside = tuple(each for each in found if each.version in self.aside)
        return Listing(
            versions=tuple(each for each in found if each not in aside),
            skipped=tuple(f"version {each.version} has a run that was deleted in MLflow" for each in aside),
            aside=aside,
            interrupted={},
        )

    def versions(self) -> list[VersionSummary]:
        return list(self.listing().versions)

    def _summaries(self) -> list[VersionSummary]:
        return [
            VersionSummary(
                version=version,
                created=datetime(2024, 1, version),
                outcome=tags.get(OUTCOME),
                metrics={},
                champion=version == self.champion(),
                aliases=tuple(name for name, target in self.alias.items() if target == version),
                tags=tags,
            )
            for version, tags in sorted(self.stored.items(), reverse=True)
        ]
