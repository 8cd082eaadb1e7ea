"""Reports from the logs of a home: by the command, and as a Dagster asset."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from feature_repo.errors import InputError
from feature_repo.event_kinds import Role
from feature_repo.events import kafka_log
from feature_repo.events.base import write_base
from feature_repo.events.event import Event
from feature_repo.events.sqlite_log import SqliteEventLog
from orchestration.cli import app
from orchestration.defs.experiments import experiment_reports
from orchestration.experiments.logged import logged_exposures, logged_outcomes
from orchestration.experiments.tables import EXPOSURES, OUTCOMES
from orchestration.local.datasets import remember
from orchestration.workspace import Workspace
from serving.experiments.exposure import Exposure
from serving.experiments.exposure_log import ExposureLog
from serving.settings import Settings
from tests.kafka_cluster import mock_cluster
from tests.unit.feature_repo.events.events_world import NOW, click
from tests.unit.orchestration.experiments.experiment_world import END, EXPERIMENT, START, world
from tests.unit.orchestration.experiments.test_experiment_command import DEFINITIONS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Home whose service has logged the planted experiment of the dataset shop."""
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    (tmp_path / "experiments.yaml").write_text(DEFINITIONS)
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path)})
    for dataset in ("films", "shop"):
        remember(settings, dataset, {"dataset": "own", "data": str(tmp_path)})
    planted = world(users=600)
    with closing(ExposureLog(settings.exposure_log("shop"))) as log:
        log.keep([Exposure(**_tuples(row)) for row in planted.exposures.iter_rows(named=True)])
    with closing(SqliteEventLog(settings.event_log("shop"))) as events:
        outcomes = planted.outcomes.sort("timestamp").with_row_index().to_dicts()
        events.keep([_event(row) for row in outcomes])
        view = {"kind": "view", "time": outcomes[-1]["timestamp"], "arrived": outcomes[-1]["timestamp"]}
        events.keep([Event(event_id="view", user_id="u", item_id="1", **view)])
    return settings


def _tuples(row: dict[str, object]) -> dict[str, object]:
    return row | {name: tuple(row[name]) for name in ("items", "teams", "agreeing")}  # type: ignore[arg-type]


def _event(row: dict[str, object]) -> Event:
    kind = str(row["kind"])
    same = {name: row[name] for name in ("user_id", "item_id", "request_id", "value")}
    return Event(event_id=f"e{row['index']}", kind=kind, time=row["timestamp"], arrived=row["timestamp"], **same)  # type: ignore[arg-type]


