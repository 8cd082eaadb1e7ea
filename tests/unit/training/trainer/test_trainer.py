"""Parts of the training loop that no metric of a planted world would reveal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from feature_repo.encode import MISSING, PAD, RESERVED, UNKNOWN
from tests.unit.training.trainer.candidates_world import built
from tests.unit.training.trainer.trainer_world import (
    CONFIG,
    QUIET,
    compared,
    small_data,
    small_model,
)
from training.recipes import (
    Corpus,
    GRUHistory,
    HardNegatives,
    InBatch,
    Loss,
    MeanPooling,
    Mixed,
    MultiHeadPooling,
    Negatives,
    Popularity,
    SelfAttention,
    TrainConfig,
    Uniform,
    WeightedPooling,
)
from training.recipes.sampling import Sampler
from training.recipes.towers import History
from training.sampling import Memory
from training.sampling.hard_negatives import mine
from training.towers import TwoTower, distinct, embed
from training.trainer import SCORE, state, train
from training.trainer.candidates import CandidateBuilder
from training.trainer.optimisers import averaged
from training.trainer.sparse_optimisers import SparseAdam
from training.trainer.step import backpropagate


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_mean_spans_the_same_share_of_a_short_and_of_a_long_training(share: float) -> None:
    """Weights that grow by 1 a step have a mean at step / (1 + share)."""
    model = small_model()
    average = averaged(model, share)
    for step in range(1, 1_001):
        with torch.no_grad():
            model.score.log_temperature.fill_(float(step))
        average.update_parameters(model)
        if step in (100, 1_000):
            mean = average.module.score.log_temperature.item()
            assert mean == pytest.approx(step / (1 + share), rel=0.02)


def test_of_a_long_epoch_only_some_steps_enter_the_average(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one among them, so that what is measured has seen the whole epoch."""
    config = replace(CONFIG, optimisation=replace(CONFIG.optimisation, batch_size=2))
    monkeypatch.setattr(state, "AVERAGES_PER_EPOCH", 3)
    run = state.TrainState(small_data(), small_model(config), config, seed=0, epochs=1)
    averaged_after: list[int] = []
    assert run.average is not None
    update = run.average.update_parameters
    monkeypatch.setattr(
        run.average,
        "update_parameters",
        lambda model: averaged_after.append(run.optimisers.step_number) or update(model),
    )
    run.epoch()
    assert averaged_after == [2, 4, 6, 8]


@pytest.mark.parametrize(
    "history", [WeightedPooling(), MeanPooling(), MultiHeadPooling(), GRUHistory(width=4), SelfAttention(width=4)]
)
def test_every_history_trains_in_bfloat16(history: History) -> None:
    config = replace(CONFIG, tower=replace(CONFIG.tower, history=history))
    config = replace(config, optimisation=replace(config.optimisation, precision="bfloat16"))
    assert np.isfinite(train(small_data(), small_model(config), config, seed=0, epochs=1)[0]["loss"])


def test_the_best_epoch_is_kept_and_the_wait_for_a_better_one_ends() -> None:
    scores, seen = [0.3, 0.9, 0.5, 0.1, 1.0], []

    def validate(model: TwoTower) -> dict[str, float]:
        seen.append(model.item.vectors.ids.weight.detach().clone())
        return {SCORE: scores[len(seen) - 1]}

    model = small_model()
    epochs = train(small_data(), model, CONFIG, seed=0, validate=validate)
    assert [epoch[SCORE] for epoch in epochs] == scores[:4]
    assert torch.equal(model.item.vectors.ids.weight, seen[1])
    assert not torch.equal(seen[1], seen[3])


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_id_dropout_trains_the_default_of_unknown_items(share: float) -> None:
    """Without dropout an unknown item keeps the numbers that it was drawn with."""
    config = replace(CONFIG, tower=replace(QUIET, id_dropout=share))
    model = small_model(config)
    before_VD = model.item.vectors.ids.weight.detach().clone()
    train(small_data(), model, config, seed=0, epochs=1)
    moved_V = (model.item.vectors.ids.weight != before_VD).any(dim=1)
    assert moved_V[UNKNOWN] == (share > 0)
    assert not moved_V[PAD] and not moved_V[MISSING]


