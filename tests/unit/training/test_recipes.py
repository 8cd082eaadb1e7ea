"""A recipe that makes no sense is refused when it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from training.recipes import (
    MLP,
    RECIPES,
    Cross,
    Gated,
    GRUHistory,
    MeanPooling,
    MultiHeadPooling,
    Residual,
    SelfAttention,
    TowerConfig,
    WeightedPooling,
    base,
    recipe,
)


@pytest.mark.parametrize(
    ("field", "value"),
    [("dim", 0), ("batch_size", -1), ("epochs", 0), ("learning_rate", 0.0), ("temperature", 5.0), ("min_count", 0)],
)
def test_a_senseless_value_is_named(field: str, value: float) -> None:
    changed: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=field):
        replace(base(), **changed)


@pytest.mark.parametrize(
    "part", [MLP, Residual, Gated, WeightedPooling, MeanPooling, MultiHeadPooling, GRUHistory, SelfAttention]
)
@pytest.mark.parametrize("share", [1.0, -0.1])
def test_a_share_of_one_would_leave_nothing(part: Callable[..., Any], share: float) -> None:
    with pytest.raises(ValueError, match=rf"dropout is a share in \[0, 1\), got {share}"):
        part(dropout=share)
    with pytest.raises(ValueError, match="id_dropout is a share"):
        TowerConfig(id_dropout=share)
    with pytest.raises(ValueError, match="block_dropout is a share"):
        SelfAttention(block_dropout=share)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(hidden=(64, 0)), r"MLP\.hidden .* whole number from 1, got 0"),
        (lambda: Residual(blocks=0), r"Residual\.blocks .* got 0"),
        (lambda: Residual(width=1.5), r"Residual\.width .* got 1\.5"),  # type: ignore[arg-type]
        (lambda: Cross(layers=0), r"Cross\.layers .* got 0"),
        (lambda: Cross(rank=0), r"Cross\.rank .* got 0"),
        (lambda: GRUHistory(width=0), r"GRUHistory\.width .* got 0"),
        (lambda: MultiHeadPooling(heads=0), r"MultiHeadPooling\.heads .* got 0"),
        (lambda: TowerConfig(embedding_dim=0), r"TowerConfig\.embedding_dim .* got 0"),
        (lambda: TowerConfig(shared_middle=0), r"TowerConfig\.shared_middle .* got 0"),
        (lambda: MLP(norm="group"), r"MLP\.norm must be None or one of \('batch', 'layer'\), got 'group'"),  # type: ignore
        (lambda: Gated(hidden=()), "nothing is gated"),
        (lambda: SelfAttention(width=64, heads=3), "must divide the width.*got 3 heads and a width of 64"),
        (lambda: Cross(structure="beside"), "'stacked' or 'parallel', got 'beside'"),  # type: ignore[arg-type]
        (lambda: Cross(structure="parallel", deep=MLP(hidden=())), "needs a hidden layer to stand beside"),
        (lambda: Cross(deep=Gated()), r"Cross\.deep must be an MLP, got Gated"),  # type: ignore[arg-type]
        (lambda: TowerConfig(user="mlp"), "user must be one of MLP, Residual, Cross, Gated, got 'mlp'"),  # type: ignore
        (lambda: TowerConfig(history=MLP()), "history must be one of WeightedPooling"),  # type: ignore[arg-type]
        (lambda: TowerConfig(item=MLP(hidden=()), shared_middle=8), "the item body has no hidden layer"),
        (lambda: TowerConfig(user=Cross(deep=MLP(hidden=())), shared_middle=8), "the user body has no hidden layer"),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_what_was_got_and_wanted(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_recipes_are_frozen_and_found_by_name() -> None:
    for name in RECIPES:
        with pytest.raises(FrozenInstanceError):
            recipe(name).dim = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="there are base"):
        recipe("nonsense")
