"""SIGKILL in a night: an hour, and a file of its own, since the processes of a suite share the files."""

from __future__ import annotations

import pytest

from tests.integration.crash_trials import faults, trials


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_a_night_survives_a_kill_at_each_of_its_places() -> None:
    """New data, features, training, index, seal, online load, promotion."""
    tried = trials("night", "--only", "first", seconds=7_200)
    assert faults(tried) == []
    assert len(tried) >= 30
