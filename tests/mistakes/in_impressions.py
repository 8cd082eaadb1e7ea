"""Mistakes in impressions: their outcomes, their answers, and what was known of them when."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

ANSWERS = "tests/unit/training/data/test_answers.py"

IN_IMPRESSIONS = [
    Mistake(
        name="impressions of the last day taken for misses",
        module="training.data.clicks",
        right="pl.when(pl.col(_ROW).is_in(over[_ROW].implode())).then(taken_or_not)",
        wrong="taken_or_not",
        test=f"{ANSWERS}::test_an_impression_whose_click_may_still_come_is_left_out_clicked_or_not",
    ),
    Mistake(
        name="of the last day, only those that were clicked already",
        module="training.data.clicks",
        right="fill_null(found)",
        wrong="fill_null(pl.when(taken_or_not).then(True).otherwise(found))",
        test=f"{ANSWERS}::test_an_impression_whose_click_may_still_come_is_left_out_clicked_or_not",
    ),
    Mistake(
        name="a click known before it happened",
        module="feature_repo.tables.outcomes",
        right="later = pl.col(known) >= moment",
        wrong="later = pl.lit(False)",
        test=f"{ANSWERS}::test_nothing_of_the_future_is_read",
    ),
    Mistake(
        name="clicks of interactions that nobody knew of at the end of the training part",
        module="training.data.clicks",
        right="taken = known_before(events, until)",
        wrong="taken = events",
        test=f"{ANSWERS}::test_a_click_is_an_interaction_within_a_day_that_was_known",
    ),
    Mistake(
        name="an answer that meets the user of a later time",
        module="training.data.answers",
        right='strategy="backward"',
        wrong='strategy="nearest"',
        test=f"{ANSWERS}::test_an_answer_meets_the_newest_snapshot_at_or_before_it",
    ),
    Mistake(
        name="an unknown place in the surroundings taken for a value",
        module="training.data.surroundings",
        right="column.fill_null(UNKNOWN)",
        wrong="column.fill_null(1)",
        test=f"{ANSWERS}::test_rare_positions_share_a_code_and_other_values_have_theirs_by_frequency",
    ),
    Mistake(
        name="a click without a value taken for none",
        module="feature_repo.events.shown",
        right='pl.col("click_known").is_not_null()',
        wrong='pl.col("reward").is_not_null()',
        test="tests/unit/feature_repo/events/test_history.py"
        "::test_an_impression_is_clicked_by_an_interaction_that_names_its_answer",
    ),
    Mistake(
        name="impressions that the trial does not know yet found out after the features",
        module="training.data.windows",
        right="    end = split.validation_start if trial else split.cut\n    said =",
        wrong="    end = split.cut\n    said =",
        test="tests/unit/training/data/test_windows.py"
        "::test_impressions_are_refused_until_the_training_ends_behind_the_first",
    ),
]
