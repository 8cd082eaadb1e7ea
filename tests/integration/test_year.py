"""Many nights on one home: its size and the times of its commands do not grow."""

from __future__ import annotations

import pytest

from tests.benchmarks.nights import nights


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_home_does_not_grow_with_its_age() -> None:
    """The first twenty nights fill it."""
    _, young, *_, old = nights(60, 10)
    assert (young.number, old.number) == (20, 60)
    assert old.megabytes < 1.1 * young.megabytes
    assert old.database < 1.2 * young.database
    assert old.memory < 1.1 * young.memory
    assert old.releases < 2 * young.releases + 0.1
    assert (young.findings, old.findings) == (0, 0)
