"""Trainings that go on from a release: an update of its ids, and a full training from its weights.

One dataset, first as it stood when the release was trained, then with what happened since. The fixtures are one story.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file

from feature_repo.datasets.canonical import Tables
from feature_repo.encode import RESERVED, UNKNOWN
from orchestration.asset_values import Judged
from serving.registry import Registry, Training
from serving.release.manifest import Manifest, read
from tests.pipeline.planted import Ended, Home, write_world
from tests.worlds import START, taste_groups

DATASET = "onward"
THEN = START + timedelta(days=70)
"""Until when the first log goes: its training part ends a week before."""
NEW = ["i156", "i157", "i158", "i159"]
"""Items that came after the first log, one of each group."""
QUIET = ["i000", "i001", "i002", "i003"]
"""Items that nobody took again since the first training, but for the last one: in the hold-out of the second."""
STOPPED = "i004"
"""One that nobody took again since the validation window of the second training."""


def later() -> Tables:
    tables = taste_groups(items=160, days=100, dataset=DATASET)
    item, moment = pl.col("item_id"), pl.col("timestamp")
    quiet = item.is_in(QUIET) & moment.is_between(THEN - timedelta(days=8), START + timedelta(days=92))
    gone = item.is_in(QUIET[:3]) & (moment > THEN)
    stopped = (item == STOPPED) & (moment > THEN + timedelta(days=5))
    return replace(tables, events=tables.events.filter(~(quiet | gone | stopped | (item.is_in(NEW) & (moment < THEN)))))


def then() -> Tables:
    tables = later()
    items = tables.items.filter(~pl.col("item_id").is_in(NEW))
    return replace(tables, events=tables.events.filter(pl.col("timestamp") < THEN), items=items)


@pytest.fixture(scope="module")
def home(home: Home) -> Home:
    return home.light()


@pytest.fixture(scope="module")
def early(home: Home) -> Path:
    return write_world(home.root / "early", then())


@pytest.fixture(scope="module")
def late(home: Home) -> Path:
    return write_world(home.root / "late", later())


def gatehouse_run(home: Home, folder: Path, *options: str, recipe: str = "quick") -> Ended:
    policy = {"regression": {"metrics": ["all/recall@20"], "max_drop": 0.1}}  # all reach what is to be reached
    return home.command("run", "--data", folder, "--recipe", recipe, "--json", *options, **policy)


@pytest.fixture(scope="module")
def too_early(home: Home, early: Path) -> Ended:
    return gatehouse_run(home, early, "--update", "champion")


@pytest.fixture(scope="module")
def first(home: Home, early: Path, too_early: Ended) -> Judged:
    return home.run(early)


@pytest.fixture(scope="module")
def updated(home: Home, late: Path, first: Judged) -> Ended:
    return gatehouse_run(home, late, "--update", "champion")


@pytest.fixture(scope="module")
def warm(home: Home, late: Path, updated: Ended) -> Ended:
    """Another seed: what is alike afterwards was not drawn alike."""
    return gatehouse_run(home, late, "--warm-start", "1", "--seed", "1")


def manifest(home: Home, version: int) -> Manifest:
    return read(Registry(home.settings, DATASET), version)


def weights(home: Home, version: int) -> Mapping[str, torch.Tensor]:
    return load_file(Registry(home.settings, DATASET).download(version) / "checkpoint.safetensors")


def items_of(home: Home, version: int) -> list[str]:
    folder = Registry(home.settings, DATASET).download(version)
    return json.loads((folder / "item_encoder.json").read_text())["vocabularies"]["item_id"]


def test_there_must_be_a_champion(too_early: Ended) -> None:
    assert (too_early.code, too_early.out) == (1, "")
    assert "onward has no champion yet: `gatehouse run` trains, judges and promotes one" in too_early.err


def test_an_update_is_judged_after_its_cut_beside_the_release_and_says_where_it_comes_from(
    home: Home, first: Judged, updated: Ended
) -> None:
    assert updated.err == ""
    assert (updated.data["version"], updated.data["training"], updated.data["parent"]) == (2, "update", 1)
    old, new = manifest(home, 1), manifest(home, 2)
    assert (old.training, old.parent, new.training, new.parent) == (Training.FULL, None, Training.UPDATE, 1)
    assert old.cut < new.cut < new.as_of
    assert new.against == 1
    assert any("against champion" in reason for reason in updated.data["reasons"])
    assert (updated.code, updated.data["champion"], home.alias(DATASET)) == (0, 2, "onward_items_v2")
    line = next(line for line in home.command("releases", "--dataset", DATASET).out.splitlines() if " v2 " in line)
    assert line.endswith("update of v1")


def test_an_update_moves_the_ids_of_what_happened_and_nothing_else(home: Home, updated: Ended) -> None:
    before, after = weights(home, 1), weights(home, 2)
    old, new = items_of(home, 1), items_of(home, 2)
    assert (new[: len(old)], sorted(new[len(old) :])) == (old, NEW)
    tables = {name for name in before if name.endswith("vectors.ids.weight")}
    assert tables and before.keys() == after.keys()
    for name in before.keys() - tables:
        assert torch.equal(before[name], after[name][: len(before[name])] if "codes_of" in name else after[name]), name
    for name in tables:
        grown = torch.cat([before[name], before[name][UNKNOWN].expand(len(NEW), -1)])
        moved = {code for code in range(len(grown)) if not torch.equal(grown[code], after[name][code])}
        assert moved == {code for code, item in enumerate(new, RESERVED) if item not in QUIET}


def test_the_same_update_gives_the_same_version(home: Home, late: Path, updated: Ended) -> None:
    again = gatehouse_run(home, late, "--update", "1")
    assert (again.data["version"], again.data["reused"]) == (2, True)


def test_a_warm_start_is_another_version_with_everything_trained(home: Home, warm: Ended) -> None:
    assert (warm.data["version"], warm.data["training"], warm.data["parent"]) == (3, "warm start", 1)
    assert (manifest(home, 3).training, manifest(home, 3).parent) == (Training.WARM_START, 1)
    before, after = weights(home, 1), weights(home, 3)
    layers = [name for name, each in before.items() if each.dim() == 2 and each.shape == after[name].shape]
    assert len(layers) > 3
    for name in layers:
        assert not torch.equal(before[name], after[name]), name
        assert torch.cosine_similarity(before[name].flatten(), after[name].flatten(), dim=0) > 0.5, name


def test_a_release_that_has_seen_the_validation_is_no_start(home: Home, late: Path, warm: Ended) -> None:
    ended = gatehouse_run(home, late, "--warm-start", "2")
    assert ended.code == 1
    assert "version 2 was trained until 2024-03-" in ended.err
    assert "he validation would flatter it and stop too early" in ended.err


def test_without_newer_events_there_is_nothing_to_update_by(home: Home, late: Path, early: Path, warm: Ended) -> None:
    for folder, version in ((late, "2"), (early, "1"), (early, "2")):
        ended = gatehouse_run(home, folder, "--update", version)
        assert ended.code == 1
        assert f"version {version} was trained until" in ended.err
        assert "no event is left for an update. Bring newer events" in ended.err


def test_another_recipe_is_refused_by_what_differs(home: Home, late: Path, warm: Ended) -> None:
    ended = gatehouse_run(home, late, "--update", "1", recipe="repeating")
    assert "trained by another recipe than 'repeating' (they differ in repeat)" in ended.err


def test_another_schema_is_refused(home: Home, late: Path, warm: Ended) -> None:
    config = yaml.safe_load((late / "gatehouse.yaml").read_text())
    del config["items"]["features"]["kind"]
    folder = write_world(home.root / "plain", later())
    (folder / "gatehouse.yaml").write_text(yaml.safe_dump(config))
    for option, said in (("--update", "another feature schema"), ("--warm-start", "another features of item_id than")):
        ended = gatehouse_run(home, folder, option, "1")
        assert (ended.code, ended.out) == (1, "")
        assert said in ended.err


def test_no_refusal_left_a_version(home: Home, warm: Ended) -> None:
    assert home.versions(DATASET) == [3, 2, 1]
    assert home.leftovers() == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--update", "1", "--warm-start", "1"), "give one of them"),
        (("--update", "newest"), "update is 'newest': wanted `champion` or the number of a version"),
        (("--warm-start", "0x1"), "warm_start is '0x1': wanted `champion`"),
        (("--update", "99"), "onward has no version 99"),
    ],
)
def test_options_that_cannot_be_used(home: Home, late: Path, warm: Ended, options: tuple[str, ...], said: str) -> None:
    ended = gatehouse_run(home, late, *options)
    assert (ended.code, ended.out) == (1, "")
    assert said in ended.err
