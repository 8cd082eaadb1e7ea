"""Mistakes in the consumer of the event log."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

EVENT = "tests/unit/feature_repo/events/test_event.py"
USERS = "tests/unit/feature_repo/events/test_user_events.py"
CONSUMER = "tests/integration/test_consumer.py"

IN_CONSUMER = [
    Mistake(
        name="the offset committed before the features are written",
        module="feature_repo.events.consumer",
        right="        if moments:\n",
        wrong="        self._log.commit(self.name, logged[-1].sequence)\n        if moments:\n",
        test=f"{CONSUMER}::test_a_step_that_breaks_is_done_again",
    ),
    Mistake(
        name="a consumer that starts again without the events it had brought online",
        module="feature_repo.events.consumer",
        right="            self._events.add(logged)\n            self._position",
        wrong="            self._position",
        test=f"{CONSUMER}::test_late_repeated_unknown_and_foreign_events_leave_no_skew",
    ),
    Mistake(
        name="a consumer that starts again behind events that it has not brought online",
        module="feature_repo.events.consumer",
        right="if each.sequence <= committed",
        wrong="",
        test=f"{CONSUMER}::test_a_consumer_starts_again_behind_forgotten_events",
    ),
    Mistake(
        name="features as of the base, without the newest event",
        module="feature_repo.events.consumer",
        right="max(arrived, as_of) + timedelta(microseconds=1)",
        wrong="max(arrived, as_of)",
        test=f"{CONSUMER}::test_a_new_user_is_known_after_the_first_event",
    ),
    Mistake(
        name="events of items that the tables do not have counted online",
        module="feature_repo.events.user_events",
        right="return self._items is None or event.item_id in self._items or event.item_id in self._new_items",
        wrong="return True",
        test=f"{CONSUMER}::test_late_repeated_unknown_and_foreign_events_leave_no_skew",
    ),
    Mistake(
        name="events of the files counted online again",
        module="feature_repo.events.user_events",
        right="not_held(found, base)",
        wrong="found",
        test=f"{CONSUMER}::test_late_repeated_unknown_and_foreign_events_leave_no_skew",
    ),
    Mistake(
        name="events lost where they are moved out of memory",
        module="feature_repo.events.user_events",
        right="self._files.append(MappedEvents(self._newest, self._folder))",
        wrong="pass",
        test=f"{USERS}::test_what_is_moved_to_files_is_still_there",
    ),
    Mistake(
        name="events of the log that all stay in memory",
        module="feature_repo.events.user_events",
        right="if self._newest.height > HELD:",
        wrong="if False:",
        test=f"{USERS}::test_what_is_moved_to_files_is_still_there",
    ),
    Mistake(
        name="the events of a neighbour in the file",
        module="feature_repo.events.mapped_events",
        right="(self.users.gather(np.minimum(place, len(self.users) - 1)) == asked).to_numpy()",
        wrong="place < len(self.users)",
        test=f"{USERS}::test_a_file_gives_the_events_of_some_users",
    ),
    Mistake(
        name="batches of single users that keep a core busy",
        module="feature_repo.events.follow",
        right="stop.wait(max(0.0, started + BATCH_SECONDS - time.monotonic()))",
        wrong="pass",
        test="tests/integration/test_consumer_loads.py"
        "::test_small_batches_keep_a_distance_and_a_full_one_is_followed_at_once",
    ),
    Mistake(
        name="a consumer that lags and waits",
        module="feature_repo.events.follow",
        right="if taken < EVENTS_AT_ONCE:",
        wrong="if True:",
        test="tests/integration/test_consumer_loads.py"
        "::test_small_batches_keep_a_distance_and_a_full_one_is_followed_at_once",
    ),
    Mistake(
        name="kinds of every dataset taken",
        module="serving.http.event_intake",
        right="parse_event(fields, arrived, kinds)",
        wrong="parse_event(fields, arrived)",
        test="tests/unit/serving/http/test_events.py::test_kinds_are_those_of_the_newest_run",
    ),
    Mistake(
        name="kinds of the run before the newest",
        module="feature_repo.events.base_note",
        right="if changed not in held:",
        wrong="if len(held) == 1 and 0 in held:",
        test="tests/unit/serving/http/test_events.py::test_kinds_are_those_of_the_newest_run",
    ),
    Mistake(
        name="ignored kinds counted online",
        module="feature_repo.events.user_events",
        right="of_role(tables.schema.kinds, Role.INTERACTION)",
        wrong="name for name, _ in tables.schema.kinds",
        test=f"{CONSUMER}::test_only_interactions_of_the_dataset_change_features",
    ),
    Mistake(
        name="kinds that come to count and whose events stay uncounted",
        module="feature_repo.events.consumer",
        right="{names}, of {counted}, from",
        wrong="{names}, from",
        test=f"{CONSUMER}::test_only_interactions_of_the_dataset_change_features",
    ),
    Mistake(
        name="an impression of another name without a position",
        module="feature_repo.events.event",
        right='if roles[found["kind"]] is Role.IMPRESSION:',
        wrong='if found["kind"] == "impression":',
        test=f"{EVENT}::test_kinds_are_those_of_the_dataset",
    ),
    Mistake(
        name="nothing kept, says the answer to a write whose outcome is unknown",
        module="serving.http.event_intake",
        right="SOME_MAY_BE_KEPT if isinstance(error, OutcomeUnknownError) else NOTHING_KEPT",
        wrong="NOTHING_KEPT",
        test="tests/unit/serving/http/test_events.py"
        "::test_a_write_of_unknown_outcome_does_not_say_that_nothing_was_kept",
    ),
    Mistake(
        name="a consumer that goes on from data that was not loaded",
        module="orchestration.online",
        right="if not any(each.problem for each in done if each.schema == own.digest):",
        wrong="if True:",
        test="tests/unit/orchestration/test_online_loads.py"
        "::test_the_consumer_of_the_event_log_goes_on_from_what_was_loaded",
    ),
    Mistake(
        name="an idle consumer that does not look for the data of a new load",
        module="feature_repo.events.follow",
        right="consumer.check()",
        wrong="pass",
        test="tests/integration/test_consumer_loads.py::test_the_loop_goes_on_from_the_data_of_a_new_load",
    ),
    Mistake(
        name="users of a push that a server's next load does not know",
        module="feature_repo.store.feast_push",
        right="if new := set(",
        wrong="if new := set() and set(",
        test=f"{CONSUMER}::test_a_replayed_day_leaves_no_skew_on_a_server",
    ),
    Mistake(
        name="views of another release that miss what was consumed before",
        module="feature_repo.events.consumer",
        right="{names}, of {counted}, from {base.key}",
        wrong="of {counted}, from {base.key}",
        test="tests/integration/test_consumer_loads.py::test_views_that_come_later_take_the_events_since_the_load",
    ),
]
