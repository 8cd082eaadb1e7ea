from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.sparse import csr_array

from training.evaluation import bootstrap
from training.evaluation.bootstrap import (
    bootstrap_interval,
    paired_interval,
    percentile_intervals,
    resample_counts,
    resampled_means,
)
from training.evaluation.metrics import (
    METRICS,
    index_recall,
    is_relevant,
    ndcg_at_k,
    recall_at_k,
    recall_ceiling,
    recall_curve,
)

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # compiling ranx takes minutes, running it plain milliseconds


def relevant_sets(sets: list[list[int]], items: int) -> csr_array:
    rows = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
    cols = np.concatenate([np.array(each, dtype=int) for each in sets])
    return csr_array((np.ones(len(rows), dtype=np.int8), (rows, cols)), shape=(len(sets), items))


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, list[list[int]]]:
    """60 users, 50 items, lists of 20; some users find no relevant item.

    Some have more relevant items than ranks.
    """
    rng = np.random.default_rng(0)
    lists = np.stack([rng.permutation(50)[:20] for _ in range(60)]).astype(np.int32)
    sets = [rng.permutation(50)[: rng.integers(1, 40)].tolist() for _ in range(60)]
    return lists, sets


@pytest.mark.parametrize("k", [1, 3, 10, 20])
@pytest.mark.parametrize(
    ("name", "theirs"),
    [("recall", "recall"), ("precision", "precision"), ("ndcg", "ndcg"), ("hit", "hit_rate"), ("mrr", "mrr")],
)
def test_agrees_with_ranx_for_every_user(
    world: tuple[np.ndarray, list[list[int]]], name: str, theirs: str, k: int
) -> None:
    from ranx import Qrels, Run
    from ranx import evaluate as ranx_evaluate

    lists, sets = world
    qrels = Qrels({f"q{q:02d}": {str(item): 1 for item in each} for q, each in enumerate(sets)})
    run = Run({f"q{q:02d}": {str(item): 1 / (p + 1) for p, item in enumerate(each)} for q, each in enumerate(lists)})
    expected = ranx_evaluate(qrels, run, f"{theirs}@{k}", return_mean=False)
    hits = is_relevant(lists, relevant_sets(sets, 50))
    counts = np.array([len(each) for each in sets])
    np.testing.assert_allclose(METRICS[name](hits, counts, k), expected, atol=1e-12)


def test_two_relevant_one_of_them_in_the_top_three() -> None:
    hits, counts = is_relevant(np.array([[7, 3, 1]]), relevant_sets([[7, 5]], 10)), np.array([2])
    assert recall_at_k(hits, counts, 3)[0] == 0.5
    assert ndcg_at_k(hits, counts, 3)[0] == pytest.approx(0.6131, abs=1e-4)


def test_five_relevant_keep_five_in_the_denominator_of_recall_at_three() -> None:
    hits, counts = is_relevant(np.array([[0, 1, 9]]), relevant_sets([[0, 1, 2, 3, 4]], 10)), np.array([5])
    assert recall_at_k(hits, counts, 3)[0] == 0.4
    assert recall_ceiling(counts, 3) == pytest.approx(0.6)


def test_empty_ranks_are_never_hits() -> None:
    hits = is_relevant(np.array([[2, -1, -1], [-1, -1, -1]]), relevant_sets([[2, 4], [0]], 5))
    assert hits.tolist() == [[True, False, False], [False, False, False]]


def test_the_curve_passes_through_recall_at_every_k(world: tuple[np.ndarray, list[list[int]]]) -> None:
    lists, sets = world
    hits, counts = is_relevant(lists, relevant_sets(sets, 50)), np.array([len(each) for each in sets])
    means, errors = recall_curve(hits, counts)
    expected = [recall_at_k(hits, counts, k) for k in range(1, 21)]
    np.testing.assert_allclose(means, [each.mean() for each in expected])
    np.testing.assert_allclose(errors, [each.std() / len(each) ** 0.5 for each in expected])


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_a_user_without_a_relevant_item_is_refused(metric) -> None:
    with pytest.raises(ValueError, match="1 users have no relevant item"):
        metric(np.zeros((2, 5), dtype=bool), np.array([3, 0]), 5)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_a_list_shorter_than_k_is_refused(metric) -> None:
    with pytest.raises(ValueError, match="k = 10"):
        metric(np.zeros((1, 5), dtype=bool), np.array([3]), 10)


