"""Streaming estimate of an item's frequency, from gaps between its batches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.recipes import Streaming
from training.sampling import Streamed

ITEMS = 40


def stream(estimate: Streamed, in_batch_N: Tensor, steps: int, seed: int = 0) -> Streamed:
    """Batches in which each item is with its own probability."""
    rng = torch.Generator().manual_seed(seed)
    for there_N in torch.rand(steps, len(in_batch_N), generator=rng) < in_batch_N:
        estimate.update(there_N.nonzero().squeeze(1))
    return estimate


def log_error(estimate: Streamed, in_batch_N: Tensor) -> Tensor:
    return estimate.log_inclusion(torch.arange(len(in_batch_N)), interactions=1) - in_batch_N.log()


def spread(items: int = ITEMS) -> Tensor:
    """In-batch probabilities from 0.02 to 0.9."""
    return torch.logspace(-1.7, -0.05, items)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_probabilities_of_a_stationary_stream_are_recovered(seed: int) -> None:
    error_N = log_error(stream(Streamed(Streaming(size=4_096)), spread(), 2_000, seed), spread())
    assert abs(error_N.mean()) < 0.05
    assert error_N.abs().mean() < 0.1
    assert error_N.abs().max() < 0.4


def test_the_first_batches_leave_no_mark() -> None:
    """An item of the very first batch is soon known to be no item of every batch."""
    in_batch_N = spread()
    estimate = Streamed(Streaming(size=4_096))
    estimate.update(torch.arange(ITEMS))
    error_N = log_error(stream(estimate, in_batch_N, 500), in_batch_N)
    assert error_N.mean() < 0.1
    assert error_N.max() < 0.8


def test_a_drift_is_followed() -> None:
    before_N, after_N = torch.tensor([0.5, 0.1]), torch.tensor([0.1, 0.5])
    estimate = stream(Streamed(Streaming(rate=0.05, size=256)), before_N, 1_000)
    assert log_error(estimate, before_N).abs().max() < 0.5
    assert log_error(stream(estimate, after_N, 1_000, seed=1), after_N).abs().max() < 0.5


def test_an_item_twice_in_a_batch_counts_once() -> None:
    once, twice = (Streamed(Streaming(size=64)) for _ in range(2))
    for step in range(30):
        once.update(torch.tensor([step % 3]))
        twice.update(torch.tensor([step % 3] * 4))
    assert torch.equal(once.gap_MS, twice.gap_MS)
    assert once.log_inclusion(torch.tensor([0]), 1).exp().item() == pytest.approx(1 / 3, rel=0.1)


def test_an_item_never_seen_is_as_rare_as_the_start_says() -> None:
    estimate = Streamed(Streaming(tables=2), start=500.0)
    estimate.update(torch.tensor([1]))
    assert estimate.log_inclusion(torch.tensor([7]), 1).exp().item() == pytest.approx(1 / 500)


def test_several_tables_beat_one_where_items_collide() -> None:
    """A collision makes an item look frequent; one in every table is rare."""
    in_batch_N = spread(100)
    one, several = (
        log_error(stream(Streamed(Streaming(tables=tables, size=64)), in_batch_N, 1_000), in_batch_N)
        for tables in (1, 5)
    )
    assert one.mean() > 0.3
    assert several.abs().mean() < 0.5 * one.abs().mean()


def test_state_goes_on_as_if_nothing_had_happened() -> None:
    in_batch_N = spread()
    whole = stream(Streamed(Streaming(size=64)), in_batch_N, 50)
    again = Streamed(Streaming(size=64))
    again.load(whole.state())
    for estimate in (whole, again):
        stream(estimate, in_batch_N, 50, seed=1)
    assert again.step == whole.step
    assert torch.equal(again.gap_MS, whole.gap_MS)
    assert torch.equal(again.last_MS, whole.last_MS)
