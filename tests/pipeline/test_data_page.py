"""The page on the data: kept with the version, named by the commands, and a gate ahead of the features."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from orchestration.asset_files import DATA_JSON, DATA_PAGE
from orchestration.reporting.summary import run_summary
from serving.registry import Registry
from tests.pipeline.conftest import Released
from tests.pipeline.planted import Home


@pytest.fixture(scope="module")
def doubled(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world's folder with its events written twice."""
    folder = Path(shutil.copytree(released.folder, tmp_path_factory.mktemp("doubled") / "data"))
    header, *rows = (folder / "events.csv").read_text().splitlines()
    (folder / "events.csv").write_text("\n".join([header, *rows, *rows]))
    return folder


def test_the_version_keeps_the_page_and_the_run_names_it(home: Home, released: Released) -> None:
    registry, version = Registry(home.settings, "world"), released.judged.version
    kept = json.loads(registry.read_text(version.version, DATA_JSON))
    events = kept["profile"]["tables"]["events"]
    assert (kept["findings"], kept["against"]) == ([], None)
    assert events["reading"]["rows"] == events["rows"] == pl.read_csv(released.folder / "events.csv").height
    assert registry.read_text(version.version, DATA_PAGE).startswith("<!doctype html>")
    summary = run_summary(home.settings, released.judged)
    assert Path(summary["data_page"]).read_text() == registry.read_text(version.version, DATA_PAGE)
    assert summary["warnings"] == []
    with home.entered(), dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("events"))
    assert event.asset_materialization.metadata["page on the data"].value == summary["data_page"]


def test_data_that_are_surely_wrong_stop_the_run_before_the_features(
    home: Home, released: Released, doubled: Path
) -> None:
    versions = home.versions("world")
    ended = home.command("run", "--data", doubled, "--recipe", "quick")
    assert ended.code == 1
    assert "gatehouse: events: 50.0% of the events equal another one in every column" in ended.err
    assert "say by --accept-data that they are right as they are" in ended.err
    assert "user_features" not in ended.err
    assert home.versions("world") == versions
    assert home.answers("world") == released.answers


def test_a_dry_run_says_so_and_names_the_page(home: Home, released: Released, doubled: Path) -> None:
    before = home.files()
    ended = home.command("run", "--data", doubled, "--recipe", "quick", "--dry-run")
    assert "  warning: 50.0% of the events equal another one" in ended.out
    page = Path(ended.out.partition("page on the data: ")[2].splitlines()[0])
    assert "compared with the data of version 1" in page.read_text()
    assert home.files() == before
    planned = home.command("run", "--data", released.folder, "--recipe", "quick", "--dry-run", "--json").data
    assert planned["warnings"] == []
    for folder in (page.parent, Path(planned["data_page"]).parent):
        shutil.rmtree(folder)
