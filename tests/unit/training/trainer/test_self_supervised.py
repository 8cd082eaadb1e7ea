"""Items that learn from their features: two views, and what each lacks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from feature_repo.encode import MISSING, PAD, RESERVED, UNKNOWN, Input, InputKind
from serving.pt2 import load_program
from tests.unit.training.trainer.trainer_world import CONFIG, HISTORY, ITEM, small_data
from training.artifacts.export import export_tower
from training.data.training_set import Arrays, TrainingSet
from training.recipes import SelfSupervised, TrainConfig
from training.recipes.serialization import from_json, to_json
from training.towers import TwoTower, embed, new_model
from training.towers.masking import Masking, side_features
from training.trainer import train
from training.trainer.candidates import CandidateBuilder
from training.trainer.feature_correlation import bucketised, mutual_information
from training.trainer.self_supervised import SelfSupervision, contrast
from training.trainer.step import backpropagate

pytestmark = pytest.mark.usefixtures("one_thread")
ITEM_INPUTS = [
    ITEM,
    Input(name="kind", kind=InputKind.CODE, size=RESERVED + 4),
    Input(name="price", kind=InputKind.NUMBER, width=2),
    Input(name="price_bucket", feature="price", kind=InputKind.BUCKET, size=RESERVED + 16),
    Input(name="words", kind=InputKind.BAG, size=RESERVED + 9, width=5),
    Input(name="picture", kind=InputKind.VECTOR, width=3),
    Input(name="born", kind=InputKind.CODE, size=RESERVED + 2),
    Input(name="born_cycles", feature="born", kind=InputKind.VECTOR, width=4),
]
ARRAYS = {
    "kind": ["kind"], "price": ["price", "price_bucket"], "words": ["words"], "picture": ["picture"],
    "born": ["born", "born_cycles"], "item_id": ["item_id"],
}  # fmt: skip
FEATURES = ARRAYS.keys() - {"item_id"}
SSL = replace(CONFIG, self_supervised=SelfSupervised(items=6))


def corpus(items: int = 12, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    arrays = {"item_id": np.arange(RESERVED, RESERVED + items, dtype=np.int32)}
    for each in ITEM_INPUTS[1:]:
        if each.kind in (InputKind.NUMBER, InputKind.VECTOR):
            arrays[each.name] = rng.normal(size=(items, each.width)).astype(np.float32)
        else:
            shape = (items, each.width) if each.kind is InputKind.BAG else items
            arrays[each.name] = rng.integers(RESERVED, each.size, shape).astype(np.int32)
    return arrays


def world(config: TrainConfig = SSL, items: int = 12) -> tuple[TrainingSet, TwoTower]:
    arrays = corpus(items)
    codes = {}
    for name in ("kind", "born"):
        codes[name] = torch.full((ITEM.size,), MISSING, dtype=torch.int32)
        codes[name][RESERVED : RESERVED + items] = torch.from_numpy(arrays[name])
    data = replace(small_data(users=20, items=items), items=arrays, corpus=arrays)
    return data, new_model([HISTORY], ITEM_INPUTS, codes, config, seed=0)


def views_of(settings: SelfSupervised, items: int = 12) -> SelfSupervision:
    config = replace(SSL, self_supervised=settings)
    data, model = world(config, items)
    return SelfSupervision(data, settings, model, seed=0)


@pytest.mark.parametrize("masking", ["correlated", "random"])
def test_each_view_shows_the_features_that_the_other_lacks(masking: str) -> None:
    views = views_of(SelfSupervised(masking=masking))  # type: ignore[arg-type]
    seen = set()
    for _ in range(100):
        first, second = views.hidden()
        assert (first & second) <= {"item_id"}
        assert first | second == FEATURES | {"item_id"}
        assert first - {"item_id"} and second - {"item_id"}
        seen.add(frozenset(first - {"item_id"}))
    assert len(seen) > 3


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_id_is_in_one_view_at_most_and_as_often_as_the_recipe_says(share: float) -> None:
    views = views_of(SelfSupervised(id_share=share))
    shown = np.array([["item_id" not in hidden for hidden in views.hidden()] for _ in range(1_000)])
    assert not shown.all(axis=1).any()
    assert shown.any(axis=1).mean() == pytest.approx(share, abs=0.05)
    assert shown.mean(axis=0) == pytest.approx(share / 2, abs=0.05)


def test_a_hidden_feature_changes_nothing_and_a_shown_one_does() -> None:
    """Hidden features do not change the embedding: none of their arrays is left."""
    _, model = world()
    one, other = ({n: torch.from_numpy(a) for n, a in corpus(seed=seed).items()} for seed in (0, 1))
    other["item_id"] = one["item_id"].flip(0)
    assert model.masking is not None
    model.eval()
    for name in ARRAYS:
        changed = one | {each: other[each] for each in ARRAYS[name]}
        assert torch.equal(*(model.item(model.masking(each, {name})) for each in (one, changed))), name
        assert not torch.allclose(*(model.item(model.masking(each, FEATURES - {name})) for each in (one, changed))), (
            name
        )


def test_a_masked_feature_is_a_learned_default_and_not_nothing() -> None:
    _, model = world()
    assert model.masking is not None
    features = {name: torch.from_numpy(array) for name, array in corpus().items()}
    masked = model.masking(features, FEATURES | {"item_id"})
    assert (masked["item_id"] == UNKNOWN).all()
    assert (masked["kind"] == MISSING).all()
    assert (masked["price_bucket"] == MISSING).all()
    assert masked["words"].tolist() == [[MISSING, PAD, PAD, PAD, PAD]] * 12
    model.item(masked)[:, 0].sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() for weight in model.masking.parameters())
    moved = {name: w.grad.to_dense().abs().sum(1).nonzero().ravel().tolist()
             for name, w in model.item.named_parameters() if "table" in name}  # fmt: skip
    assert moved["vectors.tables.0.weight"] == [MISSING]
    assert moved["side.parts.0.table.weight"] == [MISSING, RESERVED + 4 + MISSING, 2 * RESERVED + 20 + MISSING]
    assert moved["side.parts.1.table.weight"] == [MISSING]


def test_half_of_a_bag_is_left_out_and_never_all() -> None:
    masking = Masking(ITEM_INPUTS)
    words = torch.tensor([[3, 4, 5, 6, PAD], [7, 8, 9, PAD, PAD], [5, PAD, PAD, PAD, PAD], [PAD] * 5])
    rng = torch.Generator().manual_seed(0)
    drawn = [masking.thinned({"words": words}, rng)["words"] for _ in range(200)]
    assert {tuple((each != PAD).sum(1).tolist()) for each in drawn} == {(2, 2, 1, 0)}
    kept = torch.stack([each[0, :4] != PAD for each in drawn]).float().mean(0)
    assert kept.tolist() == pytest.approx([0.5] * 4, abs=0.12)


def test_features_that_go_together_are_hidden_together() -> None:
    """Two planted pairs, and a column of many values that has to do with nothing."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (2, 600))
    noisy = np.where(rng.random((2, 600)) < 0.3, rng.integers(0, 5, (2, 600)), [(2 * a) % 5, (b + 1) % 5])
    many = rng.integers(0, 300, 600)
    related_FF = mutual_information(np.stack([a, many, b, noisy[0], noisy[1]]))
    assert related_FF.argmax(axis=1)[[0, 3, 2, 4]].tolist() == [3, 0, 4, 2]
    assert np.allclose(related_FF, related_FF.T)
    assert related_FF[1].max() < 0.2 * related_FF[0, 3]
    exact = mutual_information(np.stack([a, a]))[0, 1]
    shares = np.bincount(a) / 600
    assert exact == pytest.approx(-(shares * np.log(shares)).sum(), abs=0.05)


