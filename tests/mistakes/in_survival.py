"""Mistakes in what finds and removes the work of killed processes."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

OUTAGES = "tests/integration/test_outages.py"
DOCTOR = "tests/integration/test_doctor.py"
DOCTOR_TRAININGS = "tests/integration/test_doctor_trainings.py"
FIRST = "tests/integration/test_champion_moves.py"

IN_SURVIVAL = [
    Mistake(
        name="what a run is at work on taken for left behind",
        module="orchestration.local.leftovers",
        right="if not is_locked(",
        wrong="if True or not is_locked(",
        test=f"{DOCTOR}::test_a_half_built_folder_is_named_unless_somebody_builds_it",
    ),
    Mistake(
        name="a version cleaned away while its run may be at work",
        module="orchestration.cleaning",
        right="if since.replace(tzinfo=UTC) < now - REMOVABLE",
        wrong="",
        test=f"{DOCTOR}::test_a_cleaning_removes_what_was_left_an_hour_ago",
    ),
    Mistake(
        name="a collection of nobody overlooked",
        module="orchestration.doctor.versions",
        right="for name in sorted(stored.collections - _expected(listing, registry.dataset)):",
        wrong="for name in ():",
        test=f"{DOCTOR}::test_what_is_planted_is_named",
    ),
    Mistake(
        name="a lock that a promotion left overlooked",
        module="orchestration.doctor.champion",
        right="left = bool(tags) and (",
        wrong="left = False and (",
        test=f"{DOCTOR}::test_what_is_planted_is_named",
    ),
    Mistake(
        name="a registry whose writer died within a commit unreadable",
        module="serving.registry.sqlite",
        right="if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:",
        wrong="if True:",
        test=f"{OUTAGES}::test_a_full_disk_leaves_the_champion",
    ),
    Mistake(
        name="minutes of waiting for an MLflow that is away",
        module="serving.registry.connection",
        right='if uri.startswith(("http://", "https://")) and not listens(uri):',
        wrong="if False:",
        test=f"{OUTAGES}::test_without_mlflow_nothing_moves",
    ),
    Mistake(
        name="a pin that pins nothing",
        module="serving.release.retention",
        right="registry.set_tags(version, {PINNED: one_line(reason, SHOWN)})",
        wrong="pass",
        test="tests/integration/test_cleaning.py"
        "::test_what_is_newer_than_an_old_champion_goes_but_for_what_is_needed_by_now",
    ),
    Mistake(
        name="a rollback that another site has a browser send",
        module="serving.http.page.move",
        right="require_own_page(request)",
        wrong="pass",
        test="tests/unit/serving/http/page/test_move.py::test_no_other_site_has_a_browser_roll_back",
    ),
    Mistake(
        name="a double click that goes back by two",
        module="serving.release.promotion",
        right="if serves not in (None, registry.champion()):",
        wrong="if False:",
        test="tests/integration/test_one_move.py::test_the_page_goes_back_from_the_version_that_it_shows",
    ),
    Mistake(
        name="a rollback that loads no features",
        module="orchestration.champion_moves",
        right="store.load_online(Entity.USER, base.as_of)",
        wrong="pass",
        test=f"{FIRST}::test_the_champion_gone_back_to_answers_by_the_newest_data",
    ),
    Mistake(
        name="a rollback that leaves what users have seen old",
        module="orchestration.champion_moves",
        right="    if schema.seen_items_may_return:",
        wrong="    if True:",
        test=f"{FIRST}::test_the_champion_gone_back_to_answers_by_the_newest_data",
    ),
    Mistake(
        name="a forgotten user brought back by a rollback",
        module="orchestration.champion_moves",
        right="gone = _forgotten(settings, schema.dataset, base.tables)",
        wrong="gone: list[str] = []",
        test=f"{FIRST}::test_a_user_who_was_forgotten_since_does_not_come_back",
    ),
    Mistake(
        name="a rollback that waits for a bucket",
        module="orchestration.champion_moves",
        right="here = replace(settings, data=None)",
        wrong="here = settings",
        test=f"{FIRST}::test_a_bucket_that_is_away_keeps_nobody_from_going_back",
    ),
    Mistake(
        name="a promotion during the load of a rollback undone",
        module="orchestration.champion_moves",
        right="serves=champion",
        wrong="serves=None",
        test=f"{FIRST}::test_a_night_that_promotes_during_the_load_is_not_gone_back_from",
    ),
    Mistake(
        name="a version with old features skipped by the page",
        module="serving.release.promotion",
        right="passing = (LostLockError, FeaturesBehindError, ",
        wrong="passing = (LostLockError, ",
        test=f"{FIRST}::test_the_page_loads_nothing_and_says_which_command_does",
    ),
    Mistake(
        name="a killed training that is at work ended by a cleaning",
        module="orchestration.old_runs",
        right="killed=() if work else",
        wrong="killed=",
        test=f"{DOCTOR_TRAININGS}::test_a_training_that_was_killed_is_named_and_ended_by_a_cleaning",
    ),
    Mistake(
        name="a training that another home is at work on ended by a cleaning",
        module="serving.release.retention",
        right="(HALTED_FOR if each.home == here else ELSEWHERE_FOR)",
        wrong="HALTED_FOR",
        test=f"{DOCTOR_TRAININGS}::test_a_training_of_another_home_is_at_work_for_a_week",
    ),
    Mistake(
        name="runs of other code on the same MLflow removed",
        module="serving.release.retention",
        right="if each.dagster_run and each.version is None]",
        wrong="if each.version is None]",
        test=f"{DOCTOR_TRAININGS}::test_what_people_run_in_an_experiment_of_the_same_name_is_left_alone",
    ),
    Mistake(
        name="a cleaning while a run waits for its next step",
        module="orchestration.defs.cleanings",
        right=" or at_work(context.instance, name)",
        wrong="",
        test="tests/unit/orchestration/test_cleanings.py::test_a_dataset_whose_run_is_asked_for_waits",
    ),
    Mistake(
        name="the last run of a job deleted",
        module="orchestration.dagster_runs",
        right="if kinds <= last and is_old and",
        wrong="if is_old and",
        test="tests/integration/test_dagster_runs.py"
        "::test_runs_go_a_while_after_their_end_but_for_the_last_and_those_of_versions",
    ),
    Mistake(
        name="offsets of former data taken for those of the newest",
        module="feature_repo.events.log_state",
        right="connection.execute(OFFSET, (f\"from {base['key']}\",))",
        wrong='connection.execute("SELECT max(sequence) FROM offsets")',
        test=f"{DOCTOR}::test_a_consumer_that_is_far_behind_is_named",
    ),
    Mistake(
        name="a run at work ended as one that was killed",
        module="orchestration.run_locks",
        right=" and not is_locked(lock)",
        wrong="",
        test="tests/unit/orchestration/test_killed.py::test_a_run_is_ended_once_its_process_is_gone",
    ),
    Mistake(
        name="a run of another host ended from here",
        module="orchestration.run_locks",
        right=" == platform.node()",
        wrong=' != ""',
        test="tests/unit/orchestration/test_run_locks.py::test_nothing_is_said_of_a_run_on_another_host",
    ),
]
