"""Warm start: values that a later training carries over from a release."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from feature_repo.encode import MISSING, PAD, RESERVED, UNKNOWN
from tests.unit.training.artifacts.released_world import NEW, RARE, RECIPES, write_release
from tests.unit.training.fit_world import CONFIG, CUT, VALIDATION, fitted, frames
from training.artifacts.export import export
from training.artifacts.load import read_release
from training.artifacts.warm_start import carry_over, rows_by_value
from training.data.interactions import at
from training.fit import fit
from training.recipes import Weighting
from training.untrained import untrained

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release") / "files", RECIPES["batch norm, user ids"])


@pytest.mark.parametrize("bound", [45, 55])
def test_a_warm_start_finds_the_rows_of_rare_items_too(tmp_path: Path, bound: int) -> None:
    """Frequent items keep their row, newly frequent ones start as UNKNOWN.

    Rare items have no row.
    """
    write_release(tmp_path / "files", replace(CONFIG, weighting=Weighting(min_count=50)))
    released, (tables, queries, items, positives) = read_release(tmp_path / "files"), frames()
    corpus, config = at(items, VALIDATION, week=True), replace(CONFIG, weighting=Weighting(min_count=bound))
    warm, _ = untrained(tables.schema, queries, items, corpus, positives, config, 1, released)
    before, after = (each.item_encoder for each in (released, warm))
    rows, former = warm.model.item.vectors.ids.weight, released.model.item.vectors.ids.weight
    assert before.own_ids and after.own_ids and len(rows) == RESERVED + after.own_ids
    kept = {item: RESERVED + n for n, item in enumerate(before.vocabularies["item_id"][: before.own_ids])}
    wanted = [kept.get(item, UNKNOWN) for item in after.vocabularies["item_id"][: after.own_ids]]
    assert torch.equal(rows[RESERVED:], former[wanted])
    assert 0 < wanted.count(UNKNOWN) < len(wanted)


def test_rows_are_found_by_value() -> None:
    assert rows_by_value(["a", "b"], ["c", "b", "a"]).tolist() == [PAD, MISSING, UNKNOWN, UNKNOWN, 4, 3]


def test_a_warm_start_carries_ids_by_value_and_everything_else_as_it_is(folder: Path) -> None:
    """The vocabulary holds new items before known ones, so that every code differs."""
    released = read_release(folder)
    tables, queries, items, positives = frames()
    warm, _ = untrained(
        tables.schema, queries, items, at(items, VALIDATION, week=True), positives, released.config, 1, released
    )
    old, new = released.item_encoder.vocabularies["item_id"], warm.item_encoder.vocabularies["item_id"]
    assert new[:4] == (*NEW, RARE) and new[4:] == old
    before, after = released.model.item.vectors.ids.weight, warm.model.item.vectors.ids.weight
    assert torch.equal(after[RESERVED + 4 :], before[RESERVED:])
    assert torch.equal(after[RESERVED : RESERVED + 4], before[UNKNOWN].expand(4, -1))
    dense = dict(released.model.named_parameters())
    for name, weight in warm.model.named_parameters():
        assert "ids.weight" in name or torch.equal(weight, dense[name]), name
    for name, buffer in warm.model.named_buffers():
        assert "running" not in name or torch.equal(buffer, dict(released.model.named_buffers())[name]), name


def test_side_tables_are_carried_by_value_too(folder: Path) -> None:
    released = read_release(folder)
    model = read_release(folder).model
    turned = {**released.item_encoder.vocabularies, "kind": released.item_encoder.vocabularies["kind"][::-1]}
    carry_over(
        released, model, released.config, released.user_encoder, replace(released.item_encoder, vocabularies=turned)
    )
    old, new = (each.item.side.parts[0].table.weight for each in (released.model, model))
    assert released.model.item.side.parts[0].names[0] == "kind"
    kinds = len(turned["kind"])
    assert torch.equal(new[RESERVED : RESERVED + kinds], old[RESERVED : RESERVED + kinds].flip(0))
    assert torch.equal(new[RESERVED + kinds :], old[RESERVED + kinds :])
    assert torch.equal(model.item.vectors.tables[0].weight[RESERVED:],
                       released.model.item.vectors.tables[0].weight[RESERVED:].flip(0))  # fmt: skip


def test_a_warm_training_begins_where_the_release_ended(tmp_path: Path) -> None:
    result, (tables, queries, items, positives) = fitted(), frames()
    export(
        tmp_path / "files", result.model, user_encoder=result.user_encoder, item_encoder=result.item_encoder,
        schema=tables.schema, config=CONFIG, popular=[("i001", 3)], examples=result.examples,
    )  # fmt: skip
    config = replace(CONFIG, optimisation=replace(CONFIG.optimisation, epochs=1))
    first = []
    for start in (None, tmp_path / "files"):
        fit(
            schema=tables.schema, queries=queries, item_snapshots=items, positives=positives, events=tables.events,
            validation_start=VALIDATION, cut=CUT, config=config, seed=1, warm_start=start,
            on_epoch=lambda epoch, metrics: first.append(metrics),
        )  # fmt: skip
    cold, _, warm, _ = first
    assert warm["loss"] < 0.9 * cold["loss"]
    assert warm["loss"] < 1.1 * result.epochs[-1]["loss"]


def test_another_architecture_is_refused_by_name(folder: Path) -> None:
    released = read_release(folder)
    tables, queries, items, positives = frames()
    corpus = at(items, VALIDATION, week=True)
    for config, named in (
        (replace(released.config, dim=8), "another dim than"),
        (CONFIG, "another tower than"),
        (replace(released.config, leave_out=("kind",)), "another features of item_id than"),
    ):
        with pytest.raises(ValueError, match=f"cannot start from .* {named}"):
            untrained(tables.schema, queries, items, corpus, positives, config, 0, released)


def test_a_checkpoint_of_other_towers_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "mixed")
    other = write_release(tmp_path / "other", RECIPES["row-wise, drawn negatives"])
    shutil.copy(other / "checkpoint.safetensors", tmp_path / "mixed")
    with pytest.raises(ValueError, match="does not fit the recipe and the encoders beside it"):
        read_release(tmp_path / "mixed")
