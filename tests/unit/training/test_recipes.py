"""A recipe that makes no sense is refused when it is made."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from training.recipes import RECIPES, TowerConfig, base, recipe


@pytest.mark.parametrize(
    ("field", "value"),
    [("dim", 0), ("batch_size", -1), ("epochs", 0), ("learning_rate", 0.0), ("temperature", 5.0), ("min_count", 0)],
)
def test_a_senseless_value_is_named(field: str, value: float) -> None:
    changed: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=field):
        replace(base(), **changed)


@pytest.mark.parametrize("field", ["dropout", "id_dropout", "history_dropout"])
def test_a_share_of_one_would_leave_nothing(field: str) -> None:
    changed: dict[str, Any] = {field: 1.0}
    with pytest.raises(ValueError, match=field):
        TowerConfig(**changed)


def test_recipes_are_frozen_and_found_by_name() -> None:
    for name in RECIPES:
        with pytest.raises(FrozenInstanceError):
            recipe(name).dim = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="there are base"):
        recipe("nonsense")
