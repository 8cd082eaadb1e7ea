"""Items below min_count share one id row; everything else is their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from feature_repo.encode import RESERVED, UNKNOWN
from serving.pt2 import load_program
from tests.unit.training.fit_world import CONFIG, VALIDATION, frames
from tests.unit.training.towers.tower_world import ITEM_INPUTS, ITEMS, LENGTH, USER_INPUTS, items, tensors, users
from training.artifacts.export import export_tower
from training.data.interactions import at
from training.recipes import MLP, RepeatTerm, TowerConfig, TrainConfig, Weighting
from training.towers import TwoTower, new_model
from training.untrained import untrained

pytestmark = pytest.mark.usefixtures("one_thread")
OWN = RESERVED + 12
"""The codes from here on are those of rare items."""
RARE = torch.arange(OWN, ITEMS)
KINDS = torch.arange(ITEMS, dtype=torch.int32) % 3 + RESERVED


def model_of(*, repeat: bool = False) -> TwoTower:
    inputs = [replace(ITEM_INPUTS[0], own=OWN), *ITEM_INPUTS[1:]]
    tower = TowerConfig(user=MLP(dropout=0.0), item=MLP(dropout=0.0), id_dropout=0.0)
    config = TrainConfig(dim=8, tower=tower, repeat=RepeatTerm(dropout=0.0) if repeat else None)
    return new_model(USER_INPUTS, inputs, {"kind": KINDS}, config, seed=0)


def corpus(codes: Tensor, kinds: Tensor) -> dict[str, Tensor]:
    """Items that differ in nothing else."""
    price = torch.from_numpy(items(1)["price"]).expand(len(codes), -1)
    return {"item_id": codes.int(), "kind": kinds, "price": price}


@pytest.mark.parametrize("training", [True, False])
def test_their_embedding_is_that_of_an_unknown_item_of_their_kind(training: bool) -> None:
    model = model_of().train(training)
    got = model.item(corpus(RARE, KINDS[OWN:]))
    assert torch.equal(got, model.item(corpus(torch.full_like(RARE, UNKNOWN), KINDS[OWN:])))
    same_kind = KINDS[OWN:, None] == KINDS[OWN:]
    assert torch.equal((got[:, None] - got).abs().amax(dim=2) < 1e-6, same_kind)
    frequent = model.item(corpus(torch.arange(RESERVED, OWN), KINDS[RESERVED:OWN]))
    assert (got[:, None] - frequent).abs().amax(dim=2).min() > 1e-3


@pytest.mark.parametrize("training", [True, False])
def test_histories_see_the_row_of_unknown_and_the_kind_of_each(training: bool) -> None:
    vectors = model_of().train(training).item.vectors
    assert len(vectors.ids.weight) == OWN
    wanted = vectors.ids.weight[UNKNOWN] + vectors.tables[0].weight[KINDS[OWN:].long()]
    assert torch.allclose(vectors.gathered(RARE[None])[0], wanted)
    assert torch.allclose(vectors.pooled(RARE[:, None], torch.full((len(RARE), 1), 2.0)), 2 * wanted)
    known = torch.arange(RESERVED, OWN)
    assert torch.allclose(vectors.of(known), vectors.ids(known) + vectors.tables[0](KINDS[RESERVED:OWN]))


def test_their_gradients_reach_the_row_of_unknown_and_no_other() -> None:
    model = model_of(repeat=True).train()
    assert model.repeat is not None
    history = torch.from_numpy(np.resize(RARE.numpy(), (5, LENGTH)).astype(np.int32))
    features = tensors(users(5)) | {"history_items": history}
    scores = model.user(features) @ model.item(corpus(RARE, KINDS[OWN:])).T
    (scores.sum() + model.repeat(features, torch.zeros(5, LENGTH)).sum()).backward()
    for table in model.tables:
        assert table.grad is not None
        gradient = table.grad.coalesce()
        assert gradient.indices().tolist() == [[UNKNOWN]] and gradient.values().any()
        assert len(table) == len(gradient) == OWN


def test_the_repeat_term_ranks_them_by_their_own_facts() -> None:
    model = model_of(repeat=True).eval()
    assert model.repeat is not None
    model.repeat.get_buffer("facts_VF")[OWN] = 2.0
    torch.nn.init.ones_(model.repeat.linear.weight)
    history = torch.tensor([[OWN, OWN + 3, UNKNOWN, OWN + 6, 0, 0]], dtype=torch.int32)  # items of one kind
    alike = {f"history_{name}": torch.ones(1, LENGTH) for name in ("ages", "counts", "decayed")}
    features = tensors(users(1)) | alike | {"history_items": history}
    (term,) = model.repeat(features, torch.zeros(1, LENGTH)).tolist()
    assert term[0] != term[1] == term[3]
    assert [np.isfinite(each) for each in term] == [True, True, False, True, False, False]


def test_rare_items_are_served_as_they_were_trained(tmp_path: Path) -> None:
    model = model_of().eval()
    mixed = {**users(9), "history_items": np.random.default_rng(0).integers(0, ITEMS, (9, LENGTH), np.int32)}
    every = {name: each.numpy() for name, each in corpus(torch.arange(ITEMS), KINDS).items()}
    for side, arrays in ((model.user, mixed), (model.item, every)):
        export_tower(tmp_path / "tower.pt2", side, {name: array[-3:] for name, array in arrays.items()})
        program = load_program((tmp_path / "tower.pt2").read_bytes(), "tower.pt2").module()
        assert torch.allclose(program(tensors(arrays)), side(tensors(arrays)), atol=1e-6)


def test_min_count_says_which_items_are_rare_and_histories_know_them_all() -> None:
    tables, queries, snapshots, positives = frames()
    counts = dict(positives.group_by("item_id").len().iter_rows())
    bound = sorted(counts.values())[len(counts) // 2]
    config = replace(CONFIG, weighting=Weighting(min_count=bound), repeat=RepeatTerm())
    corpus = at(snapshots, VALIDATION, week=True)
    result, data = untrained(tables.schema, queries, snapshots, corpus, positives, config, 0)
    known, own = result.item_encoder.vocabularies["item_id"], result.item_encoder.own_ids
    assert own is not None and 0 < own < len(known) == len(counts)
    assert [counts[item] >= bound for item in known] == [True] * own + [False] * (len(known) - own)
    assert result.user_encoder.vocabularies["history"] == known
    assert {len(table) for table in result.model.tables} == {own + RESERVED}
    taken = data.users(np.arange(len(data.user_Q)))["history_items"]
    assert (taken >= RESERVED + own).any() and not (taken == UNKNOWN).any()
    assert data.label_QL is not None and data.label_QL[taken >= RESERVED + own].any()
    assert result.model.repeat is not None
    assert result.model.repeat.get_buffer("facts_VF")[RESERVED + own :].any(dim=1).all()
