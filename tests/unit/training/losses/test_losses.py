"""Every loss against its formula pair by pair, and an independent library."""

from __future__ import annotations

import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import NTXentLoss, TripletMarginLoss
from pytorch_metric_learning.reducers import MeanReducer

from tests.unit.training.losses.loss_formulas import FORMULAS
from tests.unit.training.trainer.candidates_world import (
    COLUMNS,
    ROWS,
    candidates,
    pairs_of,
    positives,
    weighted_mean,
)
from training.losses import LOSSES, Candidates, Pairs
from training.losses.pairwise import semi_hard


def with_hard(seed: int = 0) -> Candidates:
    """The last two columns are no negatives but the hard ones of some rows."""
    hard_RH = torch.full((ROWS, 2), -1)
    hard_RH[0], hard_RH[3, 1] = torch.tensor([COLUMNS - 1, COLUMNS - 2]), COLUMNS - 1
    c = candidates(seed)
    there = c.column_P < COLUMNS - 2
    return candidates(
        seed,
        hard_RH=hard_RH,
        last_negative=COLUMNS - 2,
        row_P=c.row_P[there],
        column_P=c.column_P[there],
        weight_P=c.weight_P[there],
    )


def test_every_loss_has_its_formula_here() -> None:
    assert FORMULAS.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("world", ["plain", "shifted", "drawn apart", "hard"])
def test_a_loss_is_its_formula(name: str, world: str) -> None:
    c = {
        "plain": lambda: candidates(),
        "shifted": lambda: candidates(1, shift=torch.tensor(-0.7)),
        "drawn apart": lambda: candidates(2, first_negative=ROWS),
        "hard": with_hard,
    }[world]()
    formula, parameters = FORMULAS[name]
    wanted = weighted_mean(c, [formula(c, row, column) for row, column, _ in positives(c)])
    assert LOSSES[name](c, **parameters).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "refined_softmax"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    """Except for the refined softmax, whose fixed weight makes it no gradient."""
    parameters = FORMULAS[name][1]
    c = candidates(4, temperature=1.0)
    user_RD, item_CD = c.user_RD.detach().double(), c.item_CD.detach().double()

    def value(user_RD: torch.Tensor, item_CD: torch.Tensor) -> torch.Tensor:
        doubled = {"user_RD": user_RD, "item_CD": item_CD, "precision": torch.float64}
        return LOSSES[name](candidates(4, temperature=1.0, log_q_C=c.log_q_C.double(), **doubled), **parameters)

    inputs = (user_RD.requires_grad_(), item_CD.requires_grad_())
    assert torch.autograd.gradcheck(value, inputs, eps=1e-6, atol=1e-6)


def test_the_refined_softmax_has_the_gradient_of_a_softmax_with_an_uncorrected_positive() -> None:
    c = candidates()
    LOSSES["refined_softmax"](c).backward()
    assert c.user_RD.grad is not None
    twin = candidates()
    gap_P = twin.negative_log_sum_exp(twin.log_q_C) - twin.positive_P
    twin.mean(torch.nn.functional.softplus(gap_P)).backward()
    assert twin.user_RD.grad is not None
    assert torch.allclose(c.user_RD.grad, twin.user_RD.grad, atol=1e-6)


@pytest.mark.parametrize("changes", [{}, {"first_negative": 1}], ids=["of the tiles", "apart"])
def test_the_bilateral_softmax_has_the_gradients_of_its_formula(changes: dict[str, object]) -> None:
    """Positives are among their own negatives; one row has none, one no weight."""
    c = candidates(3)
    there = c.row_P != 2
    weight_P = c.weight_P.double().masked_fill(c.row_P == 4, 0.0)
    vectors = c.user_RD.detach().double(), c.item_CD.detach().double()
    found = []
    for loss in (bilateral_loss, lambda c: LOSSES["bilateral_softmax"](c, exponent=1.3)):
        user_RD, item_CD = (each.clone().requires_grad_() for each in vectors)
        made = candidates(
            3, user_RD=user_RD, item_CD=item_CD, hidden=Pairs.none(), precision=torch.float64, row_P=c.row_P[there],
            column_P=c.column_P[there], weight_P=weight_P[there], log_q_C=c.log_q_C.double(), **changes,
        )  # fmt: skip
        value = loss(made)
        value.backward()
        found.append([value, user_RD.grad, item_CD.grad])
    for wanted, got in zip(*found, strict=True):
        assert torch.allclose(got, wanted, rtol=1e-8, atol=1e-8)


