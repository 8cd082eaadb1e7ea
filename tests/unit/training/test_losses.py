"""The in-batch softmax against a written-out reference, and the mistakes that no crash reveals."""

from __future__ import annotations

import math

import pytest
import torch

from training.losses import in_batch_softmax, log_q


def reference(
    logits_RC: torch.Tensor, positives_RC: torch.Tensor, history_RC: torch.Tensor, log_q_C: torch.Tensor
) -> float:
    """Row by row, positive by positive: −log of the corrected softmax over the positive and its negatives."""
    losses = []
    for row in range(len(logits_RC)):
        corrected = [math.exp(logits_RC[row, c] - log_q_C[c]) for c in range(logits_RC.shape[1])]
        others = [c for c in range(len(corrected)) if not positives_RC[row, c]]
        for positive in (c for c in range(len(corrected)) if positives_RC[row, c]):
            ranked = [c for c in others if history_RC[row, positive] or not history_RC[row, c]]
            negatives = sum(corrected[c] for c in ranked)
            losses.append(-math.log(corrected[positive] / (corrected[positive] + negatives)))
    return sum(losses) / len(losses)


def nothing(like_RC: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(like_RC, dtype=torch.bool)


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits_RC = torch.randn(5, 9, generator=generator)
    positives_RC = torch.rand(5, 9, generator=generator) < 0.3
    positives_RC[torch.arange(5), torch.arange(5)] = True
    return logits_RC, positives_RC, torch.log(torch.rand(9, generator=generator))


def test_equals_the_formula_written_out(batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    logits_RC, positives_RC, log_q_C = batch
    history_RC = torch.rand(5, 9, generator=torch.Generator().manual_seed(3)) < 0.4
    assert (history_RC & positives_RC).any() and (positives_RC & ~history_RC).any()
    got = in_batch_softmax(logits_RC, positives_RC, history_RC, log_q_C, positives_RC.float())
    assert got.item() == pytest.approx(reference(logits_RC, positives_RC, history_RC, log_q_C), abs=1e-5)


def test_equals_cross_entropy_when_every_row_has_one_positive() -> None:
    logits_BB = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    eye_BB = torch.eye(6, dtype=torch.bool)
    got = in_batch_softmax(logits_BB, eye_BB, nothing(eye_BB), torch.zeros(6), eye_BB.float())
    assert torch.allclose(got, torch.nn.functional.cross_entropy(logits_BB, torch.arange(6)))


def test_an_accidental_hit_has_no_gradient_as_a_negative() -> None:
    logits_RC = torch.zeros(1, 3, requires_grad=True)
    weights_RC = torch.tensor([[1.0, 0.0, 0.0]])  # the second column is a positive too, but of no weight
    positives_RC = torch.tensor([[True, True, False]])
    in_batch_softmax(logits_RC, positives_RC, nothing(positives_RC), torch.zeros(3), weights_RC).backward()
    assert logits_RC.grad is not None
    assert logits_RC.grad[0, 1] == 0
    assert logits_RC.grad[0, 0] < 0 < logits_RC.grad[0, 2]


def test_the_history_holds_down_repetitions_and_no_discovery() -> None:
    history_RC = torch.tensor([[False, True, True, False]])
    for positive, pushed in ((0, [3]), (1, [0, 2, 3])):
        logits_RC = torch.zeros(1, 4, requires_grad=True)
        positives_RC = torch.arange(4)[None] == positive
        in_batch_softmax(logits_RC, positives_RC, history_RC, torch.zeros(4), positives_RC.float()).backward()
        assert logits_RC.grad is not None
        assert (logits_RC.grad[0] > 0).nonzero()[:, 0].tolist() == pushed


def test_a_row_without_candidates_costs_nothing() -> None:
    """A user who had every other item of the batch: no loss, and no NaN in the gradient."""
    logits_RC = torch.ones(1, 3, requires_grad=True)
    positives_RC = torch.tensor([[True, False, False]])
    loss = in_batch_softmax(logits_RC, positives_RC, ~positives_RC, torch.zeros(3), positives_RC.float())
    loss.backward()
    assert loss.item() == 0
    assert logits_RC.grad is not None
    assert logits_RC.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_weights_scale_the_positives() -> None:
    logits_RC = torch.tensor([[2.0, -1.0, 0.0]])
    positives_RC = torch.tensor([[True, True, False]])
    only_first = in_batch_softmax(
        logits_RC, positives_RC, nothing(positives_RC), torch.zeros(3), torch.tensor([[3.0, 0.0, 0.0]])
    )
    assert only_first.item() == pytest.approx(math.log1p(math.exp(-2.0)), abs=1e-6)


def test_correction_recovers_the_full_softmax_where_items_are_drawn_by_popularity() -> None:
    """Over many batches, the corrected sum of exponentials is the sum over the whole corpus."""
    generator = torch.Generator().manual_seed(2)
    scores_N, q_N, size = torch.randn(50, generator=generator), torch.rand(50, generator=generator), 20
    q_N = q_N / q_N.sum()
    drawn = torch.multinomial(q_N, 4000 * size, replacement=True, generator=generator).view(4000, size)
    inside = torch.zeros(4000, 50).scatter_(1, drawn, 1.0)
    corrected = (inside * torch.exp(scores_N - log_q(q_N, size))).sum(dim=1).mean()
    assert corrected.item() == pytest.approx(torch.exp(scores_N).sum().item(), rel=0.02)


def test_log_q_is_a_log_probability_even_for_items_in_every_batch() -> None:
    got = log_q(torch.tensor([1e-7, 0.01, 0.9]), 4096)
    assert torch.isfinite(got).all()
    assert (got <= 0).all()
    assert got[0].item() == pytest.approx(math.log(4096e-7), abs=1e-3)
