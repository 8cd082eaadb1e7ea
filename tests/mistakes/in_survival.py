"""Mistakes in what finds and removes the work of killed processes."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

OUTAGES = "tests/integration/test_outages.py"
DOCTOR = "tests/integration/test_doctor.py"

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
        right="registry.set_tags(version, {PINNED: reason})",
        wrong="pass",
        test="tests/integration/test_cleaning.py"
        "::test_what_is_newer_than_an_old_champion_goes_but_for_what_is_needed_by_now",
    ),
]