def said(*arguments: str) -> str:
    ended = CliRunner().invoke(app, ["experiment", "report", *arguments], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_outcomes_of_kafka_count_once(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its log holds the id of a click again that it did not know any more."""
    monkeypatch.setattr(kafka_log, "WINDOW", 1)
    with mock_cluster() as cluster:
        for topic in ("gatehouse_shop", "gatehouse_shop_forgotten"):
            cluster.make(topic)
        settings = replace(home, kafka={"type": "kafka", "bootstrap.servers": cluster.servers})
        with closing(settings.open_event_log("shop")) as log:
            for number in (1, 2, 1):
                log.append([click(number, arrived=NOW)])
            assert log.newest() == 3
            log.forget("nobody", NOW)
        outcomes = logged_outcomes(settings, "shop", EXPERIMENT)
    assert outcomes.height == 2


def test_what_is_logged_is_what_was_shown_and_done(home: Settings) -> None:
    planted = world(users=600)
    exposures, outcomes = logged_exposures(home, "shop", "newer"), logged_outcomes(home, "shop", EXPERIMENT)
    assert (exposures.schema, outcomes.schema) == (pl.Schema(EXPOSURES), pl.Schema(OUTCOMES))
    assert exposures.equals(planted.exposures)
    order = ["timestamp", "kind", "user_id"]
    assert outcomes.sort(order).equals(planted.outcomes.sort(order))
    assert logged_exposures(home, "films", "newer").is_empty()
    assert logged_outcomes(home, "films", EXPERIMENT).schema == pl.Schema(OUTCOMES)


def test_the_kinds_that_the_experiment_names_are_read(home: Settings) -> None:
    played = replace(EXPERIMENT, clicks=("played",), purchases=("view",))
    with pytest.raises(InputError, match="newer, shop: no kind of events 'played'"):
        logged_outcomes(home, "shop", played)
    with closing(SqliteEventLog(home.event_log("shop"))) as events:
        events.keep([click(1, event_id="played", kind="played", time=END, arrived=END)])
    assert sorted(logged_outcomes(home, "shop", played)["kind"]) == ["played", "view"]
    write_base(home.feast_home, "films", key="", folder=home.home, as_of=NOW, kinds=(("played", Role.INTERACTION),))
    assert logged_outcomes(home, "films", replace(EXPERIMENT, clicks=("played",))).is_empty()
    with pytest.raises(InputError, match="films: no kind of events 'plaid'; did you mean 'played'"):
        logged_outcomes(home, "films", replace(EXPERIMENT, clicks=("plaid",)))


def test_the_report_of_the_logs_is_that_of_the_files(home: Settings, tmp_path: Path) -> None:
    files = tmp_path / "exposures.parquet", tmp_path / "outcomes.parquet"
    world(users=600).exposures.write_parquet(files[0])
    world(users=600).outcomes.write_parquet(files[1])
    of_files = said("newer", f"--exposures={files[0]}", f"--outcomes={files[1]}", "--as-of=2026-06-29")
    assert said("newer", "--as-of=2026-06-29") == of_files
    assert said("newer", "--dataset=shop", "--as-of=2026-06-29") == of_files
    with pytest.raises(InputError, match=r"there are no exposures of newer yet.*gatehouse serve"):
        said("newer", "--dataset=films")


def test_the_asset_reports_on_each_experiment_that_has_started(home: Settings) -> None:
    path = home.home / "experiments.yaml"
    other = (
        DEFINITIONS.replace("newer:", "quiet:").replace("2026-06-01", "2026-06-29").replace("06-29\n  v", "07-29\n  v")
    )
    other = other.replace("quiet:\n", "quiet:\n  dataset: shop\n")
    path.write_text(DEFINITIONS + other + other.replace("quiet:", "later:").replace("2026-0", "2027-0"))
    found = materialised(now="2026-06-29T12:00")
    assert found.keys() == {"running", "newer (shop)", "newer (films)", "quiet (shop)"}
    assert found["running"] == "quiet (shop)"
    assert "| ctr | seven |" in found["newer (shop)"]
    assert "\n\nshadow like_seven: ctr ips " in found["newer (shop)"]
    for name in ("quiet (shop)", "newer (films)"):
        assert found[name].startswith(f"no report: there are no exposures of {name.split()[0]} yet")
    assert materialised(now=str(START - timedelta(days=1))) == {"running": "none"}
    path.unlink()
    assert materialised(now="2026-06-29T12:00") == {"running": "none"}


def materialised(now: str) -> dict[str, str]:
    """Metadata of the asset at a moment."""
    result = dg.materialize([experiment_reports], resources={"workspace": Workspace(now=now)})
    (made,) = result.asset_materializations_for_node("experiment_reports")
    return {name: str(value.value) for name, value in made.metadata.items()}


def test_an_interleaved_exposure_keeps_its_teams(home: Settings) -> None:
    with closing(ExposureLog(home.exposure_log("shop"))) as log:
        shown = Exposure(
            experiment="mixed",
            variant="interleaved",
            propensity=1.0,
            user_id="u",
            request_id="r",
            timestamp=START,
            items=("1", "2"),
            teams=("now", None),
        )
        log.keep([shown, replace(shown, user_id="v", timestamp=START + timedelta(microseconds=5))])
    assert logged_exposures(home, "shop", "mixed")["teams"].to_list() == [["now", None]] * 2
