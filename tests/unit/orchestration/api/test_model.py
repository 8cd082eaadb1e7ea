"""Recommendations, embeddings and saved models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from feature_repo.errors import InputError
from feature_repo.schema import ITEM_ID, USER_ID
from orchestration.api import evaluation
from orchestration.api.dataset import Dataset
from orchestration.api.evaluation import evaluate
from orchestration.api.model import RetrievalModel, fit, load_model
from tests.unit.orchestration.api.api_world import CONFIG, dataset, frames, model
from training.recipes import MLPReranker, RepeatTerm

KNOWN = ["u3", "u1", "u2"]


@pytest.fixture(scope="module", params=["towers", "repeat", "reranker"])
def any_model(request: pytest.FixtureRequest) -> RetrievalModel:
    recipes = {
        "towers": CONFIG,
        "repeat": replace(CONFIG, repeat=RepeatTerm()),
        "reranker": replace(CONFIG, reranker=MLPReranker(candidates=30)),
    }
    return model() if request.param == "towers" else fit(dataset(), recipes[request.param], seed=0)


def test_the_answer_is_a_ranked_frame(any_model: RetrievalModel) -> None:
    found = any_model.recommend(KNOWN, k=5)
    assert found.columns == [USER_ID, "rank", ITEM_ID, "score", "source", "title"]
    assert found[USER_ID].to_list() == [user for user in KNOWN for _ in range(5)]
    assert found["rank"].to_list() == [1, 2, 3, 4, 5] * 3
    assert not found.select(pl.struct(USER_ID, ITEM_ID).is_duplicated().any()).item()
    ordered = found.sort(USER_ID, "score", descending=[False, True], maintain_order=True)["rank"]
    assert ordered.to_list() == [1, 2, 3, 4, 5] * 3


def test_features_named_as_columns_of_the_answer_are_shown_beside_them() -> None:
    events, users, items = frames()
    names = ("score", "rank", "source", "score_", "user_id_")
    items = items.with_columns(pl.col("category").alias(name) for name in names)
    options = {name: {"kind": "categorical", "display": True} for name in names}
    data = Dataset.from_frames(events, users, items, item_features=options)
    found = fit(data, CONFIG, seed=0).recommend("u1", k=3)
    shown = ["score__", "rank_", "source_", "score_", "user_id_"]
    assert found.columns == [USER_ID, "rank", ITEM_ID, "score", "source", *shown]
    of_item = dict(items.select(ITEM_ID, "category").iter_rows())
    assert all(found[name].to_list() == [of_item[id_] for id_ in found[ITEM_ID]] for name in shown)
    assert found["rank"].to_list() == [1, 2, 3]


def test_scores_of_reranked_items_are_those_that_rank_them() -> None:
    trained = fit(dataset(), replace(CONFIG, reranker=MLPReranker(candidates=30)), seed=0)
    assert trained.fitted.model.reranker is not None
    torch.manual_seed(0)
    with torch.no_grad():
        for weights in trained.fitted.model.reranker.parameters():
            weights.normal_(std=2)
    found = trained.recommend("u1", k=40)
    plain = trained.embed_items(found[ITEM_ID].to_list()) @ trained.embed_users(["u1"])[0]
    assert not (np.diff(plain[:30]) <= 0).all()
    assert (np.diff(found["score"].to_numpy()[:30]) <= 0).all()
    np.testing.assert_allclose(found["score"].to_numpy()[30:], plain[30:], rtol=1e-5)


def test_scores_are_those_of_the_embeddings() -> None:
    found = model().recommend("u1", k=10)
    expected = model().embed_items(found[ITEM_ID].to_list()) @ model().embed_users(["u1"])[0]
    np.testing.assert_allclose(found["score"].to_numpy(), expected, rtol=1e-5)
    best = np.sort(model().embed_items() @ model().embed_users(["u1"])[0])[::-1][:10]
    np.testing.assert_allclose(found["score"].to_numpy(), best, rtol=1e-5)


def test_unknown_users_get_popular_items_and_it_is_said() -> None:
    found = model().recommend(["nobody", "u1"], k=3)
    assert found["source"].to_list() == ["popular"] * 3 + ["two_tower"] * 3
    newest = dataset().known.filter(pl.col("timestamp") >= pl.col("timestamp").max() - pl.duration(days=28))
    counts = newest.group_by(ITEM_ID).len().sort("len", descending=True)
    assert found["score"].to_list()[:3] == counts["len"].head(3).to_list()
    assert found["title"].null_count() == 0


def test_a_k_beyond_the_corpus_gives_all_of_it() -> None:
    found = model().recommend(["u1", "nobody"], k=1000)
    assert found.group_by(USER_ID).agg(pl.col(ITEM_ID).n_unique())[ITEM_ID].to_list() == [300, 300]


def test_users_may_be_numbers_and_come_once() -> None:
    assert model().recommend([7, "7"], k=2)[USER_ID].to_list() == ["7", "7"]
    assert model().recommend([], k=2).is_empty()
    with pytest.raises(ValueError, match="k is 0, wanted at least 1"):
        model().recommend("u1", k=0)


def test_seen_items_are_left_out_where_they_never_return() -> None:
    tables = dataset().tables
    data = Dataset.of(replace(tables, schema=replace(tables.schema, seen_items_may_return=False)))
    found = fit(data, CONFIG, seed=0).recommend(KNOWN, k=300)
    pairs = data.known.select(USER_ID, ITEM_ID).unique()
    assert found.join(pairs, on=[USER_ID, ITEM_ID], how="semi").is_empty()
    taken = pairs.filter(pl.col(USER_ID).is_in(KNOWN)).height
    assert found.height == 3 * 300 - taken


def test_unknown_ids_have_no_embedding() -> None:
    with pytest.raises(LookupError, match="1 of 2 values of user_id are unknown, such as 'nobody'"):
        model().embed_users(["u1", "nobody"])


def test_a_saved_model_answers_the_same(any_model: RetrievalModel, tmp_path: Path) -> None:
    any_model.save(tmp_path / "saved")
    loaded = load_model(tmp_path / "saved")
    assert_frame_equal(loaded.recommend([*KNOWN, "nobody"]), any_model.recommend([*KNOWN, "nobody"]))
    assert_frame_equal(loaded.history, any_model.history)
    assert (loaded.config, loaded.cut, loaded.schema) == (any_model.config, any_model.cut, any_model.schema)
    with pytest.raises(InputError, match="not empty"):
        any_model.save(tmp_path / "saved")


def test_recipes_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="no recipe 'fast'"):
        fit(dataset(), "fast")


def test_a_report_stands_beside_baselines_with_intervals() -> None:
    report = evaluate(model(), dataset(), baselines=("popularity", "ease"))
    rows = report.to_frame()
    assert set(rows["system"]) == {"two_tower", "popularity", "ease"}
    main = rows.filter(pl.col("metric").is_in(["recall", "ndcg"]))
    assert main.select((pl.col("low") <= pl.col("value")) & (pl.col("value") <= pl.col("high"))).to_series().all()
    others = main.filter(pl.col("system") != "two_tower")
    assert others["lead_low"].null_count() == 0
    recall = {row["system"]: row["value"] for row in rows.filter(view="all", metric="recall", k=20).to_dicts()}
    assert recall["two_tower"] > 1.5 * recall["popularity"]
    assert "recall@20" in repr(report)


def test_unknown_baselines_are_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_Prepared", None)
    with pytest.raises(ValueError, match="got the baselines eases; wanted some of popularity"):
        evaluate(model(), dataset(), baselines=("eases",))


def test_a_hold_out_that_was_learned_from_is_refused() -> None:
    earlier = Dataset.of(dataset().tables, holdout="30%")
    with pytest.raises(ValueError, match=r"the hold-out of the data begins at .* but the model learned from"):
        evaluate(model(), earlier)