def test_mutual_information_reads_one_column_of_each_feature() -> None:
    features = side_features(ITEM_INPUTS)
    assert features.keys() == FEATURES
    arrays = corpus(items=400)
    line = np.linspace(-1, 1, 400)[:, None]
    arrays["picture"] = (line * np.array([[1.0, 2.0, -1.0]])).astype(np.float32)
    codes = dict(zip(features, bucketised(features, arrays), strict=True))
    assert codes["price"].tolist() == arrays["price_bucket"].tolist()
    assert codes["words"].tolist() == arrays["words"][:, 0].tolist()
    assert codes["born"].tolist() == arrays["born"].tolist()
    assert np.bincount(codes["picture"]).tolist() == [25] * 16  # sixteenths along the only direction there is


def test_correlated_masks_follow_the_corpus_and_not_the_clicks() -> None:
    """`born` is the twin of `kind` in the corpus, but not among clicked items."""
    data, model = world(items=20)
    arrays = dict(data.corpus)
    arrays["kind"] = (RESERVED + np.arange(20) % 2).astype(np.int32)
    arrays["born"] = arrays["kind"].copy()
    few = replace(data, items=arrays, corpus=arrays, item_I=np.zeros_like(data.item_I))
    views = SelfSupervision(few, SelfSupervised(), model, seed=0)
    names = list(views.names)
    assert names[views.nearest[names.index("kind")][0]] == "born"
    assert names[views.nearest[names.index("born")][0]] == "kind"


