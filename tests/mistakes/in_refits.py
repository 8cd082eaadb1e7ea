"""Mistakes in refits, their guards, and the schedules."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

TWINS, CHAMPION = "tests/unit/serving/release/test_twins.py", "tests/unit/orchestration/test_champion.py"
GUARDS, GATE = "tests/unit/orchestration/test_refit_guards.py", "tests/unit/serving/gate/test_refit.py"
SCHEDULES = "tests/unit/orchestration/test_schedules.py"

IN_REFITS = [
    Mistake(
        name="a challenger compared with a refit that has seen the answers",
        module="orchestration.champion",
        right="release = Release.load(settings, dataset, measured)",
        wrong="release = Release.load(settings, dataset, number)",
        test=f"{CHAMPION}::test_in_place_of_a_refit_its_judged_twin_is_measured",
    ),
    Mistake(
        name="a version judged against its own refit",
        module="orchestration.champion",
        right="version in (number, measured)",
        wrong="version == number",
        test=f"{CHAMPION}::test_in_place_of_a_refit_its_judged_twin_is_measured",
    ),
    Mistake(
        name="the twin of a kept refit removed",
        module="serving.release.retention",
        right="for twin, version in twins.items():",
        wrong="for twin, version in ():",
        test=f"{TWINS}::test_a_kept_refit_keeps_its_twin",
    ),
    Mistake(
        name="the base of a kept update removed",
        module="serving.release.retention",
        right="for base, version in bases.items():",
        wrong="for base, version in ():",
        test=f"{TWINS}::test_a_kept_update_keeps_the_version_that_the_next_one_starts_from",
    ),
    Mistake(
        name="an update that undoes a rollback",
        module="serving.release.promotion",
        right="if started_from is not None and started_from not in",
        wrong="if False and started_from not in",
        test="tests/unit/serving/release/test_moves.py::test_an_update_does_not_undo_a_rollback",
    ),
    Mistake(
        name="a verdict of guards over an override",
        module="orchestration.defs.updates",
        right="never_passed(twin) or ",
        wrong="",
        test="tests/unit/orchestration/test_updates.py::test_what_serves_by_an_override_is_not_updated",
    ),
    Mistake(
        name="a night that no update may precede",
        module="serving.release.judged_twin",
        right="twin = judged_twin(registry, champion)",
        wrong="twin = champion",
        test=f"{TWINS}::test_what_stands_beside_the_same_twin_was_compared",
    ),
    Mistake(
        name="no update promoted once the twin's opponent was removed",
        module="serving.release.judged_twin",
        right="except LookupError:",
        wrong="except ZeroDivisionError:",
        test=f"{TWINS}::test_what_stands_beside_the_same_twin_was_compared",
    ),
    Mistake(
        name="a collapse overlooked",
        module="serving.gate.refit",
        right='_at_least("effective dimensions of items", guards.item_dims,',
        wrong='_at_least("effective dimensions of items", guards.user_dims,',
        test=f"{GATE}::test_each_guard_alone_stops_it_and_what_is_no_number_leaves_it_undecided",
    ),
    Mistake(
        name="missing items counted as kept",
        module="orchestration.refit_guards",
        right=" & (list_QK >= 0)[:, :, None]",
        wrong="",
        test=f"{GUARDS}::test_short_lists_count_by_what_they_hold",
    ),
    Mistake(
        name="an update every half hour on the same files",
        module="orchestration.defs.schedules",
        right="if any(found.tags.items() <= run.tags.items() for run in instance.get_runs(updates, limit=1)):",
        wrong="if False:",
        test=f"{SCHEDULES}::test_an_update_is_asked_for_where_files_have_changed_since_the_last_one",
    ),
    Mistake(
        name="no update to content that came back",
        module="orchestration.defs.schedules",
        right="instance.get_runs(updates, limit=1)",
        wrong="instance.get_runs(updates)",
        test=f"{SCHEDULES}::test_content_that_came_back_is_updated_to_again",
    ),
    Mistake(
        name="an update beside a run at work",
        module="orchestration.defs.schedules",
        right="statuses=AT_WORK",
        wrong="statuses=[]",
        test=f"{SCHEDULES}::test_an_update_is_asked_for_where_files_have_changed_since_the_last_one",
    ),
    Mistake(
        name="events of the log that no update takes",
        module="orchestration.defs.schedules",
        right="tags | ({LOG: str(self.log)} if self.log else {})",
        wrong="tags",
        test=f"{SCHEDULES}::test_an_update_is_asked_for_where_events_were_posted_since_the_last_one",
    ),
]
