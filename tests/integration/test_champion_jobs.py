"""Jobs that move the champion as the commands do, and what Dagster shows of an override."""

from __future__ import annotations

import pytest

from serving.registry import OVERRIDE, Registry
from serving.registry.sqlite import open_registry
from serving.release.load import Release
from serving.release.promotion import promote
from serving.settings import Settings
from tests.integration.moved_world import facts_of, judged_home, run_job, tick
from tests.integration.release_world import DATASET


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return judged_home(tmp_path_factory.mktemp("jobs"))


@pytest.fixture
def settings(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Versions 1 and 2 have served, one after the other."""
    monkeypatch.setenv("GATEHOUSE_HOME", str(home.home))
    for version in (1, 2):
        promote(home, DATASET, version)
    return home


def test_the_champion_is_moved_by_jobs_as_by_commands(settings: Settings) -> None:
    result = run_job("promote_job", version=4)
    assert result.success and Release.load(settings, DATASET).manifest.version == 4
    (seen,) = [each for each in result.all_events if each.event_type_value == "ASSET_OBSERVATION"]
    assert seen.asset_key.to_user_string() == "champion"
    assert "override" not in seen.asset_observation_data.asset_observation.metadata
    assert run_job("rollback_job").success
    assert Release.load(settings, DATASET).manifest.version == 2


def test_a_job_promotes_no_version_that_failed_without_a_reason(settings: Settings) -> None:
    result = run_job("promote_job", version=3)
    (failure,) = [each for each in result.all_events if each.is_step_failure]
    assert "its verdict is failed" in str(failure.step_failure_data.error)
    assert open_registry(settings, DATASET).champion() == 2
    assert run_job("promote_job", version=3, override="a test").success
    registry = Registry(settings, DATASET)
    assert registry.tags(3)[OVERRIDE] == "a test"
    assert run_job("rollback_job").success
    registry.remove_tag(3, OVERRIDE)


def test_an_override_is_observed_whoever_promoted_the_version(settings: Settings) -> None:
    registry, moved = Registry(settings, DATASET), {"dataset": DATASET, "champion": 3}
    assert tick("champion_overrides").asset_events == []
    promote(settings, DATASET, 3, override_reason="<b>why</b>\nnot?")
    try:
        first = tick("champion_overrides")
        wanted = {**moved, "outcome": "failed", "override": "<b>why</b> not?"}
        assert [facts_of(each) for each in first.asset_events] == [wanted]
        again = tick("champion_overrides", first.cursor)
        assert (again.asset_events, again.cursor) == ([], first.cursor)
        promote(settings, DATASET, 4)
        left = tick("champion_overrides", again.cursor)
        assert (left.asset_events, left.cursor) == ([], "{}")
        (back,) = [each for each in run_job("rollback_job").all_events if each.event_type_value == "ASSET_OBSERVATION"]
        assert facts_of(back.asset_observation_data.asset_observation) == wanted
        assert len(tick("champion_overrides", left.cursor).asset_events) == 1
    finally:
        promote(settings, DATASET, 2)
        registry.remove_tag(3, OVERRIDE)
