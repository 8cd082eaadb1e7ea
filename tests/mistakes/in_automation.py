"""Mistakes in what runs by itself: alerts, sensors, replay."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

ALERTS = "tests/unit/orchestration/test_alerts.py"
NEW_DATA, WATCH = "tests/unit/orchestration/test_new_data.py", "tests/unit/orchestration/test_watch.py"
HISTORY = "tests/unit/orchestration/replay/test_replay_history.py"
DRIFT = "tests/unit/orchestration/test_newest_drift.py"
LATE = "tests/unit/orchestration/test_late_days.py"
REPLAY = "tests/unit/orchestration/replay/test_replay_report.py"

IN_AUTOMATION = [
    Mistake(
        name="names of items that call a whole channel of Slack",
        module="orchestration.alerts",
        right='.replace("<", "&lt;")',
        wrong="",
        test=f"{ALERTS}::test_a_webhook_gets_the_text_as_slack_reads_it",
    ),
    Mistake(
        name="an alert that a redirect takes elsewhere",
        module="orchestration.alerts",
        right="build_opener(_NoRedirect)",
        wrong="build_opener()",
        test=f"{ALERTS}::test_a_redirect_is_not_followed",
    ),
    Mistake(
        name="a password in clear text",
        module="orchestration.alerts",
        right="            if not encrypted:\n",
        wrong="            if False:\n",
        test=f"{ALERTS}::test_a_password_is_not_sent_in_clear_text",
    ),
    Mistake(
        name="an alert that waits for a silent server",
        module="orchestration.alerts",
        right="thread.join(max(0.0, deadline - time.monotonic()))",
        wrong="thread.join(5.0)",
        test=f"{ALERTS}::test_a_server_that_never_ends_its_greeting_takes_no_more",
    ),
    Mistake(
        name="a file taken while it grows",
        module="orchestration.landing",
        right="self.digest == former and not",
        wrong="not",
        test=f"{NEW_DATA}::test_a_file_that_grows_is_not_asked_for",
    ),
    Mistake(
        name="a look that begins anew after a folder was away for a moment",
        module="orchestration.defs.new_data",
        right="seen[name] = former.get(name)",
        wrong="seen[name] = None",
        test=f"{NEW_DATA}::test_a_dataset_that_cannot_be_read_stops_no_other",
    ),
    Mistake(
        name="a content that comes back never asked for again",
        module="orchestration.defs.new_data",
        right='f"files {taken.at} {landed.digest}"',
        wrong='f"files {taken.files} {landed.digest}"',
        test=f"{NEW_DATA}::test_a_content_that_comes_back_is_asked_for_each_time",
    ),
    Mistake(
        name="an update between two releases taken for the release",
        module="orchestration.defs.features",
        right="if context.run.job_name == release_job.name:",
        wrong="if True:",
        test=f"{NEW_DATA}::test_only_a_release_takes_the_data",
    ),
    Mistake(
        name="an update from files that are being written",
        module="orchestration.defs.schedules",
        right="if _landed(options).is_complete(found.files.digest, time.time()):",
        wrong="if True:",
        test="tests/unit/orchestration/test_schedules.py::test_no_update_while_a_file_is_being_written",
    ),
    Mistake(
        name="a night that reads files which are being written",
        module="orchestration.defs.features",
        right="if runs_by_itself(context.run.tags):",
        wrong="if False:",
        test="tests/unit/orchestration/test_settled.py"
        "::test_runs_of_schedules_and_sensors_wait_and_those_by_hand_do_not",
    ),
    Mistake(
        name="a champion that cannot be mended looked at twice a minute",
        module="orchestration.hand_looks",
        right="return former != state or not",
        wrong="return True or not",
        test="tests/unit/orchestration/test_moves.py::test_what_cannot_be_mended_is_looked_at_hourly_or_when_it_changes",
    ),
    Mistake(
        name="verdicts missed of which several came between two looks",
        module="orchestration.defs.watch",
        right="fetch_materializations(since, limit=AT_ONCE, ascending=True)",
        wrong="fetch_materializations(since, limit=1)",
        test=f"{WATCH}::test_every_verdict_since_the_last_look_is_told_with_its_reasons",
    ),
    Mistake(
        name="an update that fails told each half hour",
        module="orchestration.defs.watch",
        right="_reasons(instance, former[0].run_id) if former",  # code in the sensor itself cannot be replaced
        wrong="None if former",
        test=f"{WATCH}::test_an_update_that_fails_each_half_hour_is_told_once_for_each_reason",
    ),
    Mistake(
        name="a part of the log taken that still grows",
        module="orchestration.landing",
        right="found[0].event.arrived < moment",
        wrong="True",
        test=f"{NEW_DATA}::test_a_day_of_the_log_is_asked_for_when_it_is_over",
    ),
    Mistake(
        name="a past that knows events which arrived later",
        module="feature_repo.tables.known",
        right="events, shown = known_before(tables.events, moment), tables.impressions",
        wrong="events, shown = tables.events, tables.impressions",
        test="tests/unit/feature_repo/tables/test_known.py::test_too_early_a_moment_is_refused",
    ),
    Mistake(
        name="a night begun again that updates its own version",
        module="orchestration.replay.record",
        right="        if not path.exists():\n            write_text(path, json.dumps([kind, parent]))",
        wrong="        write_text(path, json.dumps([kind, parent]))",
        test=f"{REPLAY}::test_a_night_that_is_begun_again_keeps_what_it_began",
    ),
    Mistake(
        name="nights that nobody has measured on data of before",
        module="orchestration.replay.history",
        right="if newest > stored:",
        wrong="if False:",
        test=f"{HISTORY}::test_a_later_end_is_refused_where_newer_events_have_landed",
    ),
    Mistake(
        name="a replay that is over refused for what landed since",
        module="orchestration.replay.walk",
        right="if records.read(moment) is None]",
        wrong="]",
        test=f"{HISTORY}::test_a_walk_asks_for_what_its_last_open_night_needs",
    ),
    Mistake(
        name="other files taken for those of the replay",
        module="orchestration.replay.run",
        right="data=str(Path(data).resolve()) if data else None",
        wrong="data=None",
        test=f"{HISTORY}::test_files_of_another_folder_are_another_replay",
    ),
    Mistake(
        name="a night without an event that ends the replay",
        module="training.update",
        right='raise InputError(f"no interaction became',
        wrong='raise ValueError(f"no interaction became',
        test="tests/unit/training/test_update.py::test_nothing_since_is_refused",
    ),
    Mistake(
        name="nights of two policies in one replay",
        module="orchestration.replay.plan",
        right="noted.get(name) != former[name]]",
        wrong='name not in ("policy", "variables") and noted.get(name) != former[name]]',
        test=f"{REPLAY}::test_nights_of_another_policy_are_no_part_of_the_replay",
    ),
    Mistake(
        name="a share of what a version finds that finds nothing",
        module="orchestration.replay.report",
        right="if (b_R > 0).all() else None",
        wrong="",
        test=f"{REPLAY}::test_a_first_version_that_finds_nothing_is_beaten",
    ),
    Mistake(
        name="refits paid by a strategy that serves none",
        module="orchestration.replay.strategies",
        right="return night.seconds - night.refit_seconds",
        wrong="return night.seconds",
        test=f"{REPLAY}::test_each_strategy_pays_for_its_own_trainings",
    ),
    Mistake(
        name="a dearer strategy chosen for a lead by chance",
        module="orchestration.replay.report",
        right="(_, low, _), _ = lead(",
        wrong="(low, _, _), _ = lead(",
        test=f"{REPLAY}::test_the_cheapest_strategy_is_chosen_that_none_beats",
    ),
    Mistake(
        name="a replay of a dataset that the home has never run",
        module="orchestration.defs.replay",
        right="if dataset not in noted:",
        wrong="if not noted:",
        test="tests/pipeline/test_replay_job.py::test_a_dataset_that_was_never_run_is_refused",
    ),
    Mistake(
        name="a training more where it has cost and shown nothing",
        module="orchestration.replay.report",
        right="list(found.strategies[::-1])",
        wrong="list(found.strategies)",
        test=f"{REPLAY}::test_a_single_night_asks_for_no_further_training",
    ),
    Mistake(
        name="features of the past that are too old by the clock",
        module="orchestration.staleness",
        right="if ages.newest and ages.features and ages.newest - ages.features > behind:",
        wrong="if ages.newest and ages.features and now - ages.features > behind:",
        test="tests/unit/orchestration/test_staleness.py::test_age_is_told_from_the_newest_data_and_of_runs_from_the_clock",
    ),
    Mistake(
        name="a day of the past that stands at its beginning",
        module="orchestration.defs.backfill",
        right="date.fromisoformat(day) + timedelta(days=1)",
        wrong="date.fromisoformat(day)",
        test="tests/pipeline/test_training_days.py::test_a_day_stands_at_its_end_and_leaves_the_values_of_today",
    ),
    Mistake(
        name="a drift that is told at each look",
        module="orchestration.defs.drift",
        right='if set(drift.moved) - set(former.get("moved", ())):',
        wrong="if drift.moved:",
        test=f"{DRIFT}::test_a_feature_that_moved_is_told_once_with_its_index",
    ),
    Mistake(
        name="features of the newest data that nobody knew yet",
        module="orchestration.newest_drift",
        right="pl.max_horizontal(ENTITY_TIME, CREATED_TIME) <= moment",
        wrong="pl.col(ENTITY_TIME) <= moment",
        test=f"{DRIFT}::test_the_newest_row_that_was_known_counts",
    ),
    Mistake(
        name="a day that is asked for before the newest run has read what it was computed from",
        module="orchestration.day_notes",
        right="if each.written < read]",
        wrong="]",
        test=f"{LATE}::test_a_day_that_was_computed_since_waits_for_the_next_run",
    ),
    Mistake(
        name="computed days cleaned away by the next night",
        module="orchestration.cleaning",
        right='current = {*_current(settings, dataset), *day_folders(settings.home / "values", dataset)}',
        wrong="current = set(_current(settings, dataset))",
        test="tests/integration/test_cleaning.py"
        "::test_the_folders_of_noted_days_stay_until_a_day_is_computed_from_others",
    ),
    Mistake(
        name="drift told in the middle of a run by hand",
        module="orchestration.defs.drift",
        right="if by_hand or at_work(",
        wrong="if at_work(",
        test=f"{DRIFT}::test_a_run_by_hand_may_be_the_cure_but_for_one_that_was_killed",
    ),
    Mistake(
        name="a day that failed never asked for again",
        module="orchestration.defs.late_days",
        right="former.get(name, [])[:1] == [run]",
        wrong="name in former",
        test=f"{LATE}::test_each_day_is_asked_for_once_by_each_run_until_it_is_computed",
    ),
    Mistake(
        name="all re-opened days at once",
        module="orchestration.defs.late_days",
        right="left[: free - len(asked)]",
        wrong="left",
        test=f"{LATE}::test_two_days_are_at_work_at_once_behind_releases",
    ),
    Mistake(
        name="days before a late event computed again",
        module="orchestration.day_notes",
        right='if known <= day), "")',
        wrong='), "")',
        test=f"{LATE}::test_a_late_event_reopens_the_days_that_knew_of_it_alone",
    ),
    Mistake(
        name="runs of Kubernetes in the pod of the daemon",
        module="orchestration.local.home",
        right="wanted = given",
        wrong="wanted = None",
        test="tests/unit/infra/test_run_launcher.py::test_the_home_of_each_of_dagsters_pods_has_the_file",
    ),
]
