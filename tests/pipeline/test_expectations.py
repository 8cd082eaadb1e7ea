"""Feature tables that are wrong stop the graph at their check, in the same run and in any later one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from orchestration.definitions import defs
from orchestration.defs import features
from orchestration.pipeline import CheckError
from tests.pipeline.conftest import Released
from tests.pipeline.planted import Home

LATER = "2024-06-01"
"""Another moment to stand at: other feature tables than those of the finished run."""


def corrupted(tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Three users with less than no events."""
    activity = tables["user_activity"]
    negative = pl.when(pl.int_range(pl.len()) < 3).then(-7.0).otherwise("events_7d").alias("events_7d")
    return {**tables, "user_activity": activity.with_columns(negative)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stopped:
    """A run that a check stopped. steps: what had started."""

    message: str
    steps: set[str]
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module")
def stopped(home: Home, released: Released) -> Stopped:
    compute = features.feature_parts

    def wrong(tables: Any, entity: Any, moments: Any, **asked: Any) -> Iterator[dict[str, pl.DataFrame]]:
        for made in compute(tables, entity, moments, **asked):
            yield corrupted(made) if "user_activity" in made else made

    before = serving(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "feature_parts", wrong)
        with pytest.raises(CheckError) as error:
            home.run(released.folder, as_of=LATER)
    with home.entered(), dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(limit=1)
        started = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_START).records
    steps = {str(record.event_log_entry.step_key) for record in started}
    return Stopped(message=str(error.value), steps=steps, before=before, after=serving(home))


def serving(home: Home) -> dict[str, Any]:
    """All that answers depend on, and the answers."""
    return {"champion": home.champion("world"), "alias": home.alias("world"), "answers": home.answers("world")}


def test_the_check_names_view_column_count_and_examples(stopped: Stopped) -> None:
    assert "user_activity" in stopped.message
    assert "'events_7d'" in stopped.message
    assert "3 rows" in stopped.message
    assert "-7" in stopped.message


def test_nothing_after_the_check_runs(stopped: Stopped) -> None:
    before = {"source", "events_data_expectations", "user_features", "item_features", "user_features_user_expectations"}
    assert before >= {step for step in stopped.steps if "item_expectations" not in step}
    assert "user_features_user_expectations" in stopped.steps


def test_the_champion_and_its_answers_stay(released: Released, stopped: Stopped) -> None:
    assert stopped.after == stopped.before
    assert stopped.after["answers"] == released.answers


@pytest.mark.parametrize("asset", ["training_set", "online_features"])
def test_what_uses_the_features_refuses_them_alone_too(
    home: Home, released: Released, stopped: Stopped, asset: str
) -> None:
    """A blocking check blocks within its own run only."""
    with pytest.raises(RuntimeError, match=r"failed its expectations: user_activity.*events_7d"):
        materialise(home, released.folder, asset)
    assert serving(home) == stopped.before


def materialise(home: Home, folder: Path, asset: str) -> None:
    """Materialise one asset alone, as the UI can."""
    config = {"dataset": "own", "data": str(folder), "as_of": LATER}
    with home.entered(), dg.DagsterInstance.get() as instance:
        defs.resolve_job_def("release_job").execute_in_process(
            run_config={"resources": {"workspace": {"config": config}}},
            instance=instance,
            asset_selection=[dg.AssetKey(asset)],
        )
