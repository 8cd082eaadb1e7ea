"""EASE against its definition: a least-squares minimum under a constraint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.baselines import Log, baseline_search, ease, popularity
from training.retrieval.exact import Scores

LAMBDA = 2.5


def log_of(histories: np.ndarray) -> Log:
    """A log from counts [users, items]."""
    user_rows, item_rows = np.nonzero(histories)
    repeats = histories[user_rows, item_rows]
    user_rows, item_rows = np.repeat(user_rows, repeats), np.repeat(item_rows, repeats)
    days = np.zeros(len(user_rows))
    return Log(user_rows=user_rows, item_rows=item_rows, days=days, users=len(histories), items=histories.shape[1])


def random_counts(users: int, items: int, *, seed: int = 0) -> np.ndarray:
    """Items of falling popularity, every one sold; every user buys, some twice."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(np.linspace(1.2, 0.1, items), (users, items))
    counts[np.arange(items) % users, np.arange(items)] += 1
    counts[np.arange(users), np.arange(users) % items] += 1
    return counts


def naive(histories: np.ndarray, asked: np.ndarray | None = None) -> np.ndarray:
    """x B of all users (of `asked`), B by column: an item's ridge regression."""
    binary = (histories > 0).astype(float)
    items = binary.shape[1]
    weights = np.zeros((items, items))
    for item in range(items):
        others = np.delete(np.arange(items), item)
        inputs = binary[:, others]
        gram = inputs.T @ inputs + LAMBDA * np.eye(len(others))
        weights[others, item] = np.linalg.solve(gram, inputs.T @ binary[:, item])
    return (binary if asked is None else asked > 0) @ weights


def ranked(scores: Scores, users: int, k: int) -> list[list[int]]:
    return baseline_search(scores, np.arange(users))()(np.arange(users), k).tolist()


def test_no_other_weights_with_a_zero_diagonal_fit_better() -> None:
    """The gradient of |X - XB|² + lambda |B|² is zero off the diagonal.

    A user with one item shows a row of B.
    """
    items = 12
    histories = np.concatenate([np.eye(items, dtype=int), random_counts(40, items)])
    weights_NN = ease(log_of(histories), regularization=LAMBDA)(np.arange(items))
    binary = (histories > 0).astype(float)
    gradient = binary.T @ (binary @ weights_NN - binary) + LAMBDA * weights_NN
    off_diagonal = ~np.eye(items, dtype=bool)
    np.testing.assert_allclose(weights_NN.diagonal(), 0, atol=1e-12)
    np.testing.assert_allclose(gradient[off_diagonal], 0, atol=1e-9)
    assert np.abs(weights_NN[off_diagonal]).max() > 0.1 and np.abs(gradient.diagonal()).min() > 1


@pytest.mark.parametrize(("users", "items"), [(50, 12), (12, 50), (270, 5), (270, 280)])
def test_each_item_is_regressed_on_all_others(users: int, items: int) -> None:
    """With more users than items, fewer, and more of either than are taken at a time."""
    histories = random_counts(users, items)
    scores = ease(log_of(histories), regularization=LAMBDA)
    np.testing.assert_allclose(scores(np.arange(users)), naive(histories), atol=1e-9)


@pytest.mark.parametrize(("users", "items"), [(50, 12), (12, 50)])
def test_histories_asked_later_are_scored_by_what_was_learned_before(users: int, items: int) -> None:
    histories, later = random_counts(users, items), random_counts(users, items, seed=1)
    later[3] = 0
    scores = ease(log_of(histories), asked=log_of(later), regularization=LAMBDA)
    busy = np.flatnonzero(later.any(axis=1))
    np.testing.assert_allclose(scores(busy), naive(histories, later)[busy], atol=1e-9)
    np.testing.assert_array_equal(scores(np.array([3])), popularity(log_of(histories))(np.array([3])))


def test_the_matrix_of_the_users_gives_what_the_matrix_of_the_items_gives() -> None:
    """Users without a history change nothing but which of the two is smaller."""
    log = log_of(random_counts(20, 30))
    by_users = ease(log, regularization=LAMBDA)(np.arange(20))
    by_items = ease(replace(log, users=400), regularization=LAMBDA)(np.arange(20))
    np.testing.assert_allclose(by_users, by_items, atol=1e-9)


@pytest.mark.parametrize(("users", "items"), [(60, 20), (20, 60)])
def test_rare_items_are_left_out_and_follow_by_popularity(users: int, items: int) -> None:
    """The most popular item follows the lowest kept one if one user bought all of it."""
    histories = random_counts(users, items)
    histories[0, -1] = 1000
    users_N = (histories > 0).sum(axis=0)
    least = int(np.median(users_N))
    kept = np.flatnonzero(users_N >= least)
    log = log_of(histories)
    scores = ease(log, regularization=LAMBDA, min_users=least)
    expected = naive(histories[:, kept])
    busy = histories[:, kept].any(axis=1)
    np.testing.assert_allclose(scores(np.arange(users))[np.ix_(busy, kept)], expected[busy], atol=1e-9)
    assert 1 < len(kept) < items - 1 and (expected < 0).any()  # those below zero come before the rest too
    by_popularity = [item for item in ranked(popularity(log), 1, items)[0] if item not in kept]
    lists = [found for found, is_busy in zip(ranked(scores, users, items), busy, strict=True) if is_busy]
    assert [found[len(kept) :] for found in lists] == [by_popularity] * len(lists)


def test_a_user_without_a_kept_item_gets_popularity() -> None:
    """User 0 had only what nobody else has, user 1 nothing."""
    histories = random_counts(30, 10)
    histories[:2], histories[:, 9] = 0, 0
    histories[0, 9] = 1
    log = log_of(histories)
    assert ranked(ease(log, min_users=2), 2, 10) == ranked(popularity(log), 2, 10)


@pytest.mark.parametrize("min_users", [0, 1, 3])
def test_never_sold_items_come_last(min_users: int) -> None:
    histories = random_counts(30, 10)
    histories[:, [2, 5]] = 0
    lists = ranked(ease(log_of(histories), regularization=LAMBDA, min_users=min_users), 30, 10)
    assert [items[-2:] for items in lists] == [[2, 5]] * 30


def test_a_log_without_events_ranks_by_item_row() -> None:
    assert ranked(ease(log_of(np.zeros((3, 4), dtype=int))), 3, 4) == [[0, 1, 2, 3]] * 3


def test_scores_may_be_changed_by_the_caller() -> None:
    scores, users = ease(log_of(random_counts(20, 10))), np.arange(5)
    first = scores(users)
    kept = first.copy()
    first[:] = -np.inf
    np.testing.assert_array_equal(scores(users), kept)


def test_new_items_come_from_the_taste_of_the_user() -> None:
    """User u of taste u % 3 buys a third of the 15 items of that taste."""
    rng = np.random.default_rng(0)
    histories = np.zeros((90, 45), dtype=int)
    for user in range(90):
        histories[user, 3 * rng.choice(15, 5, replace=False) + user % 3] = 1
    lists = ranked(ease(log_of(histories), regularization=100), 90, 15)
    assert [{item % 3 for item in items} for items in lists] == [{user % 3} for user in range(90)]


def test_a_matrix_that_would_not_fit_is_refused_with_a_way_out() -> None:
    log = log_of(random_counts(21, 20))
    with pytest.raises(ValueError, match=r"21 users and 20 items .* at most 19 .* raise min_users, or max_items"):
        ease(log, max_items=19)
    ease(log, max_items=20)
    ease(log, max_items=19, min_users=5)
    ease(log_of(random_counts(19, 20)), max_items=19)
