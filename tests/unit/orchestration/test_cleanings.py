"""The cleaning of the night: how much it keeps, what it waits for, and that it can be off."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from orchestration.defs import cleanings
from orchestration.defs.cleanings import Keeping, cleaning, remove_unneeded
from serving.settings import Settings


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Datasets that were cleaned, with the number of versions kept, in a home that has two."""
    home, found = tmp_path / "home", list[tuple[str, int]]()
    for name in ("shop", "tiny"):
        (home / "data" / name).mkdir(parents=True)

    def plan(_: Settings, name: str, keep: int, __: datetime) -> Any:
        found.append((name, keep))
        return SimpleNamespace()

    monkeypatch.setenv("GATEHOUSE_HOME", str(home))
    monkeypatch.setattr(cleanings, "plan_cleaning", plan)
    monkeypatch.setattr(cleanings, "clean", lambda *_: None)
    monkeypatch.setattr(cleanings, "cleaning_text", lambda *_, done: "nothing")
    return found


def clean_all(instance: dg.DagsterInstance, keep: int | None = None) -> None:
    with dg.build_op_context(instance=instance) as context:
        remove_unneeded(context, Keeping(keep=keep))


def test_a_dataset_whose_run_is_asked_for_waits(planned: list[tuple[str, int]]) -> None:
    """Between two steps a run holds no lock."""
    with dg.instance_for_test() as instance:
        tags = {"gatehouse/dataset": "shop"}
        instance.add_run(dg.DagsterRun(job_name="release_job", tags=tags, status=dg.DagsterRunStatus.STARTED))
        clean_all(instance)
    assert planned == [("tiny", 10)]


def test_what_was_killed_is_ended_first(planned: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its dataset would else wait for its end for good."""
    with dg.instance_for_test() as instance:
        tags, status = {"gatehouse/dataset": "shop"}, dg.DagsterRunStatus.STARTED
        run = instance.add_run(dg.DagsterRun(job_name="release_job", tags=tags, status=status))
        monkeypatch.setattr(cleanings, "silent_runs", lambda *_: (run.run_id,))
        monkeypatch.setattr(cleanings, "end_runs", lambda _, runs: instance.report_run_failed(run) if runs else None)
        clean_all(instance)
    assert [name for name, _ in planned] == ["shop", "tiny"]


def test_the_number_of_kept_versions_is_that_of_the_run_or_the_setting(
    planned: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.instance_for_test() as instance:
        monkeypatch.setenv("GATEHOUSE_KEEP", "50")
        clean_all(instance)
        clean_all(instance, 3)
        monkeypatch.setenv("GATEHOUSE_KEEP", "off")  # a person starts the job nevertheless
        clean_all(instance)
    assert [keep for _, keep in planned] == [50, 50, 3, 3, 10, 10]


@pytest.mark.parametrize(("keep", "asked"), [("50", True), ("off", False)])
def test_nothing_is_removed_by_itself_where_that_is_off(
    planned: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, keep: str, asked: bool
) -> None:
    monkeypatch.setenv("GATEHOUSE_KEEP", keep)
    tick = cleaning.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=datetime(2024, 1, 1)))
    assert bool(tick.run_requests) == asked


@pytest.mark.parametrize("text", ["0", "-1", "ten", "1.5"])
def test_a_number_that_keeps_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="GATEHOUSE_KEEP='"):
        Settings.from_environment({"GATEHOUSE_KEEP": text})
