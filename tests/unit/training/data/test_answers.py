"""Answers of impressions: what stands in them, their time, and what is left out."""

from __future__ import annotations

from dataclasses import astuple
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tests.unit.training.data.answers_world import (
    CORPUS,
    DAY,
    UNTIL,
    by_hand,
    events,
    impressions,
    snapshots,
)
from training.data.answers import Answers, answers
from training.data.slates import NO_ITEM, UNKNOWN

SEEDS = range(5)
MICROSECOND = timedelta(microseconds=1)


def built(shown: pl.DataFrame, seed: int = 0, **given: object) -> Answers:
    arguments = {"queries": snapshots(seed), "corpus": CORPUS, "events": events(60, seed), "until": UNTIL}
    return answers(shown, **(arguments | given))  # type: ignore[arg-type]


def same(one: Answers, other: Answers) -> bool:
    pairs = zip(astuple(one.slates), astuple(other.slates), strict=True)
    return one.surroundings == other.surroundings and all(np.array_equal(left, right) for left, right in pairs)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_impression_stands_in_its_answer_or_is_left_out_for_one_reason(seed: int) -> None:
    shown = impressions(300, seed)
    found = built(shown, seed)
    wanted, reasons = by_hand(shown, events(60, seed), snapshots(seed))
    slates, values = found.slates, found.surroundings.of("device")
    rows = zip(slates.query_S, slates.item_SL, slates.click_SL, slates.of("device"), strict=True)
    assert [
        (
            query,
            [[CORPUS[int(i)], values[d], c] for i, c, d in zip(items, clicks, devices, strict=True) if i != NO_ITEM],
        )
        for query, items, clicks, devices in rows
    ] == [(query, [[item, device or "unknown", click] for item, _, device, click in rows]) for query, rows in wanted]
    account = found.account
    assert list(account.left_out.values()) == [
        *(reasons[name] for name in ("time", "item", "user", "snapshot", "open", "again")),
        0,
    ]
    assert all(reasons[name] > 0 for name in ("time", "item", "user", "snapshot", "again"))
    assert account.impressions == shown.height == account.kept + sum(account.left_out.values())
    assert account.kept == slates.shown_SL.sum() and account.answers == len(slates)
    assert account.clicks == slates.click_SL.sum()
    assert account.without_position == sum(place is None for _, rows in wanted for _, place, _, _ in rows)
    assert account.without_propensity == account.kept
    assert slates.propensity_SL is None and slates.reward_SL is None


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    shown, log = impressions(300, seed), events(60, seed)
    shuffled = shown.sample(fraction=1, shuffle=True, seed=seed), log.sample(fraction=1, shuffle=True, seed=seed)
    assert same(built(shown, seed), built(shuffled[0], seed, events=shuffled[1]))


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_of_the_future_is_read(seed: int) -> None:
    shown, log = impressions(300, seed), events(60, seed)
    known = [frame.filter(pl.max_horizontal("timestamp", "created") < UNTIL) for frame in (shown, log)]
    past, whole = built(known[0], seed, events=known[1]), built(shown, seed)
    assert same(past, whole)
    later = shown.filter(pl.col("click")).with_columns(
        click_known=pl.when(pl.col("user_id") == "u3").then(pl.lit(UNTIL)).otherwise("timestamp")
    )
    none_yet = later.with_columns(pl.col("click") & (pl.col("user_id") != "u3")).drop("click_known")
    assert same(built(later, seed), built(none_yet, seed))
    assert built(later, seed).account.clicks <= built(later.drop("click_known"), seed).account.clicks