@pytest.mark.parametrize(
    ("lists", "message"),
    [([[1, 1]], "twice"), ([[1, 10]], r"wanted -1\.\.9"), ([[1, 2], [3, 4]], "2 lists for 1 rows")],
)
def test_lists_that_cannot_be_judged_are_refused(lists: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        is_relevant(np.array(lists), relevant_sets([[1]], 10))


def test_the_bootstrap_interval_covers_the_known_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    intervals = [bootstrap_interval(rng.exponential(2.0, 300), seed=seed, samples=300) for seed in range(100)]
    covered = sum(low <= 2.0 <= high for low, high in intervals)
    assert 88 <= covered <= 99
    width = np.mean([high - low for low, high in intervals])
    assert width == pytest.approx(2 * 1.96 * 2.0 / np.sqrt(300), rel=0.1)  # normal theory


def test_one_product_equals_a_loop_over_resamples_and_metrics() -> None:
    """Plain bootstrap: repeat each user as often as drawn, and take the mean."""
    values_QM = np.random.default_rng(0).exponential(size=(50, 3))
    counts_SQ = np.concatenate(list(resample_counts(50, seed=4, samples=200)))
    for column, interval in enumerate(percentile_intervals(resampled_means(values_QM, seed=4, samples=200))):
        means = [np.repeat(values_QM[:, column], counts_Q.astype(int)).mean() for counts_Q in counts_SQ]
        assert interval == pytest.approx(np.quantile(means, [0.025, 0.975]))


def test_resamples_are_multinomial_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    counts_SQ = np.concatenate(list(resample_counts(40, seed=0, samples=5_000)))
    assert counts_SQ.shape == (5_000, 40) and (counts_SQ.sum(axis=1) == 40).all()
    # Of a multinomial with p = 1/Q: mean 1, variance 1 - 1/Q, covariance -1/Q.
    assert counts_SQ.mean(axis=0) == pytest.approx(1, abs=0.07)
    covariance_QQ = np.cov(counts_SQ.T)
    assert np.diag(covariance_QQ).mean() == pytest.approx(1 - 1 / 40, abs=0.02)
    assert covariance_QQ[~np.eye(40, dtype=bool)].mean() == pytest.approx(-1 / 40, abs=0.002)
    monkeypatch.setattr(bootstrap, "COUNTS_AT_ONCE", 90)
    blocks = list(resample_counts(40, seed=0, samples=5_000))
    assert {len(block) for block in blocks} == {2}
    assert (np.concatenate(blocks) == counts_SQ).all()


def test_the_paired_interval_covers_a_planted_difference_about_as_often_as_it_says() -> None:
    rng, covered, widths = np.random.default_rng(8), 0, []
    for seed in range(100):
        base = rng.exponential(size=300)
        low, high = paired_interval(base + rng.normal(0.05, 0.3, 300), base, seed=seed, samples=300)
        covered += low <= 0.05 <= high
        widths.append(high - low)
    assert 88 <= covered <= 99
    assert np.mean(widths) == pytest.approx(2 * 1.96 * 0.3 / np.sqrt(300), rel=0.1)


def test_the_paired_interval_sees_a_small_difference_that_separate_intervals_hide() -> None:
    rng = np.random.default_rng(5)
    base = rng.uniform(size=500)
    better = base + 0.01 + rng.normal(0, 0.02, 500)
    assert bootstrap_interval(better, seed=0)[0] < bootstrap_interval(base, seed=0)[1]
    low, high = paired_interval(better, base, seed=0)
    assert 0 < low < 0.01 < high < 0.02


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).uniform(size=50)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)


def test_index_recall_is_the_shared_part_in_any_order() -> None:
    exact = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 1, -1, -1], [-1, -1, -1, -1]])
    index = np.array([[4, 3, 2, 1], [5, 6, 1, 2], [1, 50, -1, -1], [3, -1, -1, -1]])
    assert index_recall(exact, index) == pytest.approx((1 + 0.5 + 0.5) / 3)
    with pytest.raises(ValueError, match="same shape"):
        index_recall(exact, index[:, :2])
