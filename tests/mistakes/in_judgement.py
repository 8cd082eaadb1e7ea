"""Mistakes in the evaluation of a version, its verdict, and what a run makes of both."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

ORCHESTRATION = "tests/unit/orchestration"
RECALL, ASSETS = f"{ORCHESTRATION}/test_index_recall.py", f"{ORCHESTRATION}/test_release_assets.py"
PROMOTES = "test_only_a_passed_version_that_never_served_or_finds_no_champion_is_promoted"

IN_JUDGEMENT = [
    Mistake(
        name="index recall measured without filters",
        module="orchestration.index_recall",
        right="filters = filters_of(schema, items)",
        wrong="filters = {None: None}",
        test=f"{RECALL}::test_the_lowest_recall_of_the_filters_counts",
    ),
    Mistake(
        name="index recall measured without filters by numbers",
        module="orchestration.index_recall",
        right="if field.filterable:",
        wrong="if field.filterable and field.kind is not Kind.NUMERIC:",
        test=f"{RECALL}::test_numbers_are_asked_for_from_their_upper_quartile_on",
    ),
    Mistake(
        name="the best index recall of the filters",
        module="orchestration.index_recall",
        right="return min((index_recall",
        wrong="return max((index_recall",
        test=f"{RECALL}::test_the_lowest_recall_of_the_filters_counts",
    ),
    Mistake(
        name="index recall measured with seen items",
        module="orchestration.index_recall",
        right="None if seen is None else seen[rows]",
        wrong="None",
        test=f"{RECALL}::test_seen_items_are_left_out_by_the_search",
    ),
    Mistake(
        name="index recall with seen items among the answers",
        module="orchestration.index_recall",
        right="searcher.search(user_QD[block], k, allowed_N, left_out)",
        wrong="searcher.search(user_QD[block], k, allowed_N)",
        test="tests/unit/orchestration/test_index_recall.py::test_seen_items_are_left_out_by_the_search",
    ),
    Mistake(
        name="a filter by a value that no filter can name",
        module="orchestration.index_recall",
        right="if len(where) <= MAX_LENGTH:",
        wrong="if True:",
        test=f"{RECALL}::test_the_most_frequent_value_that_fits_a_filter_is_asked_for",
    ),
    Mistake(
        name="the hold-out's history knowing late events before they were known",
        module="training.evaluation.holdout",
        right="before = known_before(coded, start)",
        wrong='before = coded.filter(pl.col("timestamp") < start)',
        test="tests/unit/training/evaluation/test_holdout.py::"
        "test_a_history_is_what_was_known_before_the_cut_and_relevant_what_happened_after_it",
    ),
    Mistake(
        name="an option that takes away what a version must not be beaten by",
        module="orchestration.options",
        right="asked = wanted if named == PLAIN else wanted.union(",
        wrong="asked = wanted if named == PLAIN else read_policy(policy).baselines.union(",
        test=f"{ORCHESTRATION}/test_workspace.py"
        "::TestBaselines::test_no_names_take_away_what_a_version_must_not_be_beaten_by",
    ),
    Mistake(
        name="baselines that learn from the hold-out",
        module="orchestration.holdout_window",
        right="before = Log.before(tables.events, *ids, source.cut)",
        wrong="before = Log.before(tables.events, *ids, source.as_of)",
        test=f"{ORCHESTRATION}/test_evaluation.py::test_a_window_stands_at_the_cut",
    ),
    Mistake(
        name="users as of the end of the hold-out",
        module="orchestration.holdout_window",
        right='"queries.parquet"), source.cut)',
        wrong='"queries.parquet"), source.as_of)',
        test=f"{ORCHESTRATION}/test_evaluation.py::test_a_window_stands_at_the_cut",
    ),
    Mistake(
        name="items that ten users hardly had in the core corpus",
        module="orchestration.evaluation",
        right=">= CORE_USERS",
        wrong="> CORE_USERS",
        test=f"{ORCHESTRATION}/test_evaluation.py::test_the_core_corpus_is_what_ten_users_had",
    ),
    Mistake(
        name="a champion that could not be measured taken for none",
        module="orchestration.verdict",
        right="compared.get(CHAMPION, {}) if measured.champion else None",
        wrong="compared.get(CHAMPION)",
        test=f"{ORCHESTRATION}/test_evaluation.py::test_a_champion_that_could_not_be_measured_leaves_it_undecided",
    ),
    Mistake(
        name="a champion that has seen the hold-out compared",
        module="orchestration.verdict",
        right="champion_cut=measured.champion_cut",
        wrong="champion_cut=cut",
        test=f"{ORCHESTRATION}/test_evaluation.py::test_a_champion_that_has_seen_the_hold_out_leaves_it_undecided",
    ),
    Mistake(
        name="the champion counted among the baselines",
        module="orchestration.verdict",
        right="if name not in (TWO_TOWER, CHAMPION)",
        wrong="if name != TWO_TOWER",
        test=f"{ORCHESTRATION}/test_evaluation.py::test_the_champion_is_no_baseline",
    ),
    Mistake(
        name="the same input promoted again after a rollback",
        module="orchestration.defs.release",
        right="and (before is None or PROMOTED not in registry.tags(version.version))",
        wrong="",
        test=f"{ASSETS}::{PROMOTES}",
    ),
    Mistake(
        name="a deleted alias never mended",
        module="orchestration.defs.release",
        right="before is None or PROMOTED not in",
        wrong="PROMOTED not in",
        test=f"{ASSETS}::{PROMOTES}",
    ),
    Mistake(
        name="whatever did not fail promoted",
        module="orchestration.defs.release",
        right="decided.outcome is Outcome.PASSED and",
        wrong="decided.outcome is not Outcome.FAILED and",
        test=f"{ASSETS}::{PROMOTES}",
    ),
    Mistake(
        name="an evaluation beside a former champion judged",
        module="orchestration.defs.release",
        right="shutil.rmtree(folder, ignore_errors=True)  # not judged yet",
        wrong="pass  # not judged yet",
        test=f"{ASSETS}::test_an_evaluation_that_is_not_judged_is_made_again",
    ),
    Mistake(
        name="a version sealed by two runs at once",
        module="orchestration.defs.release",
        right="with judging(version):",
        wrong="if True:",
        test=f"{ASSETS}::test_of_two_runs_of_one_input_one_seals",
    ),
]
