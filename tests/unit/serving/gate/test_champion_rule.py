"""Why a champion was not compared, and what to do, stands in the reason."""

from __future__ import annotations

from datetime import datetime

import pytest

from serving.gate.verdict import Outcome
from tests.unit.serving.gate.test_gate import CUT, NDCG, compared, judge

NOTE = "champion 7 cannot be measured: its files are lost; bring them back"


@pytest.mark.parametrize("cut", [CUT, None])
def test_a_champion_that_cannot_be_measured_is_explained(cut: datetime | None) -> None:
    """With its end of training known or not; and whatever was measured in its place decides nothing."""
    for champion in ({}, {NDCG: compared(0.1, 0.2)}):
        verdict = judge(champion=champion, champion_cut=cut, champion_note=NOTE)
        assert verdict.outcome is Outcome.UNDECIDED
        assert f"undecided: {NOTE}" in verdict.reasons
        assert not any("against champion" in reason for reason in verdict.reasons)


def test_a_champion_that_has_seen_the_hold_out_says_until_when_to_wait() -> None:
    (reason,) = judge(champion_cut=datetime(2024, 1, 9)).unmet
    assert reason.startswith("undecided: the champion was trained until 2024-01-09 00:00:00, past the hold-out's start")
    assert "restore the former, shorter `holdout`" in reason