SAMPLERS = [InBatch(), Uniform(number=4), Popularity(number=3), Mixed(number=4), Corpus()]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("hide_known", [False, True])
def test_no_positive_of_a_row_is_its_negative_whatever_draws_them(sampler: Sampler, hide_known: bool) -> None:
    data = small_data(items=6)
    rows = np.arange(4)  # of users 0 and 1
    c, items = compared(replace(CONFIG, negatives=Negatives(sampler=sampler, hide_known=hide_known)), data, rows)
    hidden = set(zip(c.hidden.row_H.tolist(), items[c.hidden.column_H.numpy()].tolist(), strict=True))
    assert hidden == set(zip(data.query_I[rows].tolist(), data.item_I[rows].tolist(), strict=True))
    for row, item in hidden:
        columns = np.flatnonzero(items == item)
        found = {(row, column) for column in columns.tolist()}
        assert found <= set(zip(c.hidden.row_H.tolist(), c.hidden.column_H.tolist(), strict=True))


def test_nothing_is_hidden_where_the_recipe_takes_every_column_for_a_negative() -> None:
    config = replace(CONFIG, negatives=Negatives(sampler=Corpus(), all_negative=True), loss=Loss("bilateral_softmax"))
    c, _ = compared(config, small_data(items=6), np.arange(4))
    assert len(c.hidden.row_H) == 0 < len(c.row_P)


def test_known_positives_of_other_snapshots_are_hidden_only_when_asked() -> None:
    """Users 0 and 1 are one person, whose items of one day are no negatives later."""
    data = replace(small_data(items=6, seed=1), user_Q=np.array([0, 0, 1, 2, 3, 4, 5, 6]))
    mine = set(data.item_I[:4].tolist())
    assert len(mine) > 2
    for hide_known in (False, True):
        c, items = compared(replace(CONFIG, negatives=Negatives(hide_known=hide_known)), data, np.arange(8))
        hidden = items[c.hidden.column_H[c.hidden.row_H == 0]].tolist()
        assert set(hidden) == (mine if hide_known else set(data.item_I[:2].tolist()))


def test_known_positives_are_those_of_the_batch_s_users() -> None:
    data = small_data(items=6)
    rows = np.arange(8, 12)  # of users 4 and 5
    c, items = compared(replace(CONFIG, negatives=Negatives(sampler=Corpus(), hide_known=True)), data, rows)
    hidden = set(zip(c.hidden.row_H.tolist(), items[c.hidden.column_H.numpy()].tolist(), strict=True))
    assert hidden == set(zip((data.query_I[rows] - 4).tolist(), data.item_I[rows].tolist(), strict=True))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_history_pairs_are_those_whose_item_is_in_the_history(sampler: Sampler) -> None:
    data = small_data(items=6)
    c, items = compared(replace(CONFIG, negatives=Negatives(sampler=sampler)), data, np.arange(8))
    assert c.history is not None
    got = set(zip(c.history.row_H.tolist(), items[c.history.column_H.numpy()].tolist(), strict=True))
    owned = data.queries["history_items"][:4] - RESERVED
    assert got == {(row, item) for row in range(4) for item in owned[row].tolist() if item in items}


def test_only_items_with_an_id_of_their_own_are_found_in_a_history() -> None:
    data = small_data()
    data.corpus["item_id"][:] = [RESERVED, UNKNOWN, MISSING, RESERVED + 1, RESERVED + 2]
    data.queries["history_items"][:2] = [[RESERVED + 1, PAD], [UNKNOWN, MISSING]]
    c, items = compared(replace(CONFIG, negatives=Negatives(sampler=Corpus())), data, np.arange(4))
    assert c.history is not None
    assert (c.history.row_H.tolist(), items[c.history.column_H.numpy()].tolist()) == ([0], [3])


def test_mined_items_are_negatives_of_their_own_row_only() -> None:
    data = small_data(items=5)
    config = replace(CONFIG, negatives=Negatives(hard=HardNegatives(number=1, first=1, last=2)), strata=False)
    model = small_model(config)
    builder = CandidateBuilder(data, config, model, seed=0)
    builder.mined_UM = torch.tensor([[4, 4], [-1, -1]] + [[0, 0]] * 6)
    batch = data.batch(np.arange(4))
    columns, c = built(builder, model, batch)
    assert columns.hard_RH is not None
    assert columns.item_C[columns.hard_RH[0]].tolist() == [4]
    assert columns.hard_RH[1].tolist() == [-1]
    assert c.number == len(batch.item_C)


