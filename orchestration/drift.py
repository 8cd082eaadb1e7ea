"""Drift of the features of a version against the champion's, or against its own past.

Each version keeps the distribution of its features at its cut, all users and the whole
corpus, in its run. What the champion did not keep, such as a new feature, is compared with
the version's own past: its features at the start of its validation window.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl

from feature_repo.schema import Entity, Kind, Schema
from feature_repo.utc import microseconds
from orchestration.asset_values import Version
from serving.gate.drift import Drifted
from serving.registry import Registry
from training.data.interactions import at
from training.evaluation.drift import Profile, noise, profile, stability_index

FEATURE_PROFILE = "feature_profile.json"
"""Distribution of the features at the cut, in the run of a version."""
_FRAMES = {Entity.USER: "queries", Entity.ITEM: "item_snapshots"}
AS_TIME = ", as a time"
"""Second way to look at a time, beside its age."""
_COMPARED = (Kind.CATEGORICAL, Kind.MULTI_VALUED, Kind.NUMERIC, Kind.HISTORY)
"""Kinds with a distribution that can move: an id or a vector has none that bins could show."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Drift of the features of a version."""

    against: str
    """Words for the reference."""
    features: Mapping[str, Drifted]
    """By name, such as `user age`."""
    profiles: Mapping[str, Profile]
    """Distributions at the cut, with bins of their own, for the versions to come."""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Drift:
        """Read what `asdict` made and JSON kept."""
        features = {name: Drifted(**each) for name, each in raw["features"].items()}
        return cls(against=raw["against"], features=features, profiles=read_profiles(raw["profiles"]))


def measure_drift(registry: Registry, version: Version, schema: Schema, champion: int | None) -> Drift:
    """Compare the features of a version at its cut with those of the reference.

    Args:
        registry: registry of the dataset.
        version: the version.
        schema: its features.
        champion: champion's number; None without one.
    """
    source = version.source
    now = features_at(version, schema, source.cut)
    kept = kept_profiles(registry, champion) if champion is not None else {}
    unknown = now.keys() - kept.keys()
    earlier = features_at(version, schema, source.validation_start) if unknown else {}
    reference = {name: kept[name] if name in kept else profile(earlier[name]) for name in now}
    past = f"their own at {source.validation_start:%Y-%m-%d}"
    against = f"the champion's at its cut (version {champion})" if now.keys() & kept.keys() else past
    if unknown and against != past:
        new = sorted({name.removesuffix(AS_TIME) for name in unknown})
        against = f"{against}, which kept no {', '.join(new)}: against {past}"
    profiles = {name: profile(each) for name, each in now.items()}
    return Drift(against=against, features=drift_against(reference, now), profiles=profiles)


def drift_against(reference: Mapping[str, Profile], values: Mapping[str, pl.Series]) -> dict[str, Drifted]:
    """Drift by feature; of a time that of its age or that of itself, whichever is less.

    Args:
        reference: distributions of the reference, by the names of `values`.
        values: values by name, as of `features_at`.
    """
    drifted = {name: _drifted(reference[name], each) for name, each in values.items()}
    # Of a first purchase the time stays and the age grows, of a last one the reverse: a
    # time moved if both did.
    return {
        name: min(each, drifted.get(name + AS_TIME, each), key=lambda way: way.beyond_chance)
        for name, each in drifted.items()
        if not name.endswith(AS_TIME)
    }


def features_at(version: Version, schema: Schema, moment: datetime) -> dict[str, pl.Series]:
    """Values of all features that are compared, of all users and items at a moment.

    A time is there as its age and as itself.

    Args:
        version: the version, with the frames of its training set.
        schema: its features.
        moment: start of the validation window, or the cut.
    """
    found: dict[str, pl.Series] = {}
    for entity, name in _FRAMES.items():
        rows = at(pl.scan_parquet(version.frames / f"{name}.parquet"), moment, week=entity is Entity.ITEM)
        found |= compared(rows, schema, entity, moment)
    return found


def compared(rows: pl.DataFrame, schema: Schema, entity: Entity, moment: datetime) -> dict[str, pl.Series]:
    """Values of the features of one entity that are compared.

    Args:
        rows: one row for each user or item.
        schema: its features.
        entity: user or item.
        moment: moment of the rows.
    """
    found: dict[str, pl.Series] = {}
    for feature in schema.features_of(entity):
        label = f"{entity.value} {feature.name}"
        if feature.kind is Kind.TIMESTAMP:
            found |= {label: microseconds(moment) - rows[feature.name], label + AS_TIME: rows[feature.name]}
        elif feature.kind in _COMPARED:  # of a history, its length
            found[label] = rows[next(iter(feature.columns))]
    return found


def keep_profiles(registry: Registry, version: int, drift: Drift) -> None:
    """Store the distributions of a version in its run."""
    registry.write_text(version, FEATURE_PROFILE, json.dumps({n: asdict(each) for n, each in drift.profiles.items()}))


def read_profiles(raw: Mapping[str, Any]) -> dict[str, Profile]:
    """Read profiles as JSON kept them."""
    return {
        name: Profile(**{**each, "edges": None if each["edges"] is None else tuple(each["edges"])})
        for name, each in raw.items()
    }


def kept_profiles(registry: Registry, version: int) -> dict[str, Profile]:
    """Distributions that a version kept; none of one from before they were kept."""
    try:
        return read_profiles(json.loads(registry.read_text(version, FEATURE_PROFILE)))
    except FileNotFoundError:
        return {}


def _drifted(reference: Profile, values: pl.Series) -> Drifted:
    current = profile(values, reference)
    return Drifted(index=stability_index(reference, current), chance=noise(reference, current))
