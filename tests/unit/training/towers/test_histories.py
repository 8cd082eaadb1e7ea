"""Each way to read a history, in worlds in which a plainer one is at chance; and what holds for all of them.

Legend: B rows, L history length, D dimension, K kinds of items.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_repo.encode import PAD, RESERVED, Input, InputKind
from training.recipes import GRUHistory, MeanPooling, MultiHeadPooling, SelfAttention, WeightedPooling
from training.recipes.towers import History
from training.towers.histories import Reader, build_history
from training.towers.item_vectors import ItemVectors

KINDS, DIM = 4, 8
pytestmark = pytest.mark.usefixtures("one_thread")
VOCABULARY = RESERVED + KINDS * 4
MEAN, WEIGHTED = MeanPooling(dropout=0.0), WeightedPooling(dropout=0.0)
HEADS = MultiHeadPooling(heads=2, dropout=0.0)
GRU = GRUHistory(width=16, dropout=0.0)
ATTENTION = SelfAttention(width=16, heads=2, blocks=2, positions=4, dropout=0.0, block_dropout=0.0)
ALL: list[History] = [MEAN, WEIGHTED, HEADS, GRU, ATTENTION]
Fields = tuple[Tensor, Tensor, Tensor]


def kinds_of(items: Tensor) -> Tensor:
    return (items - RESERVED) % KINDS


def histories(rows: int) -> Fields:
    """Items, log ages and log counts: every kind once or twice, in random order, so that what is there says nothing."""
    rounds = [torch.rand(rows, KINDS).argsort(dim=1) for _ in range(2)]
    items_BL = torch.cat(rounds, dim=1) + RESERVED + KINDS * torch.randint(4, (rows, 2 * KINDS))
    items_BL[::2, KINDS:] = PAD
    there_BL = items_BL != PAD
    ages_BL = torch.log1p(torch.rand(rows, 2 * KINDS).cumsum(dim=1) * 4) * there_BL
    return items_BL, ages_BL, torch.log1p(torch.randint(1, 20, items_BL.shape)) * there_BL


def newest(items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
    return kinds_of(items_BL[:, 0])


def two_before_the_newest(items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
    return kinds_of(items_BL[:, 2])


def most_often(items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
    return kinds_of(items_BL.gather(1, counts_BL.argmax(dim=1, keepdim=True))).squeeze(1)


def item_vectors() -> ItemVectors:
    return ItemVectors(Input(name="item_id", kind=InputKind.CODE, size=VOCABULARY), [], {}, DIM, 0.0)


def accuracy(config: History, answer: Callable[..., Tensor], steps: int = 150) -> float:
    """How often a linear layer on what the reader gives names the right kind; 0.25 by chance."""
    torch.manual_seed(0)
    vectors, reader, head = item_vectors(), build_history(config, DIM), nn.Linear(DIM, KINDS)
    sparse = torch.optim.SparseAdam(vectors.parameters(), lr=1e-2)
    dense = torch.optim.Adam([*reader.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(steps):
        fields = histories(256)
        sparse.zero_grad()
        dense.zero_grad()
        F.cross_entropy(head(reader(vectors, *fields)) * 5, answer(*fields)).backward()
        sparse.step()
        dense.step()
    fields = histories(1_000)
    with torch.no_grad():
        named_B = head(reader.eval()(vectors.eval(), *fields)).argmax(dim=1)
    return (named_B == answer(*fields)).float().mean().item()


@pytest.mark.parametrize("answer", [newest, two_before_the_newest, most_often])
def test_the_mean_cannot_tell_when_or_how_often(answer: Callable[..., Tensor]) -> None:
    assert accuracy(MEAN, answer) < 0.35


@pytest.mark.parametrize("answer", [newest, most_often])
def test_weighted_pooling_learns_recency_and_counts(answer: Callable[..., Tensor]) -> None:
    assert accuracy(WEIGHTED, answer) > 0.85


@pytest.mark.parametrize("config", [GRU, ATTENTION], ids=["gru", "attention"])
def test_sequence_models_find_the_item_at_a_place(config: History) -> None:
    """Ages are random, so no function of them points at it."""
    assert accuracy(WEIGHTED, two_before_the_newest) < 0.5
    assert accuracy(config, two_before_the_newest) > 0.9


@pytest.mark.parametrize("config", [WEIGHTED, HEADS, GRU, ATTENTION], ids=lambda config: type(config).__name__)
def test_ages_and_counts_change_what_is_read(config: History) -> None:
    items_BL, ages_BL, counts_BL = histories(4)
    vector_BD = read(config, (items_BL, ages_BL, counts_BL), training=False)[0]
    factor_L = torch.linspace(0.5, 2.0, items_BL.shape[1])
    for other in ((items_BL, ages_BL * factor_L, counts_BL), (items_BL, ages_BL, counts_BL * factor_L)):
        assert not torch.isclose(vector_BD, read(config, other, training=False)[0], atol=1e-3).all(dim=1).any()


TASTES = 32


def two_interests(config: History) -> float:
    """Mean cosine between what a linear layer gives and the tastes of the items of kind 0 and kind 1, side by side.

    Every history holds one item of each kind, v = (kind, taste), and tastes are any directions: whose taste is which
    can only be told by looking at one kind at a time, and one mean holds one taste or a mixture: a cosine of about √½.
    """
    torch.manual_seed(0)
    size, half = RESERVED + KINDS * TASTES, DIM // 2
    traits = [
        Input(name="kind", kind=InputKind.CODE, size=KINDS),
        Input(name="taste", kind=InputKind.CODE, size=TASTES),
    ]
    code_V = (torch.arange(size) - RESERVED).clamp_min(0)
    codes = {"kind": code_V % KINDS, "taste": code_V // KINDS}
    vectors = ItemVectors(Input(name="item_id", kind=InputKind.CODE, size=size), traits, codes, DIM, 0.0)
    tastes = F.normalize(torch.randn(TASTES, half), dim=1)
    values = {
        "ids": torch.zeros(size, DIM),
        "tables.0": torch.eye(KINDS, DIM),
        "tables.1": F.pad(tastes, (half, 0)),
    }
    for name, value in values.items():
        vectors.get_submodule(name).weight = nn.Parameter(value, requires_grad=False)
    reader, head = build_history(config, DIM), nn.Linear(DIM, DIM)
    optimiser = torch.optim.Adam([*reader.parameters(), *head.parameters()], lr=2e-2)

    def cosine(rows: int) -> Tensor:
        kind_BL, taste_BL = torch.rand(rows, KINDS).argsort(dim=1), torch.randint(TASTES, (rows, KINDS))
        facts_BL = torch.rand(rows, KINDS)
        given_BD = head(reader(vectors, RESERVED + kind_BL + KINDS * taste_BL, facts_BL, facts_BL))
        wanted_BD = tastes[taste_BL.gather(1, kind_BL.argsort(dim=1))[:, :2]].flatten(1)
        return F.cosine_similarity(given_BD, wanted_BD).mean()

    for _ in range(200):
        optimiser.zero_grad()
        (-cosine(256)).backward()
        optimiser.step()
    with torch.no_grad():
        return cosine(1_000).item()


def test_two_heads_keep_two_interests_apart() -> None:
    assert two_interests(WEIGHTED) < 0.6
    assert two_interests(replace(HEADS, heads=1)) < 0.88
    assert two_interests(HEADS) > 0.95


def read(config: History, fields: Fields, *, training: bool) -> tuple[Tensor, Reader, ItemVectors]:
    torch.manual_seed(0)
    vectors, reader = item_vectors().train(training), build_history(config, DIM).train(training)
    return reader(vectors, *fields), reader, vectors


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("config", ALL, ids=lambda config: type(config).__name__)
class TestEveryReader:
    def test_padding_changes_nothing(self, config: History, training: bool) -> None:
        """Not even where the ages and counts of the padding are nonsense."""
        fields = histories(6)
        longer = (F.pad(fields[0], (0, 5), value=PAD), *(F.pad(each, (0, 5), value=99.0) for each in fields[1:]))
        wanted_BD = read(config, fields, training=training)[0]
        assert torch.allclose(read(config, longer, training=training)[0], wanted_BD, atol=1e-6)

    def test_other_rows_change_nothing(self, config: History, training: bool) -> None:
        fields = histories(6)
        alone_1D = read(config, tuple(each[:1] for each in fields), training=training)[0]  # type: ignore[arg-type]
        assert torch.allclose(read(config, fields, training=training)[0][:1], alone_1D, atol=1e-6)

    def test_an_empty_history_is_zero_and_teaches_nothing(self, config: History, training: bool) -> None:
        fields = tuple(each.clone() for each in histories(4))
        for each in fields:
            each[1:3] = 0
        vector_BD, reader, vectors = read(config, fields, training=training)  # type: ignore[arg-type]
        assert torch.allclose(vector_BD.norm(dim=1), torch.tensor([1.0, 0.0, 0.0, 1.0]))
        (vector_BD * torch.rand(DIM)).sum().backward()
        weights = [*reader.parameters(), *vectors.parameters()]
        gradients = [weight.grad.to_dense() for weight in weights if weight.grad is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        with_empty = vectors.ids.weight.grad.to_dense()  # type: ignore[union-attr]
        assert not with_empty[PAD].any()

    def test_only_empty_histories_teach_nothing_at_all(self, config: History, training: bool) -> None:
        fields: Fields = (torch.full((3, 4), PAD), torch.zeros(3, 4), torch.zeros(3, 4))
        vector_BD, reader, _ = read(config, fields, training=training)
        (vector_BD * torch.rand(DIM)).sum().backward()
        assert not vector_BD.any()
        for name, weight in reader.named_parameters():
            assert weight.grad is None or not weight.grad.any(), name

    def test_training_and_serving_read_the_same(self, config: History, training: bool) -> None:
        fields = histories(6)
        other_BD = read(config, fields, training=not training)[0]
        assert torch.allclose(read(config, fields, training=training)[0], other_BD, atol=1e-5)


@pytest.mark.parametrize("config", ALL, ids=lambda config: type(config).__name__)
def test_leaving_out_is_the_same_as_not_having(config: History) -> None:
    """A training row is read as some of its items alone; with other draws, as others."""
    (items_BL, ages_BL, counts_BL), place_L = histories(1), torch.arange(2 * KINDS)
    items_BL = RESERVED + place_L[None]  # full, and all different
    ages_BL, counts_BL = torch.log1p(place_L.float())[None], torch.ones(1, 2 * KINDS)
    torch.manual_seed(0)
    vectors, reader = item_vectors(), build_history(replace(config, dropout=0.4), DIM)
    torch.manual_seed(7)
    kept_L = reader.kept(items_BL)[0]
    assert 0 < kept_L.sum() < 2 * KINDS
    torch.manual_seed(7)
    got_BD = reader(vectors, items_BL, ages_BL, counts_BL)
    reader.eval()
    vectors.eval()
    alone_BD = reader(vectors, *(each[:, kept_L] for each in (items_BL, ages_BL, counts_BL)))
    assert torch.allclose(got_BD, alone_BD, atol=1e-5)
    assert not torch.allclose(got_BD, reader(vectors, items_BL, ages_BL, counts_BL), atol=1e-3)


@pytest.mark.parametrize("config", [GRU, ATTENTION], ids=["gru", "attention"])
def test_order_counts_even_among_items_of_one_moment(config: History) -> None:
    items_BL, zeros_BL = torch.tensor([[3, 4, 5], [3, 5, 4]]), torch.zeros(2, 3)
    vector_BD = read(config, (items_BL, zeros_BL, zeros_BL), training=False)[0]
    assert not torch.allclose(vector_BD[0], vector_BD[1], atol=1e-4)


def test_gathered_gives_each_item_its_vector_in_training_too() -> None:
    vectors, items_BL = item_vectors().train(), histories(6)[0].int()
    assert torch.equal(vectors.gathered(items_BL), vectors.of(items_BL.long()))
