"""The repeat term is served as it was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_repo.encode import MISSING, RESERVED, UNKNOWN
from serving.pt2 import load_program
from tests.unit.training.towers.repeat_world import CONFIG, model_of, small_data, terms
from training.artifacts.export import export_tower, rescorer_example
from training.data.training_set import Arrays, TrainingSet
from training.retrieval.exact import exact_search
from training.retrieval.model_search import repeat_scores
from training.retrieval.ranking import top_k
from training.retrieval.rescored import rescored_search
from training.towers import RescorerModule, TwoTower, embed
from training.trainer import fit_repeat_head, train
from training.trainer.history_candidates import HistoryCandidates

pytestmark = pytest.mark.usefixtures("one_thread")


def trained() -> tuple[TwoTower, TrainingSet]:
    data = small_data(users=40)
    model = model_of(data.size, 5)
    train(data, model, CONFIG, seed=0, epochs=3)
    fit_repeat_head(data, model, CONFIG, seed=0)
    data.queries["history_items"][3, :2] = [UNKNOWN, MISSING]
    return model, data


def test_the_served_score_is_the_trained_one(tmp_path: Path) -> None:
    """Exported and loaded: τ times the logit that the loss sees, and the sum that evaluation ranks by."""
    model, data = trained()
    assert model.repeat is not None
    example = rescorer_example(model, {n: a[:3] for n, a in data.queries.items()}, data.corpus)
    export_tower(tmp_path / "rescorer.pt2", RescorerModule(model.repeat, None, model.score), example)
    program = load_program((tmp_path / "rescorer.pt2").read_bytes(), "rescorer.pt2").module()
    user_QD, item_ND = embed(model.user, data.queries), embed(model.item, data.corpus)
    codes_QL = data.queries["history_items"]
    vectors_QLD = item_ND[np.maximum(codes_QL - RESERVED, 0)]
    added = repeat_scores(model, data.queries, data.corpus, user_QD, item_ND).toarray()
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
    candidates, batch = HistoryCandidates(data, model, CONFIG, seed=0), data.batch(np.arange(len(data.query_I)))
    logits_RL = candidates.compared(model.repeat, candidates.block(batch)).logit_RL.detach().numpy()
    np.testing.assert_allclose(served_QL, model.score.temperature.item() * logits_RL, atol=1e-5)


def test_rescored_search_is_a_sort_of_the_sums_under_the_masks() -> None:
    model, data = trained()
    user_QD, item_ND = embed(model.user, data.queries), embed(model.item, data.corpus)
    added = repeat_scores(model, data.queries, data.corpus, user_QD, item_ND)
    rows = np.arange(40)
    sums_QN = user_QD @ item_ND.T + added.toarray()
    assert (rescored_search(user_QD, item_ND, added)()(rows, 5) == top_k(sums_QN, 5)).all()
    assert not (exact_search(user_QD, item_ND)()(rows, 5) == top_k(sums_QN, 5)).all()
    seen = (added != 0).astype(np.int8).tocsr()
    masked = rescored_search(user_QD, item_ND, added)(exclude=seen)(rows, 5)
    assert (masked == exact_search(user_QD, item_ND)(exclude=seen)(rows, 5)).all()


def test_a_model_without_the_term_adds_nothing() -> None:
    data = small_data()
    model = model_of(data.size, 5, replace(CONFIG, repeat=None))
    vectors = embed(model.user, data.queries), embed(model.item, data.corpus)
    added = repeat_scores(model, data.queries, data.corpus, *vectors)
    assert (added.shape, added.nnz) == ((20, 12), 0)


def test_nothing_that_is_no_item_changes_a_score() -> None:
    """Padding says nothing: a history of the same items in a wider array has the same terms."""
    model, data = trained()
    assert model.repeat is not None
    wide: Arrays = {
        name: np.pad(array, ((0, 0), (0, 3))) if name.startswith("history") else array
        for name, array in data.queries.items()
    }
    np.testing.assert_allclose(terms(model, wide)[:, :5], terms(model, data.queries), atol=1e-6)