def bilateral_loss(c: Candidates) -> torch.Tensor:
    logits_RC = c.scale * c.user_RD @ c.item_CD.T
    sum_R = logits_RC[:, c.first_negative :].exp().mean(dim=1).log()
    return c.mean(1.3 * sum_R[c.row_P] - logits_RC[c.row_P, c.column_P])


def square(seed: int = 0, *, temperature: float = 0.2) -> Candidates:
    """One positive per row, on the diagonal: what other libraries compute."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.arange(ROWS)
    vectors = torch.nn.functional.normalize(torch.randn(2, ROWS, 8, generator=generator), dim=2)
    return Candidates(
        user_RD=vectors[0], item_CD=vectors[1], row_P=rows, column_P=rows, weight_P=torch.ones(ROWS),
        log_q_C=torch.zeros(ROWS), hidden=Pairs(row_H=rows, column_H=rows), scale=torch.tensor(1 / temperature),
    )  # fmt: skip


def test_info_nce_is_the_library_s() -> None:
    c, labels = square(), torch.arange(ROWS)
    oracle = NTXentLoss(temperature=0.2)(c.user_RD, labels, ref_emb=c.item_CD, ref_labels=labels.clone())
    assert LOSSES["info_nce"](c).item() == pytest.approx(oracle.item(), rel=1e-5)
    assert LOSSES["softmax"](c).item() == pytest.approx(oracle.item(), rel=1e-5)


def test_the_hinge_is_the_library_s() -> None:
    c, labels = square(temperature=1.0), torch.arange(ROWS)
    oracle = TripletMarginLoss(margin=0.4, distance=CosineSimilarity(), reducer=MeanReducer())
    wanted = oracle(c.user_RD, labels, ref_emb=c.item_CD, ref_labels=labels.clone())
    assert LOSSES["hinge_triplet"](c, margin=0.4).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_semi_hard_negatives_lie_inside_the_margin_and_else_the_nearest_above() -> None:
    gap_PN = torch.tensor([[-0.3, -0.1, 0.2, 0.4], [-0.9, -0.8, 0.5, 0.3], [-0.9, -0.8, -torch.inf, -0.7]])
    assert semi_hard(gap_PN, 0.5).int().tolist() == [[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize("name", LOSSES)
def test_a_hidden_pair_has_no_gradient(name: str) -> None:
    """An accidental hit: row 0 hides every column but its positive and column 1."""
    columns = torch.tensor([0, *range(2, COLUMNS)])
    one = torch.tensor([0])
    c = candidates(
        row_P=one, column_P=one, weight_P=torch.ones(1), temperature=1.0,
        hidden=Pairs(row_H=torch.zeros_like(columns), column_H=columns),
    )  # fmt: skip
    LOSSES[name](c, **{"weight": 5.0, "margin": -1.0} if name == "cosine_contrastive" else {}).backward()
    assert c.item_CD.grad is not None
    moved = c.item_CD.grad.abs().sum(dim=1) > 0
    assert moved.nonzero().squeeze(1).tolist() in ([0, 1], [0]) if name == "hinge_triplet" else moved[:2].all()
    assert not moved[2:].any()


@pytest.mark.parametrize("name", ["bpr", "logistic_triplet", "pointwise", "softmax", "info_nce"])
def test_large_gaps_neither_overflow_nor_lose_their_gradient(name: str) -> None:
    """A positive 400 below its negative costs about 400, and pulls with full force."""
    user_RD, item_CD = torch.ones(1, 1), torch.tensor([[-200.0], [200.0]], requires_grad=True)
    one = torch.zeros(1, dtype=torch.int64)
    c = Candidates(
        user_RD=user_RD, item_CD=item_CD, row_P=one, column_P=one, weight_P=torch.ones(1), log_q_C=torch.zeros(2),
        hidden=Pairs(row_H=one, column_H=one),
    )  # fmt: skip
    loss = LOSSES[name](c)
    loss.backward()
    assert loss.item() == pytest.approx(600 if name == "pointwise" else 400, rel=1e-3)
    assert item_CD.grad is not None
    assert item_CD.grad[0].item() == pytest.approx(-1, rel=1e-3)


@pytest.mark.parametrize("name", ["softmax", "info_nce", "refined_softmax"])
def test_a_discovery_is_ranked_among_what_the_user_did_not_have(name: str) -> None:
    history = Pairs(row_H=torch.tensor([0, 0]), column_H=torch.tensor([1, 2]))
    for positive, pushed in ((0, [3]), (1, [0, 2, 3])):
        column = torch.tensor([positive])
        c = Candidates(
            user_RD=torch.ones(1, 1), item_CD=torch.ones(4, 1).requires_grad_(), row_P=torch.tensor([0]),
            column_P=column, weight_P=torch.ones(1), log_q_C=torch.zeros(4), history=history,
            hidden=Pairs(row_H=torch.tensor([0]), column_H=column),
        )  # fmt: skip
        LOSSES[name](c).backward()
        assert c.item_CD.grad is not None
        assert (c.item_CD.grad.squeeze(1) > 1e-6).nonzero()[:, 0].tolist() == pushed


@pytest.mark.parametrize("name", ["softmax", "info_nce"])
def test_a_row_without_candidates_costs_nothing(name: str) -> None:
    c = candidates(hidden=pairs_of(torch.ones(ROWS, COLUMNS)))
    loss = LOSSES[name](c)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert c.user_RD.grad is not None
    assert (c.user_RD.grad == 0).all()


def test_a_prefix_is_compared_by_itself() -> None:
    c = candidates()
    short = c.cut(2)
    assert torch.allclose(short.user_RD.norm(dim=1), torch.ones(ROWS))
    wanted = c.user_RD[0, :2] @ c.item_CD[0, :2] / c.user_RD[0, :2].norm() / c.item_CD[0, :2].norm()
    assert short.positive_P[0].item() == pytest.approx(5 * wanted.item(), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_several_threads_give_the_same_gradients_every_time(name: str) -> None:
    """Rows enough for several threads; sums in any order differ in the last bits."""
    rows, columns, dim = 40, 300, 128
    generator = torch.Generator().manual_seed(0)
    row_P, column_P = (torch.randint(0, n, (4000,), generator=generator) for n in (rows, columns))
    vectors = [torch.randn(n, dim, generator=generator) for n in (rows, columns)]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    found = []
    for _ in range(8):
        user_RD, item_CD = (each.clone().requires_grad_() for each in vectors)
        c = Candidates(
            user_RD=user_RD, item_CD=item_CD, row_P=row_P, column_P=column_P, weight_P=torch.ones(4000),
            log_q_C=torch.zeros(columns), hidden=Pairs(row_H=row_P, column_H=column_P), scale=torch.tensor(0.1),
        )  # fmt: skip
        LOSSES[name](c).backward()
        found.append((user_RD.grad, item_CD.grad))
    torch.set_num_threads(before)
    for user_grad, item_grad in found[1:]:
        assert torch.equal(user_grad, found[0][0]) and torch.equal(item_grad, found[0][1])
