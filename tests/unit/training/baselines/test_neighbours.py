"""Baselines that ask other users, against their formulas in plain loops.

Small worlds have a known answer.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial

import numpy as np
import pytest

from training.baselines import (
    Log,
    baseline_search,
    personal_frequency,
    personal_recency,
    popularity,
    tifu_knn,
    up_cf,
    user_knn,
)
from training.baselines.baskets import baskets
from training.retrieval.exact import Scores

USERS, ITEMS, STRANGER, NEVER_SOLD = 30, 40, 29, 39
ALL = [user_knn, up_cf, tifu_knn]

Event = tuple[int, int, float]
"""User, item, days before the cut."""


def log_of(events: Iterable[Event], *, users: int, items: int) -> Log:
    user_rows, item_rows, days = zip(*events, strict=True)
    rows = np.array(user_rows), np.array(item_rows)
    return Log(user_rows=rows[0], item_rows=rows[1], days=np.array(days, dtype=float), users=users, items=items)


def everyday(histories: dict[int, list[int]], *, users: int, items: int) -> Log:
    """Log of some users, all bought on one day."""
    return log_of(((u, i, 0.5) for u, own in histories.items() for i in own), users=users, items=items)


@pytest.fixture(scope="module")
def log() -> Log:
    """Log of few days and items, so that baskets hold several items and repeat.

    One user and one item have no interaction.
    """
    rng = np.random.default_rng(4)
    users = rng.integers(0, STRANGER, 900) % rng.integers(1, STRANGER + 1, 900)  # from two baskets to dozens
    items = (NEVER_SOLD * rng.random(900) ** 2).astype(int)
    days = rng.integers(0, 25, 900) + rng.choice([0.0, 0.25, 0.99], 900)
    return Log(user_rows=users, item_rows=items, days=days, users=USERS, items=ITEMS)


def ranked(scores: Scores, users: list[int], k: int) -> list[list[int]]:
    return baseline_search(scores, np.array(users))()(np.arange(len(users)), k).tolist()


def histories_of(log: Log) -> list[set[int]]:
    return [set(log.item_rows[log.user_rows == user].tolist()) for user in range(log.users)]


def baskets_of(log: Log) -> list[list[set[int]]]:
    """The baskets of every user, the oldest first."""
    by_day: list[dict[int, set[int]]] = [defaultdict(set) for _ in range(log.users)]
    for user, item, days in zip(log.user_rows.tolist(), log.item_rows.tolist(), log.days.tolist(), strict=True):
        by_day[user][math.floor(days)].add(item)
    return [[own[day] for day in sorted(own, reverse=True)] for own in by_day]


def nearest(closeness: dict[int, float], k: int) -> list[int]:
    """The k closest, where it makes no difference how ties are broken."""
    order = sorted(closeness, key=lambda other: -closeness[other])
    assert len(order) <= k or closeness[order[k - 1]] - closeness[order[k]] > 1e-9, "a tie at rank k: other seed"
    return order[:k]


def assert_ranked_by_votes(scores: Scores, votes_UN: np.ndarray, log: Log) -> None:
    """Assert votes as given, and all other items below them by popularity."""
    found_UN = scores(np.arange(log.users))
    np.testing.assert_allclose(np.where(votes_UN > 0, found_UN, 0), votes_UN, rtol=1e-9)
    assert (votes_UN > 0).any() and ((found_UN > 0) == (votes_UN > 0)).all()
    by_popularity = ranked(popularity(log), [0], log.items)[0]
    for votes_N, found_N in zip(votes_UN, found_UN, strict=True):
        rest = [item for item in by_popularity if not votes_N[item]]
        assert (np.diff(found_N[rest]) < 0).all()


def test_user_knn_is_its_formula(log: Log) -> None:
    k, shrinkage = 5, 3.0
    own, votes_UN = histories_of(log), np.zeros((USERS, ITEMS))
    for u in range(USERS):
        sim = {
            v: len(own[u] & own[v]) / math.sqrt((len(own[u]) + shrinkage) * (len(own[v]) + shrinkage))
            for v in range(USERS)
            if v != u and own[u] & own[v]
        }
        for v in nearest(sim, k):
            for item in own[v]:
                votes_UN[u, item] += sim[v]
    assert_ranked_by_votes(user_knn(log, neighbours=k, shrinkage=shrinkage), votes_UN, log)


@pytest.mark.parametrize(("recency", "alpha", "q"), [(3, 0.2, 2.0), (1, 0.9, 5.0), (1000, 0.5, 1.0)])
def test_up_cf_is_its_formula(log: Log, recency: int, alpha: float, q: float) -> None:
    own, times, votes_UN = histories_of(log), baskets_of(log), np.zeros((USERS, ITEMS))
    for u in range(USERS):
        for v in range(USERS):
            if own[u] and own[v]:
                sim = len(own[u] & own[v]) / (len(own[u]) ** alpha * len(own[v]) ** (1 - alpha))
                newest = times[v][-recency:]
                for item in own[v]:
                    votes_UN[u, item] += sim**q * sum(item in basket for basket in newest) / len(newest)
    assert_ranked_by_votes(up_cf(log, recency=recency, alpha=alpha, locality=q), votes_UN, log)


@pytest.mark.parametrize(("k", "m", "alpha"), [(4, 3, 0.3), (7, 1, 0.8), (2, 100, 0.0), (900, 4, 0.5)])
def test_tifu_knn_is_its_formula(log: Log, k: int, m: int, alpha: float) -> None:
    r_b, r_g = 0.8, 0.6
    vectors_UN, votes_UN = np.zeros((USERS, ITEMS)), np.zeros((USERS, ITEMS))
    times = baskets_of(log)
    for u in range(USERS):
        rest, groups = list(times[u]), []
        while rest:
            groups.insert(0, rest[-m:])
            rest = rest[:-m]
        for g, group in enumerate(groups, start=1):
            for j, basket in enumerate(group, start=1):
                for item in basket:
                    in_group = r_b ** (len(group) - j) / len(group)
                    vectors_UN[u, item] += r_g ** (len(groups) - g) * in_group / len(groups)
    known = [u for u in range(USERS) if times[u]]
    for u in known:
        closeness = {v: -float(np.linalg.norm(vectors_UN[u] - vectors_UN[v])) for v in known if v != u}
        votes_UN[u] = alpha * vectors_UN[u] + (1 - alpha) * vectors_UN[nearest(closeness, k)].mean(axis=0)
    scores = tifu_knn(log, neighbours=k, group_size=m, within_decay=r_b, group_decay=r_g, alpha=alpha)
    assert_ranked_by_votes(scores, votes_UN, log)


def test_baskets_are_the_days_of_a_user_from_the_newest_back(log: Log) -> None:
    found, times = baskets(log), baskets_of(log)
    assert found.counts_U.tolist() == [len(own) for own in times]
    rows = zip(found.log.user_rows.tolist(), found.ranks.tolist(), found.log.item_rows.tolist(), strict=True)
    expected = [(u, p, i) for u in range(USERS) for p, basket in enumerate(reversed(times[u])) for i in basket]
    assert sorted(rows) == sorted(expected)
    assert max(Counter(zip(log.user_rows, np.floor(log.days), log.item_rows, strict=True)).values()) > 1


@pytest.mark.parametrize("baseline", ALL)
def test_scores_of_a_user_do_not_depend_on_the_block(log: Log, baseline) -> None:
    scores, users = baseline(log), np.array([STRANGER, 3, 0, 3])
    np.testing.assert_array_equal(scores(users), scores(np.arange(USERS))[users])


@pytest.mark.parametrize("baseline", ALL)
def test_scores_may_be_changed_by_the_caller(log: Log, baseline) -> None:
    scores, users = baseline(log), np.arange(4)
    first = scores(users)
    kept = first.copy()
    first[:] = -np.inf
    np.testing.assert_array_equal(scores(users), kept)


@pytest.mark.parametrize("baseline", ALL)
def test_a_user_without_a_history_gets_popularity(log: Log, baseline) -> None:
    assert ranked(baseline(log), [STRANGER], ITEMS) == ranked(popularity(log), [STRANGER], ITEMS)


@pytest.mark.parametrize("baseline", ALL)
def test_never_sold_items_come_last(log: Log, baseline) -> None:
    assert {items[-1] for items in ranked(baseline(log), list(range(USERS)), ITEMS)} == {NEVER_SOLD}


@pytest.mark.parametrize("baseline", ALL)
def test_a_log_without_events_ranks_by_item_row(baseline) -> None:
    empty = Log(user_rows=np.array([], int), item_rows=np.array([], int), days=np.array([]), users=3, items=4)
    assert ranked(baseline(empty), [0, 2], 4) == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize("baseline", [user_knn, up_cf, partial(tifu_knn, neighbours=20)])
def test_new_items_come_from_users_of_the_same_taste(baseline) -> None:
    """User u of taste u % 3 buys a third of the 15 items of that taste."""
    rng = np.random.default_rng(0)
    own = {u: (3 * rng.choice(15, 5, replace=False) + u % 3).tolist() for u in range(90)}
    lists = ranked(baseline(everyday(own, users=90, items=45)), list(own), 15)
    assert [{item % 3 for item in items} for items in lists] == [{u % 3} for u in own]


def test_a_user_is_no_neighbour_of_itself_in_user_knn() -> None:
    """User 0 shares item 2 with user 1; only user 0 has item 3, and most have 0."""
    own = {0: [2, 3], 1: [1, 2], 2: [0], 3: [0]}
    assert ranked(user_knn(everyday(own, users=4, items=4)), [0], 4) == [[1, 2, 0, 3]]


def test_shrinkage_prefers_the_long_history_in_common() -> None:
    """User 0 shares 4 of 9 items with user 1, and one with user 2.

    User 1 has 7 other items, user 2 has one.
    """
    own = {0: list(range(9)), 1: [0, 1, 2, 3, *range(10, 17)], 2: [4, 20]}
    log = everyday(own, users=3, items=21)
    plain, shrunk = (user_knn(log, shrinkage=s)(np.array([0]))[0] for s in (0.0, 10.0))
    assert plain[20] > 0.5 * plain[10] and shrunk[20] < 0.5 * shrunk[10]


@pytest.mark.parametrize("baseline", [user_knn, partial(tifu_knn, alpha=0.0)])
def test_of_equally_near_users_the_lower_row_is_asked(baseline) -> None:
    log = everyday({0: [0, 1], 1: [0, 4], 2: [0, 2], 3: [0, 3]}, users=4, items=5)
    assert (baseline(log, neighbours=2)(np.array([0]))[0] > 0).tolist() == [True, False, True, False, True]


def test_up_cf_sees_only_the_newest_baskets() -> None:
    """One user: item 0 on two days long ago, item 1 on the last two days."""
    log = log_of([(0, 0, 9.5), (0, 0, 8.5), (0, 0, 7.5), (0, 1, 1.5), (0, 1, 0.5)], users=1, items=3)
    assert ranked(up_cf(log, recency=2), [0], 2) == [[1, 0]]
    assert ranked(up_cf(log, recency=5), [0], 2) == [[0, 1]]


def test_locality_leaves_the_vote_to_the_most_similar() -> None:
    """User 0 shares 4 of 5 items with user 1, and one with each of five others.

    User 1 has item 5 too, the five others have item 6.
    """
    own = {0: [0, 1, 2, 3, 4], 1: [0, 1, 2, 3, 5]} | {u: [4, 6] for u in range(2, 7)}
    log = everyday(own, users=7, items=7)
    wide, local = (up_cf(log, locality=q)(np.array([0]))[0] for q in (1.0, 5.0))
    assert wide[6] > wide[5] and local[6] < local[5]


def test_asymmetry_says_how_much_a_long_history_counts_against_a_user() -> None:
    """User 0 shares two items with user 1, who has 20, and one with user 2 of two."""
    own = {0: [0, 1], 1: list(range(20)), 2: [0, 20]}
    log = everyday(own, users=3, items=21)
    harsh, mild = (up_cf(log, alpha=alpha)(np.array([0]))[0] for alpha in (0.0, 1.0))
    assert harsh[20] > harsh[19] and mild[20] < mild[19]


def test_tifu_prefers_the_recent_to_the_frequent_as_far_as_the_decays_say() -> None:
    """One user: item 0 on three days, then item 1 on two."""
    log = log_of([(0, 0, 4.5), (0, 0, 3.5), (0, 0, 2.5), (0, 1, 1.5), (0, 1, 0.5)], users=1, items=2)
    for size in (1, 5):  # all decay is between groups, then within one
        settings = {"group_size": size, "alpha": 1.0}
        assert ranked(tifu_knn(log, within_decay=0.6, group_decay=0.6, **settings), [0], 2) == [[1, 0]]
        assert ranked(tifu_knn(log, within_decay=1.0, group_decay=1.0, **settings), [0], 2) == [[0, 1]]


def test_alpha_of_tifu_weighs_oneself_against_the_neighbours() -> None:
    """User 0 is near to 1, who takes item 1 besides, and far from 2 and 3."""
    own = {0: [0, 5], 1: [0, 1], 2: [2, 3, 4], 3: [2, 3, 4]}
    log = everyday(own, users=4, items=6)
    found = [tifu_knn(log, neighbours=1, alpha=alpha)(np.array([0]))[0] for alpha in (0.0, 0.2, 0.9, 1.0)]
    assert [scores[5] > 0 for scores in found] == [False, True, True, True]
    assert [scores[1] > 0 for scores in found] == [True, True, True, False]
    assert found[1][1] > found[1][5] and found[2][1] < found[2][5]
    assert all((scores[2:5] < 0).all() for scores in found)


def test_users_without_a_history_are_nobodys_neighbours_in_tifu() -> None:
    """A vector of zeros would be nearer to user 0 than that of user 1 is."""
    log = everyday({0: [0, 1], 1: [2, 3, 4]}, users=9, items=5)
    assert ranked(tifu_knn(log, neighbours=1, alpha=0.0), [0], 3) == [[2, 3, 4]]


@pytest.fixture(scope="module")
def later() -> Log:
    """Later log: other items than in `log`; users 0 and 1 have nothing any more."""
    rng = np.random.default_rng(5)
    users, items = rng.integers(2, USERS, 600), (NEVER_SOLD * rng.random(600)).astype(int)
    return Log(user_rows=users, item_rows=items, days=30 * rng.random(600), users=USERS, items=ITEMS)


@pytest.mark.parametrize("baseline", [*ALL, personal_frequency, personal_recency])
def test_a_user_asked_later_is_scored_as_if_its_own_history_alone_had_changed(log: Log, later: Log, baseline) -> None:
    found_UN, order_N = baseline(log, asked=later)(np.arange(USERS)), popularity(log)([0])[0]
    np.testing.assert_allclose(baseline(log, asked=log)(np.arange(USERS)), baseline(log)(np.arange(USERS)))
    for user in (0, 1, 2, 20, STRANGER):
        parts = [(log, log.user_rows != user), (later, later.user_rows == user)]
        rows, items, days = (
            np.concatenate([getattr(part, name)[chosen] for part, chosen in parts])
            for name in ("user_rows", "item_rows", "days")
        )
        changed = Log(user_rows=rows, item_rows=items, days=days, users=USERS, items=ITEMS)
        order = popularity(changed)([0])[0]
        # Popularity is that of each log: it is taken off, or left out where it only follows the votes.
        wanted_N, found_N = baseline(changed)(np.array([user]))[0], found_UN[user]
        if baseline in ALL:
            np.testing.assert_allclose(np.maximum(found_N, 0), np.maximum(wanted_N, 0), atol=1e-12)
        else:
            np.testing.assert_allclose(found_N - order_N, wanted_N - order, atol=1e-12)
    assert ranked(baseline(log, asked=later), [0], ITEMS) == ranked(popularity(log), [0], ITEMS)
