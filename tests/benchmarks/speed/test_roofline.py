"""Least time of work by three ceilings."""

from __future__ import annotations

from tests.benchmarks.speed.roofline import Roofline


def test_exponentials_add_to_products_and_memory_hides_behind_both() -> None:
    roof = Roofline(flops=100.0, bytes=10.0, exponentials=5.0)
    assert roof.seconds(200, 10) == 2
    assert roof.seconds(200, 10, 5) == 3
    assert roof.seconds(200, 40, 5) == 4
