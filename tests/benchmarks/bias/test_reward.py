"""Training for reward in short: one seed, a small log, loose thresholds.

`python -m tests.benchmarks.bias.reward` is the real measurement.
"""

from __future__ import annotations

from tests.benchmarks.bias.reward import TWO, measure
from tests.benchmarks.bias.sessions import world


def test_where_bait_makes_users_leave_the_corrected_gradient_keeps_them() -> None:
    found = measure(0, world(0), unseen=False, methods=TWO, users=1_500)
    assert found["corrected, top K"] > 2 * found["cross-entropy"]
    assert found["best by the truth"] > found["corrected, top K"]


def test_where_users_leave_alike_it_shows_what_they_do_not_take() -> None:
    found = measure(0, world(0, equal=True), unseen=False, methods=TWO, users=1_500)
    assert found["corrected, top K"] < found["cross-entropy"]