def test_items_are_drawn_uniformly_however_often_they_are_clicked() -> None:
    views = views_of(SelfSupervised(items=3))
    drawn = torch.stack([views.draw() for _ in range(2_000)])
    assert all(len(set(row)) == 3 for row in drawn.tolist())
    counts = np.bincount(drawn.ravel().numpy(), minlength=12) / 2_000
    assert counts == pytest.approx(np.full(12, 3 / 12), abs=0.04)


def test_the_loss_is_the_written_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (F.normalize(torch.randn(5, 4, generator=generator), dim=1) for _ in range(2))
    wanted = 0.0
    for i in range(5):
        scores = [math.exp(float(first[i] @ second[j]) / 0.2) for j in range(5)]
        wanted -= math.log(scores[i] / sum(scores)) / 5
    assert float(contrast(first, second, 0.2)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_step_adds_the_weighted_loss_of_the_views_to_that_of_interactions(parts: int) -> None:
    losses, gradients = [], []
    for weight in (None, 0.5, 1.5):
        ssl = SelfSupervised(weight=weight, items=6) if weight else None
        config = replace(SSL, self_supervised=ssl, optimisation=replace(CONFIG.optimisation, parts=parts))
        data, model = world(replace(config, self_supervised=ssl or SelfSupervised()))
        model.eval()  # no dropout: the three differ by nothing else
        views = SelfSupervision(data, ssl, model, seed=1) if ssl else None
        builder = CandidateBuilder(data, config, model, seed=0)
        losses.append(backpropagate(model, data.batch(np.arange(20)), builder, config, views))
        gradients.append(model.item.vectors.ids.weight.grad.to_dense())
    assert losses[2] - losses[0] == pytest.approx(3 * (losses[1] - losses[0]), rel=1e-4)
    assert losses[1] > losses[0]
    assert (gradients[1] - gradients[0]).abs().max() > 1e-3
    assert torch.allclose(gradients[2] - gradients[0], 3 * (gradients[1] - gradients[0]), atol=1e-6)


def test_items_without_features_to_hide_are_refused() -> None:
    for inputs in ([ITEM], [ITEM, ITEM_INPUTS[2], ITEM_INPUTS[3]]):
        with pytest.raises(ValueError, match="must see at least two besides the id, and it sees"):
            new_model([HISTORY], inputs, {}, SSL, seed=0)
    codes = {"kind": torch.zeros(ITEM.size, dtype=torch.int32)}
    bare = replace(SSL, tower=replace(SSL.tower, item=None))
    with pytest.raises(ValueError, match="it sees \\['kind'\\]"):  # without a body a tower sees categories alone
        new_model([HISTORY], [*ITEM_INPUTS[:4]], codes, bare, seed=0)


@pytest.mark.parametrize(
    ("field", "value"), [("weight", 0.0), ("temperature", -1.0), ("masking", "none"), ("items", 1), ("id_share", 1.5)]
)
def test_a_senseless_declaration_is_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"SelfSupervised\.{field}"):
        SelfSupervised(**{field: value})  # type: ignore[arg-type]


def test_the_declaration_survives_as_text() -> None:
    assert from_json(to_json(SSL)) == SSL


def test_the_exported_item_tower_knows_nothing_of_masks(tmp_path: Path) -> None:
    """The served tower is plain: all features, and no weight of the masks."""
    data, model = world()
    train(data, model, SSL, seed=0, epochs=1)
    export_tower(tmp_path / "item_tower.pt2", model.item, data.corpus)
    program = load_program((tmp_path / "item_tower.pt2").read_bytes(), "item_tower.pt2").module()
    features = {name: torch.from_numpy(array) for name, array in data.corpus.items()}
    assert np.allclose(program(features).detach().numpy(), embed(model.item, data.corpus), atol=1e-5)
    assert not [name for name in program.state_dict() if "defaults" in name]
