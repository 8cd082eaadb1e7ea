"""What Dagster loads: the asset graph of the design, described, checked, and run by nobody unasked."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration.definitions import defs

GRAPH = {
    "events": set(),
    "users": set(),
    "items": set(),
    "user_features": {"events", "users"},
    "item_features": {"events", "items"},
    "training_set": {"user_features", "item_features"},
    "towers": {"training_set"},
    "item_embeddings": {"towers"},
    "item_index": {"item_embeddings"},
    "evaluation": {"item_index"},
    "verdict": {"evaluation"},
    "online_features": {"training_set", "user_features"},
    "champion": {"verdict", "online_features"},
}


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_graph_is_the_way_of_the_data(specs: dict[str, dg.AssetSpec]) -> None:
    found = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()}
    assert found == GRAPH


def test_every_asset_is_described_and_in_a_group(specs: dict[str, dg.AssetSpec]) -> None:
    assert [name for name, spec in specs.items() if not spec.description] == []
    groups = {spec.group_name for spec in specs.values()}
    assert groups == {"source", "features", "training", "index", "release"}


def test_both_feature_assets_have_a_blocking_check() -> None:
    graph = defs.resolve_asset_graph()
    blocking = {key.asset_key.to_user_string(): graph.get(key).blocking for key in graph.asset_check_keys}
    assert blocking == {"user_features": True, "item_features": True}


def test_the_job_is_the_whole_graph(specs: dict[str, dg.AssetSpec]) -> None:
    selected = defs.resolve_job_def("release_job").asset_layer.executable_asset_keys
    assert {key.to_user_string() for key in selected} == specs.keys()


def test_the_nightly_schedule_is_off_until_somebody_turns_it_on() -> None:
    schedule = defs.resolve_schedule_def("nightly")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert (schedule.job_name, schedule.cron_schedule) == ("release_job", "0 3 * * *")
