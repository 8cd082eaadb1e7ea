"""What the nights repeat of the runs of a home."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.definitions import defs
from orchestration.local.datasets import known, remember
from serving.settings import Settings


def asked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("GATEHOUSE_HOME", str(settings.home))
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime(2024, 1, 1, 3))
        return defs.resolve_schedule_def("nightly").evaluate_tick(context)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "home", mlflow_uri="")
    settings.create_home()
    return settings


def test_the_schedule_asks_for_every_dataset_with_its_folder(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    remember(
        settings, "shop", {"dataset": "own", "data": "exports", "recipe": "base", "seed": 3, "as_of": "2024-01-01"}
    )
    remember(settings, "tiny", {"dataset": "tiny", "data": None, "retrain": True, "update": "champion"})
    requests = asked(settings, monkeypatch).run_requests
    configs = {each.tags["gatehouse/dataset"]: each.run_config["resources"]["workspace"]["config"] for each in requests}
    assert configs == {
        "shop": {"dataset": "own", "data": str(tmp_path / "exports"), "recipe": "base", "seed": 3},
        "tiny": {"dataset": "tiny"},
    }
    assert (settings.home / "current").read_text() == "tiny"


def test_a_home_without_a_run_asks_for_none(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    tick = asked(settings, monkeypatch)
    assert not tick.run_requests
    assert "nothing was run in this home yet" in str(tick.skip_message)


def test_a_later_run_replaces_the_options(settings: Settings) -> None:
    for seed in (1, 2):
        remember(settings, "tiny", {"dataset": "tiny", "seed": seed})
    assert known(settings) == {"tiny": {"dataset": "tiny", "seed": 2}}
    assert json.loads((settings.home / "datasets.json").read_text()) == known(settings)


def test_runs_of_several_datasets_at_once_do_not_forget_each_other(settings: Settings) -> None:
    names = [f"shop_{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: remember(settings, name, {"dataset": name}), names))
    assert sorted(known(settings)) == sorted(names)
