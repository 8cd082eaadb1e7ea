"""The replay as a job of Dagster: what its launchpad takes, and what the page of its asset shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
import pytest

from feature_repo.errors import InputError
from orchestration.definitions import defs
from orchestration.defs import replay
from orchestration.local.datasets import remember
from tests.pipeline.drift_world import shop_world
from tests.pipeline.planted import Home, write_world
from tests.pipeline.test_replay import EASY, home_at

DAYS = {"from": "2024-02-04", "to": "2024-02-18", "every": "14d", "full": "14d", "name": "shown"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose last run was of the drifting shop."""
    home, source = home_at(tmp_path / "place"), write_world(tmp_path / "files", shop_world(drifts=True, days=50))
    with home.entered():
        options = {"dataset": "own", "data": str(source), "recipe": "quick", "choice_seconds": 0.0, "baselines": "all"}
        remember(home.settings, "drift", options)
    return home


def test_the_page_shows_table_plot_and_answer(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def here(arguments: Sequence[str], echo: Callable[[str], None]) -> str:
        """In this process, which has the quick recipe."""
        return home.command("replay", "--json", *arguments, **EASY).out

    monkeypatch.setattr(replay, "walked", here)
    with home.entered(**EASY), dg.DagsterInstance.ephemeral() as instance:
        config = {"ops": {"replayed_days": {"config": DAYS}}}
        assert defs.resolve_job_def("replay").execute_in_process(config, instance=instance).success
        page = instance.get_latest_materialization_event(replay.replay_report.key)
    assert page and page.asset_materialization
    facts = {name: value.value for name, value in page.asset_materialization.metadata.items()}
    folder = home.settings.home / "replay" / "shown"
    night = json.loads((folder / "nights" / "2024-02-04.json").read_text())
    assert facts["table"] == (folder / "replay.md").read_text()
    assert facts["answer"] in facts["table"] and facts["answer"].startswith("**How often should I retrain?**")
    assert facts["plot"].startswith("![plot](data:image/png;base64,")
    assert (facts["dataset"], facts["nights"]) == ("drift", 1)
    assert facts["seconds a night"] == round(night["seconds"], 1) > 0


def test_a_replay_that_fails_says_why(home: Home) -> None:
    said: list[str] = []
    with home.entered(), pytest.raises(RuntimeError, match=r"ended with \d: .*wanted a number of days or weeks"):
        replay.walked(["--from=2024-02-04", "--to=2024-02-18", "--every=often"], said.append)
    assert said


def test_a_dataset_that_was_never_run_is_refused(home: Home) -> None:
    with pytest.raises(InputError, match=r"dataset 'shop': .* has drift; `gatehouse run` comes first"):
        replay.noted_options(home.settings, "shop")
    assert replay.noted_options(home.settings, "")[1].keys() == {"dataset", "data", "recipe", "choice_seconds"}
