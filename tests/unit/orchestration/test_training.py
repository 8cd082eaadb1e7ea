"""The towers' asset hands the run's options to the training."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from feature_repo.datasets import tiny
from orchestration.asset_values import Frames, Source
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
