"""The towers' asset hands the run's options to the training."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from feature_repo.datasets import tiny
from orchestration.asset_values import Features, Frames, Source
from orchestration.defs import training
from orchestration.workspace import Workspace


def test_the_device_reaches_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr("training.fit.fit", lambda **given: told.update(given))
    tables = tiny.generate(seed=0)
    tables.events.write_parquet(tmp_path / "events.parquet")
    (tmp_path / "schema.json").write_text(tables.schema.to_json())
    for name in training.FRAMES:
        pl.DataFrame({"x": [1]}).write_parquet(tmp_path / f"{name}.parquet")
    moment = datetime(2024, 1, 1)
    source = Source(dataset="tiny", folder=tmp_path, sha256="0", as_of=moment, validation_start=moment, cut=moment)
    frames = Frames(source=source, folder=tmp_path)
    training._fit(Workspace(dataset="tiny", device="cuda:1"), frames, tables, lambda *_: None, None, tmp_path)
    assert told["device"] == "cuda:1"


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
