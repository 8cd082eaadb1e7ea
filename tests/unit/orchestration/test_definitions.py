"""Definitions that Dagster loads: asset graph, checks, job and schedule."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration.definitions import defs
from serving.gate.verdict import RuleKind

APART = ("experiments", "updates", "replay")
"""Groups that are no part of a release."""


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    """Assets of a release by name."""
    return {name: spec for name, spec in every_spec().items() if spec.group_name not in APART}


def every_spec() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)


def ancestors(specs: dict[str, dg.AssetSpec], name: str) -> set[str]:
    above = {dep.asset_key.to_user_string() for dep in specs[name].deps}
    return above.union(*(ancestors(specs, each) for each in above))


def test_every_asset_serves_the_champion(specs: dict[str, dg.AssetSpec]) -> None:
    assert ancestors(specs, "champion") | {"champion"} == specs.keys()


def test_no_training_depends_on_its_judgement(specs: dict[str, dg.AssetSpec]) -> None:
    judging = {name for name, spec in specs.items() if spec.group_name == "release"}
    assert {"evaluation", "verdict", "refit"} <= judging
    assert not any(ancestors(specs, name) & judging for name in specs.keys() - judging)


def test_the_verdict_comes_after_training_and_index(specs: dict[str, dg.AssetSpec]) -> None:
    assert {"training_set", "towers", "item_embeddings", "item_index", "evaluation"} < ancestors(specs, "verdict")


def test_every_asset_is_described_and_in_a_group() -> None:
    specs = every_spec()
    assert [name for name, spec in specs.items() if not spec.description] == []
    assert [name for name, spec in specs.items() if spec.group_name in (None, "default")] == []


def test_reports_and_updates_are_no_part_of_a_release(specs: dict[str, dg.AssetSpec]) -> None:
    assert every_spec().keys() - specs.keys() == {"experiment_reports", "id_update", "replay_report"}
    assert list(every_spec()["experiment_reports"].deps) == []


def test_events_and_both_feature_assets_have_a_blocking_check() -> None:
    graph = defs.resolve_asset_graph()
    blocking = {key.asset_key.to_user_string() for key in graph.asset_check_keys if graph.get(key).blocking}
    assert blocking == {"events", "user_features", "item_features"}


def test_the_verdict_has_a_check_for_each_kind_of_rule() -> None:
    graph = defs.resolve_asset_graph()
    named = {key.name: graph.get(key) for key in graph.asset_check_keys if key.asset_key == dg.AssetKey("verdict")}
    assert named.keys() == set(RuleKind)
    assert not any(each.blocking or not each.description for each in named.values())


def test_the_job_is_the_whole_release(specs: dict[str, dg.AssetSpec]) -> None:
    selected = defs.resolve_job_def("release_job").asset_layer.executable_asset_keys
    assert {key.to_user_string() for key in selected} == specs.keys()


def test_an_update_has_features_and_no_training_of_a_release() -> None:
    layer = defs.resolve_job_def("update_job").asset_layer
    selected = {key.to_user_string() for key in layer.executable_asset_keys}
    assert selected == {
        "events", "users", "items", "user_features", "item_features", "online_features", "id_update"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("nightly", "release_job"),
        ("weekly", "release_job"),
        ("half_hourly", "update_job"),
        ("cleaning", "cleaning_job"),
    ],
)
def test_the_schedules_start_switched_off(name: str, job: str) -> None:
    schedule = defs.resolve_schedule_def(name)
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == job
