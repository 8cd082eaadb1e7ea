"""Features of a version beside the champion's, and beside their own past."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_repo.schema import Entity, Feature, Kind, Schema, View
from orchestration.asset_values import Source, Version
from orchestration.drift import AS_TIME, FEATURE_PROFILE, Drift, keep_profiles, measure_drift
from serving.registry import Registry

WEEK = timedelta(days=7)
CUT = datetime(2024, 3, 4)  # a Monday: the snapshot of the week is that of the cut
USERS = 2_000
MINUTE = 60_000_000
SCHEMA = Schema(
    dataset="shop",
    seen_items_may_return=True,
    views=(
        View(
            name="user",
            entity=Entity.USER,
            features=(
                Feature(name="age", kind=Kind.NUMERIC),
                Feature(name="town", kind=Kind.CATEGORICAL),
                Feature(name="first", kind=Kind.TIMESTAMP),
                Feature(name="last", kind=Kind.TIMESTAMP),
                Feature(name="key", kind=Kind.ID),
            ),
        ),
        View(name="item", entity=Entity.ITEM, features=(Feature(name="tags", kind=Kind.MULTI_VALUED, length=3),)),
    ),
)


def microseconds(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1)) / timedelta(microseconds=1))


class Run:
    """Texts of versions."""

    def __init__(self) -> None:
        self.texts: dict[tuple[int, str], str] = {}

    def write_text(self, version: int, name: str, text: str) -> None:
        self.texts[version, name] = text

    def read_text(self, version: int, name: str) -> str:
        if (version, name) not in self.texts:
            raise FileNotFoundError(name)
        return self.texts[version, name]


def version_at(folder: Path, cut: datetime, number: int = 1, **changes: Any) -> Version:
    """A version whose users have the same features a week before the cut and at it, but for `changes` at the cut."""
    folder.mkdir()
    rng, parts = np.random.default_rng(0), []
    for moment in (cut - WEEK, cut):
        columns: dict[str, Any] = {
            "user_id": [f"u{n}" for n in range(USERS)],
            "event_timestamp": [moment] * USERS,
            "age": np.random.default_rng(1).normal(40, 9, USERS),
            "town": ["bath", "york"] * (USERS // 2),
            "first": microseconds(datetime(2024, 1, 1)) + np.arange(USERS) * MINUTE,
            "last": microseconds(moment) - rng.permutation(USERS) * MINUTE,
            "key": [f"{moment} {n}" for n in range(USERS)],
        }
        parts.append(pl.DataFrame(columns | (changes if moment == cut else {}), strict=False))
    pl.concat(parts, how="vertical_relaxed").write_parquet(folder / "queries.parquet")
    items = pl.DataFrame(
        {"item_id": ["a", "b"] * 2, "event_timestamp": [cut - WEEK] * 2 + [cut] * 2, "tags": [["x"], []] * 2}
    )
    items.write_parquet(folder / "item_snapshots.parquet")
    times = {"as_of": cut + WEEK, "validation_start": cut - WEEK, "cut": cut}
    return Version(
        source=Source(dataset="shop", folder=folder, sha256="", **times), frames=folder, version=number, reused=False
    )


def measured(version: Version, run: Run | None = None, champion: int | None = None) -> Drift:
    registry: Registry = run or Run()  # type: ignore[assignment]
    return measure_drift(registry, version, SCHEMA, champion)


def moved(drift: Drift) -> set[str]:
    return {name for name, each in drift.features.items() if each.beyond_chance > 0.25}


def test_users_who_stay_the_same_do_not_drift(tmp_path: Path) -> None:
    """Though everybody's first purchase is a week longer ago, and the last one a week later."""
    drift = measured(version_at(tmp_path / "v", CUT))
    assert drift.against == "their own at 2024-02-26"
    assert drift.features.keys() == {"user age", "user town", "user first", "user last", "item tags"}
    assert moved(drift) == set()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"age": np.random.default_rng(1).normal(4_000, 900, USERS)}, "user age"),
        ({"age": [None] * USERS}, "user age"),
        ({"town": ["bath"] * USERS}, "user town"),
        ({"last": [microseconds(CUT - 40 * WEEK)] * USERS}, "user last"),
        ({"first": [None] * USERS}, "user first"),
    ],
)
def test_a_feature_that_moved_is_the_one_that_is_found(tmp_path: Path, changes: dict[str, Any], name: str) -> None:
    assert moved(measured(version_at(tmp_path / "v", CUT, **changes))) == {name}


def test_the_champion_is_compared_as_it_was_at_its_own_cut(tmp_path: Path) -> None:
    """Its files may be gone: what it kept in its run is enough."""
    run = Run()
    keep_profiles(run, 1, measured(version_at(tmp_path / "v1", CUT - 4 * WEEK)))  # type: ignore[arg-type]
    drift = measured(version_at(tmp_path / "v2", CUT, 2, town=["leeds"] * USERS), run, champion=1)
    assert drift.against == "the champion's at its cut (version 1)"
    assert moved(drift) == {"user town"}
    assert run.texts.keys() == {(1, FEATURE_PROFILE)}


def test_a_champion_that_kept_nothing_leaves_the_own_past(tmp_path: Path) -> None:
    assert measured(version_at(tmp_path / "v", CUT), champion=9).against == "their own at 2024-02-26"


def test_a_feature_that_the_champion_lacked_is_compared_with_its_own_past(tmp_path: Path) -> None:
    run = Run()
    kept = measured(version_at(tmp_path / "v1", CUT - 4 * WEEK)).profiles
    lacking = {name: each for name, each in kept.items() if not name.startswith(("user town", "user first"))}
    keep_profiles(run, 1, Drift(against="", features={}, profiles=lacking))  # type: ignore[arg-type]
    drift = measured(version_at(tmp_path / "v2", CUT, 2, town=["leeds"] * USERS), run, champion=1)
    assert drift.features.keys() == {"user age", "user town", "user first", "user last", "item tags"}
    assert moved(drift) == {"user town"}
    assert drift.against == (
        "the champion's at its cut (version 1), which kept no user first, user town: against their own at 2024-02-26"
    )


def test_a_drift_survives_its_json(tmp_path: Path) -> None:
    drift = measured(version_at(tmp_path / "v", CUT))
    assert Drift.from_dict(json.loads(json.dumps(asdict(drift)))) == drift
    assert "user first" + AS_TIME in drift.profiles
