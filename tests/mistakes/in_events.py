"""Mistakes in the event log, in its history, and in the rows of a push."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

EVENT = "tests/unit/feature_repo/events/test_event.py"
LOG = "tests/unit/feature_repo/events/test_sqlite_log.py"
CONTRACT = "tests/unit/feature_repo/events/test_event_log.py"
HISTORY = "tests/unit/feature_repo/events/test_history.py"
PUSH = "tests/unit/feature_repo/store/test_push.py"

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
        module="feature_repo.events.numbering",
        right="if not is_known:",
        wrong="if True:",
        test=f"{CONTRACT}::test_an_id_is_kept_once_whenever_it_comes_again",
    ),
    Mistake(
        name="an id of another content taken for the same event",
        module="feature_repo.events.numbering",
        right="if conflict is not None:",
        wrong="if False:",
        test=f"{CONTRACT}::test_an_id_of_another_content_is_refused_with_its_call",
    ),
    Mistake(
        name="arrivals as this moment's clock has them",
        module="feature_repo.events.numbering",
        right="max(earliest, microseconds(event.arrived))",
        wrong="microseconds(event.arrived)",
        test=f"{CONTRACT}::test_arrivals_ascend_with_the_numbers_and_strictly_between_commits",
    ),
    Mistake(
        name="events kept for a time to come after a clock was ahead",
        module="feature_repo.events.numbering",
        right="if newest > microseconds(",
        wrong="if False and microseconds(",
        test=f"{CONTRACT}::test_events_before_the_newest_arrival_are_refused",
    ),
    Mistake(
        name="a commit that a loss of power takes back",
        module="feature_repo.events.sqlite_file",
        right="PRAGMA synchronous = EXTRA",
        wrong="PRAGMA synchronous = NORMAL",
        test=f"{LOG}::test_a_commit_is_on_the_disk",
    ),
    Mistake(
        name="events acknowledged and taken back",
        module="feature_repo.events.sqlite_log",
        right='self._writer.execute("COMMIT")',
        wrong='self._writer.execute("ROLLBACK")',
        test=f"{CONTRACT}::test_events_are_read_as_they_were_appended_in_the_order_of_their_numbers",
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
        right="connection.execute(COMMIT, (consumer, sequence))",
        wrong='connection.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?)", (consumer, sequence))',
        test=f"{CONTRACT}::test_a_consumers_offset_is_kept_and_never_goes_back",
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
        right="    if path.is_file():\n        with written",
        wrong="    if False:\n        with written",
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
        right="of_role(tables.schema.kinds, Role.INTERACTION)",
        wrong="[name for name, _ in tables.schema.kinds]",
        test=f"{HISTORY}::test_impressions_are_no_events_and_kinds_count_as_the_dataset_says",
    ),
    Mistake(
        name="events of a clock that is ahead read for training at its time, not at the arrival",
        module="feature_repo.events.frames",
        right='pl.min_horizontal("time", "created")',
        wrong='pl.col("time")',
        test=f"{CONTRACT}::test_events_are_read_as_they_were_appended_in_the_order_of_their_numbers",
    ),
]
