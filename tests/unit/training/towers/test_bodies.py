"""Each body learns what it is there for, in a world in which a plainer one cannot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from training.recipes import MLP, Cross, Gated, Residual
from training.recipes.towers import Body
from training.towers.bodies import SharedLayer, build_body

pytestmark = pytest.mark.usefixtures("one_thread")
LINEAR = MLP(hidden=())
SMALL = MLP(hidden=(16,), dropout=0.0)
BODIES: list[Body] = [
    LINEAR,
    MLP(hidden=(16, 8, 4)),
    MLP(norm="batch"),
    MLP(norm="layer"),
    Residual(width=16),
    Residual(width=16, norm="batch"),
    Residual(width=16, norm=None),
    Cross(deep=LINEAR),
    Cross(rank=2, deep=SMALL),
    Cross(deep=MLP(norm="batch"), structure="parallel"),
    Gated(hidden=(16, 8)),
    Gated(norm="batch"),
]


def a_product(x_BW: Tensor) -> Tensor:
    return x_BW[:, 0] * x_BW[:, 1]


def its_sign(x_BW: Tensor) -> Tensor:
    return a_product(x_BW).sign()


def explained(body: Body, target: Callable[[Tensor], Tensor], *, reach: float = 1.0, steps: int = 300) -> float:
    """The share of the target's variance, on inputs in [-reach, reach], that a body trained on [-1, 1] explains."""
    torch.manual_seed(0)
    x_BW = torch.rand(512, 6) * 2 - 1
    layers = build_body(body, 6, 1).train()
    optimiser = torch.optim.Adam(layers.parameters(), lr=5e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        F.mse_loss(layers(x_BW).squeeze(1), target(x_BW)).backward()
        optimiser.step()
    new_BW = (torch.rand(512, 6) * 2 - 1) * reach
    with torch.no_grad():
        error = F.mse_loss(layers.eval()(new_BW).squeeze(1), target(new_BW))
    return 1 - (error / target(new_BW).var()).item()


def test_an_mlp_learns_what_no_linear_body_can() -> None:
    assert explained(LINEAR, a_product) < 0.1
    assert explained(SMALL, a_product) > 0.9


@pytest.mark.parametrize(
    "body",
    [Cross(layers=1, deep=LINEAR), Cross(layers=1, rank=2, deep=LINEAR), Gated(hidden=(16,), dropout=0.0)],
    ids=["cross", "low rank", "gated"],
)
def test_products_are_exact_and_hold_where_training_never_was(body: Body) -> None:
    """Twice as far out, an MLP of ReLUs has only straight lines to go on with."""
    assert explained(SMALL, a_product, reach=2.0) < 0.9
    assert explained(body, a_product, reach=2.0) > 0.97


@pytest.mark.parametrize("structure", ["stacked", "parallel"])
def test_cross_layers_and_the_deep_part_both_count(structure: str) -> None:
    body = Cross(layers=1, deep=SMALL, structure=structure)  # type: ignore[arg-type]
    assert explained(body, a_product) > 0.9
    layers = build_body(body, 6, 1)
    layers(torch.ones(3, 6)).sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in layers.parameters())


def test_two_cross_layers_reach_the_third_degree_and_one_does_not() -> None:
    def cube(x_BW: Tensor) -> Tensor:
        return x_BW[:, 0] * x_BW[:, 1] * x_BW[:, 2]

    assert explained(Cross(layers=1, deep=LINEAR), cube) < 0.2
    assert explained(Cross(layers=2, deep=LINEAR), cube, steps=600) > 0.9


@pytest.mark.parametrize("norm", [None, "layer", "batch"])
def test_a_deep_body_learns_only_if_its_blocks_add_to_what_they_get(norm: str | None) -> None:
    residual = Residual(width=16, blocks=16, dropout=0.0, norm=norm)  # type: ignore[arg-type]
    assert explained(MLP(hidden=(16,) * 32, dropout=0.0), its_sign, steps=100) < 0.1
    assert explained(residual, its_sign, steps=100) > 0.5


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_every_body_judges_a_row_by_itself_and_gives_the_dimension_asked_for(body: Body) -> None:
    torch.manual_seed(0)
    layers = build_body(body, 6, 5)
    assert layers.train()(torch.randn(32, 6)).shape == (32, 5)
    assert torch.isfinite(layers(torch.randn(1, 6))).all()  # the last batch of an epoch may be one user
    layers.eval()
    x_BW = torch.randn(4, 6)
    assert torch.allclose(layers(x_BW)[:1], layers(x_BW[:1]), atol=1e-6)


@pytest.mark.parametrize("body", [MLP(norm="batch"), Residual(norm="batch"), Gated(norm="batch")], ids=str)
def test_one_row_leaves_the_running_statistics_alone(body: Body) -> None:
    layers = build_body(body, 6, 5).train()
    layers(torch.randn(32, 6))
    before = {name: value.clone() for name, value in layers.named_buffers()}
    layers(torch.full((1, 6), 1e3))
    assert all(torch.equal(value, before[name]) for name, value in layers.named_buffers())


def test_the_shared_middle_is_one_layer_of_two_bodies() -> None:
    """Training one body moves what the other gives, and nothing but the middle is common."""
    middle = SharedLayer(8)
    bodies = [build_body(MLP(hidden=(16,)), width, 4, middle) for width in (6, 10)]
    common = {id(weight) for weight in bodies[0].parameters()} & {id(weight) for weight in bodies[1].parameters()}
    assert common == {id(weight) for weight in middle.parameters()}
    x_BW = torch.randn(5, 10)
    bodies[1].eval()
    before_BD = bodies[1](x_BW)
    optimiser = torch.optim.SGD(bodies[0].parameters(), lr=1.0)
    bodies[0](torch.randn(5, 6)).square().sum().backward()
    optimiser.step()
    assert not torch.allclose(bodies[1](x_BW), before_BD)
