"""Click models against their formulas, item by item, and what they may not depend on."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.unit.training.towers.clicks.click_world import BOTH, MODELS, NAMES, SCORE, SIZES, D, L, S, answers, trained
from training.recipes import Additive, CrossPositional, PositionFeature
from training.towers.clicks import ClickModel, Clicks, Shown, click_model
from training.towers.clicks.additive import log_complement
from training.towers.clicks.base import products


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def f(model: ClickModel, user: torch.Tensor, item: torch.Tensor) -> float:
    """Relevance, by hand."""
    return math.exp(model.log_gain) * float(user @ item) / 0.5 + float(model.level)


def theta(model: ClickModel, shown: Shown, s: int, item: int, width: int = 0) -> float:
    """Sum of the weights of each value, by hand."""
    codes = shown.context_SLC[s, item].tolist()
    return sum(float(model.get_parameter(f"bias.tables.{n}.weight")[code, width]) for n, code in enumerate(codes))


def by_hand(name: str, model: ClickModel, shown: Shown, s: int, item: int) -> list[float]:
    """Probability of a click by each component."""
    user, items = shown.user_SD[s], shown.item_SLD[s]
    own = f(model, user, items[item])
    match name:
        case "none":
            return [sigmoid(own)]
        case "position feature":
            code = int(shown.context_SLC[s, item, 0])
            return [sigmoid(f(model, user + model.get_parameter("vectors.weight")[code], items[item]))]
        case "additive":
            return [sigmoid(own + theta(model, shown, s, item))]
        case "product":
            return [sigmoid(own) * sigmoid(theta(model, shown, s, item))]
        case "mixture":
            return [sigmoid(own + theta(model, shown, s, item, k)) for k in range(3)]
        case "dot product":
            total = 0.0
            for d in range(D):
                weight = 1 + theta(model, shown, s, item, d)
                for n, size in enumerate(SIZES):
                    column = model.get_parameter(f"bias.tables.{n}.weight")[1:, d]
                    weight -= float(column.sum()) / (size - 1)
                total += float(user[d] * items[item, d]) * weight
            return [sigmoid(math.exp(model.log_gain) * total / 0.5 + float(model.level))]
    others = [j for j in range(L) if shown.shown_SL[s, j] and j != item]
    width = 8

    def vector(j: int) -> torch.Tensor:
        codes = shown.context_SLC[s, j].tolist()
        return sum(model.get_parameter(f"pair.tables.{n}.weight")[code] for n, code in enumerate(codes))  # type: ignore[return-value]

    weights = [math.exp(float(vector(item)[:width] @ vector(j)[width:]) / width**0.5) for j in others]
    alpha, beta = float(model.get_parameter("of_relevance")), float(model.get_parameter("of_bias"))
    pooled = sum(
        weight / sum(weights)
        * (alpha * (f(model, user, items[j]) - float(model.level)) + beta * theta(model, shown, s, j))
        for weight, j in zip(weights, others, strict=True)
    )  # fmt: skip
    return [sigmoid(own + theta(model, shown, s, item) + pooled)]


@pytest.mark.parametrize("name", [name for name in MODELS if "hidden" not in name])
def test_a_model_is_its_formula(name: str) -> None:
    model, shown = trained(name), answers()
    clicks: Clicks = model(shown, SCORE)
    with torch.no_grad():
        for s, item in shown.shown_SL.nonzero().tolist():
            wanted = by_hand(name, model, shown, s, item)
            assert clicks.log_click_KSL[:, s, item].exp().tolist() == pytest.approx(wanted, abs=1e-5)
            none = [1 - p for p in wanted]
            assert clicks.log_none_KSL[:, s, item].exp().tolist() == pytest.approx(none, abs=1e-5)
    assert clicks.log_share_K.exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize("name", MODELS)
def test_relevance_serves_and_depends_on_the_product_alone(name: str) -> None:
    """What trains is gain / τ · <u, v> + level of the product that an index returns."""
    model, shown = trained(name), answers()
    product_SL = torch.stack([shown.item_SLD[s] @ shown.user_SD[s] for s in range(S)])
    with torch.no_grad():
        relevance_SL = model.relevance(products(shown), SCORE)
    torch.testing.assert_close(relevance_SL, math.exp(model.log_gain.item()) / 0.5 * product_SL + model.level.item())


@pytest.mark.parametrize("name", MODELS)
def test_columns_behind_the_end_of_an_answer_change_nothing(name: str) -> None:
    model, shown = trained(name), answers()
    there = shown.shown_SL
    other = replace(
        shown,
        item_SLD=torch.where(there.unsqueeze(-1), shown.item_SLD, 1e6),
        context_SLC=torch.where(there.unsqueeze(-1), shown.context_SLC, 2),
    )
    before, after = (model(each, SCORE).log_click_KSL[:, there] for each in (shown, other))
    torch.testing.assert_close(before, after)


def test_the_served_position_has_the_towers_own_score() -> None:
    model, shown = trained("position feature"), answers()
    served = replace(shown, context_SLC=torch.zeros_like(shown.context_SLC))
    with torch.no_grad():
        wanted = model.relevance(products(shown), SCORE).sigmoid()
        torch.testing.assert_close(model(served, SCORE).log_click_KSL[0].exp(), wanted)


def test_the_mean_of_a_dot_product_over_positions_is_the_towers_score() -> None:
    model, shown = trained("dot product"), answers()
    logits = []
    with torch.no_grad():
        for position in range(1, SIZES[0]):
            for device in range(1, SIZES[1]):
                codes = torch.tensor([position, device]).expand_as(shown.context_SLC)
                clicks = model(replace(shown, context_SLC=codes), SCORE)
                logits.append(clicks.log_click_KSL[0] - clicks.log_none_KSL[0])
        wanted = model.relevance(products(shown), SCORE)
    torch.testing.assert_close(torch.stack(logits).mean(0), wanted, atol=1e-4, rtol=1e-4)


def test_an_item_does_not_attend_to_itself_and_a_single_one_to_nothing() -> None:
    model, shown = trained("cross-positional"), answers()
    weight_SLM = model.attention(shown)  # type: ignore[operator]
    assert (weight_SLM.diagonal(dim1=1, dim2=2) == 0).all()
    for s, items in enumerate(shown.shown_SL.sum(1).tolist()):
        wanted = torch.full((items,), 1.0 if items > 1 else 0.0)
        torch.testing.assert_close(weight_SLM[s, :items, :items].sum(-1), wanted)
        assert (weight_SLM[s, :items, items:] == 0).all()


@pytest.mark.parametrize("name", ["additive", "position feature"])
def test_dropout_hides_the_position_in_training_alone(name: str) -> None:
    config = Additive(dropout=0.5) if name == "additive" else PositionFeature(dropout=0.5)
    model, shown = click_model(config, NAMES, SIZES, dim=D, click_rate=0.2), answers()
    table = "bias.tables.0.weight" if name == "additive" else "vectors.weight"
    with torch.no_grad():
        model.get_parameter(table)[1:] += 1.0
    torch.manual_seed(0)
    changed = [not torch.equal(model(shown, SCORE).log_click_KSL, model(shown, SCORE).log_click_KSL) for _ in range(3)]
    assert any(changed)
    model.eval()
    assert torch.equal(model(shown, SCORE).log_click_KSL, model(shown, SCORE).log_click_KSL)


def test_the_complement_is_right_near_0_and_1() -> None:
    p = torch.tensor([1e-30, 1e-6, 0.3, 0.5, 0.9, 1 - 1e-6], dtype=torch.float64)
    torch.testing.assert_close(log_complement(p.log()), torch.log1p(-p))
    certain = torch.zeros(1, requires_grad=True)
    (gradient,) = torch.autograd.grad(log_complement(certain), certain)
    assert torch.isfinite(gradient).all()


def test_a_missing_feature_is_named_with_the_way_out() -> None:
    with pytest.raises(
        ValueError, match="Additive reads device, and the impressions have position: bring these columns"
    ):
        click_model(Additive(features=BOTH), ("position",), (5,), dim=D, click_rate=0.2)
    with pytest.raises(ValueError, match="CrossPositional reads position, and the impressions have no surroundings"):
        click_model(CrossPositional(), (), (), dim=D, click_rate=0.2)
    with pytest.raises(ValueError, match="PositionFeature needs the position"):
        click_model(PositionFeature(), ("device",), (3,), dim=D, click_rate=0.2)
