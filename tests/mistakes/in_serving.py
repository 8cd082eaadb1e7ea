"""Mistakes in the registry, the index and the answers."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

LISTING, FILTERS = "tests/unit/serving/registry/test_listing.py", "tests/unit/serving/index/test_filters.py"
BY_HAND, RETRIEVE = "tests/integration/test_by_hand.py", "tests/integration/test_retrieve.py"
REGISTRY, INDEX = "tests/integration/test_registry.py", "tests/integration/test_index.py"
REPEATS, CANDIDATES = "tests/integration/test_repeat_retrieve.py", "tests/integration/test_candidate_retrieve.py"

IN_SERVING = [
    Mistake(
        name="versions of unfinished runs listed",
        module="serving.registry.listing",
        right="elif run and run.finished and each.ready:",
        wrong="elif run and each.ready:",
        test=f"{LISTING}::test_what_is_not_finished_is_neither_listed_nor_a_problem",
    ),
    Mistake(
        name="versions that others registered listed",
        module="serving.registry.listing",
        right="version.run_id is None or INPUT_KEY not in version.tags",
        wrong="version.run_id is None",
        test=f"{LISTING}::test_what_people_did_by_hand_is_named",
    ),
    Mistake(
        name="versions of deleted runs listed",
        module="serving.registry.listing",
        right="if run.deleted else None",
        wrong="if False else None",
        test=f"{LISTING}::test_what_people_did_by_hand_is_named",
    ),
    Mistake(
        name="every alias taken for the champion's",
        module="serving.registry.listing",
        right="champion=CHAMPION in own",
        wrong="champion=bool(own)",
        test=f"{LISTING}::test_a_complete_version_is_listed_with_its_metrics_and_aliases",
    ),
    Mistake(
        name="the oldest version of an input found",
        module="serving.registry.versions",
        right="return max((each.version for each in found.versions), default=None)",
        wrong="return min((each.version for each in found.versions), default=None)",
        test=f"{REGISTRY}::test_the_newest_version_of_an_input_is_found",
    ),
    Mistake(
        name="deleted versions read from SQLite",
        module="serving.registry.sqlite",
        right="        self._stored(version)\n        query",
        wrong="        query",
        test=f"{REGISTRY}::test_sqlite_reads_what_mlflow_reads",
    ),
    Mistake(
        name="runs that broke recorded as finished",
        module="serving.registry.runs",
        right='status = "KILLED"\n',
        wrong='status = "FINISHED"\n',
        test=f"{REGISTRY}::test_a_run_that_breaks_leaves_no_version",
    ),
    Mistake(
        name="tables of an unknown MLflow read",
        module="serving.registry.sqlite",
        right="known = revision == (REVISION,)",
        wrong="known = revision is not None",
        test=f"{REGISTRY}::test_tables_of_another_mlflow_are_left_to_it",
    ),
    Mistake(
        name="seen items that return where they may not",
        module="serving.retriever",
        right='return _best_first(found.join(dropped, on=[QUERY, ITEM_ID], how="anti"))',
        wrong="return _best_first(found)",
        test=f"{RETRIEVE}::test_seen_items_return_only_where_they_may",
    ),
    Mistake(
        name="a search not deep enough for what is left out",
        module="serving.retriever",
        right="number + longest + len(self._withdrawn)",
        wrong="number",
        test=f"{RETRIEVE}::test_seen_items_return_only_where_they_may",
    ),
    Mistake(
        name="withdrawn items answered",
        module="serving.retriever",
        right="found = found.filter(~pl.col(ITEM_ID).is_in(self._withdrawn))",
        wrong="pass",
        test=f"{RETRIEVE}::test_withdrawn_items_are_not_answered",
    ),
    Mistake(
        name="withdrawn items answered to strangers",
        module="serving.retriever",
        right="if id_ in stored and id_ not in self._withdrawn]",
        wrong="if id_ in stored]",
        test=f"{RETRIEVE}::test_withdrawn_items_are_not_answered",
    ),
    Mistake(
        name="a filter that strangers are not answered by",
        module="serving.retriever",
        right="[id_ for id_, _ in part], where)",
        wrong="[id_ for id_, _ in part])",
        test=f"{RETRIEVE}::test_unknown_users_get_popular_items_that_are_still_there",
    ),
    Mistake(
        name="the worst items of a batch first",
        module="serving.retriever",
        right='rows.sort("score", ITEM_ID, descending=[True, False])',
        wrong='rows.sort("score", ITEM_ID)',
        test=f"{RETRIEVE}::test_users_get_the_nearest_items_of_their_taste_first",
    ),
    Mistake(
        name="answers of a batch given to the neighbour",
        module="serving.retriever",
        right='on=USER_ID, maintain_order="left_right").select(*RESULT)',
        wrong='on=USER_ID, maintain_order="left_right").select(*RESULT)'
        ".with_columns(pl.col(USER_ID).shift(1).fill_null(pl.col(USER_ID)))",
        test=f"{RETRIEVE}::test_a_batch_answers_like_single_requests",
    ),
    Mistake(
        name="history items answered twice",
        module="serving.retriever",
        right="dropped = pl.concat([self._seen(users), history.select(QUERY, ITEM_ID)])",
        wrong="dropped = self._seen(users)",
        test=f"{REPEATS}::test_lists_are_those_of_a_sort_of_all_scores",
    ),
    Mistake(
        name="candidates in the order of the index after the reranker",
        module="serving.retriever",
        right="return pl.concat([_best_first(reranked), rest])",
        wrong="return pl.concat([best.select(*SCORED), rest])",
        test=f"{CANDIDATES}::test_lists_are_those_of_a_sort_of_all_scores",
    ),
    Mistake(
        name="a filter's negation that matches missing values",
        module="serving.index.milvus_reader",
        right='return "" if parsed is None else filters.to_milvus(parsed, stored)',
        wrong='return "" if parsed is None else str(where)',
        test=f"{INDEX}::TestContract::test_filters",
    ),
    Mistake(
        name="a build that lost rows called complete",
        module="serving.index.milvus_reader",
        right="complete = str(rows) == declared.get(ROWS)",
        wrong="complete = True",
        test="tests/integration/test_milvus_lite.py::test_an_interrupted_build_starts_again",
    ),
]
