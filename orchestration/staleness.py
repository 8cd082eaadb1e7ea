"""Age of a dataset's champion, online features and last run, and which of them are too old."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feature_repo.schema import Schema
from serving.registry.sqlite import open_registry
from serving.release.freshness import loaded_for, newest_load
from serving.release.manifest import read
from serving.settings import Settings

CHAMPION_BEHIND = timedelta(days=30)
"""Longest time by which the data of the champion's run may be older than the newest that were loaded."""
LAST_RUN = timedelta(days=8)
"""Longest time without a completed run: a weekly one may be a day late."""


@dataclass(frozen=True, kw_only=True)
class Ages:
    """Moments that the age of a dataset is told from, naive UTC; None where there is none."""

    newest: datetime | None
    """Moment of the newest load of online features."""
    features: datetime | None
    """Moment that the champion's online features stand for."""
    champion: datetime | None
    """End of the data of the champion's run."""
    last_run: datetime | None
    """End of the last completed run, by the clock."""


def ages_of(settings: Settings, dataset: str, values: Path) -> Ages:
    """Read the ages of a dataset.

    Args:
        settings: the home.
        dataset: name of the dataset.
        values: folder of the values of its runs.
    """
    registry, features, until = open_registry(settings, dataset), None, None
    champion = registry.champion()
    if champion is not None:
        # A champion that is broken is told by whoever needs it.
        with suppress(OSError, LookupError, ValueError, RuntimeError):
            features = loaded_for(settings, Schema.from_json(registry.read_file(champion, "schema.json")))
            until = read(registry, champion).as_of
    verdict = values / "verdict.json"
    ended = datetime.fromtimestamp(verdict.stat().st_mtime, UTC).replace(tzinfo=None) if verdict.exists() else None
    return Ages(newest=newest_load(settings, dataset), features=features, champion=until, last_run=ended)


def too_old(ages: Ages, now: datetime, features_behind_days: float) -> dict[str, str]:
    """Name what is too old, with the reason and what helps.

    Champion and features are compared with the newest data, not with the clock: where no newer data came, none are
    newer.

    Args:
        ages: moments of a dataset.
        now: present time, naive UTC.
        features_behind_days: days by which the champion's features may be behind.
    """
    found: dict[str, str] = {}
    behind = timedelta(days=features_behind_days)
    if ages.newest and ages.features and ages.newest - ages.features > behind:
        found["features"] = (
            f"the champion's online features stand for {ages.features:%Y-%m-%d %H:%M}, the newest data for"
            f" {ages.newest:%Y-%m-%d %H:%M}: its answers know nothing of what users did since. The data may lack what"
            " its schema needs; the log of the last run says so"
        )
    if ages.newest and ages.champion and ages.newest - ages.champion > CHAMPION_BEHIND:
        found["champion"] = (
            f"the champion was judged on data until {ages.champion:%Y-%m-%d}, the newest reach to"
            f" {ages.newest:%Y-%m-%d}: for {CHAMPION_BEHIND.days} days no version has passed the gate. `gatehouse"
            " releases` lists them with their verdicts"
        )
    if ages.last_run and now - ages.last_run > LAST_RUN:
        found["runs"] = (
            f"the last run that reached a verdict ended at {ages.last_run:%Y-%m-%d %H:%M}: read why in Dagster's runs,"
            " or start one with `gatehouse run`"
        )
    return found
