"""Files of a saved model: a release's, and the frames it answers from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.errors import InputError
from feature_repo.schema import Schema
from training.artifacts.export import export
from training.artifacts.load import read_release
from training.untrained import Fitted

FRAMES = ("users", "items", "seen", "popular")
STATE = "model.json"
"""Cut and epochs. Written last: a folder without it is no model."""


def write_model(folder: Path, parts: Mapping[str, Any]) -> None:
    """Write the fields of a `RetrievalModel`.

    InputError for a folder that is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: not empty; give a new folder")
    fitted: Fitted = parts["fitted"]
    encoders = (fitted.user_encoder, parts["users"]), (fitted.item_encoder, parts["items"])
    examples = [encoder.encode(frame.head(3)) for encoder, frame in encoders]
    export(
        folder,
        fitted.model,
        user_encoder=fitted.user_encoder,
        item_encoder=fitted.item_encoder,
        schema=parts["schema"],
        config=parts["config"],
        popular=parts["popular"].rows(),
        examples=(examples[0], examples[1]),
    )
    for name in FRAMES:
        parts[name].write_parquet(folder / f"{name}.parquet")
    (folder / STATE).write_text(json.dumps({"cut": parts["cut"].isoformat(), "epochs": fitted.epochs}))


def read_model(folder: Path) -> dict[str, Any]:
    """Read the fields of a `RetrievalModel`. InputError where there is none."""
    if not (folder / STATE).is_file():
        raise InputError(f"{folder}: no model; wanted a folder that RetrievalModel.save wrote")
    state, released = json.loads((folder / STATE).read_text()), read_release(folder)
    fitted = Fitted(
        model=released.model,
        user_encoder=released.user_encoder,
        item_encoder=released.item_encoder,
        config=released.config,
        epochs=state["epochs"],
    )
    frames = {name: pl.read_parquet(folder / f"{name}.parquet") for name in FRAMES}
    schema = Schema.from_json((folder / "schema.json").read_text())
    cut = datetime.fromisoformat(state["cut"])
    return {"fitted": fitted, "config": released.config, "schema": schema, "cut": cut} | frames
