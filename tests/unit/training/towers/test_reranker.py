"""The reranker of candidates: it leaves the towers alone, starts as they are, and is served as it was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from serving.pt2 import load_program
from tests.unit.training.towers.repeat_world import CONFIG as REPEATING
from tests.unit.training.towers.repeat_world import model_of, small_data
from tests.unit.training.trainer.candidates_world import built
from training.artifacts.export import export_tower, rescorer_example
from training.data.training_set import TrainingSet
from training.losses import Candidates
from training.losses.reranker_softmax import reranker_softmax
from training.losses.softmax import softmax
from training.recipes import Corpus, Dot, HardNegatives, InBatch, Mixed, MLPReranker, Negatives, TrainConfig, Uniform
from training.recipes.sampling import Sampler
from training.retrieval.exact import exact_search
from training.retrieval.model_search import served_search
from training.retrieval.rescored import reranked_search
from training.towers import RescorerModule, TwoTower, embed
from training.trainer import train
from training.trainer.candidates import CandidateBuilder

pytestmark = pytest.mark.usefixtures("one_thread")
STRATA = replace(REPEATING, repeat=None, reranker=MLPReranker(widths=(8, 4), candidates=4))
PLAIN = replace(STRATA, strata=False)


def random_scorer(model: TwoTower, size: float = 1.0) -> None:
    """A reranker that says something, far from where it starts."""
    assert model.reranker is not None
    generator = torch.Generator().manual_seed(1)
    for weight in model.reranker.parameters():
        weight.data = size * torch.randn(weight.shape, generator=generator)


@pytest.mark.parametrize("config", [PLAIN, replace(STRATA, score=Dot())])
def test_the_reranker_starts_as_the_score_of_the_towers(config: TrainConfig) -> None:
    data = small_data(users=40)
    model = model_of(data.size, 5, config)
    plain = exact_search(embed(model.user, data.queries), embed(model.item, data.corpus))()
    again = served_search(model, data.queries, data.corpus)()
    assert (again(np.arange(40), 12) == plain(np.arange(40), 12)).all()


@pytest.mark.parametrize(
    "more",
    [{}, {"clip": 0.05}, {"parts": 3}, {"averaged_share": None, "schedule": "cosine"}, {"precision": "bfloat16"}],
)
@pytest.mark.parametrize("config", [PLAIN, STRATA, replace(PLAIN, negatives=Negatives(sampler=Mixed(number=4)))])
def test_the_towers_are_those_of_a_training_without_it(config: TrainConfig, more: dict[str, Any]) -> None:
    data = small_data(users=40)
    config = replace(config, optimisation=replace(config.optimisation, batch_size=16, **more))
    trained = {}
    for reranker in (None, config.reranker):
        used = replace(config, reranker=reranker)
        model = model_of(data.size, 5, used)
        history = train(data, model, used, seed=0, epochs=3)
        trained[reranker] = (history, model.state_dict())
    (plain_history, plain), (history, weights) = trained.values()
    assert plain_history == history
    for name, weight in plain.items():
        assert torch.equal(weight, weights[name]), name
    assert {name.split(".")[0] for name in weights.keys() - plain.keys()} == {"reranker"}
    assert weights["reranker.layers.3.weight"].any()


def compared(data: TrainingSet, config: TrainConfig, rows: np.ndarray) -> tuple[Candidates, np.ndarray, TwoTower]:
    """The candidates of a batch, the item of each column, and the model."""
    model = model_of(data.size, 5, config).eval()
    builder = CandidateBuilder(data, config, model, seed=0)
    batch = data.batch(rows, whole_corpus=config.whole_corpus)
    columns, c = built(builder, model, batch)
    return c, columns.item_C.numpy(), model


@pytest.mark.parametrize("sampler", [InBatch(), Mixed(number=4), Uniform(number=6), Corpus()])
def test_without_anything_to_add_its_loss_is_the_towers_own(sampler: Sampler) -> None:
    c, _, _ = compared(small_data(), replace(PLAIN, negatives=Negatives(sampler=sampler)), np.arange(20))
    every_P = torch.arange(len(c.row_P))
    share_PM = torch.rand(len(every_P), 3, dtype=torch.float64)
    got = reranker_softmax(c, lambda user_KD, item_KMD: item_KMD.new_zeros(item_KMD.shape[:2]), every_P, share_PM)
    assert got.item() == pytest.approx(softmax(c).item(), abs=1e-5)


def test_hard_and_remembered_negatives_are_ranked_too() -> None:
    """Without anything to add the loss is the towers' own; a reranker that likes hard ones alone raises it."""
    data = small_data()
    config = replace(PLAIN, negatives=Negatives(hard=HardNegatives(number=2, first=1, last=4), memory=1))
    model = model_of(data.size, 5, config).eval()
    builder = CandidateBuilder(data, config, model, seed=0)
    builder.mined_UM = torch.arange(4).repeat(20, 1)
    for rows in (np.arange(10), np.arange(20, 30)):
        _, c = built(builder, model, data.batch(rows))
    assert c.hard_RH is not None
    assert c.last_negative is not None
    behind_CD = c.item_CD[c.last_negative :]
    every_P = torch.arange(len(c.row_P))
    share_PM = (torch.arange(500, dtype=torch.float64) / 500).expand(len(every_P), -1)
    wanted = softmax(c).item()
    got = reranker_softmax(c, lambda user_KD, item_KMD: item_KMD.new_zeros(item_KMD.shape[:2]), every_P, share_PM)
    assert got.item() == pytest.approx(wanted, abs=1e-5)

    def liked(user_KD: torch.Tensor, item_KMD: torch.Tensor) -> torch.Tensor:
        return 3.0 * (item_KMD.unsqueeze(2) == behind_CD).all(dim=-1).any(dim=-1)

    assert reranker_softmax(c, liked, every_P, share_PM).item() > wanted + 0.1