def test_an_answer_meets_the_newest_snapshot_at_or_before_it() -> None:
    times = [UNTIL - 3 * DAY, UNTIL - 2 * DAY]
    asked = pl.DataFrame({"user_id": ["u1", "u1"], "event_timestamp": times})
    moments = [times[0] - MICROSECOND, times[0], times[1] - MICROSECOND, times[1], times[1] + DAY]
    shown = pl.DataFrame({"user_id": "u1", "item_id": "i0", "timestamp": moments, "created": moments, "click": False})
    found = built(shown, queries=asked)
    assert found.slates.query_S.tolist() == [0, 0, 1, 1]
    assert found.account.left_out["of answers before their user's first snapshot"] == 1
    assert found.account.age_days == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("after", "known", "click"),
    [
        (timedelta(0), timedelta(0), 1),
        (DAY, DAY, 1),
        (DAY + MICROSECOND, DAY + MICROSECOND, 0),
        (-MICROSECOND, timedelta(0), 0),
        (timedelta(hours=1), 3 * DAY - MICROSECOND, 1),
        (timedelta(hours=1), 3 * DAY, 0),
    ],
)
def test_a_click_is_an_interaction_within_a_day_that_was_known(after: timedelta, known: timedelta, click: int) -> None:
    start = UNTIL - 3 * DAY
    shown = pl.DataFrame({"user_id": ["u1"], "item_id": ["i0"], "timestamp": [start], "created": [start]})
    old = start - 9 * DAY + MICROSECOND
    taken = pl.DataFrame(
        {"user_id": "u1", "item_id": ["i0", "i0"], "timestamp": [start + after, old], "created": [start + known, old]}
    )
    asked = pl.DataFrame({"user_id": ["u1"], "event_timestamp": [start]})
    found = built(shown, events=taken, queries=asked)
    assert found.slates.click_SL.tolist() == [[click]]
    assert found.account.clicks_unknown == 1


@pytest.mark.parametrize("dates", [False, True])
def test_an_impression_whose_click_may_still_come_is_left_out_clicked_or_not(dates: bool) -> None:
    """A click that the data say stands; with dates only, a day must be over before the end."""
    ago = [2 * DAY, DAY + MICROSECOND, DAY, timedelta(hours=2), timedelta(hours=1)]
    moments = [UNTIL - each for each in ago]
    items = ["i0", "i1", "i2", "i3", "i4"]
    said = [None, None, None, None, True]
    shown = pl.DataFrame({"user_id": "u1", "item_id": items, "timestamp": moments, "created": moments, "click": said})
    # All but the last are taken at once, which a trained model must not see for the young ones alone.
    taken = shown.head(4).select("user_id", "item_id", "timestamp", "created")
    if dates:
        taken = taken.with_columns(pl.col("timestamp", "created").dt.truncate("1d"))
    asked = pl.DataFrame({"user_id": ["u1"], "event_timestamp": [UNTIL - 3 * DAY]})
    found = built(shown, events=taken, queries=asked)
    assert [items[item] for item in found.slates.item_SL[:, 0]] == ["i0", "i1", "i4"]
    assert found.slates.click_SL[:, 0].tolist() == [1, 1, 1]
    assert found.account.left_out["of the last 24 hours, whose click may still come"] == 2


def test_of_events_with_dates_those_of_the_day_and_the_next_are_clicks() -> None:
    days = [UNTIL - DAY * n for n in (6, 5, 4, 3)]
    shown = pl.DataFrame({"user_id": "u1", "item_id": "i0", "timestamp": [day + DAY * 0.7 for day in days]})
    shown = shown.with_columns(created="timestamp")
    taken = pl.DataFrame({"user_id": "u1", "item_id": "i0", "timestamp": days[2:3], "created": days[2:3]})
    found = built(shown, events=taken, queries=pl.DataFrame({"user_id": ["u1"], "event_timestamp": [days[0]]}))
    assert found.slates.click_SL[:, 0].tolist() == [0, 1, 1, 0]


def listed(sizes: list[int], **columns: pl.Expr) -> pl.DataFrame:
    """Answers of u1 with so many items each, at positions from 1."""
    answer, place = np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.arange(size) for size in sizes])
    frame = pl.DataFrame({"item_id": [f"i{n}" for n in place], "request_id": [f"r{n:04}" for n in answer]})
    time = pl.lit(UNTIL - 1.5 * DAY)
    position = pl.Series(place + 1, dtype=pl.Int32)
    return frame.with_columns(user_id=pl.lit("u1"), timestamp=time, created=time, position=position).with_columns(
        **columns
    )


def of_u1(shown: pl.DataFrame, **given: object) -> Answers:
    asked = pl.DataFrame({"user_id": ["u1"], "event_timestamp": [UNTIL - 2 * DAY]})
    corpus = pl.Series("item_id", [f"i{n}" for n in range(300)])
    return built(shown, queries=asked, corpus=corpus, **given)


