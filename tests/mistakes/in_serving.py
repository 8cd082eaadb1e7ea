"""Mistakes in the registry, the index and the answers."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

LISTING, FILTERS = "tests/unit/serving/registry/test_listing.py", "tests/unit/serving/index/test_filters.py"
BY_HAND, RETRIEVE = "tests/integration/test_by_hand.py", "tests/integration/test_retrieve.py"
REGISTRY, INDEX = "tests/integration/test_registry.py", "tests/integration/test_index.py"

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
        right="leaving = [each.exclude_seen or not self.release.schema.seen_items_may_return for each in requests]",
        wrong="leaving = [each.exclude_seen for each in requests]",
        test=f"{RETRIEVE}::test_seen_items_return_only_where_they_may",
    ),
    Mistake(
        name="items that must not return found by the search",
        module="serving.ranking.ranker",
        right="dropped if own is None else joined(dropped, own)",
        wrong="NO_PAIRS if own is None else joined(NO_PAIRS, own)",
        test=f"{RETRIEVE}::test_seen_items_return_only_where_they_may",
    ),
    Mistake(
        name="withdrawn items answered",
        module="serving.user_lists",
        right="offered_N[corpus.rows(withdrawn)] = False",
        wrong="pass",
        test=f"{RETRIEVE}::test_withdrawn_items_are_not_answered",
    ),
    Mistake(
        name="withdrawn items answered to strangers",
        module="serving.user_lists",
        right="offered_K = self._allowed(where)[self._popular_K]",
        wrong="offered_K = np.ones(len(self._popular_K), bool)",
        test=f"{RETRIEVE}::test_withdrawn_items_are_not_answered",
    ),
    Mistake(
        name="a filter that nobody is answered by",
        module="serving.user_lists",
        right="return self._offered_N if matches_N is None else self._offered_N & matches_N",
        wrong="return self._offered_N",
        test=f"{RETRIEVE}::test_filters_hold",
    ),
    Mistake(
        name="answers of a batch given to the neighbour",
        module="serving.user_lists",
        right="rows_QK[positions, :width], scores_QK[positions, :width] = found.rows_QK, found.scores_QK",
        wrong="rows_QK[positions[::-1], :width], scores_QK[positions, :width] = found.rows_QK, found.scores_QK",
        test=f"{RETRIEVE}::test_a_batch_answers_like_single_requests",
    ),
    Mistake(
        name="a filter's negation that matches missing values",
        module="serving.index.milvus_reader",
        right='return "" if parsed is None else filters.to_milvus(parsed, stored.names, stored.companions)',
        wrong='return "" if parsed is None else str(where)',
        test=f"{INDEX}::TestContract::test_filters",
    ),
    Mistake(
        name="missing values read as what stands in for them",
        module="serving.index.stored_fields",
        right="missing = {name for name, stored_as in self.companions.items() if row[stored_as]}",
        wrong="missing = set()",
        test=f"{INDEX}::TestContract::test_fetches_stored_fields",
    ),
    Mistake(
        name="what stands in for a missing value found by a filter",
        module="serving.index.filters.tree",
        right="if where.field in companions else compared",
        wrong="if False else compared",
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
