"""Mistakes in the moments of requests and of snapshots."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

ENCODE, SESSIONS = "tests/unit/feature_repo/encode/test_moment.py", "tests/unit/feature_repo/test_sessions.py"
NO_LEAKS = "tests/unit/training/data/test_no_leaks.py"
GUESS = "tests/unit/feature_repo/datasets/test_guess_snapshots.py"
REQUEST, LABELS = "tests/unit/serving/test_request_time.py", "tests/unit/training/data/test_repeat_labels.py"

IN_MOMENTS = [
    Mistake(
        name="ages counted to the row, not to the request",
        module="feature_repo.encode.encoder",
        right="asked = frame if moment is None else asked_at(frame, moment)",
        wrong="asked = frame",
        test=f"{ENCODE}::test_a_row_at_a_moment_is_what_would_be_computed_at_the_moment",
    ),
    Mistake(
        name="a row of the future read at a moment before it",
        module="feature_repo.encode.moment",
        right="if len(newer):",
        wrong="if False:",
        test=f"{ENCODE}::test_a_row_newer_than_the_request_is_refused",
    ),
    Mistake(
        name="ages below zero where the log is ahead of the clock",
        module="serving.request_time",
        right="max(now, loaded)",
        wrong="now",
        test=f"{REQUEST}::test_features_ahead_of_this_clock_have_no_negative_age",
    ),
    Mistake(
        name="an answer with the ages of the loaded row",
        module="serving.retriever",
        right="times_Q=asked_times(users.times_B, moments_Q)",
        wrong="times_Q=users.times_B",
        test="tests/integration/test_retrieve.py"
        "::test_a_request_at_another_time_reads_the_same_features_with_other_ages",
    ),
    Mistake(
        name="a session that goes on by an event nobody knew of yet",
        module="feature_repo.sessions",
        right='known=pl.max_horizontal("timestamp", "created")',
        wrong='known=pl.col("timestamp")',
        test=f"{SESSIONS}::test_a_session_goes_on_while_what_is_known_of_it_is_near",
    ),
    Mistake(
        name="a session that ends at its gap",
        module="feature_repo.sessions",
        right="<= gap)",
        wrong="< gap)",
        test=f"{SESSIONS}::test_a_session_goes_on_while_what_is_known_of_it_is_near",
    ),
    Mistake(
        name="an interaction of another snapshot than the features",
        module="training.data.interactions",
        right="query_time=snapshot_moments(known, granularity)",
        wrong='query_time=snapshot_moments(known, "day")',
        test=f"{NO_LEAKS}::test_every_event_known_before_the_end_is_a_positive_of_its_own_snapshot",
    ),
    Mistake(
        name="a trial by snapshots of days, whatever the schema declares",
        module="training.untrained",
        right="interactions(events, validation_start, schema.snapshots)",
        wrong="interactions(events, validation_start)",
        test=f"{NO_LEAKS}::test_a_trial_learns_from_the_snapshots_that_the_schema_declares",
    ),
    Mistake(
        name="labels of repetition from before the snapshot",
        module="training.data.repeat",
        right="np.searchsorted(times, each) for each in (time_Q, time_Q + window)",
        wrong="np.searchsorted(times, each) - 1 for each in (time_Q, time_Q + window)",
        test=f"{LABELS}::test_repeat_labels_are_a_search_through_the_days_that_follow",
    ),
    Mistake(
        name="histories counted as filled by what arrived late",
        module="feature_repo.datasets.guess_snapshots",
        right='known = pl.max_horizontal("timestamp", "created")',
        wrong='known = pl.col("timestamp")',
        test=f"{GUESS}::test_what_arrives_late_fills_no_history",
    ),
]
