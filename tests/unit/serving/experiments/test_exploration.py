"""Randomised answers: their share, their order, and the probability of each position."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.experiments.exploration import Exploration, Kind

SWAP = Exploration(share=0.3, kind=Kind.SWAP, depth=5)
SLICE = Exploration(share=0.3, kind=Kind.SLICE, depth=4)
EXPLORATIONS = st.builds(
    Exploration,
    share=st.floats(0.001, 1.0),
    kind=st.sampled_from(Kind),
    depth=st.integers(2, 12),
    salt=st.text(max_size=3),
)
LENGTHS = st.integers(0, 15)


def matrix(exploration: Exploration, length: int) -> np.ndarray:
    """Probability of each rank at each position: [rank, position]."""
    places = range(length)
    return np.array([[exploration.propensity(rank, place, length) for place in places] for rank in places])


def enumerated(exploration: Exploration, length: int) -> np.ndarray:
    """The same from a list of all that may happen, each with its probability."""
    depth = min(exploration.depth, length)
    first = list(range(depth))
    orders: list[list[int]] = []
    if exploration.kind is Kind.SLICE:
        orders = [list(order) for order in permutations(first)]
    else:
        for *tosses, pairing in product((0, 1), repeat=depth // 2 + 1):
            order = list(first)
            for toss, place in zip(tosses, range(pairing, depth - 1, 2), strict=False):
                if toss:
                    order[place], order[place + 1] = order[place + 1], order[place]
            orders.append(order)
    found = (1 - exploration.share) * np.eye(length)
    for order in orders:
        whole = [*order, *range(depth, length)]
        found[whole, range(length)] += exploration.share / len(orders)
    return found


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("depth", "length"), [(5, 8), (6, 6), (10, 5), (10, 2), (3, 4), (10, 1)])
def test_propensities_are_those_of_all_that_may_happen(kind: Kind, depth: int, length: int) -> None:
    exploration = Exploration(share=0.3, kind=kind, depth=depth)
    assert matrix(exploration, length) == pytest.approx(enumerated(exploration, length))


@pytest.mark.parametrize("exploration", [SWAP, SLICE, replace(SWAP, share=1.0), replace(SLICE, share=1.0)])
def test_positions_of_many_answers_are_as_probable_as_told(exploration: Exploration) -> None:
    length, answers = 7, 4_000
    counts: Counter[tuple[int, int]] = Counter()
    for n in range(answers):
        order = exploration.order(f"r{n}", "user", length) or []
        counts.update((rank, place) for place, rank in enumerate([*order, *range(len(order), length)]))
    told = matrix(exploration, length)
    seen = np.array([[counts[rank, place] for place in range(length)] for rank in range(length)]) / answers
    error = np.sqrt(told * (1 - told) / answers)
    assert (abs(seen - told) <= 4 * error).all()  # 4 because 49 positions are looked at


@given(EXPLORATIONS, st.text(max_size=5), st.text(max_size=5), LENGTHS)
def test_an_order_moves_the_first_items_alone_and_each_item_has_its_propensity(
    exploration: Exploration, request_id: str, user: str, length: int
) -> None:
    ranks = exploration.order(request_id, user, length)
    assert ranks == exploration.order(request_id, user, length)
    if ranks is not None:
        assert sorted(ranks) == list(range(min(exploration.depth, length)))
    told = exploration.propensities(ranks, length)
    whole = [*(ranks or []), *range(len(ranks or []), length)]
    assert told == tuple(exploration.propensity(rank, place, length) for place, rank in enumerate(whole))
    assert all(0 < each <= 1 for each in told)


@given(EXPLORATIONS, st.text(max_size=5), st.text(max_size=5), LENGTHS)
def test_items_move_within_their_groups_alone(
    exploration: Exploration, request_id: str, user: str, length: int
) -> None:
    ranks, groups = (each(request_id, user, length) for each in (exploration.order, exploration.groups))
    if ranks is not None:
        assert [groups[rank] for rank in ranks] == groups
        assert all(rank == place for place, rank in enumerate(ranks) if groups[place] is None)


@pytest.mark.parametrize("kind", Kind)
def test_each_order_of_a_group_is_as_likely_as_any_other(kind: Kind) -> None:
    """Given its groups, which are drawn before the order."""
    exploration = Exploration(share=1, kind=kind, depth=3)
    counts = Counter(
        (tuple(exploration.groups(f"r{n}", "user", 5)), tuple(exploration.order(f"r{n}", "user", 5) or []))
        for n in range(6_000)
    )
    wanted = 6 if kind is Kind.SLICE else 4  # two pairings of two orders
    assert len(counts) == wanted
    assert min(counts.values()) > 6_000 / wanted - 5 * np.sqrt(6_000 / wanted)
    assert {sum(group is not None for group in groups) for groups, _ in counts} == {3 if kind is Kind.SLICE else 2}


@given(EXPLORATIONS, st.integers(1, 15))
def test_each_position_shows_one_item_and_each_item_stands_somewhere(exploration: Exploration, length: int) -> None:
    told = matrix(exploration, length)
    assert told.sum(axis=0) == pytest.approx(np.ones(length))
    assert told.sum(axis=1) == pytest.approx(np.ones(length))


def test_another_salt_randomises_other_answers_and_users_of_a_request_are_independent() -> None:
    plain, other = replace(SWAP, share=0.5), replace(SWAP, share=0.5, salt="other")
    users = [f"user{n}" for n in range(2_000)]
    drawn = {each.salt: [each.order("r", user, 8) is not None for user in users] for each in (plain, other)}
    both = np.corrcoef(drawn["exploration"], drawn["other"])[0, 1]
    assert abs(both) < 4 / np.sqrt(len(users))
    assert np.mean(drawn["exploration"]) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / len(users)))
