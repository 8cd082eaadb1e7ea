"""Releases of earlier layouts: read as they were written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.unit.training.artifacts.released_world import RECIPES, write_release
from training.artifacts.load import read_release

pytestmark = pytest.mark.usefixtures("one_thread")
FORMER = {
    "score.log_temperature": "log_temperature",
    "score.shift": "shift",
    "repeat.of_position.weight": "repeat.of_place.weight",
    "repeat.of_position.bias": "repeat.of_place.bias",
}
"""Names of weights in releases of earlier layouts."""


def test_weights_of_the_former_layout_are_found_under_their_new_names(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    folder = write_release(tmp_path / "files", RECIPES["repeat term"])
    path, wanted = folder / "checkpoint.safetensors", read_release(folder).model.state_dict()
    with safe_open(path, framework="pt") as file:
        state, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    assert state.keys() >= FORMER.keys() and not json.loads(metadata["aliases"]).keys() & FORMER.keys()
    save_file({FORMER.get(name, name): each for name, each in state.items()}, path, metadata)
    got = read_release(folder).model.state_dict()
    assert got.keys() == wanted.keys()
    assert all(torch.equal(each, wanted[name]) for name, each in got.items())
