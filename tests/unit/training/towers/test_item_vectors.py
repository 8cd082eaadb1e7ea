"""Vectors of items: their id's, and one of each of their categories."""

from __future__ import annotations

import keyword
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from feature_repo.encode import Input, InputKind
from tests.unit.training.towers.tower_world import ITEM_INPUTS, ITEMS, USER_INPUTS, items, tensors, users
from training.recipes import RepeatTerm, SelfSupervised, base
from training.towers import new_model
from training.towers.item_vectors import SumOfRows


def test_sums_of_rows_and_their_gradients_are_those_of_an_embedding_bag() -> None:
    """Rows may come twice in a sum, and not at all."""
    generator = torch.Generator().manual_seed(0)
    codes_BF = torch.randint(7, (40, 3), generator=generator, dtype=torch.int32)
    grad_BD = torch.randn(40, 4, generator=generator, dtype=torch.float64)
    found, wanted = (torch.arange(36.0, dtype=torch.float64).view(9, 4).requires_grad_() for _ in range(2))
    result, bag = SumOfRows.apply(found, codes_BF), F.embedding_bag(codes_BF, wanted, mode="sum")
    result.backward(grad_BD)
    bag.backward(grad_BD)
    assert found.grad is not None and wanted.grad is not None
    torch.testing.assert_close(result, bag)
    torch.testing.assert_close(found.grad, wanted.grad)
    assert found.grad[7:].eq(0).all()


def test_features_may_be_named_as_anything_that_a_module_has() -> None:
    """129 names, `type`, `items` and `half` among them, are attributes of the modules that held them."""
    names = sorted({*dir(nn.ModuleDict()), *dir(nn.ParameterDict()), *keyword.kwlist, "codes_of_kind", "имя", "ﬁne"})
    numbers = ["price", "items_", *(f"{name}_" for name in names)]
    inputs = [ITEM_INPUTS[0], *(replace(ITEM_INPUTS[1], name=name) for name in names)]
    inputs += [Input(name=name, kind=InputKind.NUMBER, width=2) for name in numbers]
    config = replace(base(), dim=4, self_supervised=SelfSupervised(items=6), repeat=RepeatTerm())
    codes_of = {name: torch.zeros(ITEMS, dtype=torch.int32) for name in names}
    model = new_model(USER_INPUTS, inputs, codes_of, config, seed=0)
    features = tensors(items(5))
    features |= dict.fromkeys(names, features["kind"]) | dict.fromkeys(numbers, features["price"])
    assert model.masking is not None and model.repeat is not None
    assert model.item(model.masking(features, {"type", "half_"})).shape == (5, 4)
    (model.user(tensors(users(5))) @ model.item(features).T).sum().backward()
    assert all(table.get_parameter("weight").grad is not None for table in model.item.vectors.tables)
