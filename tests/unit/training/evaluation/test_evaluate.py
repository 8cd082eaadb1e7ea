from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.bootstrap import paired_interval
from training.evaluation.evaluate import evaluate, evaluate_systems
from training.evaluation.holdout import Holdout, item_sets
from training.evaluation.metrics import index_recall
from training.evaluation.result import Evaluation, with_intervals
from training.retrieval import exact
from training.retrieval.exact import Mask, exact_search, score_search
from training.retrieval.ranking import top_k

USERS, ITEMS, DIM = 600, 120, 8


def best_rows(scores_N: np.ndarray, k: int) -> list[int]:
    """The tie rule by hand: score down, then item row up; what is -inf does not come."""
    ranked = sorted(range(len(scores_N)), key=lambda item: (-scores_N[item], item))
    found = [item for item in ranked if scores_N[item] > -np.inf][:k]
    return found + [-1] * (k - len(found))


@pytest.fixture(scope="module")
def embeddings() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    # Whole numbers: scores are exact whatever the order of summation, and many of them tie.
    return rng.integers(-3, 4, (USERS, DIM)).astype(np.float32), rng.integers(-3, 4, (ITEMS, DIM)).astype(np.float32)


@pytest.fixture(scope="module")
def holdout() -> Holdout:
    """Skewed popularity, users from none to many interactions, some bought again."""
    rng = np.random.default_rng(1)
    popularity = 1 / np.arange(1, ITEMS + 1)
    before = (
        np.sort(rng.choice(USERS, 6000, p=(w := rng.exponential(size=USERS)) / w.sum())),
        rng.choice(ITEMS - 20, 6000, p=popularity[:-20] / popularity[:-20].sum()),
    )
    after = (rng.integers(0, USERS, 3000), rng.choice(ITEMS, 3000, p=popularity / popularity.sum()))
    return Holdout.from_interactions(before=before, after=after, items=ITEMS, seen_items_may_return=True)


def masked(holdout: Holdout) -> Holdout:
    return Holdout(**{**vars(holdout), "seen_items_may_return": False})


@pytest.fixture(scope="module")
def random_search(holdout: Holdout):
    rng = np.random.default_rng(2)
    users, items = rng.normal(size=(len(holdout.users_Q), DIM)), rng.normal(size=(ITEMS, DIM))
    return exact_search(users, items)


@pytest.mark.parametrize("k", [1, 5, 20, ITEMS])
def test_top_k_follows_the_tie_rule(k: int) -> None:
    scores = np.random.default_rng(0).integers(0, 4, (40, ITEMS)).astype(np.float32)
    scores[np.random.default_rng(1).uniform(size=scores.shape) < 0.3] = -np.inf
    assert top_k(scores, k).tolist() == [best_rows(row, k) for row in scores]


def test_more_ranks_than_items_stay_empty() -> None:
    assert top_k(np.array([[1.0, 3.0, 2.0]]), 5).tolist() == [[1, 2, 0, -1, -1]]


