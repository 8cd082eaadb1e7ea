"""The repeat term in planted worlds: it learns what it is meant to, and is served as it was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_repo.encode import MISSING, PAD, RESERVED, UNKNOWN, Input, InputKind
from serving.pt2 import load_program
from training.evaluate import exact_search, rescored_search, top_k
from training.export import export_tower, rescorer_example
from training.losses import Candidates
from training.recipes import MLP, Corpus, InBatch, Mixed, Optimisation, RepeatTerm, TowerConfig, TrainConfig
from training.recipes.sampling import Sampler
from training.repeat_scores import repeat_scores
from training.towers import Rescorer, TwoTower, embed, new_model
from training.trainer import train
from training.trainer.comparison import Comparison
from training.trainer.step import backpropagate
from training.training_set import Arrays, TrainingSet

pytestmark = pytest.mark.usefixtures("one_thread")
CONFIG = TrainConfig(
    dim=4,
    tower=TowerConfig(user=MLP(hidden=(16,)), item=MLP(hidden=(16,))),
    repeat=RepeatTerm(),
    optimisation=Optimisation(batch_size=256, learning_rate=1e-2, embedding_rate=1e-2),
)


def model_of(items: int, length: int, config: TrainConfig = CONFIG) -> TwoTower:
    size = RESERVED + items
    history = Input(name="history", kind=InputKind.HISTORY, size=size, width=length)
    basket = Input(name="basket_size", kind=InputKind.NUMBER, width=2)
    kind = Input(name="kind", kind=InputKind.CODE, size=RESERVED + 3)
    codes_of = {"kind": torch.arange(size, dtype=torch.int32) % 3 + RESERVED}
    inputs = [Input(name="item_id", kind=InputKind.CODE, size=size), kind]
    return new_model([history, basket], inputs, codes_of, config, seed=0)


def data_of(item_QL: np.ndarray, days_QL: np.ndarray, count_QL: np.ndarray, taken: list[set[int]], items: int):  # type: ignore[no-untyped-def]
    """Queries with histories of items (-1 for none), and the items that each takes."""
    there_QL = item_QL >= 0
    queries = {
        "history_items": np.where(there_QL, item_QL + RESERVED, PAD).astype(np.int32),
        "history_ages": np.where(there_QL, np.log1p(days_QL), 0).astype(np.float32),
        "history_counts": np.where(there_QL, np.log1p(count_QL), 0).astype(np.float32),
        "basket_size": np.zeros((len(item_QL), 2), np.float32),
    }
    corpus = {
        "item_id": np.arange(RESERVED, RESERVED + items, dtype=np.int32),
        "kind": np.arange(RESERVED, RESERVED + items, dtype=np.int32) % 3 + RESERVED,
    }
    return TrainingSet(
        queries=queries, user_Q=np.arange(len(item_QL)), items=corpus, item_S=np.arange(items), corpus=corpus,
        query_I=np.repeat(np.arange(len(taken)), [len(each) for each in taken]),
        item_I=np.array([item for each in taken for item in sorted(each)]),
        weight_I=np.ones(sum(map(len, taken)), np.float32),
    )  # fmt: skip


def small_data(users: int = 20, items: int = 12, length: int = 5, seed: int = 0) -> TrainingSet:
    """Random histories, the first one empty; each user takes an item, and the newest of the history besides."""
    rng = np.random.default_rng(seed)
    item_QL = np.stack([rng.permutation(items)[:length] for _ in range(users)])
    item_QL[np.arange(length) >= np.r_[0, rng.integers(1, length + 1, users - 1)][:, None]] = -1
    days_QL, count_QL = rng.integers(0, 90, item_QL.shape), rng.integers(1, 9, item_QL.shape)
    taken = [{int(rng.integers(items)), max(0, int(row[0]))} for row in item_QL]
    return data_of(item_QL, days_QL, count_QL, taken, items)


def compared(data: TrainingSet, config: TrainConfig, rows: np.ndarray) -> tuple[Candidates, np.ndarray, TwoTower]:
    """The candidates of a batch, and the item of each column."""
    model = model_of(data.size, 5, config).eval()
    comparison = Comparison(data, config, model, seed=0)
    batch = data.batch(rows, whole_corpus=config.whole_corpus)
    columns = comparison.columns(batch)
    user_RD, item_CD = model.user(batch.users), model.item(columns.features)
    return comparison.candidates(model, batch, columns, user_RD, item_CD), columns.item_C.numpy(), model


@pytest.mark.parametrize("sampler", [InBatch(), Mixed(number=4), Corpus()])
def test_every_item_of_a_history_is_ranked_by_itself_and_in_no_column(sampler: Sampler) -> None:
    data = small_data()
    data.queries["history_items"][1, :3] = [UNKNOWN, MISSING, RESERVED + 2]
    c, items, model = compared(data, replace(CONFIG, sampler=sampler), np.arange(10))
    assert c.repeats is not None
    assert c.history is None
    hidden = set(zip(c.hidden.row_H.tolist(), items[c.hidden.column_H.numpy()].tolist(), strict=True))
    logits_RL = c.repeats.logits(c.user_RD, c.scale, c.shift)
    vectors = torch.from_numpy(embed(model.item, data.corpus))
    for row, codes in enumerate(data.queries["history_items"][:5].tolist()):
        for place, code in enumerate(codes):
            if code < RESERVED:
                assert logits_RL[row, place] == -torch.inf
                continue
            wanted = c.scale * (c.user_RD[row] @ vectors[code - RESERVED]) + c.repeats.term_RL[row, place]
            assert logits_RL[row, place].item() == pytest.approx(wanted.item(), abs=1e-5)
            if code - RESERVED in items:
                assert (row, code - RESERVED) in hidden
    own = [item + RESERVED for item in items[c.column_P.numpy()]]
    for row, code, place in zip(c.row_P.tolist(), own, c.repeats.at_P.tolist(), strict=True):
        codes = data.queries["history_items"][row].tolist()
        assert place == (codes.index(code) if code in codes else -1)
    assert {place >= 0 for place in c.repeats.at_P.tolist()} == {True, False}


def test_dropout_of_histories_takes_nothing_out_of_what_a_user_had() -> None:
    data = small_data()
    config = replace(CONFIG, tower=replace(CONFIG.tower, history=replace(CONFIG.tower.history, dropout=0.9)))
    model = model_of(data.size, 5, config).train()
    comparison = Comparison(data, config, model, seed=0)
    batch = data.batch(np.arange(10))
    columns = comparison.columns(batch)
    c = comparison.candidates(model, batch, columns, model.user(batch.users), model.item(columns.features))
    assert c.repeats is not None
    assert torch.equal(c.repeats.place_RL >= 0, batch.users["history_items"] >= RESERVED)
    assert torch.equal(c.repeats.term_RL.isfinite(), batch.users["history_items"] >= RESERVED)


def test_users_without_any_history_are_ranked_as_ever() -> None:
    data = small_data()
    data.queries["history_items"][:] = PAD
    c, _, _ = compared(data, CONFIG, np.arange(10))
    assert c.repeats is None
    plain, _, _ = compared(data, replace(CONFIG, repeat=None, strata=False), np.arange(10))
    assert torch.equal(c.hidden.column_H, plain.hidden.column_H)


def test_a_batch_in_parts_has_the_gradients_of_the_whole() -> None:
    quiet = TowerConfig(user=MLP(dropout=0), item=MLP(dropout=0), history=replace(CONFIG.tower.history, dropout=0))
    config = replace(CONFIG, tower=replace(quiet, id_dropout=0), repeat=RepeatTerm(dropout=0), prefixes=(2,))
    data, gradients = small_data(), []
    for parts in (1, 3):
        used = replace(config, optimisation=replace(config.optimisation, parts=parts))
        model = model_of(data.size, 5, used).train()
        backpropagate(model, data.batch(np.arange(30)), Comparison(data, used, model, seed=0), used)
        gradients.append({n: w.grad.to_dense() for n, w in model.named_parameters() if w.grad is not None})
    whole, parted = gradients
    assert whole.keys() == parted.keys()
    assert {name for name in whole if name.startswith("repeat.")} == {
        f"repeat.{name}"
        for name, _ in model_of(data.size, 5).repeat.named_parameters()  # type: ignore[union-attr]
    }
    for name, gradient in whole.items():
        assert torch.allclose(gradient, parted[name], atol=1e-6), name


def test_with_embeddings_of_zero_it_finds_the_planted_log_odds_of_count_and_recency() -> None:
    """A user takes item i of the history with odds e^{0.5 + 1.5·log(1 + count) − 0.8·log(1 + days)} against any one
    item outside it. s is 0, so that r must be these log-odds themselves: their level too, which a wrong constant in the
    correction of the sample would move."""
    queries, items, length = 6_000, 60, 8
    rng = np.random.default_rng(0)
    item_QL = rng.random((queries, items)).argsort(axis=1)[:, :length]
    days_QL, count_QL = rng.integers(0, 60, item_QL.shape), rng.geometric(0.35, item_QL.shape)
    planted_QL = 0.5 + 1.5 * np.log1p(count_QL) - 0.8 * np.log1p(days_QL)
    odds_QN = np.ones((queries, items))
    np.put_along_axis(odds_QN, item_QL, np.exp(planted_QL), axis=1)
    gumbel_QN = np.log(odds_QN) + rng.gumbel(size=odds_QN.shape)
    data = data_of(item_QL, days_QL, count_QL, [{int(item)} for item in gumbel_QN.argmax(axis=1)], items)
    config = replace(CONFIG, optimisation=replace(CONFIG.optimisation, batch_size=128, learning_rate=3e-3))
    model = model_of(items, length, config)
    for name, weight in model.named_parameters():
        if not name.startswith("repeat."):
            weight.data.zero_()
            weight.requires_grad_(requires_grad=False)
    train(data, model, config, seed=0, epochs=8)
    assert model.repeat is not None
    found_QL = embed(model.repeat, data.queries)
    slope, level = np.polyfit(planted_QL.ravel(), found_QL.ravel(), 1)
    assert np.corrcoef(planted_QL.ravel(), found_QL.ravel())[0, 1] > 0.97
    assert slope == pytest.approx(1, abs=0.1)
    assert level == pytest.approx(0, abs=0.25)


def personal_items(seed: int = 0) -> tuple[TrainingSet, list[set[int]]]:
    """200 users of whom each keeps taking 10 items of her own out of 400, and once took 10 others. What she has in four
    dimensions cannot name ten out of 400 items; how often she took each can."""
    rng = np.random.default_rng(seed)
    users, items, own = 200, 400, 10
    mine_UL = rng.random((users, items)).argsort(axis=1)[:, : 2 * own]
    user_Q = np.repeat(np.arange(users), 6)
    kept_QL = np.arange(2 * own) < own
    count_QL = np.where(kept_QL, rng.integers(4, 20, (len(user_Q), 2 * own)), 1)
    days_QL = np.where(kept_QL, rng.integers(1, 20, count_QL.shape), rng.integers(5, 60, count_QL.shape))
    taken = [set(rng.choice(mine_UL[user, :own], 3, replace=False).tolist()) for user in user_Q]
    data = data_of(mine_UL[user_Q], days_QL, count_QL, taken, items)
    return replace(data, user_Q=user_Q), [set(mine_UL[user, :own].tolist()) for user in user_Q]


def test_it_finds_personal_items_that_a_user_vector_has_no_room_for() -> None:
    data, wanted = personal_items()
    recall = {}
    for name, config in (("with", CONFIG), ("without", replace(CONFIG, repeat=None))):
        model = model_of(data.size, 20, config)
        train(data, model, config, seed=0, epochs=10)
        vectors = embed(model.user, data.queries), embed(model.item, data.corpus)
        lists = rescored_search(*vectors, repeat_scores(model, data.queries, data.corpus))(np.arange(len(wanted)), 10)
        recall[name] = np.mean([len(set(ids.tolist()) & own) / 10 for ids, own in zip(lists, wanted, strict=True)])
    assert recall["with"] > 0.9
    assert recall["without"] < 0.5


def test_the_term_moves_by_the_optimiser_of_tables_and_only_in_rows_of_the_batch() -> None:
    data = small_data()
    data.queries["history_items"][data.queries["history_items"] == RESERVED] = PAD
    model = model_of(data.size, 5)
    assert model.repeat is not None
    table = model.repeat.vectors.ids.weight
    assert [id(each) for each in model.tables] == [id(model.item.vectors.ids.weight), id(table)]
    before = table.detach().clone()
    train(
        data, model, replace(CONFIG, optimisation=replace(CONFIG.optimisation, averaged_share=None)), seed=0, epochs=1
    )
    moved = (table != before).any(dim=1)
    assert not moved[: RESERVED + 1].any()
    assert moved[RESERVED + 1 :].all()


def test_a_user_with_several_histories_is_refused() -> None:
    size = RESERVED + 5
    histories = [Input(name=name, kind=InputKind.HISTORY, size=size, width=3) for name in ("bought", "viewed")]
    with pytest.raises(ValueError, match=r"got \['bought', 'viewed'\]"):
        new_model(histories, [Input(name="item_id", kind=InputKind.CODE, size=size)], {}, CONFIG, seed=0)


def trained() -> tuple[TwoTower, TrainingSet]:
    data = small_data(users=40)
    model = model_of(data.size, 5)
    train(data, model, CONFIG, seed=0, epochs=3)
    data.queries["history_items"][3, :2] = [UNKNOWN, MISSING]
    return model, data


def test_the_served_score_is_the_trained_one(tmp_path: Path) -> None:
    """Exported and loaded: τ times the logit that the loss sees, and the sum that evaluation ranks by."""
    model, data = trained()
    assert model.repeat is not None
    example = rescorer_example(model, {n: a[:3] for n, a in data.queries.items()}, data.corpus)
    export_tower(tmp_path / "rescorer.pt2", Rescorer(model.repeat, model.temperature), example)
    program = load_program((tmp_path / "rescorer.pt2").read_bytes(), "rescorer.pt2").module()
    user_QD, item_ND = embed(model.user, data.queries), embed(model.item, data.corpus)
    codes_QL = data.queries["history_items"]
    vectors_QLD = item_ND[np.maximum(codes_QL - RESERVED, 0)]
    added = repeat_scores(model, data.queries, data.corpus).toarray()
    for rows in (slice(0, 1), slice(0, 40)):
        arrays = data.queries | {"user_embedding": user_QD, "history_embeddings": vectors_QLD}
        given = {name: torch.from_numpy(array[rows]) for name, array in arrays.items()}
        served_QL = program(given).detach().numpy()
        assert served_QL.dtype == np.float32
        assert (np.isfinite(served_QL) == (codes_QL[rows] >= RESERVED)).all()
        query, place = np.nonzero(codes_QL[rows] >= RESERVED)
        item = codes_QL[query, place] - RESERVED
        evaluated = (user_QD @ item_ND.T + added)[query, item]
        np.testing.assert_allclose(served_QL[query, place], evaluated, atol=1e-5)
    comparison, batch = Comparison(data, CONFIG, model, seed=0), data.batch(np.arange(len(data.query_I)))
    columns = comparison.columns(batch)
    c = comparison.candidates(model, batch, columns, model.user(batch.users), model.item(columns.features))
    assert c.repeats is not None
    logits_RL = c.repeats.logits(c.user_RD, c.scale, c.shift).detach().numpy()
    np.testing.assert_allclose(served_QL, model.temperature.item() * logits_RL, atol=1e-5)


def test_rescored_search_is_a_sort_of_the_sums_under_the_masks() -> None:
    model, data = trained()
    user_QD, item_ND = embed(model.user, data.queries), embed(model.item, data.corpus)
    added = repeat_scores(model, data.queries, data.corpus)
    rows = np.arange(40)
    sums_QN = user_QD @ item_ND.T + added.toarray()
    assert (rescored_search(user_QD, item_ND, added)(rows, 5) == top_k(sums_QN, 5)).all()
    assert not (exact_search(user_QD, item_ND)(rows, 5) == top_k(sums_QN, 5)).all()
    seen = (added != 0).astype(np.int8).tocsr()
    masked = rescored_search(user_QD, item_ND, added, exclude=seen)(rows, 5)
    assert (masked == exact_search(user_QD, item_ND, exclude=seen)(rows, 5)).all()


def test_a_model_without_the_term_adds_nothing() -> None:
    data = small_data()
    added = repeat_scores(model_of(data.size, 5, replace(CONFIG, repeat=None)), data.queries, data.corpus)
    assert (added.shape, added.nnz) == ((20, 12), 0)


def test_nothing_that_is_no_item_changes_a_score() -> None:
    """Padding says nothing: a history of the same items in a wider array has the same terms."""
    model, data = trained()
    assert model.repeat is not None
    wide: Arrays = {
        name: np.pad(array, ((0, 0), (0, 3))) if name.startswith("history") else array
        for name, array in data.queries.items()
    }
    np.testing.assert_allclose(embed(model.repeat, wide)[:, :5], embed(model.repeat, data.queries), atol=1e-6)
