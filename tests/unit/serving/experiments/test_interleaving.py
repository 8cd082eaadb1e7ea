"""Team draft: both variants pick in turns, fairly, and clicks count for who picked."""

from __future__ import annotations

from itertools import repeat

import numpy as np
import pytest

from serving.experiments.interleaving import clicks_by_team, coins, team_draft

A, B = ["1", "2", "3", "4"], ["3", "1", "5", "6"]


def draft(first_begins: bool, k: int = 4) -> list[tuple[str, str | None]]:
    return [(pick.item, pick.team) for pick in team_draft({"a": A, "b": B}, k, repeat(first_begins))]


def test_each_variant_picks_its_best_item_that_is_left() -> None:
    assert draft(True) == [("1", "a"), ("3", "b"), ("2", "a"), ("5", "b")]
    assert draft(False) == [("3", "b"), ("1", "a"), ("5", "b"), ("2", "a")]
    assert draft(True, k=3) == [("1", "a"), ("3", "b"), ("2", "a")]


def test_items_after_the_end_of_a_ranking_count_for_nobody() -> None:
    picks = team_draft({"a": ["1"], "b": ["1", "2", "3", "4"]}, 4, repeat(True))
    assert [(pick.item, pick.team) for pick in picks] == [("1", "a"), ("2", "b"), ("3", None), ("4", None)]
    assert clicks_by_team(picks, {"1", "3", "4"}) == {"a": 1, "b": 0}


def test_the_same_request_has_the_same_answer_and_others_have_fair_tosses() -> None:
    rankings = {"a": A, "b": B}
    assert team_draft(rankings, 4, coins("s", "r1", "u")) == team_draft(rankings, 4, coins("s", "r1", "u"))
    begins = [next(coins("s", f"r{number}", "u")) for number in range(10_000)]
    assert np.mean(begins) == pytest.approx(0.5, abs=4 * 0.005)
    again = [next(coins("t", f"r{number}", "u")) for number in range(10_000)]
    assert np.mean(np.equal(begins, again)) == pytest.approx(0.5, abs=4 * 0.005)
    of_users = [next(coins("s", "r1", f"u{number}")) for number in range(10_000)]
    assert np.mean(of_users) == pytest.approx(0.5, abs=4 * 0.005)


def test_clicks_that_ignore_the_variant_prefer_none() -> None:
    """A user who clicks the first position only: each variant has it half of the time."""
    leads = []
    for number in range(4_000):
        picks = team_draft({"a": A, "b": B}, 4, coins("s", f"r{number}", "u"))
        clicks = clicks_by_team(picks, {picks[0].item})
        leads.append(clicks["b"] - clicks["a"])
    assert abs(np.mean(leads)) < 4 / np.sqrt(len(leads))


def test_two_rankings_are_wanted() -> None:
    with pytest.raises(ValueError, match="got rankings of a; wanted two variants"):
        team_draft({"a": A}, 2, repeat(True))
