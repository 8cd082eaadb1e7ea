"""Evaluation: views, slices, intervals, and several systems on one hold-out."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.evaluation.sizes import DIM, ITEMS
from training.evaluation.bootstrap import paired_interval
from training.evaluation.evaluate import evaluate, evaluate_systems
from training.evaluation.holdout import Holdout, item_sets
from training.evaluation.result import Evaluation, with_intervals
from training.retrieval.exact import exact_search, score_search


def masked(holdout: Holdout) -> Holdout:
    return Holdout(**{**vars(holdout), "seen_items_may_return": False})


def test_repeat_and_discovery_partition_all(holdout: Holdout) -> None:
    views = holdout.views()
    whole, repeat, discovery = (views[name].relevant.toarray() for name in ("all", "repeat", "discovery"))
    seen = holdout.seen.toarray()
    np.testing.assert_array_equal(repeat + discovery, whole)
    assert not (repeat & ~seen.astype(bool)).any() and not (discovery & seen).any()
    assert repeat.any() and discovery.any()
    for view in views.values():
        np.testing.assert_array_equal(view.rows_V, np.flatnonzero(view.relevant.toarray().any(axis=1)))


def test_a_model_that_knows_the_future_reaches_every_ceiling(holdout: Holdout) -> None:
    oracle = score_search(lambda rows: holdout.relevant[rows].toarray().astype(np.float32))
    result = evaluate(oracle, holdout, ks=(1, 3, 20), seed=0)
    for name, ceiling in result.ceilings.items():
        if not name.startswith("repeat"):  # the lists of the view repeat are those of all
            assert result.metrics[name] == pytest.approx(ceiling)
    assert result.metrics["all/ndcg@3"] == result.metrics["discovery/ndcg@3"] == pytest.approx(1)


def test_a_model_that_knows_the_past_repeats_and_discovers_nothing(holdout: Holdout) -> None:
    memory = score_search(lambda rows: holdout.seen[rows].toarray().astype(np.float32))
    nothing = score_search(lambda rows: np.zeros((len(rows), ITEMS), dtype=np.float32))
    result, none = (evaluate(each, holdout, ks=(10, ITEMS // 2), seed=0) for each in (memory, nothing))
    share = np.minimum(np.diff(holdout.seen.indptr), 20).sum() / (20 * len(holdout.users_Q))
    assert result.metrics[f"repeat/recall@{ITEMS // 2}"] > 0.99
    assert result.metrics["repeat/recall@10"] > none.metrics["repeat/recall@10"] + 0.03
    assert result.metrics["discovery/recall@10"] == none.metrics["discovery/recall@10"]
    assert result.repeat_share == pytest.approx(share)


def test_the_view_repeat_judges_the_unmasked_lists(holdout: Holdout, random_search) -> None:
    result = evaluate(random_search, holdout, ks=(20,), seed=0)
    lists = random_search()(np.arange(len(holdout.users_Q)), 20)
    relevant, seen = holdout.relevant.toarray().astype(bool), holdout.seen.toarray().astype(bool)
    recalls = [
        np.isin(lists[q], np.flatnonzero(wanted)).sum() / wanted.sum()
        for q, wanted in enumerate(relevant & seen)
        if wanted.any()
    ]
    assert result.metrics["repeat/recall@20"] == pytest.approx(np.mean(recalls))
    np.testing.assert_allclose(result.per_user["repeat/recall@20"], recalls)
    assert result.users["repeat"] == len(recalls) == len(result.query_rows["repeat"])


def test_all_is_the_masked_view_if_seen_items_may_not_return(holdout: Holdout, random_search) -> None:
    films, groceries = (evaluate(random_search, each, seed=0) for each in (masked(holdout), holdout))
    assert {name.split("/")[0] for name in films.metrics} == {"all"}
    assert films.metrics["all/ndcg@20"] == groceries.metrics["discovery/ndcg@20"]
    assert films.repeat_share == 0


def test_slices_weigh_up_to_the_whole(holdout: Holdout, random_search) -> None:
    result = evaluate(random_search, holdout, seed=0)
    parts = sum(
        result.users[f"all/{name}"] * result.metrics[f"all/{name}/recall@20"] for name in ("cold_users", "warm_users")
    )
    assert parts / result.users["all"] == pytest.approx(result.metrics["all/recall@20"])
    cold = holdout.history_sizes_Q < 5
    assert 0 < result.users["all/cold_users"] == cold.sum()
    assert (
        result.users["repeat/cold_users"] == cold[result.query_rows["repeat"]].sum() != result.users["all/cold_users"]
    )


def test_an_item_slice_asks_only_for_its_items(holdout: Holdout) -> None:
    head = holdout.item_groups() == 0
    head_first = score_search(lambda rows: np.tile(head.astype(np.float32), (len(rows), 1)))
    result = evaluate(head_first, holdout, ks=(int(head.sum()),), seed=0)
    assert result.metrics[f"all/head_items/recall@{head.sum()}"] == 1
    assert result.metrics[f"all/tail_items/recall@{head.sum()}"] == 0


def test_a_restricted_corpus_restricts_lists_and_relevant_items_alike(holdout: Holdout, random_search) -> None:
    corpus = np.arange(ITEMS) % 2 == 0
    restricted = evaluate(random_search, holdout, ks=(5,), seed=0, corpus=corpus)
    # The same world, with the other items never having been part of it.
    rng = np.random.default_rng(2)
    users, items = rng.normal(size=(len(holdout.users_Q), DIM)), rng.normal(size=(ITEMS, DIM))
    small = Holdout(
        **{
            **vars(holdout),
            "relevant": holdout.relevant[:, corpus],
            "seen": holdout.seen[:, corpus],
            "popularity_N": holdout.popularity_N[corpus],
        }
    )
    alone = evaluate(exact_search(users, items[corpus]), small, ks=(5,), seed=0)
    for name in ("all/recall@5", "repeat/ndcg@5", "discovery/mrr@5"):
        assert restricted.metrics[name] == pytest.approx(alone.metrics[name])
    assert restricted.ceilings == alone.ceilings and restricted.users["all"] == alone.users["all"]


def test_k_beyond_the_corpus_retrieves_all_of_it_and_is_flagged(holdout: Holdout, random_search) -> None:
    result = evaluate(random_search, holdout, ks=(10, 500), seed=0)
    assert result.metrics["all/recall@500"] == 1
    assert result.flags == (f"k = 500 is larger than the corpus: all {ITEMS} items are retrieved",)


def test_a_view_without_users_is_absent_and_flagged_not_zero(holdout: Holdout, random_search) -> None:
    strangers = Holdout(
        **{**vars(holdout), "seen": item_sets(np.array([], int), np.array([], int), holdout.seen.shape)}
    )
    result = evaluate(random_search, strangers, seed=0)
    assert not any(name.startswith("repeat") for name in result.metrics)
    assert result.users["repeat"] == 0 and result.flags == ("repeat: no user has a relevant item",)


def test_nothing_to_evaluate_is_an_error(holdout: Holdout, random_search) -> None:
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate(random_search, holdout, seed=0, corpus=np.zeros(ITEMS, dtype=bool))


def test_intervals_surround_their_metric_and_serve_paired_comparison(holdout: Holdout, random_search) -> None:
    result = evaluate(random_search, holdout, seed=0)
    assert set(result.intervals) == set(result.per_user)
    for name, (low, high) in result.intervals.items():
        assert low <= result.metrics[name] <= high
    oracle = score_search(lambda rows: holdout.relevant[rows].toarray().astype(np.float32))
    better = evaluate(oracle, holdout, seed=0)
    low, _ = paired_interval(better.per_user["all/ndcg@20"], result.per_user["all/ndcg@20"], seed=0)
    assert low > 0.3
    both = with_intervals({"better": better, "random": result}, seed=0, reference="better")
    assert both["random"].leads["all/ndcg@20"][0] == pytest.approx(low)
    assert both["random"].leads.keys() == result.intervals.keys()
    assert both["better"].leads == {}
    assert result.curves["all"][19] == pytest.approx(result.metrics["all/recall@20"])


def test_systems_and_corpora_together_are_those_alone(holdout: Holdout, random_search) -> None:
    memory = score_search(lambda rows: holdout.seen[rows].toarray().astype(np.float32))
    corpora = {"whole": None, "even": np.arange(ITEMS) % 2 == 0}
    systems = {"random": random_search, "memory": memory}
    found = evaluate_systems(iter(systems.items()), holdout, corpora=corpora, seed=3, reference="memory")
    for name, corpus in corpora.items():
        for system, search in systems.items():
            alone, each = evaluate(search, holdout, seed=3, corpus=corpus), found[name][system]
            for part in ("metrics", "ceilings", "repeat_share", "users", "curves", "flags"):
                assert getattr(each, part) == getattr(alone, part)
            for metric, interval in alone.intervals.items():
                assert each.intervals[metric] == pytest.approx(interval)
        leading, other = found[name]["memory"], found[name]["random"]
        for metric, lead in other.leads.items():
            expected = paired_interval(leading.per_user[metric], other.per_user[metric], seed=3)
            assert lead == pytest.approx(expected)


def test_systems_of_different_users_are_not_compared(holdout: Holdout, random_search) -> None:
    half = evaluate(score_search(lambda rows: np.ones((len(rows), ITEMS))), holdout.sampled(50, seed=0), seed=0)
    with pytest.raises(ValueError, match="wanted the same users for all systems"):
        with_intervals({"all": evaluate(random_search, holdout, seed=0), "half": half}, seed=0)


def test_a_sample_of_the_users_is_seeded_measured_alone_and_flagged(holdout: Holdout) -> None:
    drawn, again, other = (holdout.sampled(100, seed=seed) for seed in (0, 0, 1))
    assert drawn.users_Q.tolist() == again.users_Q.tolist() != other.users_Q.tolist()
    rows = np.searchsorted(holdout.users_Q, drawn.users_Q)
    assert len(rows) == 100 and (holdout.users_Q[rows] == drawn.users_Q).all()
    rng = np.random.default_rng(2)
    users, items = rng.normal(size=(len(holdout.users_Q), DIM)), rng.normal(size=(ITEMS, DIM))
    whole = evaluate(exact_search(users, items), holdout, seed=0)
    part = evaluate(exact_search(users[rows], items), drawn, seed=0)
    chosen = np.isin(whole.query_rows["repeat"], rows)
    np.testing.assert_array_equal(part.per_user["repeat/recall@20"], whole.per_user["repeat/recall@20"][chosen])
    assert part.flags == (f"measured on 100 of {len(holdout.users_Q)} users, drawn at random (seed 0)",)
    assert holdout.sampled(len(holdout.users_Q), seed=0) is holdout


def test_the_summary_survives_json(holdout: Holdout, random_search) -> None:
    result = evaluate(random_search, holdout, seed=0)
    result = with_intervals({"a": result, "b": result}, seed=0, reference="a")["b"]
    back = Evaluation.from_json(result.to_json())
    for name in ("metrics", "intervals", "leads", "ceilings", "repeat_share", "users", "curves", "flags"):
        assert getattr(back, name) == getattr(result, name)
    assert back.per_user == {}
