"""Side features: one table for many features gives what a table for each would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from feature_repo.encode import Input, InputKind
from training.artifacts.export import export_tower
from training.recipes import TowerConfig
from training.towers.side_features import Features, SideFeatures

INPUTS = (
    Input(name="brand", kind=InputKind.CODE, size=7),
    Input(name="tags", kind=InputKind.BAG, size=6, width=3),
    Input(name="price", kind=InputKind.NUMBER, width=2),
    Input(name="price_bucket", kind=InputKind.BUCKET, size=19),
    Input(name="title", kind=InputKind.BAG, size=9, width=5),
    Input(name="history", kind=InputKind.HISTORY, size=9, width=5),
    Input(name="face", kind=InputKind.VECTOR, width=4),
    Input(name="shop", kind=InputKind.CODE, size=5),
)

CONFIG = TowerConfig(embedding_dim=3)
FIRST = {"brand": 0, "price_bucket": 7, "shop": 26, "tags": 0, "title": 6}
"""Where each feature's rows begin in its table."""


def batch(rows: int = 6, seed: int = 0) -> Features:
    """Every code of each feature can occur; bags of any length, empty ones among them."""
    torch.manual_seed(seed)
    features = {}
    for each in INPUTS:
        if each.kind is InputKind.BAG:
            codes = torch.randint(1, each.size, (rows, each.width), dtype=torch.int32)
            features[each.name] = codes * (torch.arange(each.width) < torch.randint(0, each.width + 1, (rows, 1)))
        elif each.kind in (InputKind.CODE, InputKind.BUCKET):
            features[each.name] = torch.randint(0, each.size, (rows,), dtype=torch.int32)
        else:
            features[each.name] = torch.randn(rows, each.width)
    return features


def reference(side: SideFeatures, features: Features) -> Tensor:
    """Feature by feature, row by row."""
    tables, bags = side.parts[0].table.weight, side.parts[1].table.weight
    rows = []
    for row in range(len(features["brand"])):
        parts = [tables[FIRST[name] + features[name][row]] for name in ("brand", "price_bucket", "shop")]
        for name in ("tags", "title"):
            codes = [int(code) for code in features[name][row] if code]
            parts.append(torch.stack([bags[FIRST[name] + code] for code in codes]).mean(0) if codes else torch.zeros(3))
        rows.append(torch.cat([*parts, features["price"][row], features["face"][row]]))
    return torch.stack(rows)


@pytest.mark.parametrize("seed", range(4))
def test_values_and_gradients_are_those_of_a_table_for_each_feature(seed: int) -> None:
    side, features = SideFeatures(INPUTS, CONFIG), batch(seed=seed)
    found, wanted = torch.cat(side(features), dim=1), reference(side, features)
    assert found.shape == (6, side.width)
    torch.testing.assert_close(found, wanted)
    weights = [part.table.weight for part in side.parts]
    noise = torch.randn_like(found)
    gradients = [torch.autograd.grad((each * noise).sum(), weights) for each in (found, wanted)]
    for got, right in zip(*gradients, strict=True):
        torch.testing.assert_close(got, right)


def test_no_two_features_share_a_row() -> None:
    """A code of one feature moves nothing that another feature reads, the largest codes among them."""
    side = SideFeatures(INPUTS, CONFIG)
    for name in ("brand", "price_bucket", "shop", "tags", "title"):
        size = next(each.size for each in INPUTS if each.name == name)
        features = batch()
        before = torch.cat(side(features), dim=1)
        features[name] = torch.full_like(features[name], size - 1)
        moved = (torch.cat(side(features), dim=1) != before).any(dim=0).nonzero().flatten()
        assert len(moved) == 3 and moved[-1] - moved[0] == 2, name


def test_the_row_of_the_padding_is_never_trained() -> None:
    side = SideFeatures(INPUTS, CONFIG)
    torch.cat(side(batch(64)), dim=1).sum().backward()
    table = side.parts[1].table.weight
    assert not table[0].any() and not table.grad[0].any() and table.grad[1:6].any()


@pytest.mark.parametrize("kinds", [set(), {InputKind.CODE}, {InputKind.BAG}, {InputKind.NUMBER}])
def test_towers_without_some_kinds_are_possible(kinds: set[InputKind]) -> None:
    side = SideFeatures([each for each in INPUTS if each.kind in kinds], CONFIG)
    parts = side(batch())
    assert sum(part.shape[1] for part in parts) == side.width


def test_exported_features_are_the_same_for_any_batch(tmp_path: Path) -> None:
    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.side = SideFeatures(INPUTS, CONFIG)

        def forward(self, features: Features) -> Tensor:
            return F.normalize(torch.cat(self.side(features), dim=1), dim=1)

    tower = Tower()
    example = {name: np.array(value) for name, value in batch().items() if name != "history"}
    export_tower(tmp_path / "side.pt2", tower, example)
    program = torch.export.load(tmp_path / "side.pt2").module()
    for rows in (1, 2, 50):
        features = {name: value for name, value in batch(rows).items() if name != "history"}
        torch.testing.assert_close(program(features), tower(features))
