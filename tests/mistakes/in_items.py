"""Mistakes in new and hidden items."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

STORE, ITEM = "tests/unit/feature_repo/items/test_store.py", "tests/unit/feature_repo/items/test_item.py"
HISTORY, HTTP = "tests/unit/feature_repo/items/test_history.py", "tests/unit/serving/http/test_new_items.py"
TOWER, SEARCH = "tests/unit/serving/test_new_items.py", "tests/unit/serving/search/test_searcher.py"
SCHEMA = "tests/unit/feature_repo/items/test_json_schema.py"
LIVE, CONSUMER = "tests/integration/test_live_items.py", "tests/integration/test_consumer.py"

IN_ITEMS = [
    Mistake(
        name="an item kept again under another number",
        module="feature_repo.items.store",
        right="return Outcome.KNOWN if known == text else Outcome.REPLACED",
        wrong="return Outcome.REPLACED",
        test=f"{STORE}::test_an_item_counts_once_and_another_content_replaces_it",
    ),
    Mistake(
        name="items acknowledged and taken back",
        module="feature_repo.items.store",
        right='connection.execute("COMMIT")',
        wrong='connection.execute("ROLLBACK")',
        test=f"{STORE}::test_hidden_items_are_kept_with_their_time",
    ),
    Mistake(
        name="an item store without a bound",
        module="feature_repo.items.store",
        right="if count > self._most:",
        wrong="if False:",
        test=f"{STORE}::test_a_store_that_is_full_keeps_nothing_of_the_call",
    ),
    Mistake(
        name="a release with more new items than it takes, by two posts at once",
        module="feature_repo.items.store",
        right="if room.count + came > room.most:",
        wrong="if room.count >= room.most:",
        test=f"{HTTP}::test_two_posts_at_one_moment_do_not_pass_the_bound_together",
    ),
    Mistake(
        name="another content of an item that takes room",
        module="feature_repo.items.store",
        right="json.dumps(list(room.known))",
        wrong="json.dumps([])",
        test=f"{STORE}::test_a_release_that_is_full_takes_no_more_of_those_that_its_reader_does_not_know",
    ),
    Mistake(
        name="a change of the item store noticed never again",
        module="feature_repo.items.reader",
        right="found != self._version",
        wrong="self._version is None",
        test=f"{STORE}::test_a_reader_sees_each_change_once",
    ),
    Mistake(
        name="an item without a feature that is never null",
        module="feature_repo.items.item",
        right="if value is None and feature.max_null_share == 0:",
        wrong="if False:",
        test=f"{ITEM}::test_what_the_expectations_refuse_is_refused",
    ),
    Mistake(
        name="an empty list taken for no value of any kind",
        module="feature_repo.items.item",
        right="(raw == [] and feature.kind in (Kind.MULTI_VALUED, Kind.VECTOR))",
        wrong="raw == []",
        test=f"{SCHEMA}::test_a_value_is_accepted_if_the_schema_allows_it",
    ),
    Mistake(
        name="a schema of new items that lets them be null",
        module="feature_repo.items.json_schema",
        right="return feature.max_null_share > 0",
        wrong="return True",
        test=f"{SCHEMA}::test_a_missing_field_is_accepted_if_the_schema_allows_it",
    ),
    Mistake(
        name="a description of any items, whatever the release knows",
        module="serving.http.routes.new_items",
        right="if service.supervisor.facts is not None:",
        wrong="if False:",
        test=f"{HTTP}::test_openapi_describes_the_items_of_the_release_that_serves",
    ),
    Mistake(
        name="an item of the files doubled by the item store",
        module="feature_repo.items.history",
        right="if each.item.item_id in listed:",
        wrong="if False:",
        test=f"{HISTORY}::test_items_that_the_files_lack_are_added_in_their_form",
    ),
    Mistake(
        name="items of a time to come known to a run",
        module="feature_repo.items.history",
        right="if each.arrived <= until)",
        wrong=")",
        test=f"{HISTORY}::test_items_of_later_are_left_out",
    ),
    Mistake(
        name="a new item embedded as of another time than the corpus",
        module="serving.new_items",
        right="self._moment = microseconds(week)",
        wrong="self._moment = microseconds(release.manifest.cut)",
        test=f"{TOWER}::test_a_new_item_is_encoded_as_a_run_would",
    ),
    Mistake(
        name="rows of new items counted from the first of them",
        module="serving.search.joined",
        right="own_QK = np.where(own_QK < 0, own_QK, own_QK + start)",
        wrong="own_QK = np.where(own_QK < 0, own_QK, own_QK)",
        test=f"{SEARCH}::test_the_best_allowed_items_are_found_in_order",
    ),
    Mistake(
        name="new items that a query must not get",
        module="serving.search.joined",
        right="_part(dropped, behind_P, start)",
        wrong="NO_PAIRS",
        test=f"{SEARCH}::test_each_query_gets_the_best_without_its_own_dropped_items",
    ),
    Mistake(
        name="new items kept without a check",
        module="serving.http.routes.new_items",
        right="room = await _room(service, ids)",
        wrong="room = None",
        test=f"{HTTP}::test_there_are_so_many_new_items_and_no_more",
    ),
    Mistake(
        name="hidden items among the popular ones",
        module="serving.http.degraded",
        right='{*question["exclude"], *hidden}',
        wrong='{*question["exclude"]}',
        test=f"{HTTP}::test_hidden_items_are_no_popular_items_either",
    ),
    Mistake(
        name="hidden items answered",
        module="serving.engine.offer",
        right="frozenset((*self.withdrawn, *self._hidden))",
        wrong="frozenset(self.withdrawn)",
        test=f"{LIVE}::test_hidden_items_vanish_from_the_next_answer_on_and_come_back",
    ),
    Mistake(
        name="withdrawn items read once",
        module="serving.engine.offer",
        right="if self._clock() - self._looked >= WITHDRAWN_SECONDS:",
        wrong="if False:",
        test=f"{LIVE}::test_items_withdrawn_by_a_run_are_noticed_while_the_engine_serves",
    ),
    Mistake(
        name="an item of the release replaced by a new one",
        module="serving.engine.live_items",
        right="if self._judged.row(item.item_id) is None",
        wrong="if True",
        test=f"{LIVE}::test_other_content_replaces_a_new_item_and_never_a_judged_one",
    ),
    Mistake(
        name="new items without a bound",
        module="serving.engine.live_items",
        right="[max(room, 0) :]",
        wrong="[len(wanted) :]",
        test=f"{LIVE}::test_so_many_new_items_and_no_more",
    ),
    Mistake(
        name="events of new items not counted online",
        module="feature_repo.events.user_events",
        right=" or event.item_id in self._new_items",
        wrong="",
        test=f"{CONSUMER}::test_events_of_new_items_count_from_the_moment_on_at_which_the_item_is_there",
    ),
]
