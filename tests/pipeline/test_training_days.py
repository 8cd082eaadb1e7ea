"""The training set of a day is the same whenever it is computed, and a late file changes the days that knew of it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from orchestration.asset_files import folder_sha256
from orchestration.asset_values import json_io_manager
from orchestration.day_notes import DIGESTS, digest_at, digests_by_day, read_notes
from orchestration.definitions import defs
from orchestration.defs.backfill import run_config_of
from orchestration.defs.features import source
from orchestration.local.datasets import remember
from orchestration.local.home import dagster_instance
from orchestration.run_tables import run_tables
from orchestration.workspace import Workspace
from tests.pipeline.planted import Home, write_world
from tests.worlds import START, taste_groups

DAYS = {name: START + timedelta(days=number) for name, number in (("before", 29), ("after", 48))}
LATE = START + timedelta(days=30)
"""Time at which the late file became known; its events are of day 20."""


def shop(folder: Path, *, days: int, late: bool = False) -> Path:
    """Export the first days of a shop, or all with a late file of events that happened long before."""
    world = taste_groups(items=40, days=50, per_day=60)
    events = world.events.filter(pl.col("timestamp") < START + timedelta(days=days))
    if late:
        happened = events.filter(pl.col("timestamp").dt.date() == (START + timedelta(days=20)).date()).head(5)
        events = pl.concat([events, happened.with_columns(created=pl.lit(LATE, pl.Datetime("us")), value=pl.lit(1.0))])
    events.write_csv(folder / "events.csv")
    return folder


def training_set_of(home: Home, folder: Path, day: datetime) -> str:
    """Run the job of a day; return the hash that it tells of its training set."""
    with home.entered():
        remember(home.settings, "world", {"dataset": "own", "data": str(folder)})
        with dagster_instance() as instance:
            job = defs.resolve_job_def("training_days")
            result = job.execute_in_process(partition_key=f"{day:%Y-%m-%d}", instance=instance)
            assert instance.get_latest_materialization_event(dg.AssetKey("training_set")) is None
    (ended,) = [each for each in result.all_node_events if each.is_successful_output]
    facts = {name: each.value for name, each in ended.step_output_data.metadata.items()}
    assert (facts["dataset"], facts["as of"]) == ("world", str(day + timedelta(days=1)))
    assert facts["sha256"] == folder_sha256(Path(facts["path"]))
    return str(facts["sha256"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("shop") / "files", taste_groups(items=40, days=50, per_day=60))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(root=tmp_path_factory.mktemp("home")).light()


def test_a_day_is_the_same_then_and_later_and_in_another_home(home: Home, folder: Path, tmp_path: Path) -> None:
    shop(folder, days=30)  # the export of that night
    then = training_set_of(home, folder, DAYS["before"])
    shop(folder, days=50)
    assert training_set_of(Home(root=tmp_path).light(), folder, DAYS["before"]) == then


def test_a_late_file_changes_the_days_that_knew_of_it_alone(home: Home, folder: Path) -> None:
    found = {}
    for late in (False, True):
        shop(folder, days=50, late=late)
        found[late] = {name: training_set_of(home, folder, day) for name, day in DAYS.items()}
        assert noted(home, folder) == whole(home, folder)
    assert found[True]["before"] == found[False]["before"]
    assert found[True]["after"] != found[False]["after"]


def noted(home: Home, folder: Path) -> dict[str, str]:
    """Digest of the events that each day was computed from."""
    with home.entered():
        values = Workspace(dataset="own", data=str(folder), past=True).values_folder
    return {each.day: each.events for each in read_notes(values)}


def whole(home: Home, folder: Path) -> dict[str, str]:
    """The same by the events that a run of today has read."""
    with home.entered():
        digests = digests_by_day(run_tables(Workspace(dataset="own", data=str(folder), now="2024-12-01")).events)
    return {day.date().isoformat(): digest_at(digests, day.date()) for day in DAYS.values()}


def test_a_day_stands_at_its_end_and_leaves_the_values_of_today(home: Home, folder: Path) -> None:
    training_set_of(home, shop(folder, days=30), DAYS["before"])
    with home.entered():
        config = run_config_of("2024-02-28")["resources"]["workspace"]["config"]
    assert config["as_of"] == "2024-02-29T00:00:00"
    values = [path.name for path in (home.settings.home / "values").iterdir() if path.is_dir()]
    assert values and all(name.endswith("-past") for name in values)


def test_the_job_is_offered_by_day() -> None:
    job = defs.resolve_job_def("training_days")
    assert isinstance(job.partitions_def, dg.DailyPartitionsDefinition)


def test_a_run_of_today_notes_what_it_knows_of_each_computed_day(folder: Path, tmp_path: Path) -> None:
    home, day = Home(root=tmp_path).light(), f"{DAYS['after']:%Y-%m-%d}"
    training_set_of(home, shop(folder, days=50), DAYS["after"])
    for late in (False, True):
        shop(folder, days=50, late=late)
        workspace = Workspace(dataset="own", data=str(folder), now="2024-12-01")
        resources = {"workspace": workspace, "io_manager": json_io_manager}
        with home.entered(), dg.DagsterInstance.ephemeral() as instance:
            dg.materialize([source], resources=resources, instance=instance)
            found = json.loads((workspace.values_folder / DIGESTS).read_text())
        assert found == {day: whole(home, folder)[day]}
        assert (found == noted(home, folder)) is not late
