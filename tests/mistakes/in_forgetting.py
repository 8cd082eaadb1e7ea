"""Mistakes with users who are to be forgotten."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

FORGETTING = "tests/integration/test_forgetting.py"
LOG = "tests/unit/feature_repo/events/test_sqlite_log.py"

IN_FORGETTING = [
    Mistake(
        name="a forgotten user whose bytes stay in the file",
        module="feature_repo.events.sqlite_log",
        right='connection.execute("PRAGMA secure_delete = ON")',
        wrong='connection.execute("PRAGMA secure_delete = OFF")',
        test=f"{LOG}::test_no_byte_is_left_on_any_page_of_the_file",
    ),
    Mistake(
        name="a forgotten user whom the consumer remembers",
        module="feature_repo.events.consumer",
        right="return self._events.forget({note.digest: note.sequence for note in notes})",
        wrong="return []",
        test=f"{FORGETTING}::test_a_forgotten_user_begins_anew",
    ),
    Mistake(
        name="a note of a forgotten user taken after the events behind it",
        module="feature_repo.events.user_events",
        right='later = pl.col("sequence") > until',
        wrong="later = others",
        test=f"{FORGETTING}::test_a_note_that_is_read_late_leaves_what_came_after_it",
    ),
    Mistake(
        name="features of a forgotten user left by a consumer that was killed",
        module="feature_repo.events.consumer",
        right="self._settle(gone)",
        wrong="pass",
        test=f"{FORGETTING}::test_features_that_a_batch_pushed_behind_the_deletion_go_when_the_consumer_starts",
    ),
    Mistake(
        name="features of a returned user deleted by every start",
        module="feature_repo.events.consumer",
        right="if arrived is None]:",
        wrong="]:",
        test=f"{FORGETTING}::test_features_that_a_batch_pushed_behind_the_deletion_go_when_the_consumer_starts",
    ),
    Mistake(
        name="a note of a forgotten user that the next run does not read",
        module="feature_repo.events.frames",
        right="for each in log.forgotten(start)]",
        wrong="for each in ()]",
        test=f"{FORGETTING}::test_the_data_of_a_newer_run_decide",
    ),
    Mistake(
        name="a consumer of older data that deletes features of newer",
        module="feature_repo.events.consumer",
        right="            self.check()  # in those",
        wrong="            # in those",
        test=f"{FORGETTING}::test_the_data_of_a_newer_run_decide",
    ),
    Mistake(
        name="a dry run that deletes",
        module="orchestration.forgetting",
        right="log.count(user) if dry_run else log.forget(user, now)",
        wrong="log.forget(user, now)",
        test=f"{FORGETTING}::test_the_command_counts_first_and_deletes_then",
    ),
    Mistake(
        name="features of a forgotten user left online",
        module="orchestration.forgetting",
        right="known.intersection(users) if dry_run else store.forget(Entity.USER, users, now)",
        wrong="known.intersection(users)",
        test=f"{FORGETTING}::test_the_command_counts_first_and_deletes_then",
    ),
]
