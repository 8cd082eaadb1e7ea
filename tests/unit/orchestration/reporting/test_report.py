"""The lines of the verdict."""

from __future__ import annotations

from orchestration.reporting.report import verdict_lines


def test_a_failed_first_version_leaves_no_champion() -> None:
    summary = {
        "outcome": "failed",
        "champion": None,
        "champion_override": None,
        "served": [],
        "reasons": ["failed: all/recall@20 0.1 against floor 0.2"],
    }
    assert verdict_lines(summary) == [
        "Verdict: failed  (no champion yet)",
        "  - failed: all/recall@20 0.1 against floor 0.2",
    ]


def test_a_champion_whose_alias_was_deleted_is_called_that() -> None:
    summary = {"outcome": "failed", "champion": None, "champion_override": None, "served": [1, 2], "reasons": []}
    assert verdict_lines(summary) == ["Verdict: failed  (no champion: the alias was deleted in MLflow)"]


def test_a_champion_that_serves_by_an_override_is_called_that() -> None:
    summary = {"outcome": "failed", "champion": 7, "champion_override": "<b>[/red]", "served": [7], "reasons": []}
    assert verdict_lines(summary) == ["Verdict: failed  (champion: v7, which serves by an override: <b>[/red])"]
