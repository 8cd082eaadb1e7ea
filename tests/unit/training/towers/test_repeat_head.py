"""The repeat term in planted worlds: it learns what it is meant to, and is served as it was trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from feature_repo.encode import MISSING, PAD, RESERVED, UNKNOWN, Input, InputKind
from tests.unit.training.towers.repeat_world import CONFIG, data_of, model_of, small_data, terms
from training.data.training_set import Batch, TrainingSet
from training.recipes import (
    RepeatTerm,
    TrainConfig,
    Weighting,
)
from training.retrieval.model_search import repeat_scores
from training.retrieval.rescored import rescored_search
from training.towers import TwoTower, embed, new_model
from training.trainer import fit_repeat_head, train
from training.trainer.history_candidates import HistoryCandidates

WHOLE = 1_000_000
"""A sample of so many takes every item of a small corpus."""
pytestmark = pytest.mark.usefixtures("one_thread")


def candidates_of(data: TrainingSet, config: TrainConfig, model: TwoTower | None = None) -> HistoryCandidates:
    return HistoryCandidates(data, model or model_of(data.size, 5, config).eval(), config, seed=0)


def test_every_item_of_a_history_is_ranked_by_itself_and_everything_else_by_the_sample() -> None:
    """A sample of the whole corpus is exact; r is set against scores as they are served, without dropout."""
    data = small_data()
    data.queries["history_items"][1, :3] = [UNKNOWN, MISSING, RESERVED + 2]
    config = replace(CONFIG, repeat=RepeatTerm(dropout=0.0, sample=WHOLE))
    model = model_of(data.size, 5, config)
    user_QD, item_ND = embed(model.user, data.queries), embed(model.item, data.corpus)
    candidates = candidates_of(data, config, model.eval())
    batch = data.batch(np.arange(10))
    assert model.repeat is not None
    model.repeat.eval()
    repeats = candidates.compared(model.repeat, candidates.block(batch))
    scale = 1 / model.score.temperature.item()
    codes_RL = data.queries["history_items"][: len(batch.user_R)]
    score_RL = scale * np.einsum("rd,rld->rl", user_QD[: len(codes_RL)], item_ND[np.maximum(codes_RL - RESERVED, 0)])
    score_RL = np.where(codes_RL >= RESERVED, score_RL, 0)
    given = {name: array[: len(codes_RL)] for name, array in data.queries.items()}
    wanted_RL = np.where(codes_RL >= RESERVED, score_RL + terms(model, given, score_RL.astype(np.float32)), -np.inf)
    np.testing.assert_allclose(repeats.logit_RL.detach().numpy(), wanted_RL, atol=1e-4)
    items = batch.item_C.numpy()
    taken = {(row, items[column]) for row, column in zip(batch.row_P.tolist(), batch.column_P.tolist(), strict=True)}
    for row, codes in enumerate(codes_RL.tolist()):
        logits = scale * item_ND @ user_QD[row]
        outside = [logits[n] for n in range(data.size) if n + RESERVED not in codes and (row, n) not in taken]
        assert repeats.outside_R[row].item() == pytest.approx(np.logaddexp.reduce(outside), abs=1e-4)
        again = [code >= RESERVED and (row, code - RESERVED) in taken for code in codes]
        assert repeats.label_RL[row].tolist() == again
    item_PD = item_ND[items[batch.column_P.numpy()]]
    wanted_P = scale * np.einsum("pd,pd->p", user_QD[batch.row_P.numpy()], item_PD)
    np.testing.assert_allclose(repeats.logit_P.numpy(), wanted_P, atol=1e-4)


def test_the_sum_over_a_sample_is_right_in_the_mean() -> None:
    data = small_data()
    whole, sampled = (candidates_of(data, replace(CONFIG, repeat=RepeatTerm(sample=n))) for n in (WHOLE, 6))
    batch = data.batch(np.arange(10))
    wanted_R = whole.block(batch).outside_R.exp()
    found = torch.stack([sampled.block(batch).outside_R.exp() for _ in range(3000)])
    assert (found.std(dim=0) > 0.05 * wanted_R).all()
    assert torch.allclose(found.mean(dim=0), wanted_R, rtol=0.08)


def test_the_level_is_set_by_how_often_discoveries_happen_times_what_the_recipe_says() -> None:
    data = small_data()
    config = replace(CONFIG, repeat=RepeatTerm(outside=0.5), weighting=Weighting(discovery_weight=2.0))
    block = candidates_of(data, config).block(data.batch(np.arange(10)))
    assert {True, False} == set(block.inside_P.tolist())
    assert torch.equal(block.weight_P, torch.where(block.inside_P, 1.0, 0.25))


def test_what_is_taken_again_on_later_days_counts_too() -> None:
    data = small_data()
    label_QL = np.zeros_like(data.queries["history_items"], dtype=bool)
    label_QL[:, 1] = True
    alone, both = (
        candidates_of(each, CONFIG).block(data_batch(each)) for each in (data, replace(data, label_QL=label_QL))
    )
    later_RL = torch.from_numpy(label_QL[:5] & (data.queries["history_items"][:5] >= RESERVED))
    assert torch.equal(both.label_RL, alone.label_RL | later_RL)
    assert not torch.equal(both.label_RL, alone.label_RL)


def data_batch(data: TrainingSet) -> Batch:
    return data.batch(np.arange(10))


def test_users_without_any_history_teach_the_head_nothing() -> None:
    data = small_data()
    data.queries["history_items"][:] = PAD
    model = model_of(data.size, 5)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    assert np.isfinite(fit_repeat_head(data, model, CONFIG, seed=0))
    for name, each in model.state_dict().items():
        assert torch.allclose(each, before[name], atol=1e-6), name


def test_the_head_leaves_the_towers_as_they_are_to_the_last_bit() -> None:
    data = small_data(users=40)
    model = model_of(data.size, 5)
    train(data, model, CONFIG, seed=0, epochs=1)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    fit_repeat_head(data, model, CONFIG, seed=0)
    changed = {name for name, each in model.state_dict().items() if not torch.equal(each, before[name])}
    assert changed
    assert all(name.startswith("repeat.") for name in changed)


def test_the_same_seed_gives_the_same_head() -> None:
    data, states = small_data(users=40), []
    for seed in (1, 1, 2):
        model = model_of(data.size, 5)
        fit_repeat_head(data, model, CONFIG, seed=seed)
        states.append(model.state_dict())
    first, again, other = (torch.cat([each.flatten() for each in state.values()]) for state in states)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


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
    config = replace(
        CONFIG,
        repeat=RepeatTerm(outside=1.0, rate=3e-3, passes=8),
        weighting=Weighting(discovery_weight=1.0),
    )
    model = model_of(items, length, config)
    for name, weight in model.named_parameters():
        if not name.startswith("repeat."):
            weight.data.zero_()
    fit_repeat_head(data, model, config, seed=0)
    found_QL = terms(model, data.queries)
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
        fit_repeat_head(data, model, config, seed=0)
        vectors = embed(model.user, data.queries), embed(model.item, data.corpus)
        added = repeat_scores(model, data.queries, data.corpus, *vectors)
        lists = rescored_search(*vectors, added)()(np.arange(len(wanted)), 10)
        recall[name] = np.mean([len(set(ids.tolist()) & own) / 10 for ids, own in zip(lists, wanted, strict=True)])
    assert recall["with"] > 0.9
    assert recall["without"] < 0.5


def test_the_head_s_own_item_vectors_move_only_where_they_stand_in_histories() -> None:
    data = small_data()
    data.queries["history_items"][data.queries["history_items"] == RESERVED] = PAD
    model = model_of(data.size, 5)
    assert model.repeat is not None
    table = model.repeat.vectors.ids.weight
    assert [id(each) for each in model.tables] == [id(model.item.vectors.ids.weight)]
    before = table.detach().clone()
    fit_repeat_head(
        data, model, replace(CONFIG, optimisation=replace(CONFIG.optimisation, averaged_share=None)), seed=0
    )
    moved = (table != before).any(dim=1)
    assert not moved[: RESERVED + 1].any()
    assert moved[RESERVED + 1 :].all()


def test_a_user_with_several_histories_is_refused() -> None:
    size = RESERVED + 5
    histories = [Input(name=name, kind=InputKind.HISTORY, size=size, width=3) for name in ("bought", "viewed")]
    with pytest.raises(ValueError, match=r"got \['bought', 'viewed'\]"):
        new_model(histories, [Input(name="item_id", kind=InputKind.CODE, size=size)], {}, CONFIG, seed=0)
