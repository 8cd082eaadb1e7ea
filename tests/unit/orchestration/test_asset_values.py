"""Values between assets are JSON files and survive a round trip."""

import json
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from orchestration.asset_values import Features, Source, json_io_manager
from orchestration.workspace import Workspace

SOURCE = Source(
    dataset="shop",
    folder=Path("/data"),
    sha256="abc",
    as_of=datetime(2024, 1, 2, 3, 4, 5, 6),
    validation_start=datetime(2024, 1, 1),
    cut=datetime(2024, 1, 2),
)


@dg.asset
def events() -> Source:
    return SOURCE


@dg.asset
def user_features(events: Source) -> Features:
    return Features(source=events, folder=Path("/features"))


@dg.asset(deps=[events])
def meanwhile(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Another run, which writes its own value of `events`."""
    other = SOURCE.model_copy(update={"sha256": "of another run"})
    path = Workspace(dataset="shop").values_folder / "events.json"
    path.write_text(other.model_dump_json())
    return dg.MaterializeResult()


@dg.asset(deps=[meanwhile])
def seen(events: Source) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"sha256": events.sha256})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    return tmp_path


def materialise(*assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    everything = [events, user_features, meanwhile, seen]
    resources = {"workspace": Workspace(dataset="shop"), "io_manager": json_io_manager}
    return dg.materialize(everything, selection=list(assets), resources=resources)


def test_a_value_is_read_back_in_another_run(home: Path) -> None:
    materialise(events)
    result = materialise(user_features)
    assert result.asset_value("user_features") == Features(source=SOURCE, folder=Path("/features"))
    assert json.loads((home / "values" / "shop" / "events.json").read_text())["sha256"] == "abc"
    assert sorted(path.name for path in (home / "values" / "shop").iterdir()) == ["events.json", "user_features.json"]


def test_a_missing_value_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="materialise events first"):
        materialise(user_features)


def test_a_run_reads_its_own_values_beside_another_run() -> None:
    result = materialise(events, meanwhile, seen)
    (made,) = result.asset_materializations_for_node("seen")
    assert made.metadata["sha256"].value == "abc"