@pytest.mark.parametrize("config", [replace(PLAIN, negatives=Negatives(sampler=Mixed(number=4))), STRATA])
def test_the_loss_is_the_softmax_of_the_sums_over_all_candidates_of_a_row(config: TrainConfig) -> None:
    """Written out pair by pair: what is hidden, the logQ correction; in one list, also where the recipe has strata."""
    data = small_data()
    c, _, model = compared(data, config, np.arange(20))
    random_scorer(model, 0.5)
    assert model.reranker is not None
    added_RC = model.reranker(c.user_RD, c.item_CD.expand(len(c.user_RD), -1, -1)).detach()
    hidden = set(zip(c.hidden.row_H.tolist(), c.hidden.column_H.tolist(), strict=True))
    wanted = []
    for row, column in zip(c.row_P.tolist(), c.column_P.tolist(), strict=True):
        logits = {
            n: c.scale * (c.user_RD[row] @ c.item_CD[n]) - c.log_q_C[n] + added_RC[row, n]
            for n in range(len(c.item_CD))
            if (row, n) not in hidden
        }
        own = c.scale * (c.user_RD[row] @ c.item_CD[column]) - c.log_q_C[column] + added_RC[row, column]
        wanted.append(torch.logsumexp(torch.stack([own, *logits.values()]), dim=0) - own)
    every_P = torch.arange(len(c.row_P))
    share_PM = (torch.arange(20_000, dtype=torch.float64) / 20_000).expand(len(every_P), -1)
    got = reranker_softmax(c, model.reranker, every_P, share_PM)
    assert got.item() == pytest.approx((torch.stack(wanted) * c.weight_P).sum().item() / c.weight_P.sum().item(), 1e-3)
    some_P = every_P[3:5]
    got = reranker_softmax(c, model.reranker, some_P, share_PM[some_P])
    assert got.item() == pytest.approx(torch.stack(wanted)[some_P].mean().item(), 1e-3)


def test_gradients_reach_the_reranker_alone() -> None:
    c, _, model = compared(small_data(), STRATA, np.arange(20))
    random_scorer(model)
    assert model.reranker is not None
    reranker_softmax(c, model.reranker, torch.arange(5), torch.rand(5, 3, dtype=torch.float64)).backward()
    reached = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert reached == {f"reranker.{name}" for name, _ in model.reranker.named_parameters()}


def test_a_row_that_is_ranked_against_nothing_moves_nothing() -> None:
    c, _, model = compared(small_data(), PLAIN, np.arange(20))
    only = replace(c, row_P=c.row_P[:1], column_P=c.column_P[:1], weight_P=c.weight_P[:1], last_negative=1)
    only = replace(only, hidden=replace(c.hidden, row_H=c.row_P[:1], column_H=torch.zeros(1, dtype=torch.int64)))
    assert model.reranker is not None
    loss = reranker_softmax(only, model.reranker, torch.zeros(1).long(), torch.rand(1, 3, dtype=torch.float64))
    loss.backward()
    assert loss.item() == 0
    assert all((weight.grad == 0).all() for weight in model.reranker.parameters())


