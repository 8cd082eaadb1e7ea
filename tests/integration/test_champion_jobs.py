"""Jobs that move the champion as the commands do, and what Dagster shows of an override."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from orchestration.defs import champion_check
from serving.registry import OVERRIDE, Registry
from serving.registry.sqlite import open_registry
from serving.release.load import Release
from serving.release.promotion import promote
from serving.settings import Settings
from tests.integration.moved_world import facts_of, judged_home, run_job, said, tick
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


def test_the_check_of_the_champion_follows_it_whoever_moved_it(settings: Settings) -> None:
    registry = Registry(settings, DATASET)

    def look(cursor: str | None) -> tuple[str, list[tuple[bool, str]]]:
        result = tick("champion_overrides", cursor)
        checks = [each for each in result.asset_events if isinstance(each, dg.AssetCheckEvaluation)]
        assert len(checks) == len(result.asset_events)
        assert {(each.asset_key, each.check_name, each.severity) for each in checks} <= {
            (dg.AssetKey("champion"), "by_the_gate", dg.AssetCheckSeverity.WARN)
        }
        return str(result.cursor), [(each.passed, str(each.description)) for each in checks]

    passed, first = look(None)
    assert first == [(True, f"{DATASET}: version 2 serves, by a passed verdict")]
    assert look(passed) == (passed, [])
    promote(settings, DATASET, 3, override_reason="<b>why</b>\nnot?")
    try:
        why = "by an override: &lt;b&gt;why&lt;/b&gt; not?; its verdict is failed"
        warned, found = look(passed)
        assert found == [(False, f"{DATASET}: version 3 serves {why}")]
        assert look(warned) == (warned, [])
        promote(settings, DATASET, 4)
        left, found = look(warned)
        assert found == [(True, f"{DATASET}: version 4 serves, by a passed verdict")]
        (back,) = [each for each in run_job("rollback_job").all_events if each.event_type_value == "ASSET_OBSERVATION"]
        wanted = {"dataset": DATASET, "champion": 3, "outcome": "failed", "override": "<b>why</b> not?"}
        assert facts_of(back.asset_observation_data.asset_observation) == wanted
        assert [each[0] for each in look(left)[1]] == [False]
    finally:
        promote(settings, DATASET, 2)
        registry.remove_tag(3, OVERRIDE)


def test_a_champion_that_nothing_lets_serve_fails_its_check(settings: Settings) -> None:
    registry = Registry(settings, DATASET)
    registry.set_champion(3)
    try:
        (check,) = tick("champion_overrides").asset_events
        assert isinstance(check, dg.AssetCheckEvaluation) and not check.passed
        assert check.description == f"{DATASET}: version 3 serves without an override; its verdict is failed"
        registry._client.delete_registered_model_alias(DATASET, "champion")
        (none,) = tick("champion_overrides", json.dumps({DATASET: {"champion": 3, "outcome": "failed"}})).asset_events
        assert isinstance(none, dg.AssetCheckEvaluation) and none.passed
        assert none.description == "nothing serves yet"
    finally:
        promote(settings, DATASET, 2)


def test_a_champion_that_cannot_be_read_stays_as_it_was_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = tick("champion_overrides").cursor

    def broken(*_: object) -> Registry:
        raise OSError("the disk is gone")

    monkeypatch.setattr(champion_check, "open_registry", broken)
    result = tick("champion_overrides", cursor)
    assert (result.asset_events, result.cursor) == ([], cursor)
    assert said(result) == f"{DATASET}: OSError: the disk is gone"
