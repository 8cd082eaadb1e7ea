"""Snapshots of an update: fewer than those of a full training, in folders of their own, and never taken for all."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from orchestration.asset_files import features_folder, joined_items, training_set_folder
from orchestration.asset_values import Source
from orchestration.parent_version import Parent, check_snapshots, since_of
from serving.registry import Training

CUT = datetime(2024, 3, 1)
BEFORE = CUT - timedelta(days=1)


def source(folder: Path, since: datetime | None) -> Source:
    times = {"as_of": CUT + timedelta(days=7), "validation_start": BEFORE, "cut": CUT}
    return Source(dataset="shop", folder=folder / "source", sha256="", since=since, **times)


def base(training: Training, cut: datetime) -> Parent:
    return Parent(training=training, version=1, folder=Path(), cut=cut)


def test_a_training_refuses_snapshots_that_begin_after_what_it_learns(tmp_path: Path) -> None:
    some, every = source(tmp_path, BEFORE), source(tmp_path, None)
    for parent in (None, base(Training.WARM_START, BEFORE)):
        with pytest.raises(RuntimeError, match=r"those since 2024-02-29 .* needs all: materialise all assets"):
            check_snapshots(some, parent)
    older = base(Training.UPDATE, BEFORE - timedelta(days=1))
    with pytest.raises(RuntimeError, match=r"needs those since 2024-02-28 .* as after a rollback: materialise all"):
        check_snapshots(some, older)
    for parent in (base(Training.UPDATE, BEFORE), base(Training.UPDATE, CUT)):
        check_snapshots(some, parent)
    for anything in (None, older, base(Training.WARM_START, BEFORE)):
        check_snapshots(every, anything)


def test_only_an_update_has_fewer(tmp_path: Path) -> None:
    assert since_of(base(Training.UPDATE, BEFORE)) == BEFORE
    assert since_of(base(Training.WARM_START, BEFORE)) is None
    assert since_of(None) is None


def test_folders_of_an_update_are_its_own(tmp_path: Path) -> None:
    sources = [source(tmp_path, since) for since in (None, BEFORE, BEFORE + timedelta(hours=1))]
    folders = {folder for each in sources for folder in (features_folder(each), training_set_folder(each))}
    folders |= {training_set_folder(each, refit=True) for each in sources}
    assert len(folders) == 9
    assert {folder.parent for folder in folders} == {tmp_path}


def test_joined_items_of_any_base_are_found(tmp_path: Path) -> None:
    assert joined_items(tmp_path, refit=False) is None
    for refit in (True, False):
        file = training_set_folder(source(tmp_path, BEFORE), refit=refit) / "item_snapshots.parquet"
        file.parent.mkdir()
        file.touch()
        assert joined_items(tmp_path, refit=refit) == file
