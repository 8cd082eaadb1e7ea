"""The towers' asset hands the run's options to the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from feature_repo.datasets import tiny
from orchestration.asset_values import Features, Frames, Source
from orchestration.defs import training
from orchestration.parent_version import Parent
from orchestration.workspace import Workspace
from serving.registry import Training
from training.artifacts.choice import write_choice
from training.recipes import base
from training.recipes.choice import CHOICE_SECONDS, Tried
from training.recipes.serialization import to_json


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Arguments of the fit that a workspace leads to."""
    tables = tiny.generate(seed=0)
    tables.events.write_parquet(tmp_path / "events.parquet")
    (tmp_path / "schema.json").write_text(tables.schema.to_json())
    for name in training.FRAMES:
        pl.DataFrame({"x": [1]}).write_parquet(tmp_path / f"{name}.parquet")
    moment = datetime(2024, 1, 1)
    source = Source(dataset="tiny", folder=tmp_path, sha256="0", as_of=moment, validation_start=moment, cut=moment)
    frames = Frames(source=source, folder=tmp_path)

    def call(parent: Parent | None = None, **options: Any) -> dict[str, Any]:
        given: dict[str, Any] = {}
        monkeypatch.setattr("training.fit.fit", lambda **arguments: given.update(arguments))
        training._fit(Workspace(dataset="tiny", **options), frames, tables, lambda *_: None, parent, tmp_path)
        return given

    return call


def test_the_device_reaches_the_training(told: Callable[..., dict[str, Any]]) -> None:
    assert told(device="cuda:1")["device"] == "cuda:1"


def test_only_the_default_recipe_is_chosen_and_only_from_scratch(
    told: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "recipe.json").write_text(to_json(base()))
    parent = Parent(training=Training.WARM_START, version=1, folder=tmp_path, cut=datetime(2024, 1, 1))
    assert told()["choice_seconds"] == CHOICE_SECONDS
    assert told(choice_seconds=7.0)["choice_seconds"] == 7.0
    assert told(recipe="without_repeats")["choice_seconds"] == 0.0
    assert told(parent, warm_start="1")["choice_seconds"] == 0.0


def test_a_warm_start_keeps_the_switches_that_its_release_chose(
    told: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    chosen = replace(base(), tower=replace(base().tower, user_id=True))
    (tmp_path / "recipe.json").write_text(to_json(chosen))
    parent = Parent(training=Training.WARM_START, version=1, folder=tmp_path, cut=datetime(2024, 1, 1))
    # Without a choice, the release was asked for another recipe than this run.
    assert told(parent, warm_start="1")["config"] == base()
    write_choice(tmp_path, base(), [])
    assert told(parent, warm_start="1")["config"] == chosen


def test_the_card_of_a_version_says_what_was_chosen_and_by_how_much() -> None:
    cost = {"epochs": 3, "seconds": 6.0}
    tried = (
        Tried(name="base", score=0.5, gain=None, taken=True, **cost),
        Tried(name="user id", score=0.55, gain=0.1, taken=True, **cost),
    )
    card = training._card(Workspace(choice_seconds=20.0, seed=3), "14 days", SimpleNamespace(tried=tried))  # type: ignore[arg-type]
    assert card.split("\n") == [
        "Recipe base, seed 3.",
        "Windows: 14 days.",
        "Chosen on the validation window, within 20 s:",
        "- base: score 0.5000 on the validation window, 3 epochs in 6 s",
        "- user id: taken, score 0.5500 (+10.0%), 3 epochs in 6 s",
    ]
    plain = training._card(Workspace(recipe="by_value"), "14 days", SimpleNamespace(tried=()))  # type: ignore[arg-type]
    assert plain == "Recipe by_value, seed 0.\nWindows: 14 days."


def test_features_of_two_sources_make_no_training_set(tmp_path: Path) -> None:
    """Another run of the same data folder may have written one of the two since."""
    moment = datetime(2024, 1, 1)
    times = {"as_of": moment, "validation_start": moment, "cut": moment}
    users, items = (
        Features(source=Source(dataset="shop", folder=tmp_path / name, sha256=name, **times), folder=tmp_path)
        for name in ("a", "b")
    )
    with pytest.raises(RuntimeError, match="another run has written one of them"):
        training.training_set(Workspace(dataset="tiny"), users, items)
