"""Mistakes in the merge of index hits, own items and candidates."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

MERGE = "tests/unit/serving/ranking/test_merge.py"
OWN, DROPPED = "test_own_scores_replace_those_of_the_index", "test_what_is_dropped_is_left_out_of_its_own_query_alone"

IN_RANKING = [
    Mistake(
        name="level items by the higher row",
        module="serving.ranking.merge",
        right="np.lexsort((rows_QC, -scores_QC))",
        wrong="np.lexsort((-rows_QC, -scores_QC))",
        test=f"{MERGE}::{OWN}",
    ),
    Mistake(
        name="an own item beside its hit of the index",
        module="serving.ranking.merge",
        right="others = without(hits, query_P, own.rows_QK[query_P, position_P])",
        wrong="others = hits",
        test=f"{MERGE}::{OWN}",
    ),
    Mistake(
        name="the better of both scores for an own item",
        module="serving.ranking.merge",
        right="np.concatenate([others.scores_QK, own.scores_QK], axis=1)",
        wrong="np.concatenate([others.scores_QK, np.maximum(own.scores_QK, 0)], axis=1)",
        test=f"{MERGE}::{OWN}",
    ),
    Mistake(
        name="what one query must not get taken from all",
        module="serving.ranking.merge",
        right="np.isin(pairs_QK, query_P * items + row_P)",
        wrong="np.isin(ranked.rows_QK, row_P)",
        test=f"{MERGE}::{DROPPED}",
    ),
    Mistake(
        name="candidates in the order of the index",
        module="serving.ranking.merge",
        right="np.where(found_QC == NOTHING, -np.inf, scores_QC), first)",
        wrong="np.where(found_QC == NOTHING, -np.inf, hits.scores_QK[:, :first]), first)",
        test=f"{MERGE}::test_candidates_are_ordered_anew_and_the_others_follow",
    ),
    Mistake(
        name="own items that a filter forbids",
        module="serving.ranking.ranker",
        right="there_QL = (own.rows_QK != NOTHING) & allowed_N[np.maximum(own.rows_QK, 0)]",
        wrong="there_QL = own.rows_QK != NOTHING",
        test=f"{MERGE}::test_own_items_that_are_not_allowed_are_left_out",
    ),
    Mistake(
        name="own items among those of the index",
        module="serving.ranking.ranker",
        right="dropped if own is None else joined(dropped, own)",
        wrong="dropped",
        test="tests/integration/test_repeat_retrieve.py::test_lists_are_those_of_a_sort_of_all_scores",
    ),
    Mistake(
        name="codes of the history off by the reserved ones",
        module="serving.ranking.ranker",
        right="[NOTHING] * RESERVED + ",
        wrong="[NOTHING] * (RESERVED - 1) + ",
        test="tests/integration/test_repeat_retrieve.py::test_lists_are_those_of_a_sort_of_all_scores",
    ),
]