@pytest.mark.parametrize("scores", [np.array([[1.0, np.nan, 2.0]]), np.full((1, 4_000), np.nan)])
def test_nan_scores_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="NaN"):
        top_k(scores, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("levels", [3, 60, 100_000])
def test_a_large_corpus_follows_the_tie_rule_too(dtype: type, levels: int) -> None:
    """With few levels every row has ties at the boundary, with 60 some rows do.

    The corpus is large enough for chunks.
    """
    rng = np.random.default_rng(levels)
    scores = rng.integers(0, levels, (40, 1_603)).astype(dtype)
    scores[rng.uniform(size=scores.shape) < 0.3] = -np.inf
    scores[0] = -np.inf
    scores[1, 7:] = -np.inf  # fewer items than places
    assert top_k(scores, 10).tolist() == [best_rows(row, 10) for row in scores]


def test_exact_search_is_the_full_sort(embeddings: tuple[np.ndarray, np.ndarray]) -> None:
    user_QD, item_ND = embeddings
    rows = np.arange(USERS)[::-1]  # more than two blocks, not in order
    expected = np.argsort(-(user_QD[rows] @ item_ND.T), axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(exact_search(user_QD, item_ND)()(rows, 10), expected)


def test_neither_excluded_items_nor_items_outside_the_corpus_are_found(
    embeddings: tuple[np.ndarray, np.ndarray],
) -> None:
    user_QD, item_ND = embeddings
    rng = np.random.default_rng(4)
    excluded = rng.uniform(size=(USERS, ITEMS)) < 0.5
    excluded[7] = True
    corpus = rng.uniform(size=ITEMS) < 0.5
    exclude = item_sets(*np.nonzero(excluded), (USERS, ITEMS))
    rows = rng.permutation(USERS)
    found = exact_search(user_QD, item_ND)(exclude=exclude, corpus=corpus)(rows, ITEMS)
    scores = np.where(excluded | ~corpus, -np.inf, user_QD @ item_ND.T)
    assert found.tolist() == [best_rows(scores[row], ITEMS) for row in rows]
    assert (found[rows == 7] == -1).all()


def test_lists_under_several_masks_are_those_under_each_and_scored_once(
    embeddings: tuple[np.ndarray, np.ndarray],
) -> None:
    user_QD, item_ND = embeddings
    rng = np.random.default_rng(5)
    exclude = item_sets(*np.nonzero(rng.uniform(size=(USERS, ITEMS)) < 0.5), (USERS, ITEMS))
    corpus = rng.uniform(size=ITEMS) < 0.5
    masks = [Mask(exclude=exclude), Mask(), Mask(corpus=corpus), Mask(exclude=exclude, corpus=corpus), Mask()]
    scored = []

    def scores(rows: np.ndarray) -> np.ndarray:
        scored.extend(rows)
        return user_QD[rows] @ item_ND.T

    rows = rng.permutation(USERS)
    found = score_search(scores).lists(rows, 9, masks)
    assert scored == rows.tolist()
    for lists, mask in zip(found, masks, strict=True):
        alone = exact_search(user_QD, item_ND)(exclude=mask.exclude, corpus=mask.corpus)
        np.testing.assert_array_equal(lists, alone(rows, 9))


@pytest.mark.parametrize("items", [1, 7, ITEMS])
def test_blocks_of_queries_and_items_bound_the_scores_and_change_no_list(
    embeddings: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch, items: int
) -> None:
    user_QD, item_ND = embeddings
    rng = np.random.default_rng(6)
    masks = [Mask(exclude=item_sets(*np.nonzero(rng.uniform(size=(USERS, ITEMS)) < 0.9), (USERS, ITEMS)))]
    masks += [Mask(), Mask(corpus=np.arange(ITEMS) >= 5)]
    whole = exact_search(user_QD, item_ND).lists(np.arange(USERS), 20, masks)
    monkeypatch.setattr(exact, "ITEMS_AT_ONCE", items)
    monkeypatch.setattr(exact, "SCORES_AT_ONCE", 1_000)
    search, widest = exact_search(user_QD, item_ND), 0

    def noted(rows: np.ndarray):
        nonlocal widest
        for scores_bn in search.parts(rows):
            widest = max(widest, scores_bn.size)
            yield scores_bn

    for lists, expected in zip(exact.BlockSearch(noted).lists(np.arange(USERS), 20, masks), whole, strict=True):
        np.testing.assert_array_equal(lists, expected)
    assert 0 < widest <= 1_000


def test_index_recall_is_the_shared_part_in_any_order() -> None:
    exact = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 1, -1, -1], [-1, -1, -1, -1]])
    index = np.array([[4, 3, 2, 1], [5, 6, 1, 2], [1, 50, -1, -1], [3, -1, -1, -1]])
    assert index_recall(exact, index) == pytest.approx((1 + 0.5 + 0.5) / 3)
    with pytest.raises(ValueError, match="same shape"):
        index_recall(exact, index[:, :2])


def test_an_item_bought_many_times_is_one_item() -> None:
    sets = item_sets(np.zeros(512, dtype=int), np.full(512, 3), (1, 5))
    assert sets.toarray().tolist() == [[0, 0, 0, 1, 0]]


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


def test_head_torso_and_tail_hold_their_shares_of_the_interactions(holdout: Holdout) -> None:
    groups, counts = holdout.item_groups(), holdout.popularity_N
    shares = np.bincount(groups, weights=counts) / counts.sum()
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=counts.max() / counts.sum())
    assert (
        counts[groups == 0].min() >= counts[groups == 1].max() >= counts[groups == 1].min() >= counts[groups == 2].max()
    )
    assert (groups[counts == 0] == 2).all() and (counts == 0).any()


def test_without_any_interaction_before_the_cut_every_item_is_tail(holdout: Holdout) -> None:
    unsold = Holdout(**{**vars(holdout), "popularity_N": np.zeros(ITEMS, dtype=int)})
    assert (unsold.item_groups() == 2).all()


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


def test_a_holdout_whose_parts_do_not_fit_is_refused(holdout: Holdout) -> None:
    with pytest.raises(ValueError, match="queries, items"):
        Holdout(**{**vars(holdout), "popularity_N": holdout.popularity_N[:-1]})


def test_warm_users_fall_into_thirds_by_history_size() -> None:
    sizes = np.array([0, 4, 5, 6, 7, 8, 9, 10])
    users, items = np.arange(len(sizes)), 3
    before = (np.repeat(users, sizes), np.zeros(sizes.sum(), dtype=np.int64))
    holdout = Holdout.from_interactions(
        before=before, after=(users, np.ones_like(users)), items=items, seen_items_may_return=True
    )
    slices = {name: sizes[chosen].tolist() for name, chosen in holdout.user_slices().items()}
    assert slices["cold_users"] == [0, 4]
    assert slices["warm_users"] == [5, 6, 7, 8, 9, 10]
    assert [slices[f"{name}_users"] for name in ("light", "regular", "heavy")] == [[5, 6], [7, 8], [9, 10]]
