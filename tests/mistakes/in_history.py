"""Mistakes in the history of champions and in what is kept."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

HISTORY = "tests/unit/serving/release/test_history.py"

IN_HISTORY = [
    Mistake(
        name="what served after the alias was moved back by hand kept in the history",
        module="serving.release.history",
        right="history = history[: history.index(current) + 1]",
        wrong="pass",
        test=f"{HISTORY}::test_a_version_that_was_moved_to_by_hand_served_only_if_it_may",
    ),
    Mistake(
        name="a version its own predecessor",
        module="serving.release.history",
        right="if version in history:\n        history = history[: history.index(version)]",
        wrong="",
        test=f"{HISTORY}::test_going_back_takes_back_what_served_after",
    ),
    Mistake(
        name="a rollback to the oldest champion",
        module="serving.release.history",
        right="return before[::-1]",
        wrong="return before",
        test=f"{HISTORY}::test_going_back_takes_back_what_served_after",
    ),
    Mistake(
        name="a rollback over a foreign alias to the champion before the last",
        module="serving.release.history",
        right="if current in history else history\n",
        wrong="if current in history else history[:-1]\n",
        test=f"{HISTORY}::test_from_a_foreign_champion_the_way_back_is_the_last_that_served",
    ),
    Mistake(
        name="a version that failed recorded as one that served",
        module="serving.release.history",
        right="elif current is not None and may_serve(registry.tags(current)):",
        wrong="elif current is not None:",
        test=f"{HISTORY}::test_a_version_that_was_moved_to_by_hand_served_only_if_it_may",
    ),
    Mistake(
        name="the beginning of a long history kept",
        module="serving.release.history",
        right="(*history, version)[-MOST:]",
        wrong="(*history, version)[:MOST]",
        test=f"{HISTORY}::test_a_long_history_keeps_its_end",
    ),
    Mistake(
        name="an override without effect",
        module="serving.release.history",
        right="== Outcome.PASSED or OVERRIDE in tags",
        wrong="== Outcome.PASSED",
        test=f"{HISTORY}::test_a_verdict_or_an_override_lets_a_version_serve",
    ),
    Mistake(
        name="whatever did not fail may serve",
        module="serving.release.history",
        right="tags.get(OUTCOME) == Outcome.PASSED",
        wrong="tags.get(OUTCOME) != Outcome.FAILED",
        test=f"{HISTORY}::test_a_verdict_or_an_override_lets_a_version_serve",
    ),
    Mistake(
        name="the way back cleaned away",
        module="serving.release.retention",
        right="if version.version == target:",
        wrong="if False:",
        test=f"{HISTORY}::test_what_is_kept_and_why",
    ),
    Mistake(
        name="a pinned version cleaned away",
        module="serving.release.retention",
        right="if PINNED in version.tags:",
        wrong="if False:",
        test=f"{HISTORY}::test_what_is_kept_and_why",
    ),
    Mistake(
        name="only the champion's alias kept",
        module="serving.release.retention",
        right="if version.aliases:",
        wrong="if version.champion:",
        test=f"{HISTORY}::test_what_is_kept_and_why",
    ),
    Mistake(
        name="a way back kept that may not serve",
        module="serving.release.retention",
        right="for version in predecessors(registry) if version in able",
        wrong="for version in predecessors(registry)",
        test=f"{HISTORY}::test_a_way_back_that_may_not_serve_is_none",
    ),
]
