"""A replay through the real pipeline: it says that retraining matters where it does, and not where it does not."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.defs import features
from orchestration.replay import walk as walking
from orchestration.replay.home import own_home
from orchestration.replay.plan import ReplayPlan
from orchestration.replay.record import Night
from orchestration.replay.report import find, report_data
from orchestration.replay.strategies import FULL_AND_UPDATES, FULL_ONLY, NEVER
from orchestration.workspace import Workspace
from serving.registry import Registry
from serving.release.manifest import Manifest, read
from tests.pipeline.drift_world import shop_world
from tests.pipeline.planted import Home, write_world

EASY = {
    "margins": [],
    "regression": {"metrics": ["all/recall@20"], "max_drop": 0.9},
    "min_holdout_users": 10,
    "index_recall": 0.5,
}
"""A gate that lets every training pass: what is asked here is what each would have been worth."""


PLAN = ReplayPlan(
    start=datetime(2024, 2, 4),  # a week before the second era
    end=datetime(2024, 3, 17),
    every=14,
    full=28,
    workspace={"dataset": "own", "recipe": "quick", "choice_seconds": 0.0, "seed": 0},
    code="",
)


def files(folder: Path, *, drifts: bool) -> Path:
    """Write the shop; one that drifts without a list of its items, which are known by their first event.

    Where nothing changes, the list says what there is to learn, so that the first training learns all of it.
    """
    write_world(folder, shop_world(drifts=drifts))
    if not drifts:
        return folder
    (folder / "items.csv").unlink()
    path = folder / "gatehouse.yaml"
    config = yaml.safe_load(path.read_text())
    del config["items"]
    path.write_text(yaml.safe_dump(config))
    return folder


def walk(home: Home, plan: ReplayPlan, source: Path, **policy: Any) -> list[Night]:
    with home.entered(**EASY | policy):
        workspace = Workspace(dataset="own", data=str(source), recipe="quick")
        return walking.replay(plan, workspace, home.root / "replay", echo=lambda _: None)


def home_at(root: Path) -> Home:
    root.mkdir()
    return Home(root=root).light()


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path, list[Night]]:
    """A replay of three nights, of which the second is interrupted between its run and its record."""
    root = tmp_path_factory.mktemp("drift")
    home, source = home_at(root / "place"), files(root / "files", drifts=True)
    monkeypatch = pytest.MonkeyPatch()

    def interrupted(*arguments: object, **_: object) -> None:
        raise KeyboardInterrupt

    walk(home, replace(PLAN, end=datetime(2024, 2, 18)), source)
    monkeypatch.setattr(walking, "_measured", interrupted)
    with pytest.raises(KeyboardInterrupt):
        walk(home, PLAN, source)
    monkeypatch.undo()
    return home, source, walk(home, PLAN, source)


def test_where_eras_change_retraining_wins(drifted: tuple[Home, Path, list[Night]]) -> None:
    data = report_data(find(drifted[2]), seed=0)
    recall = {name: row["all/recall@20"] for name, row in data["systems"].items()}
    assert recall[FULL_AND_UPDATES] > recall[FULL_ONLY] > 1.1 * recall[NEVER] > 0
    assert [night.measured(1)["all/recall@20"] for night in drifted[2][1:]] == [0.0, 0.0]  # it knows no item of today


def test_each_night_is_as_it_would_have_been(drifted: tuple[Home, Path, list[Night]]) -> None:
    nights = drifted[2]
    assert [(night.kind, night.version, night.champion) for night in nights] == [
        ("full", 1, 1),
        ("update", 2, 2),  # of version 1, although its first run had promoted it
        ("full", 3, 3),
    ]
    assert all(night.users > 50 for night in nights)
    assert all(0 < night.refit_seconds < 0.5 * night.seconds for night in nights)  # the step that finds it is off


def test_an_update_is_as_on_all_snapshots(
    drifted: tuple[Home, Path, list[Night]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer user snapshots change nothing of what is measured, judged and served."""
    home, source, nights = drifted
    other = home_at(tmp_path / "place")
    monkeypatch.setattr(features, "since_of", lambda parent: None)
    whole = walk(other, replace(PLAN, end=datetime(2024, 3, 3)), source)
    assert [plain(night) for night in whole] == [plain(night) for night in nights[:2]]
    monkeypatch.undo()
    found = [own_manifest(each, 2) for each in (home, other)]
    assert found[0].index_proof == found[1].index_proof  # hash of the vectors, and answers to probe queries
    assert found[0].verdict == found[1].verdict and found[0].metrics == found[1].metrics


def plain(night: Night) -> Night:
    """A night without its seconds."""
    metrics = {name: {key: v for key, v in each.items() if key != "seconds"} for name, each in night.metrics.items()}
    return replace(night, seconds=0.0, refit_seconds=0.0, metrics=metrics)


def own_manifest(home: Home, version: int) -> Manifest:
    """Manifest of a version in the home of the replay."""
    with own_home(home.root / "replay" / "home") as settings:
        return read(Registry(settings, "drift"), version)


def test_a_replay_that_is_over_trains_nothing(
    drifted: tuple[Home, Path, list[Night]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, source, nights = drifted

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a night was run again")

    monkeypatch.setattr(walking, "run_night", never)
    assert walk(home, PLAN, source) == nights


def test_the_home_of_production_is_not_touched(drifted: tuple[Home, Path, list[Night]]) -> None:
    home = drifted[0]
    assert not (home.settings.home / "data").exists()
    assert os.environ.get("GATEHOUSE_HOME") != str(home.root / "replay" / "home")
    assert json.loads((home.root / "replay" / "replay.json").read_text())["every"] == 14


@pytest.mark.slow
def test_where_nothing_changes_once_is_enough(tmp_path: Path) -> None:
    source = files(tmp_path / "files", drifts=False)
    nights = walk(home_at(tmp_path / "place"), PLAN, source)
    data = report_data(find(nights), seed=0)
    recall = {name: row["all/recall@20"] for name, row in data["systems"].items()}
    assert recall[NEVER] > 0.8
    assert abs(recall[FULL_ONLY] / recall[NEVER] - 1) < 0.05
    assert abs(recall[FULL_AND_UPDATES] / recall[NEVER] - 1) < 0.05
