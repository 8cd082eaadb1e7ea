from __future__ import annotations

import warnings

import numpy as np
import pytest

from training import baselines
from training.baselines import (
    BASELINES,
    Log,
    als,
    baseline_search,
    fit_baseline,
    item_knn,
    personal_frequency,
    personal_recency,
    popularity,
    recent_popularity,
    too_large,
)
from training.evaluation.evaluate import evaluate
from training.evaluation.holdout import Holdout
from training.retrieval.exact import Scores

USERS, ITEMS, NEVER_SOLD, GROUPS = 120, 60, 4, 3


@pytest.fixture(scope="module")
def log() -> Log:
    """Log of taste groups: user u buys items i with i % 3 == u % 3.

    Each user has one staple. The last user buys nothing.
    """
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(USERS - 1), 12)
    items = rng.integers(0, (ITEMS - NEVER_SOLD) // GROUPS, len(users)) * GROUPS + users % GROUPS
    days = rng.uniform(0, 300, len(users))
    staple_users = np.repeat(np.arange(USERS - 1), 6)
    users = np.concatenate([users, staple_users, np.zeros(200, int)])
    items = np.concatenate([items, staple(staple_users), np.zeros(200, int)])
    days = np.concatenate([days, rng.uniform(0, 300, len(staple_users)), np.full(200, 250.0)])
    return Log(user_rows=users, item_rows=items, days=days, users=USERS, items=ITEMS)


def staple(user: np.ndarray) -> np.ndarray:
    return (user * 7 % ((ITEMS - NEVER_SOLD) // GROUPS)) * GROUPS + user % GROUPS


def ranked(scores: Scores, users: np.ndarray, k: int) -> np.ndarray:
    return baseline_search(scores, users)()(np.arange(len(users)), k)


BUYERS = np.arange(1, USERS - 1)
STRANGER = np.array([USERS - 1])


@pytest.mark.parametrize("baseline", [popularity, recent_popularity])
def test_popularity_is_the_same_for_everyone(log: Log, baseline) -> None:
    lists = ranked(baseline(log), np.arange(USERS), ITEMS)
    assert (lists == lists[0]).all()


def test_popularity_goes_by_events_then_item_row(log: Log) -> None:
    counts = np.bincount(log.item_rows, minlength=ITEMS)
    expected = sorted(range(ITEMS), key=lambda item: (-counts[item], item))
    assert ranked(popularity(log), STRANGER, ITEMS)[0].tolist() == expected


def test_recent_popularity_forgets_what_is_no_longer_bought(log: Log) -> None:
    recent = np.bincount(log.item_rows[log.days <= 28], minlength=ITEMS)
    total = np.bincount(log.item_rows, minlength=ITEMS)
    expected = sorted(range(ITEMS), key=lambda item: (-recent[item], -total[item], item))
    assert ranked(popularity(log), STRANGER, 1) == [[0]]
    assert ranked(recent_popularity(log), STRANGER, ITEMS)[0].tolist() == expected != [0, *expected[1:]]


def test_personal_frequency_puts_the_staple_first(log: Log) -> None:
    np.testing.assert_array_equal(ranked(personal_frequency(log), BUYERS, 1)[:, 0], staple(BUYERS))


def test_personal_baselines_list_own_items_first_and_then_all_by_popularity(log: Log) -> None:
    by_popularity = ranked(popularity(log), STRANGER, ITEMS)[0].tolist()
    for baseline in (personal_frequency, personal_recency):
        for user, items in zip(BUYERS, ranked(baseline(log), BUYERS, ITEMS).tolist(), strict=True):
            own = set(log.item_rows[log.user_rows == user].tolist())
            assert set(items[: len(own)]) == own
            assert items[len(own) :] == [item for item in by_popularity if item not in own]


def test_personal_frequency_breaks_equal_counts_by_popularity(log: Log) -> None:
    total = np.bincount(log.item_rows, minlength=ITEMS)
    for user, items in zip(BUYERS, ranked(personal_frequency(log), BUYERS, 5).tolist(), strict=True):
        own = np.bincount(log.item_rows[log.user_rows == user], minlength=ITEMS)
        keys = [(-own[item], -total[item], item) for item in items]
        assert keys == sorted(keys)


def test_personal_recency_prefers_the_recent_to_the_frequent_as_far_as_the_half_life_says() -> None:
    # Item 1 twice, 100 days ago; item 2 once, today.
    log = Log(
        user_rows=np.zeros(3, int), item_rows=np.array([1, 1, 2]), days=np.array([100.0, 100, 0]), users=1, items=3
    )
    user = np.array([0])
    assert ranked(personal_recency(log, half_life=50), user, 1) == [[2]]
    assert ranked(personal_recency(log, half_life=200), user, 1) == [[1]]


def taste_share(scores: Scores) -> float:
    """Share of the first 15 new items in the user's taste group; a third by chance."""
    lists = ranked(scores, BUYERS, 15)
    return float((lists % GROUPS == BUYERS[:, None] % GROUPS).mean())


@pytest.mark.parametrize("baseline", [item_knn, lambda log: als(log, seed=0, factors=8, regularization=1)])
def test_collaborative_baselines_find_the_taste_groups(log: Log, baseline) -> None:
    assert taste_share(baseline(log)) > 0.95
    assert taste_share(popularity(log)) < 0.5


def test_item_knn_is_the_shrunk_cosine(log: Log) -> None:
    bought = (log.matrix().toarray() > 0).astype(float)
    together, buyers = bought.T @ bought, bought.sum(axis=0)
    similarity = together / np.sqrt(np.outer(buyers + 3, buyers + 3))
    scores = item_knn(log, neighbours=ITEMS, shrinkage=3)(BUYERS)
    votes = bought[BUYERS] @ similarity
    order = scores[0] - np.where(votes[0] > 0, votes[0] + 1, 0)
    np.testing.assert_allclose(scores, votes + (votes > 0) + order, atol=1e-9)


def test_shrinkage_takes_weight_from_rare_pairs() -> None:
    # Item 0 with item 1: the only user of both. Item 0 with item 2: nearly all of many users.
    users = np.concatenate([[0, 0, 0], np.repeat(np.arange(1, 21), 2)])
    items = np.concatenate([[3, 4, 0], np.tile([0, 2], 20)])
    log = Log(user_rows=users, item_rows=items, days=np.zeros(len(users)), users=22, items=5)
    plain, shrunk = (item_knn(log, shrinkage=s)(np.array([0]))[0] for s in (0.0, 10.0))
    assert plain[3] > plain[2] and shrunk[3] < shrunk[2]


def test_item_knn_judges_an_item_by_its_own_nearest() -> None:
    # Item 0 is in every basket, 1 to 9 in three baskets each: 0 is near to all of them, but few are near to 0.
    items = np.stack([np.zeros(27, int), np.repeat(np.arange(1, 10), 3)], axis=1).ravel()
    users = np.append(np.repeat(np.arange(27), 2), 27)
    log = Log(user_rows=users, item_rows=np.append(items, 0), days=np.zeros(55), users=28, items=10)
    assert (item_knn(log, neighbours=2)(np.array([27])) > 1).all()  # above the fill, which lies in [0, 1)


def test_als_puts_even_disliked_items_before_never_sold_ones(log: Log) -> None:
    scores = als(log, seed=0, factors=8, regularization=0.1)
    sold = np.unique(log.item_rows)
    assert (scores(BUYERS)[:, sold] < 0).any()
    assert np.isin(ranked(scores, BUYERS, len(sold)), sold).all()


def test_als_does_not_warn_of_threads(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    import implicit.utils
    from threadpoolctl import threadpool_limits

    monkeypatch.setattr(implicit.utils, "_checked_blas_config", False)  # it warns once in a process
    with threadpool_limits(limits=2, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("error")
        als(log, seed=0, iterations=1)


def test_als_is_deterministic(log: Log) -> None:
    first, again, other = (als(log, seed=seed)(BUYERS) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.fixture(scope="module")
def fitted(log: Log) -> dict[str, Scores]:
    return {name: fit_baseline(name, log, seed=0) for name in BASELINES}


COLLABORATIVE = ["item_knn", "als", "user_knn", "up_cf", "tifu_knn", "ease"]
NAMES = ["popularity", "recent_popularity", "personal_frequency", "personal_recency", *COLLABORATIVE]


@pytest.mark.parametrize("name", NAMES)
def test_never_sold_items_come_last_by_item_row(fitted: dict[str, Scores], name: str) -> None:
    lists = ranked(fitted[name], np.arange(USERS), ITEMS)
    never = list(range(ITEMS - NEVER_SOLD - 2, ITEMS))
    assert lists[:, -len(never) :].tolist() == [never] * USERS


@pytest.mark.parametrize("name", NAMES[2:])
def test_a_user_without_a_history_gets_popularity(fitted: dict[str, Scores], name: str) -> None:
    np.testing.assert_array_equal(ranked(fitted[name], STRANGER, ITEMS), ranked(fitted["popularity"], STRANGER, ITEMS))


def test_baselines_pass_through_the_same_protocol_as_a_model(log: Log, fitted: dict[str, Scores]) -> None:
    after = (np.repeat(BUYERS, 2), np.stack([staple(BUYERS), (staple(BUYERS) + GROUPS) % 54], axis=1).ravel())
    holdout = Holdout.from_interactions(
        before=(log.user_rows, log.item_rows), after=after, items=ITEMS, seen_items_may_return=True
    )
    results = {name: evaluate(baseline_search(fitted[name], holdout.users_Q), holdout, seed=0) for name in NAMES}
    assert set(results) == set(fitted) == set(BASELINES)
    assert results["personal_frequency"].metrics["all/mrr@10"] == 1
    for name in set(COLLABORATIVE) - {"tifu_knn"}:  # its 300 nearest are everybody here: no better than popularity
        assert results[name].metrics["discovery/recall@10"] > 1.5 * results["popularity"].metrics["discovery/recall@10"]


def test_ease_is_too_large_where_users_and_items_are_many(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    sold = ITEMS - NEVER_SOLD - 2
    for side, fits in ((sold - 1, False), (sold, True)):
        monkeypatch.setattr(baselines, "EASE_SIDE", side)
        assert (too_large("ease", log) is None) == fits
    assert too_large("als", log) is None


def test_an_unknown_baseline_is_refused(log: Log) -> None:
    with pytest.raises(
        ValueError, match=r"got the baselines eas; wanted some of popularity, .*, ease; did you mean 'ease'\?"
    ):
        fit_baseline("eas", log, seed=0)


def test_an_interaction_after_the_cut_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2\.50 days after the cut"):
        Log(user_rows=np.array([0]), item_rows=np.array([0]), days=np.array([-2.5]), users=1, items=1)
