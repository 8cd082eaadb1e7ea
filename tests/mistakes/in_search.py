"""Mistakes in the search in process and its filters."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

FIELDS, SEARCHER = "tests/unit/serving/search/test_fields.py", "tests/unit/serving/search/test_searcher.py"
RELEASE = "tests/integration/test_release_collection.py"
STORED = "tests/unit/serving/index/test_collection_file.py"

IN_SEARCH = [
    Mistake(
        name="missing texts matched by a negation",
        module="serving.search.fields",
        right="table[MISSING_CODE] = False",
        wrong="pass",
        test=f"{FIELDS}::test_a_field_without_any_value_matches_nothing",
    ),
    Mistake(
        name="missing numbers matched by a negation",
        module="serving.search.fields",
        right="else ~np.isnan(self.values_N)",
        wrong="else True",
        test=f"{FIELDS}::test_a_field_without_any_value_matches_nothing",
    ),
    Mistake(
        name="a junction that changes a cached mask",
        module="serving.search.fields",
        right="matches_N = first_N.copy()",
        wrong="(matches_N := first_N).setflags(write=True)",
        test=f"{FIELDS}::test_a_mask_comes_from_the_cache_and_cannot_be_changed",
    ),
    Mistake(
        name="the error of half precision left out",
        module="serving.search.memory",
        right="approximate_QC[:, -1] + error",
        wrong="approximate_QC[:, -1] - 1 + 0 * error",
        test=f"{SEARCHER}::test_an_item_that_is_rounded_below_many_others_is_found",
    ),
    Mistake(
        name="scores in half precision",
        module="serving.search.memory",
        right="exact_QC = rescored(asked_QD, self.item_ND, rows_QC)",
        wrong="exact_QC = approximate_QC",
        test=f"{SEARCHER}::test_the_best_allowed_items_are_found_in_order",
    ),
    Mistake(
        name="equal scores in the order of faiss",
        module="serving.search.ranking",
        right="np.lexsort((rows_QC, -scores_QC), axis=-1)",
        wrong="np.lexsort((-rows_QC, -scores_QC), axis=-1)",
        test=f"{SEARCHER}::test_the_best_allowed_items_are_found_in_order",
    ),
    Mistake(
        name="a mask left out of the exact scan",
        module="serving.search.memory",
        right="rows = None if allowed_N is None else np.flatnonzero(allowed_N)",
        wrong="rows = None if allowed_N is None else np.arange(len(self.ids))",
        test=f"{SEARCHER}::test_the_best_allowed_items_are_found_in_order",
    ),
    Mistake(
        name="a mask left out of matrix products",
        module="serving.search.ranking",
        right="rows_QC[query] = rows[best_C] if rows_M is None else rows_M[rows[best_C]]",
        wrong="rows_QC[query] = rows[best_C]",
        test=f"{SEARCHER}::test_distinct_scores_need_no_exact_scan",
    ),
    Mistake(
        name="what one query must not get taken from another",
        module="serving.search.memory",
        right="dropped.of(n)",
        wrong="dropped.of(0)",
        test=f"{SEARCHER}::test_each_query_gets_the_best_without_its_own_dropped_items",
    ),
    Mistake(
        name="many queries searched no deeper than their lists",
        module="serving.search.memory",
        right="k + dropped.most",
        wrong="k",
        test=f"{SEARCHER}::test_each_query_gets_the_best_without_its_own_dropped_items",
    ),
    Mistake(
        name="bits of a mask in the other order",
        module="serving.search.half_precision",
        right='bitorder="little"',
        wrong='bitorder="big"',
        test=f"{SEARCHER}::test_distinct_scores_need_no_exact_scan",
    ),
    Mistake(
        name="the graph asked under a tight filter",
        module="serving.search.memory",
        right="items - allowed <= EXCLUDED_ITEMS and ",
        wrong="",
        test=f"{SEARCHER}::test_the_scan_answers_where_the_graph_would_lose_items",
    ),
    Mistake(
        name="ranks that the graph could not fill left empty",
        module="serving.search.memory",
        right="(rows_QC[:, -1] >= 0) & (found",
        wrong="(found",
        test=f"{SEARCHER}::test_items_that_the_graph_misses_are_found_by_the_scan",
    ),
    Mistake(
        name="queries that are not finite searched",
        module="serving.search.base",
        right="if not np.isfinite(user_QD).all():",
        wrong="if False:",
        test=f"{SEARCHER}::test_bad_requests_are_refused",
    ),
    Mistake(
        name="the index not asked again for enough allowed items",
        module="serving.search.by_index",
        right="asked == items or",
        wrong="True or",
        test=f"{SEARCHER}::test_the_best_allowed_items_are_found_in_order",
    ),
    Mistake(
        name="a changed collection loaded",
        module="serving.index.collection_file",
        right="if found != sha256:",
        wrong="if False:",
        test=f"{STORED}::test_a_changed_file_is_refused",
    ),
    Mistake(
        name="a collection of another number of items loaded",
        module="serving.index.collection_file",
        right="if shapes != (rows, rows, rows):",
        wrong="if False:",
        test=f"{STORED}::test_another_number_of_items_is_refused",
    ),
    Mistake(
        name="the file of a release left unused",
        module="serving.release.collection",
        right="elif manifest.collection_sha256:",
        wrong="elif False:",
        test=f"{RELEASE}::test_a_release_serves_where_milvus_is_away",
    ),
    Mistake(
        name="a release with a changed file promoted",
        module="serving.release.wholeness",
        right="check_stored(manifest, load_collection(registry, manifest))",
        wrong="pass",
        test=f"{RELEASE}::test_a_collection_that_differs_from_the_file_is_not_promoted",
    ),
    Mistake(
        name="the setting of the searcher left unread",
        module="serving.corpus",
        right="and index.settings.search == MILVUS",
        wrong="and False",
        test=f"{RELEASE}::test_milvus_and_the_file_give_the_same_answers",
    ),
]
