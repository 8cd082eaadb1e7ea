"""How assets show in Dagster: whatever an asset is made with, its stage, its owners, its columns."""

from __future__ import annotations

import dagster as dg
import pytest

from feature_repo.errors import InputError
from orchestration.definitions import defs
from orchestration.defs.looks import KINDS, OWNERS, dressed
from orchestration.reporting.columns import column_schema
from tests.worlds import taste_groups


def test_every_asset_has_its_tools_and_its_stage() -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert {name for name in KINDS if not specs[name].kinds} == set()
    assert {name: spec.kinds for name, spec in specs.items() if name in KINDS} == KINDS
    assert all(len(spec.kinds) <= 3 for spec in specs.values())  # Dagster's limit
    assert all(spec.tags["gatehouse/stage"] for spec in specs.values())
    assert specs["towers"].tags["gatehouse/stage"] == "model"


def test_owners_are_those_of_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = dg.AssetSpec("towers", group_name="training")
    monkeypatch.delenv(OWNERS, raising=False)
    assert list(dressed(spec).owners) == []
    monkeypatch.setenv(OWNERS, "ml@example.com, team:search")
    assert list(dressed(spec).owners) == ["ml@example.com", "team:search"]
    monkeypatch.setenv(OWNERS, "somebody")
    with pytest.raises(InputError, match="got 'somebody'"):
        dressed(spec)


def test_columns_have_types_and_meanings() -> None:
    world = taste_groups()
    found = {each.name: each for each in column_schema({"events": world.events.schema}, world.schema).columns}
    assert set(found) == set(world.events.columns)
    assert (found["timestamp"].type, found["value"].type) == ("Datetime", "Float64")
    assert all(each.description for each in found.values())
    profile = column_schema({"users": world.users.schema, "items": world.items.schema}, world.schema).columns
    assert {each.name: bool(each.description) for each in profile}["items.kind"]
