"""Mistakes in what a cleaning removes, and in what moves the champion when something is wrong with a version."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

CLEANING = "tests/integration/test_cleaning.py"
DELETED_RUN = f"{CLEANING}::test_what_a_version_needs_whose_run_was_deleted_by_hand_stays"
MOVES = "tests/unit/serving/release/test_moves.py"

IN_CLEANING = [
    Mistake(
        name="the data that the consumer goes on from removed",
        module="orchestration.cleaning",
        right="yield loaded.parent",
        wrong="yield loaded",
        test=DELETED_RUN,
    ),
    Mistake(
        name="a collection removed while its version serves without a run",
        module="serving.release.retention",
        right="for each in listing.aside}",
        wrong="for each in ()}",
        test=DELETED_RUN,
    ),
    Mistake(
        name="the twin of a champion without a run removed",
        module="serving.release.retention",
        right="for each in (*listing.versions, *listing.aside)}",
        wrong="for each in listing.versions}",
        test="tests/unit/serving/release/test_history.py"
        "::test_a_version_whose_run_was_deleted_by_hand_stays_with_what_it_needs",
    ),
    Mistake(
        name="versions removed under the lock of another home",
        module="orchestration.cleaning",
        right="check_held(lock, plan.dataset)",
        wrong="None",
        test=f"{CLEANING}::test_a_cleaning_whose_lock_is_another_homes_removes_nothing_more",
    ),
    Mistake(
        name="a version forgotten whose files are still there",
        module="serving.release.retention",
        right="            shutil.rmtree(folder)\n",
        wrong="            pass\n",
        test=f"{CLEANING}::test_a_version_whose_files_cannot_be_deleted_stays_registered",
    ),
    Mistake(
        name="the lock of another home deleted as one that was left",
        module="serving.registry.lock",
        right="if is_left and self._tags().get(TOKEN) == tags[TOKEN]:",
        wrong="if is_left:",
        test="tests/integration/test_two_homes.py::test_a_left_lock_that_another_has_replaced_meanwhile_is_left_to_it",
    ),
    Mistake(
        name="a service that does not answer taken for a broken version",
        module="serving.release.promotion",
        right="FeaturesBehindError, IndexBusyError, MlflowAwayError, ConnectionError, TimeoutError)",
        wrong="FeaturesBehindError)",
        test=f"{MOVES}::test_a_service_that_does_not_answer_is_no_broken_version",
    ),
    Mistake(
        name="an override recorded under a lost lock",
        module="serving.release.promotion",
        right="        check_held(lock, registry.dataset)  # else",
        wrong="        pass  # else",
        test=f"{MOVES}::test_who_lost_the_lock_records_no_override",
    ),
    Mistake(
        name="nothing to compare with after the alias was deleted",
        module="orchestration.champion",
        right="number = last_champion(registry)",
        wrong="number = registry.champion()",
        test="tests/unit/orchestration/test_champion.py::test_in_place_of_a_refit_its_judged_twin_is_measured",
    ),
    Mistake(
        name="half an override not named",
        module="orchestration.doctor.versions",
        right="if version.outcome != Outcome.PASSED:",
        wrong="if False:",
        test="tests/integration/test_doctor.py::test_what_is_planted_is_named",
    ),
]