def test_rare_positions_share_a_code_and_other_values_have_theirs_by_frequency() -> None:
    shown = listed([3] * 99 + [5] + [2] * 10)
    device = pl.when(pl.col("position") == 1).then(None).when(pl.col("position") > 2).then(pl.lit("tv"))
    shown = shown.with_columns(device=device.otherwise(pl.lit("phone")), row=pl.lit(None, pl.Int32))
    found = of_u1(shown)
    assert found.surroundings.names == ("position", "row", "device") == found.slates.names
    assert found.surroundings.of("position") == ("unknown", "1", "2", "3", "4 and more")
    assert found.surroundings.of("row") == ("unknown",)
    assert found.surroundings.of("device") == ("unknown", "phone", "tv")
    assert found.surroundings.sizes == found.slates.sizes == (5, 1, 3)
    assert found.slates.of("position")[99].tolist() == [1, 2, 3, 4, 4]
    assert found.slates.of("device")[99].tolist() == [UNKNOWN, 1, 2, 2, 2]
    assert found.slates.of("position")[0].tolist() == [1, 2, 3, UNKNOWN, UNKNOWN]
    assert of_u1(shown, features=["device"]).slates.context_SLC.shape == (110, 5, 1)
    with pytest.raises(ValueError, match=r"impressions have no slot; they have position, row, device: name the column"):
        of_u1(shown, features=["position", "slot"])


@pytest.mark.parametrize(
    "name", ["item", "answer", "query", "rank", "asked", "snapshot", "moment", "row_index", "len", "impressions"]
)
def test_surroundings_may_have_any_name(name: str) -> None:
    shown, values = listed([3, 2]), pl.when(pl.col("position") > 1).then(pl.lit("x"))
    found, plain = of_u1(shown.with_columns(values.alias(name))), of_u1(shown.with_columns(device=values))
    assert found.surroundings.of(name) == ("unknown", "x")
    assert np.array_equal(found.slates.context_SLC, plain.slates.context_SLC)
    assert np.array_equal(found.slates.item_SL, plain.slates.item_SL)


def test_unknown_positions_stand_last_and_long_answers_are_cut() -> None:
    shown = listed([201, 3]).with_columns(
        position=pl.when(pl.col("request_id") == "r0001", pl.col("item_id") == "i0").then(None).otherwise("position")
    )
    found = of_u1(shown)
    assert found.slates.item_SL.shape == (2, 200)
    assert found.slates.item_SL[1, :4].tolist() == [1, 2, 0, NO_ITEM]
    assert found.account.left_out["behind the first 200 of an answer"] == 1
    assert found.account.without_position == 1


def test_propensities_and_rewards_are_there_if_any_is_known() -> None:
    some = pl.when(pl.col("position") == 2).then(0.25)
    found = of_u1(listed([2, 1], propensity=some, reward=some))
    assert found.slates.propensity_SL is not None and found.slates.reward_SL is not None
    np.testing.assert_equal(found.slates.propensity_SL, np.float32([[np.nan, 0.25], [np.nan, np.nan]]))
    assert found.slates.reward_SL.tolist() == [[0, 0.25], [0, 0]]
    assert found.account.without_propensity == 2
    none = pl.lit(None, pl.Float64)
    assert of_u1(listed([2], propensity=none, reward=none)).slates.propensity_SL is None


def test_without_an_impression_left_the_reasons_are_said() -> None:
    with pytest.raises(ValueError, match=r"of 3 impressions none is left to learn from: 3 of items that are not in"):
        built(listed([3]).with_columns(item_id=pl.lit("ghost")))


def test_the_account_is_told_in_lines() -> None:
    lines = list(built(impressions(300, 0)).account.lines())
    assert lines[0].startswith(f"{built(impressions(300, 0)).account.kept:,} of 300 impressions in ")
    assert any(line.startswith("left out: ") and "not in the corpus" in line for line in lines)
    assert any("an interaction within 24 hours is one" in line for line in lines)


def test_groups_of_a_random_order_are_numbered_and_the_answers_counted() -> None:
    drawn = pl.when(pl.col("position") < 3).then(pl.lit("top")).when(pl.col("request_id") == "r0001").then(pl.lit("b"))
    found = of_u1(listed([4, 3, 1], randomised=pl.when(pl.col("request_id") != "r0002").then(drawn)))
    assert found.slates.group_SL is not None
    assert found.slates.group_SL.tolist() == [[2, 2, 0, 0], [2, 2, 1, 0], [0, 0, 0, 0]]
    assert found.account.randomised == 2
    assert "2 answers with items in random order" in list(found.account.lines())
    none = of_u1(listed([2], randomised=pl.lit(None, pl.String)))
    assert (none.slates.group_SL, none.account.randomised) == (None, 0)
    assert of_u1(listed([2])).account.randomised is None
