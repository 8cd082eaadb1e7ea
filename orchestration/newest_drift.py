"""Drift of the features of the newest data against those that the champion was trained on.

Between two releases nobody is judged, so nobody sees the data move away from the champion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Entity
from orchestration.asset_files import features_folder, read_schema
from orchestration.asset_values import Features, Source
from orchestration.drift import AS_TIME, compared, drift_against, kept_profiles
from serving.gate.drift import Drifted, DriftLimits
from serving.registry import Registry
from serving.release.judged_twin import judged_twin

_ROW = "__row"


@dataclass(frozen=True, kw_only=True)
class NewestDrift:
    """Drift of the newest data of a dataset against its champion."""

    champion: int
    """Number of the version that serves."""
    as_of: datetime
    """Moment of the newest features."""
    moved: Mapping[str, Drifted]
    """Features beyond the limit, the most moved first."""

    def text(self, limits: DriftLimits) -> str:
        """Say which features moved, by how much, and what helps."""
        shown = [f"{name}: PSI {each.index:.2f}, {each.chance:.2f} by chance" for name, each in self.moved.items()]
        return (
            f"Features of {self.as_of:%Y-%m-%d %H:%M} beside those that the champion, version {self.champion}, was"
            f" trained on; more than {limits.note:g} beyond chance is another distribution:\n"
            + "\n".join(shown)
            + "\n\nIf the data are right, a release that learns from them helps: `gatehouse run`. If not, the page on"
            " the data of the last run shows the columns."
        )


def newest_source(values: Path) -> Source | None:
    """Data of the newest run whose user features are computed; None before the first.

    Args:
        values: folder of the values of the runs of a dataset.
    """
    path = values / "user_features.json"
    return Features.model_validate_json(path.read_text(encoding="utf-8")).source if path.exists() else None


def measure_newest(registry: Registry, source: Source, champion: int, limits: DriftLimits) -> NewestDrift:
    """Compare the features at the end of the newest data with the champion's at its cut.

    What the champion did not keep is not compared. Of a refit or an update, its judged twin's count.

    Args:
        registry: registry of the dataset.
        source: the newest data.
        champion: number of the version that serves.
        limits: limits of the policy.

    Raises:
        OSError: the features of the data are gone, as after a cleaning.
    """
    kept = kept_profiles(registry, judged_twin(registry, champion))
    found = {name: values for name, values in features_at_end(source).items() if name in kept}
    drift = drift_against(kept, found)
    beyond = {name: each for name, each in drift.items() if each.beyond_chance > limits.note}
    ordered = sorted(beyond, key=lambda name: (-beyond[name].beyond_chance, name))
    return NewestDrift(champion=champion, as_of=source.as_of, moved={name: beyond[name] for name in ordered})


def features_at_end(source: Source) -> dict[str, pl.Series]:
    """Values of the features that are compared, of all users and items, as of the end of the data.

    Times are left out: a first sale grows older each day, and those of new items are later than any that the champion
    knew. Without a change of anything else they would drift between any two moments.
    """
    schema, folder = read_schema(source), features_folder(source)
    found: dict[str, pl.Series] = {}
    for entity in Entity:
        rows = pl.scan_parquet(source.folder / f"{entity.value}s.parquet").select(entity.key)
        for path in sorted((folder / entity.value).glob("*.parquet")):
            rows = rows.join(_latest(path, entity, source.as_of), on=entity.key, how="left")
        found |= compared(rows.collect(), schema, entity, source.as_of)
    times = {name.removesuffix(AS_TIME) for name in found if name.endswith(AS_TIME)}
    return {name: each for name, each in found.items() if name.removesuffix(AS_TIME) not in times}


def _latest(path: Path, entity: Entity, moment: datetime) -> pl.LazyFrame:
    """Newest row that was known of each user or item, as the point-in-time join gives it.

    Args:
        path: a feature table.
        entity: its entity.
        moment: time of the join.
    """
    rows = pl.scan_parquet(path).with_row_index(_ROW)
    known = rows.filter(pl.max_horizontal(ENTITY_TIME, CREATED_TIME) <= moment)
    newest = known.group_by(entity.key).agg(pl.col(_ROW).sort_by(ENTITY_TIME, CREATED_TIME).last())
    # A sort of the numbers of the rows: one of the rows would move their lists too.
    return rows.join(newest.select(_ROW), on=_ROW, how="semi").drop(_ROW, ENTITY_TIME, CREATED_TIME)
