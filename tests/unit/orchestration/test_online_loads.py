"""Which online features a run loads, and when it says that they are loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from feature_repo.datasets import tiny
from feature_repo.errors import InputError
from feature_repo.schema import Schema
from orchestration import online
from orchestration.asset_values import Features, Source
from orchestration.online import Loaded, load_features
from orchestration.workspace import Workspace
from tests.unit.serving.memory_registry import MemoryRegistry

MOMENT = datetime(2024, 3, 1)
OWN = tiny.SCHEMA
FORMER = replace(OWN, views=OWN.views[:2])


@dataclass
class Loads:
    """Loads of a run whose registry holds three sealed versions: two of a former schema, the last one failed."""

    features: Features
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    done: list[str] = field(default_factory=list)
    """Digests of the loaded schemas, and what else happened."""
    problem: str | None = None
    lacking: bool = False
    said: list[str] = field(default_factory=list)

    def run(self, **options: Any) -> list[Loaded]:
        self.done.clear()
        return load_features(Workspace(**options), self.features, Path("record.json"), self.said.append)

    def load(self, _: Workspace, schema: Schema, versions: tuple[int, ...], *more: Any) -> Loaded:
        self.done.append(schema.digest)
        return Loaded(schema=schema.digest, versions=versions, problem=self.problem)

    def withdrawn(self, _: Workspace, source: Source, versions: Iterable[int], warn: Any) -> Loaded:
        self.done.append(f"withdrawn from {sorted(versions)}")
        return Loaded(schema="", versions=())

    def under(self, tables: Any, schema: Schema) -> Any:
        if self.lacking:
            raise InputError("the data lacks a column")
        return tables

    def forget(self, *_: Any) -> int:
        self.done.append("vanished users")
        return 1


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    times = {"as_of": MOMENT, "validation_start": MOMENT, "cut": MOMENT}
    source = Source(dataset="tiny", folder=tmp_path / "source", sha256="", **times)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "schema.json").write_text(OWN.to_json())
    loads = Loads(Features(source=source, folder=tmp_path / "features" / "user"))
    (tmp_path / "features").mkdir()
    loads.registry.add("passed", "passed", "failed", None)
    files = {1: FORMER, 2: OWN, 3: FORMER}
    loads.registry.read_file = lambda version, _: files[version].to_json()  # type: ignore[attr-defined]

    def state(features: Any, settings: Any, record: Any, schemas: Iterable[str] = ()) -> dict[str, Any]:
        return {"schemas": sorted(schemas)}

    instead: dict[str, Any] = {
        "open_registry": lambda *_: loads.registry,
        "_load": loads.load,
        "_load_withdrawn": loads.withdrawn,
        "under_schema": loads.under,
        "read_tables": lambda _: None,
        "read_users": lambda _: pl.Series(["a"]),
        "compute_latest": lambda *_: None,
        "online_state": state,
        "store_of": lambda *_: SimpleNamespace(forget_all_but=loads.forget),
    }
    for name, each in instead.items():
        monkeypatch.setattr(online, name, each)
    return loads


def test_the_views_of_every_sealed_version_are_loaded(loads: Loads) -> None:
    """A champion reads those of its own schema, whatever the schema of the run."""
    found = loads.run()
    assert loads.done == [OWN.digest, FORMER.digest, "withdrawn from [1, 2]", "vanished users"]
    assert sorted(found[1].versions) == [1, 3]
    assert any("1 users are not in the data any more" in each for each in loads.said)


def test_a_second_run_on_the_same_state_loads_nothing(loads: Loads) -> None:
    assert loads.run()
    assert loads.run() == []
    assert loads.run(reset_online=True)
    loads.registry.stored[3].clear()
    loads.registry.stored[1].clear()
    assert loads.run()  # another set of schemas is kept


def test_what_could_not_be_loaded_is_tried_again_by_the_next_run(loads: Loads) -> None:
    loads.problem = "a later time is loaded"
    assert loads.run() and loads.run()
    loads.problem = None
    assert loads.run()
    assert loads.run() == []


def test_the_consumer_of_the_event_log_goes_on_from_what_was_loaded(
    loads: Loads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases: list[Path] = []
    monkeypatch.setattr(online, "write_base", lambda home, dataset, **note: bases.append(note["folder"]))
    loads.problem = "a later time is loaded"
    loads.run()
    assert bases == []
    loads.problem = None
    loads.run()
    loads.run()  # nothing to load: what is online is of this data
    assert bases == [tmp_path / "source"] * 2


def test_a_schema_that_the_data_does_not_fill_leaves_the_others_loaded(loads: Loads) -> None:
    loads.lacking = True
    found = loads.run()
    assert OWN.digest in loads.done and FORMER.digest not in loads.done
    assert [each.problem for each in found if each.problem] == [loads.said[0]]
    assert "version 1, 3 stay as they are: the data lacks a column" in loads.said[0]
    loads.lacking = False
    assert FORMER.digest in [each.schema for each in loads.run()]
