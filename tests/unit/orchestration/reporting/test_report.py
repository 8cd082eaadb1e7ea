"""The lines of the verdict."""

from __future__ import annotations

from orchestration.reporting.report import verdict_lines


def test_a_failed_first_version_leaves_no_champion() -> None:
    summary = {
        "outcome": "failed",
        "champion": None,
        "served": [],
        "reasons": ["failed: all/recall@20 0.1 against floor 0.2"],
    }
    assert verdict_lines(summary) == [
        "Verdict: failed  (no champion yet)",
        "  - failed: all/recall@20 0.1 against floor 0.2",
    ]


def test_a_champion_whose_alias_was_deleted_is_called_that() -> None:
    summary = {"outcome": "failed", "champion": None, "served": [1, 2], "reasons": []}
    assert verdict_lines(summary) == ["Verdict: failed  (no champion: the alias was deleted in MLflow)"]