def trained(config: TrainConfig) -> tuple[TwoTower, TrainingSet]:
    data = small_data(users=40)
    model = model_of(data.size, 5, config)
    train(data, model, config, seed=0, epochs=2)
    random_scorer(model)
    return model.eval(), data


def test_the_served_score_is_the_measured_one(tmp_path: Path) -> None:
    """Exported and loaded, against the sums that evaluation ranks by."""
    model, data = trained(STRATA)
    example = rescorer_example(model, {n: a[:3] for n, a in data.queries.items()}, data.corpus)
    export_tower(tmp_path / "rescorer.pt2", RescorerModule(model.repeat, model.reranker, model.score), example)
    program = load_program((tmp_path / "rescorer.pt2").read_bytes(), "rescorer.pt2").module()
    user_QD, item_ND = embed(model.user, data.queries), embed(model.item, data.corpus)
    item_QC = np.stack([np.random.default_rng(n).permutation(data.size)[:4] for n in range(40)])
    given = {"user_embedding": user_QD, "candidate_embeddings": item_ND[item_QC]}
    served_QC = program({name: torch.from_numpy(array) for name, array in given.items()}).detach().numpy()
    rescore = served_search(model, data.queries, data.corpus).rescore  # type: ignore[attr-defined]
    query, item = np.arange(40).repeat(4), item_QC.ravel()
    np.testing.assert_allclose(served_QC.ravel(), rescore(query, item), atol=1e-5)
    assert np.abs(rescore(query, item) - np.einsum("pd,pd->p", user_QD[query], item_ND[item])).max() > 0.1


@pytest.mark.parametrize("k", [1, 5, 20])
def test_a_reranked_search_is_a_sort_in_two_parts_under_the_masks(k: int) -> None:
    """Candidates are the best of what the masks allow; nothing behind them passes them."""
    from scipy.sparse import csr_array

    rng = np.random.default_rng(0)
    user_QD, item_ND = rng.normal(size=(300, 3)).astype(np.float32), rng.normal(size=(15, 3)).astype(np.float32)
    new_QN = rng.normal(size=(300, 15)) - 9
    exclude = csr_array((rng.random((300, 15)) < 0.2).astype(np.int8))
    corpus = rng.random(15) < 0.8
    rows = rng.permutation(300)[:280]
    search = reranked_search(user_QD, item_ND, lambda q, n: new_QN[q, n], 4)(exclude=exclude, corpus=corpus)
    for query, got in zip(rows, search(rows, k).tolist(), strict=True):
        allowed = [n for n in range(15) if corpus[n] and not exclude[[query], [n]][0]]
        by_index = sorted(allowed, key=lambda n: -float(user_QD[query] @ item_ND[n]))
        wanted = sorted(by_index[:4], key=lambda n: -new_QN[query, n]) + by_index[4:]
        assert got == (wanted + [-1] * k)[:k]


def test_a_resumed_training_ends_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    data, weights = small_data(users=40), []
    config = replace(STRATA, optimisation=replace(STRATA.optimisation, batch_size=16))
    for stops in ((4,), (2, 4)):
        path = tmp_path / f"{len(stops)}.safetensors"
        for stop in stops:
            model = model_of(data.size, 5, config)
            interrupted = stop < 4

            def on_epoch(epoch: int, metrics: dict[str, float], stop: int = stop) -> None:
                if epoch == stop and interrupted:  # noqa: B023
                    raise KeyboardInterrupt

            try:
                train(data, model, config, seed=0, epochs=4, on_epoch=on_epoch, checkpoint=path)
            except KeyboardInterrupt:
                continue
        weights.append(model.state_dict())
    for name, weight in weights[0].items():
        assert torch.equal(weight, weights[1][name]), name


def test_a_batch_draws_so_many_positives_and_so_many_negatives_of_each() -> None:
    seen = []
    config = replace(PLAIN, reranker=MLPReranker(positives=7, negatives=5))
    c, _, model = compared(small_data(), config, np.arange(20))

    def noted(user_KD: torch.Tensor, item_KMD: torch.Tensor) -> torch.Tensor:
        seen.append(item_KMD.shape)
        return item_KMD.new_zeros(item_KMD.shape[:2])

    rescoring = CandidateBuilder(small_data(), config, model, seed=0).reranker
    assert rescoring is not None
    rescoring.loss(noted, c)
    assert [tuple(shape) for shape in seen] == [(7, 6, 4)]
