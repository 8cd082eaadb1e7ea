"""SIGKILL before each write of each command: the champion answers, the doctor names the rest, a second call ends it."""

from __future__ import annotations

import pytest

from tests.integration.crash_trials import faults, trials


@pytest.mark.timeout(600)
def test_a_promotion_survives_a_kill_before_each_of_its_writes() -> None:
    tried = trials("promote", seconds=600)
    assert faults(tried) == []
    # The lock, the history, the commit, the mirror, the tag, the lock again: and the doctor names most of what is left.
    assert len(tried) >= 6
    assert sum(each["named"] > 0 for each in tried) >= len(tried) - 1


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("scenario", ["override", "rollback", "rollback-load", "by-hand", "clean", "release"])
def test_every_command_survives_a_kill_before_each_of_its_writes(scenario: str) -> None:
    tried = trials(scenario, seconds=3_600)
    assert faults(tried) == []
    assert len(tried) >= 6
