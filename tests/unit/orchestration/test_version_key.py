"""What decides a version is in its key, and what decides a folder in its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import dagster as dg
import polars as pl
import pytest

from feature_repo.datasets import tiny
from feature_repo.schema import Schema
from orchestration.asset_values import Source
from orchestration.defs import features, training
from orchestration.parent_version import Parent
from orchestration.workspace import Workspace
from serving.registry import Training
from tests.mistakes.mistake import undecorated

MOMENT = datetime(2024, 3, 1)


@dataclass
class Inputs:
    """Inputs of a training."""

    root: Path
    schema: Schema = tiny.SCHEMA
    source: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    parent: Parent | None = None
    code: str = "code"

    def key(self, patch: pytest.MonkeyPatch, **more: bool) -> str:
        (self.root / "schema.json").write_text(self.schema.to_json())
        pl.DataFrame({"user_id": ["a", "b"]}).write_parquet(self.root / "events.parquet")
        patch.setattr(training, "code_digest", lambda: self.code)
        given = {"sha256": "data", "as_of": MOMENT, "validation_start": MOMENT, "cut": MOMENT}
        source = Source(dataset="tiny", folder=self.root, **given | self.source)
        # Without a choice, which the default recipe alone has and which is in the key too.
        options = {"choice_seconds": 0.0} | self.options
        return training.input_key(Workspace(dataset="tiny", **options), source, self.parent, **more)


def parent(kind: Training, version: int) -> Parent:
    return Parent(training=kind, version=version, folder=Path(), cut=MOMENT)


DECIDES: dict[str, Callable[[Inputs], Any]] = {
    "nothing": lambda given: given,
    "data": lambda given: replace(given, source={"sha256": "other"}),
    "schema": lambda given: replace(given, schema=replace(given.schema, views=given.schema.views[1:])),
    "as_of": lambda given: replace(given, source={"as_of": datetime(2024, 4, 1)}),
    "validation": lambda given: replace(given, source={"validation_start": datetime(2024, 2, 1)}),
    "hold-out": lambda given: replace(given, source={"cut": datetime(2024, 2, 1)}),
    "declared hold-out": lambda given: replace(given, schema=replace(given.schema, holdout="30d")),
    "recipe": lambda given: replace(given, options={"recipe": "with_statistics"}),
    "choice": lambda given: replace(given, options={"choice_seconds": 5.0}),
    "seed": lambda given: replace(given, options={"seed": 1}),
    "code": lambda given: replace(given, code="other"),
    "update": lambda given: replace(given, parent=parent(Training.UPDATE, 1)),
    "warm start": lambda given: replace(given, parent=parent(Training.WARM_START, 1)),
    "another base": lambda given: replace(given, parent=parent(Training.UPDATE, 2)),
}


def test_what_decides_a_version_is_in_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {what: change(Inputs(tmp_path)).key(monkeypatch) for what, change in DECIDES.items()}
    assert len(set(keys.values())) == len(DECIDES), keys
    again = Inputs(tmp_path, options={"device": "cuda", "baselines": "all", "retrain": True})
    assert again.key(monkeypatch) == keys["nothing"]


def test_trainings_that_differ_in_the_seed_alone_have_one_seedless_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {what: change(Inputs(tmp_path)).key(monkeypatch, any_seed=True) for what, change in DECIDES.items()}
    assert keys["seed"] == keys["nothing"]
    assert len(set(keys.values())) == len(DECIDES) - 1
    assert keys["nothing"] != Inputs(tmp_path).key(monkeypatch)


def test_other_code_has_other_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    folders = set()
    for code in ("one", "other"):
        monkeypatch.setattr("orchestration.workspace.code_digest", lambda code=code: code)
        folders.add(Workspace().folder("shop", "data"))
    assert len(folders) == 2


def test_data_schema_and_moment_name_the_folder_of_what_is_derived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    tables = tiny.generate(seed=0)
    tables = replace(tables, events=tables.events.gather_every(40))
    fewer = replace(tables, events=tables.events.head(-1))
    other = replace(tables, schema=replace(tables.schema, seen_items_may_return=False))
    monkeypatch.setattr(features, "write_tables", lambda *_: None)
    folders, later, context = [], "2024-06-01", Mock(run=dg.DagsterRun(job_name="update_job"))
    longer = replace(tables, schema=replace(tables.schema, holdout="30%"))
    given_tables = ((tables, None), (fewer, None), (other, None), (longer, None), (tables, later), (tables, None))
    for given, as_of in given_tables:
        monkeypatch.setattr(features, "run_tables", lambda _, given=given: given)
        workspace = Workspace(dataset="tiny", as_of=as_of, same_dataset=True)
        values = [each.value for each in undecorated(features.source)(context, workspace)]
        folders.append(values[0].folder)
        assert values[0].as_of == (datetime(2024, 6, 1) if as_of else values[0].as_of)
    assert folders[0] == folders[-1]
    assert len(set(folders)) == 5
