"""Rolling next-basket: knowledge before a basket, and means of the values."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.schema import Entity
from feature_repo.tables.build import feature_tables
from tests.benchmarks.rolling.baskets import Round, rounds
from tests.benchmarks.rolling.pooled import pooled, user_means
from tests.benchmarks.rolling.systems import ASKED, baseline_searches, features_at
from tests.logs import DAYS, ITEMS, START, USERS, Event, known, random_events, seen, tables_of
from training.baselines import Log
from training.evaluation.evaluate import evaluate
from training.evaluation.result import Evaluation
from training.retrieval.exact import MakeSearch, score_search

CUT = START + timedelta(days=100)
NOON = CUT + timedelta(hours=12)
HOUR = timedelta(hours=1)


def bought(item: int, basket: str, at: datetime, *, user: str = "u0", known_after: timedelta = timedelta(0)) -> Event:
    """One event of a basket.

    Args:
        item: the item.
        basket: the basket.
        at: time of the event.
        user: the user.
        known_after: time after which it becomes known.
    """
    return {
        "user_id": user,
        "item_id": f"i{item}",
        "timestamp": at,
        "created": at + known_after,
        "value": 1.0,
        "basket_id": basket,
    }


def world() -> list[Event]:
    """Small log: u0 has i0 before the cut and three baskets after it.

    Two of the baskets are on one day. i9 is old but becomes known late.
    """
    return [
        bought(0, "old", CUT - 48 * HOUR),
        bought(9, "late", CUT - 24 * HOUR, known_after=38 * HOUR),  # two hours after noon
        bought(8, "straddles", CUT - HOUR),
        bought(7, "straddles", CUT + HOUR),
        bought(1, "first", NOON),
        bought(2, "first", NOON + timedelta(minutes=5)),
        bought(1, "second", NOON + 3 * HOUR),
        bought(3, "second", NOON + 3 * HOUR),
        bought(4, "third", NOON + 24 * HOUR),
        bought(5, "other", NOON + HOUR, user="u1"),
    ]


def played(events: list[Event], number: int = 5) -> list[Round]:
    return list(rounds(tables_of(events, length=20), CUT, number))


def items_of(rows: object, user: int = 0) -> set[int]:
    return set(rows[[user]].indices.tolist())  # type: ignore[index]


def item_rows(of_round: Round, user: int = 0) -> set[int]:
    return set(of_round.log.item_rows[of_round.log.user_rows == user].tolist())


def test_a_basket_sees_those_before_it_and_not_itself() -> None:
    found = played(world())
    assert [each.asked["basket"].to_list() for each in found] == [["first", "other"], ["second"], ["third"]]
    names = [int(name[1:]) for name in tables_of(world()).items["item_id"]]
    had = [{0, 7, 8}, {0, 7, 8, 9, 1, 2}, {0, 7, 8, 9, 1, 2, 3}]
    wanted = [{1, 2}, {1, 3}, {4}]
    for of_round, past, basket in zip(found, had, wanted, strict=True):
        features = features_at(tables_of(world(), length=20), of_round.asked).filter(pl.col("user_id") == "u0")
        assert {names[row] for row in items_of(of_round.holdout.relevant)} == basket
        assert {names[row] for row in items_of(of_round.holdout.seen)} == past
        assert {names[row] for row in item_rows(of_round)} == past
        assert set(features["history_items"].item()) == {f"i{name}" for name in past}
        assert features["events_all"].item() == (of_round.log.user_rows == 0).sum()


def test_only_the_first_baskets_are_asked() -> None:
    assert [each.asked["basket"].to_list() for each in played(world(), 2)] == [["first", "other"], ["second"]]


def test_days_are_baskets_where_events_have_none() -> None:
    found = list(rounds(tables_of(world(), basket=False), CUT, 5))
    assert [each.asked["event_timestamp"].to_list() for each in found] == [
        [CUT + HOUR, NOON + HOUR],
        [NOON + 24 * HOUR],
    ]
    assert items_of(found[0].holdout.relevant) == {1, 2, 3, 7}
    assert item_rows(found[0]) == {0, 8}


def test_an_earlier_basket_of_the_day_is_a_basket_of_its_own_day() -> None:
    """Counted back in whole days from the end of the day: today 0, yesterday 1."""
    second = played(world())[1]
    days = {item: int(day) for item, day in zip(second.log.item_rows, second.log.days, strict=True)}
    assert days == {1: 0, 2: 0, 7: 0, 8: 1, 9: 1, 0: 2}


@pytest.mark.parametrize("seed", range(3))
def test_what_becomes_known_later_changes_nothing(seed: int) -> None:
    """Each user is asked again in a world that ends just before the query.

    Only the basket that is asked for follows.
    """
    events = random_events(seed)
    for event in events:  # half of those of tests.logs have none
        event["basket_id"] = f"{event['timestamp']:%m-%d %H}"
    cut, checked = START + timedelta(days=DAYS * 3 // 4), 0
    for of_round in rounds(tables_of(events, length=20), cut, 3):
        features = features_at(tables_of(events, length=20), of_round.asked)
        for query, (user, moment) in enumerate(of_round.asked.select("user_id", "event_timestamp").rows()):
            past = tables_of([event for event in events if known(event) < moment], length=20)
            row = USERS.index(user)
            wanted = sorted(ITEMS.index(event["item_id"]) for event in seen(events, "user_id", user, moment))
            assert sorted(of_round.log.item_rows[of_round.log.user_rows == row]) == wanted
            assert set(items_of(of_round.holdout.seen, query)) == set(wanted)
            assert features[query].equals(features_at(past, of_round.asked[[query]]))
            checked += 1
    assert checked > 10


def test_only_the_users_own_history_goes_on_after_the_cut() -> None:
    """Events of others since the cut change no list; those of the user do."""
    events = [*(event for event in random_events(0, 150) if known(event) < CUT), *world()]
    others = [bought(n % 3 + 5, f"more {n}", NOON - HOUR, user=f"u{n % 3 + 1}") for n in range(60)]
    own = [bought(item, "late", CUT - n * HOUR, known_after=10 * HOUR) for n in range(1, 4) for item in (6, 10, 11)]
    plain, with_others, with_own = (_lists(log) for log in (events, [*events, *others], [*events, *own]))
    assert set(plain) == {*ASKED, "popularity"}
    for name, found in plain.items():
        assert found == with_others[name], name
        assert (found == with_own[name]) == (name == "popularity"), name


def _lists(log: list[Event]) -> dict[str, list[int]]:
    """Lists of the baselines for the second basket of u0, by name."""
    tables = tables_of(log)
    before = Log.before(tables.events, tables.users["user_id"], tables.items["item_id"], CUT)
    of_round = list(rounds(tables, CUT, 2))[1]
    row = of_round.asked["user_id"].to_list().index("u0")
    searches = baseline_searches(before, of_round)
    return {name: make()()(np.array([row]), 12)[0].tolist() for name, make in searches.items()}


def test_features_at_a_snapshot_of_training_are_those_of_training() -> None:
    tables = tables_of(random_events(1))
    trained = feature_tables(tables, Entity.USER, ())["user_activity"].drop("created")
    asked = trained.select("user_id", "event_timestamp").sample(fraction=1, shuffle=True, seed=0)
    found = features_at(tables, asked)
    assert found.select("user_id", "event_timestamp").equals(asked)
    assert found.select(trained.columns).sort("user_id", "event_timestamp").equals(trained)


def test_a_users_baskets_are_averaged_before_the_users_are() -> None:
    """u0 has three baskets, and a hit in the first; u1 has one, and a hit."""
    played_rounds = played(world())
    assert user_means([(np.array([0, 1]), np.array([0.0, 1.0])), (np.array([0]), np.array([0.5]))]).tolist() == [
        0.25,
        1,
    ]
    measured = [evaluate(_popular_first(), each.holdout, ks=(1, 20), seed=0) for each in played_rounds]
    found: Evaluation = pooled(measured, [each.holdout for each in played_rounds])
    np.testing.assert_allclose(found.per_user["all/recall@1"], [(0.5 + 0.5 + 0) / 3, 0])
    assert found.metrics["all/recall@1"] == pytest.approx(1 / 6)
    assert found.ceilings["all/recall@1"] == pytest.approx(((0.5 + 0.5 + 1) / 3 + 1) / 2)
    assert found.users == {"all": 2, "repeat": 1, "discovery": 2}
    assert found.metrics["repeat/recall@1"] == 1  # item 1 of the second basket, the only one that was had before


def _popular_first() -> MakeSearch:
    """Search that ranks item 1 first for everybody."""
    return score_search(lambda rows: np.tile(-np.abs(np.arange(12) - 1.1), (len(rows), 1)))