def test_mining_takes_the_wanted_ranks_and_nothing_known() -> None:
    data = small_data(users=30, items=20)
    model = small_model(replace(CONFIG, dim=8))
    with torch.no_grad():
        user_UD, item_ND = (embed(t, a) for t, a in ((model.user, data.queries), (model.item, data.corpus)))
    mined_UM = mine(model, data, HardNegatives(number=1, first=3, last=6)).numpy()
    for user in range(30):
        known = data.item_I[data.query_I == user]
        ranked = [item for item in np.argsort(-(user_UD[user] @ item_ND.T), kind="stable") if item not in known]
        assert mined_UM[user].tolist() == ranked[2:6]


def test_remembered_items_come_once_newest_first_and_without_gradient() -> None:
    memory = Memory(2)
    for step in range(3):
        memory.add(torch.tensor([step, 10, 11]), torch.full((3, 2), float(step)))
    items, vectors = memory.others(torch.tensor([11]))
    assert dict(zip(items.tolist(), vectors[:, 0].tolist(), strict=True)) == {1: 1.0, 2: 2.0, 10: 2.0}


@pytest.mark.parametrize("config", [
    replace(CONFIG, tower=replace(CONFIG.tower, id_dropout=0.0)),
    replace(CONFIG, negatives=Negatives(sampler=Corpus()), loss=Loss("bilateral_softmax")),
    replace(CONFIG, negatives=Negatives(sampler=Mixed(number=3)), prefixes=(2, 4)),
])  # fmt: skip
def test_a_batch_in_parts_has_the_gradients_of_the_whole(config: TrainConfig) -> None:
    """Without dropout, up to rounding: each part has the negatives of the batch."""
    quiet = replace(config, tower=QUIET)
    data, gradients = small_data(users=40, items=12), []
    for parts in (1, 3):
        used = replace(quiet, optimisation=replace(quiet.optimisation, parts=parts))
        model = small_model(used).train()
        loss = backpropagate(model, data.batch(np.arange(60), whole_corpus=used.whole_corpus),
                             CandidateBuilder(data, used, model, seed=0), used)  # fmt: skip
        dense = {name: weight.grad.to_dense() for name, weight in model.named_parameters() if weight.grad is not None}
        gradients.append((loss, dense))
    (loss, whole), (other, parted) = gradients
    assert other == pytest.approx(loss, rel=1e-5)
    assert whole.keys() == parted.keys()
    for name, gradient in whole.items():
        largest = gradient.abs().max().item()  # sums in another order, which processors round differently
        assert torch.allclose(gradient, parted[name], atol=1e-5 * max(1.0, largest)), name


def test_dropout_repeats_itself_in_parts() -> None:
    """Gradients flow through the embeddings that the loss saw.

    The same step twice is the same.
    """
    data, model = small_data(users=40, items=12), None
    losses = []
    for _ in range(2):
        config = replace(CONFIG, optimisation=replace(CONFIG.optimisation, parts=4))
        model = small_model(config)
        losses.append([epoch["loss"] for epoch in train(data, model, config, seed=3, epochs=3)])
    assert losses[0] == losses[1]


def test_sparse_adam_makes_the_steps_of_torch() -> None:
    torch.manual_seed(0)
    start, weights, states = torch.randn(30, 4), [], []
    for make in (SparseAdam, torch.optim.SparseAdam):
        weight = torch.nn.Parameter(start.clone())
        optimiser, draws = make([weight], lr=0.05), torch.Generator().manual_seed(1)
        for _ in range(20):
            rows = torch.randint(0, 20, (9,), generator=draws)  # some twice; the last ten never
            gradient = torch.randn(9, 4, generator=draws)
            weight.grad = torch.sparse_coo_tensor(rows[None], gradient, weight.shape, check_invariants=True)
            optimiser.step()
        weights.append(weight.detach())
        states.append(optimiser.state[weight])
    assert torch.allclose(*weights, atol=1e-6)
    assert torch.equal(weights[0][20:], start[20:])
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.allclose(*(state[name] for state in states), atol=1e-6)


@pytest.mark.parametrize("size", [7, 400, 100_000])
def test_distinct_is_unique(size: int) -> None:
    codes = torch.randint(0, size, (40, 25), generator=torch.Generator().manual_seed(size))
    for ours, wanted in zip(distinct(codes, size), torch.unique(codes, return_inverse=True), strict=True):
        assert torch.equal(ours, wanted)
