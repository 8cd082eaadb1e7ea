"""The doctor and the cleaning tell trainings that were killed from those that may be at work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from filelock import FileLock

from orchestration.cleaning import clean, plan_cleaning
from orchestration.doctor import examine
from serving.registry import DAGSTER_RUN, Registry
from serving.registry.holder import HOLDER, holder
from serving.registry.sqlite import open_registry
from serving.settings import Settings
from tests.integration.doctor_world import as_before, judged_home
from tests.integration.release_world import DATASET, schema, write_artifacts


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("trainings")
    return judged_home(root, write_artifacts(root / "artifacts", schema()))


@pytest.fixture
def settings(template: Settings) -> Settings:
    return as_before(template)


def training(registry: Registry, tags: dict[str, str]) -> str:
    """A run in MLflow that says that it runs."""
    run: str = registry._client.create_run(registry._experiment_id, tags=tags).info.run_id
    return run


def test_a_training_that_was_killed_is_named_and_ended_by_a_cleaning(settings: Settings) -> None:
    """SIGKILL leaves its MLflow run RUNNING for good. One whose training may be at work is left alone."""
    registry, started = Registry(settings, DATASET), datetime.now(UTC)
    killed = training(registry, {DAGSTER_RUN: "run", HOLDER: holder(settings)})
    soon, later = started + timedelta(minutes=50), started + timedelta(hours=2)
    assert [examine(settings, at) == [] for at in (soon, later)] == [True, False]
    (finding,) = examine(settings, later)
    assert finding.problem.startswith(f"the MLflow run {killed} of ")
    lock = settings.home / "data" / DATASET / "input" / "towers.lock"
    with FileLock(lock):
        assert examine(settings, later) == []
        assert plan_cleaning(settings, DATASET, 10, later).killed == ()
    assert plan_cleaning(settings, DATASET, 10, soon).killed == ()
    plan = plan_cleaning(settings, DATASET, 10, later)
    assert [each.id for each in plan.killed] == [killed] and not plan.trainings
    clean(settings, plan, later)
    assert examine(settings, later) == []
    assert registry._client.get_run(killed).info.status == "KILLED"
    after = plan_cleaning(settings, DATASET, 10, started + timedelta(days=31))
    assert [each.id for each in after.trainings] == [killed]  # and a month later it goes
    clean(settings, after, started + timedelta(days=31))
    assert [each.id for each in open_registry(settings, DATASET).trainings() if each.version is None] == []


def test_a_training_of_another_home_is_at_work_for_a_week(settings: Settings) -> None:
    """Its locks are not seen here."""
    registry, now = Registry(settings, DATASET), datetime.now(UTC)
    other = training(registry, {DAGSTER_RUN: "run", HOLDER: "host:/home"})
    assert examine(settings, now + timedelta(days=6)) == []
    assert plan_cleaning(settings, DATASET, 10, now + timedelta(days=6)).killed == ()
    plan = plan_cleaning(settings, DATASET, 10, now + timedelta(days=8))
    assert [each.id for each in plan.killed] == [other]


def test_what_people_run_in_an_experiment_of_the_same_name_is_left_alone(settings: Settings) -> None:
    registry, later = Registry(settings, DATASET), datetime.now(UTC) + timedelta(days=400)
    training(registry, {})
    registry._client.set_terminated(training(registry, {}), "FINISHED")
    assert examine(settings, later) == []
    plan = plan_cleaning(settings, DATASET, 10, later)
    assert (plan.killed, plan.trainings) == ((), ())
