"""Mistakes in the event log and in what is made of its events."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

EVENT, LOG = "tests/unit/feature_repo/events/test_event.py", "tests/unit/feature_repo/events/test_sqlite_log.py"
HISTORY, PUSH = "tests/unit/feature_repo/events/test_history.py", "tests/unit/feature_repo/store/test_push.py"
CONSUMER = "tests/integration/test_consumer.py"

IN_EVENTS = [
    Mistake(
        name="an event of a clock that is ahead hidden from the next answer",
        module="feature_repo.events.event",
        right="return min(self.time, self.arrived)",
        wrong="return self.time",
        test=f"{EVENT}::test_an_event_of_a_clock_that_is_ahead_happened_when_it_arrived",
    ),
    Mistake(
        name="an event kept again when its client sends it again",
        module="feature_repo.events.sqlite_log",
        right="if event.event_id not in known:",
        wrong="if True:",
        test=f"{LOG}::test_an_id_is_kept_once_whenever_it_comes_again",
    ),
    Mistake(
        name="an id of another content taken for the same event",
        module="feature_repo.events.sqlite_log",
        right="if conflict is not None:",
        wrong="if False:",
        test=f"{LOG}::test_an_id_of_another_content_is_refused_with_its_call",
    ),
    Mistake(
        name="arrivals as this moment's clock has them",
        module="feature_repo.events.sqlite_log",
        right="max(earliest, microseconds(event.arrived))",
        wrong="microseconds(event.arrived)",
        test=f"{LOG}::test_arrivals_ascend_with_the_numbers_and_strictly_between_commits",
    ),
    Mistake(
        name="a commit that a loss of power takes back",
        module="feature_repo.events.sqlite_log",
        right="PRAGMA synchronous = FULL",
        wrong="PRAGMA synchronous = NORMAL",
        test=f"{LOG}::test_a_commit_is_on_the_disk",
    ),
    Mistake(
        name="events acknowledged and taken back",
        module="feature_repo.events.sqlite_log",
        right='self._writer.execute("COMMIT")',
        wrong='self._writer.execute("ROLLBACK")',
        test=f"{LOG}::test_events_are_read_as_they_were_appended_in_the_order_of_their_numbers",
    ),
    Mistake(
        name="a call that waits answered with the numbers of its neighbour",
        module="feature_repo.events.group_commit",
        right="zip(group, outcomes, strict=True)",
        wrong="zip(group, reversed(outcomes), strict=True)",
        test=f"{LOG}::test_many_callers_share_a_commit_and_each_gets_its_own_numbers",
    ),
    Mistake(
        name="a queue of events without a bound",
        module="feature_repo.events.group_commit",
        right="if self._size + len(call.items) > self._limit:",
        wrong="if False:",
        test=f"{LOG}::test_more_than_may_wait_is_refused_and_the_rest_goes_on",
    ),
    Mistake(
        name="an offset of a consumer that goes back",
        module="feature_repo.events.sqlite_log",
        right="connection.execute(_COMMIT, (consumer, sequence))",
        wrong='connection.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?)", (consumer, sequence))',
        test=f"{LOG}::test_a_consumers_offset_is_kept_and_never_goes_back",
    ),
    Mistake(
        name="an older push over a newer one",
        module="feature_repo.store.push",
        right="if moment >= pushed.get(key, moment)}",
        wrong="}",
        test=f"{PUSH}::test_a_push_of_an_older_moment_leaves_the_newer_row",
    ),
    Mistake(
        name="a nightly load over what was pushed since",
        module="feature_repo.store.sqlite_load",
        right="if pushed_for > moment}",
        wrong="if False}",
        test=f"{PUSH}::test_a_load_leaves_those_who_were_pushed_for_a_later_time",
    ),
    Mistake(
        name="a load that leaves everybody who was ever pushed",
        module="feature_repo.store.sqlite_load",
        right="if pushed_for > moment}",
        wrong="}",
        test=f"{PUSH}::test_a_load_leaves_those_who_were_pushed_for_a_later_time",
    ),
    Mistake(
        name="features of older data over those of a newer load",
        module="feature_repo.store.push",
        right="if newest > base:",
        wrong="if False:",
        test=f"{PUSH}::test_a_push_from_older_data_than_was_loaded_is_refused",
    ),
    Mistake(
        name="a load anew that leaves what was pushed",
        module="feature_repo.store.sqlite_load",
        right='"rw")) as connection, connection:\n            forget_pushes(connection, tables)',
        wrong='"rw")):\n            pass',
        test=f"{PUSH}::test_a_load_anew_replaces_what_was_pushed",
    ),
    Mistake(
        name="a deleted user who stays in the notes of pushes",
        module="feature_repo.store.online_ids",
        right="tables = {PUSHED, *(",
        wrong="tables = {*(",
        test=f"{PUSH}::test_a_deleted_user_leaves_no_note",
    ),
    Mistake(
        name="events that the files hold too counted twice",
        module="feature_repo.events.history",
        right='rows.join(near, on=[*key, _COPY], how="anti", maintain_order="left")',
        wrong="rows",
        test=f"{HISTORY}::test_an_event_of_both_counts_once_to_the_second",
    ),
    Mistake(
        name="the second of two equal events taken for a copy of the first",
        module="feature_repo.events.history",
        right="on=[*key, _COPY]",
        wrong="on=key",
        test=f"{HISTORY}::test_an_event_of_both_counts_once_to_the_second",
    ),
    Mistake(
        name="ids of events that are not compared",
        module="feature_repo.events.history",
        right="if ID in events.columns:\n        rows",
        wrong="if False:\n        rows",
        test=f"{HISTORY}::test_files_with_ids_hold_an_event_by_its_id_alone",
    ),
    Mistake(
        name="events taken that arrived after the run's time",
        module="feature_repo.events.history",
        right='log.filter(pl.col("created") <= until)',
        wrong="log",
        test=f"{HISTORY}::test_the_log_is_taken_up_to_a_time_and_the_number_is_kept",
    ),
    Mistake(
        name="impressions that count as interactions",
        module="feature_repo.events.history",
        right="[kind.value for kind in kinds]",
        wrong="[kind.value for kind in EventKind]",
        test=f"{HISTORY}::test_impressions_are_no_events_and_kinds_are_chosen",
    ),
    Mistake(
        name="the offset committed before the features are written",
        module="feature_repo.events.consumer",
        right="        if moments:\n",
        wrong="        self._log.commit(self.name, logged[-1].sequence)\n        if moments:\n",
        test=f"{CONSUMER}::test_a_step_that_breaks_is_done_again",
    ),
    Mistake(
        name="events of a step that broke counted twice",
        module="feature_repo.events.user_events",
        right="each.sequence > self._until and",
        wrong="",
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
        name="features as of the base, without the newest event",
        module="feature_repo.events.consumer",
        right="max(arrived, as_of) + timedelta(microseconds=1)",
        wrong="max(arrived, as_of)",
        test=f"{CONSUMER}::test_a_new_user_is_known_after_the_first_event",
    ),
    Mistake(
        name="events of items that the tables do not have counted online",
        module="feature_repo.events.user_events",
        right="and (self._items is None or event.item_id in self._items)",
        wrong="",
        test=f"{CONSUMER}::test_late_repeated_unknown_and_foreign_events_leave_no_skew",
    ),
    Mistake(
        name="events of the files counted online again",
        module="feature_repo.events.user_events",
        right="not_held(since, base)",
        wrong="since",
        test=f"{CONSUMER}::test_late_repeated_unknown_and_foreign_events_leave_no_skew",
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
        test=f"{CONSUMER}::test_the_loop_goes_on_from_the_data_of_a_new_load",
    ),
]
