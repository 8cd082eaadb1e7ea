"""`gatehouse experiment report`: a table for people, JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.experiments.text import HEADER
from tests.unit.orchestration.experiments.experiment_world import interleaved_world, world

DEFINITIONS = """
newer:
  start: 2026-06-01
  end: 2026-06-29
  variants:
    now: {serves: champion, weight: 1}
    seven: {serves: 7, weight: 1}
  shadows: {like_seven: 8, like_none: 9}
"""


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of the command on the planted experiment."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("GATEHOUSE_HOME", str(home))
    (home / "experiments.yaml").write_text(DEFINITIONS)
    world().exposures.write_parquet(tmp_path / "exposures.parquet")
    world().outcomes.write_parquet(tmp_path / "outcomes.parquet")
    files = [f"--{name}={tmp_path / name}.parquet" for name in ("exposures", "outcomes")]
    return ["experiment", "report", "newer", *files, "--as-of", "2026-06-29"]


def said(arguments: list[str]) -> str:
    ended = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_the_table_has_each_metric_with_both_intervals(report: list[str]) -> None:
    lines = said(report).splitlines()
    assert lines[0] == "newer as of 2026-06-29 00:00, baseline now"
    assert lines[1].startswith("users: now ") and "sample ratio p = " in lines[1]
    assert lines[2].split() == " ".join(HEADER).split()
    first = [line.split()[:2] for line in lines[3:]]
    assert first[:3] == [["ctr", "now"], ["ctr", "seven"], ["conversion", "now"]]
    assert ["value", "CUPED"] in first
    assert lines[-2].startswith("shadow like_seven: ctr ips 0.2")
    assert lines[-1] == "shadow like_none: no ctr, 0 effective users; wanted at least 200"


def test_json_has_the_same_numbers(report: list[str]) -> None:
    found = json.loads(said([*report, "--json"]))
    (value,) = [each for each in found["effects"] if each["metric"] == "value" and each["cuped"]]
    assert value["relative"]["anytime_low"] < 0.2 < value["relative"]["anytime_high"]
    assert found["sample_ratio"]["mismatch"] is False
    assert found["as_of"].startswith("2026-06-29")


def test_an_interleaved_experiment_has_a_preference(report: list[str], tmp_path: Path) -> None:
    text = DEFINITIONS.replace("  shadows: {like_seven: 8, like_none: 9}", "  design: interleaved")
    (tmp_path / "home" / "experiments.yaml").write_text(text)
    interleaved_world().exposures.write_parquet(tmp_path / "exposures.parquet")
    interleaved_world().outcomes.write_parquet(tmp_path / "outcomes.parquet")
    assert said(report).splitlines()[-1].startswith("preference: ")
