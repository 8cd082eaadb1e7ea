"""Releases of earlier layouts: read as they were written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.unit.training.artifacts.released_world import RECIPES, write_release
from training.artifacts.load import read_release
from training.recipes import SelfSupervised

pytestmark = pytest.mark.usefixtures("one_thread")
FORMER = {
    "score.log_temperature": "log_temperature",
    "score.shift": "shift",
    "repeat.of_position.weight": "repeat.of_place.weight",
    "repeat.of_position.bias": "repeat.of_place.bias",
    "user.vectors.tables.0.weight": "user.vectors.tables.kind.weight",
    "repeat.vectors.tables.0.weight": "repeat.vectors.tables.kind.weight",
    "user.readers.0.linear": "user.readers.history.linear",
    "masking.defaults.0": "masking.defaults.popularity_7d",
    "masking.defaults.1": "masking.defaults.popularity_28d",
}
"""Names of weights in releases of earlier layouts."""


def test_weights_of_the_former_layout_are_found_under_their_new_names(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    recipe = replace(RECIPES["repeat term"], self_supervised=SelfSupervised(items=6))
    folder = write_release(tmp_path / "files", recipe)
    path, wanted = folder / "checkpoint.safetensors", read_release(folder).model.state_dict()
    with safe_open(path, framework="pt") as file:
        state, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    assert state.keys() >= FORMER.keys() and not json.loads(metadata["aliases"]).keys() & FORMER.keys()
    for name, former in FORMER.items():
        metadata["aliases"] = metadata["aliases"].replace(f': "{name}"', f': "{former}"')
    save_file({FORMER.get(name, name): each for name, each in state.items()}, path, metadata)
    got = read_release(folder).model.state_dict()
    assert got.keys() == wanted.keys()
    assert all(torch.equal(each, wanted[name]) for name, each in got.items())
