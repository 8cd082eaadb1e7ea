"""Programs of the named recipes, as NumPy runs them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feature_repo.program import Program
from feature_repo.program.numpy_operators import NumpyOperators
from tests.unit.training.fit_world import VALIDATION, frames
from training.artifacts.export import export_tower, rescorer_example
from training.data.interactions import at
from training.recipes.named import RECIPES
from training.towers.rescorer import RescorerModule
from training.untrained import untrained


@pytest.mark.parametrize("name", RECIPES)
def test_numpy_runs_the_towers_of_every_named_recipe(tmp_path: Path, name: str) -> None:
    tables, queries, items, positives = frames()
    config = RECIPES[name]()
    config = replace(
        config, dim=16, leave_out=(), behavioural=config.behavioural and replace(config.behavioural, factors=4)
    )
    start, _ = untrained(tables.schema, queries, items, at(items, VALIDATION, week=True), positives, config, 0)
    users, corpus = start.user_encoder.encode(queries.head(5)), start.item_encoder.encode(items.head(5))
    parts = {"user": (start.model.user, users), "item": (start.model.item, corpus)}
    if start.model.repeat:
        module = RescorerModule(start.model.repeat, None, start.model.score)
        parts["rescorer"] = (module, rescorer_example(start.model, users, corpus))
    for part, (module, given) in parts.items():
        export_tower(tmp_path / f"{part}.pt2", module, given)
        data = (tmp_path / f"{part}.pt2").read_bytes()
        quick = Program(data, part, quick_start=True)
        assert isinstance(quick.operators, NumpyOperators)
        for size in (1, 5):
            few = {each: array[:size] for each, array in given.items()}
            np.testing.assert_allclose(quick(few), Program(data, part)(few), atol=1e-5)
