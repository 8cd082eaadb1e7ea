"""One history of files and log: every event once, whichever of them holds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.event_kinds import Role
from feature_repo.events.event import Event, EventKind
from feature_repo.events.frames import as_frame
from feature_repo.events.history import in_order, with_log
from feature_repo.events.log import Logged
from feature_repo.schema import Schema
from feature_repo.standard_views import user_activity_view
from tests.unit.feature_repo.events.events_world import NOW, click
from tests.worlds import taste_groups

LATER = NOW + timedelta(days=1)
PLAIN = ["user_id", "item_id", "timestamp", "created"]
FILES = taste_groups(users=12, items=8, days=9, per_day=8)


def frame(*events: Event) -> pl.DataFrame:
    return as_frame([Logged(number, event) for number, event in enumerate(events, 1)])


def bought(number: int, **changes: object) -> Event:
    return click(number, **({"user_id": "u001", "item_id": "i001", "value": 2.0} | changes))


def from_files(tables: Tables, **changes: object) -> Event:
    """The first event of the files, as its client sent it."""
    row = tables.events.row(0, named=True)
    event = {"user_id": row["user_id"], "item_id": row["item_id"], "time": row["timestamp"], "value": row["value"]}
    return click(1, **(event | changes))


def test_events_of_the_log_join_those_of_the_files_in_their_order() -> None:
    late = bought(3, time=FILES.events["timestamp"][3] + timedelta(milliseconds=1), basket_id="b")
    whole = with_log(FILES, frame(bought(1), bought(2, kind=EventKind.VIEW), late), LATER)
    assert whole.events.height == FILES.events.height + 3
    assert whole.events.columns == FILES.events.columns
    assert whole.events["timestamp"].is_sorted()
    row = whole.events.filter(pl.col("created") == late.arrived).row(0, named=True)
    assert row == {
        "user_id": "u001",
        "item_id": "i001",
        "timestamp": late.time,
        "created": late.arrived,
        "value": 2.0,
        "basket_id": "b",
    }
    assert whole.notes[-1].startswith("event log: 3 events added; 0 that the files hold and 0 of unlisted")
    assert with_log(FILES, frame(), LATER).notes == FILES.notes


def test_an_event_of_both_counts_once_to_the_second() -> None:
    sent = from_files(FILES)
    near = replace(sent, event_id="e2", time=sent.time + timedelta(milliseconds=999))
    assert with_log(FILES, frame(sent), LATER).events.equals(FILES.events)
    assert with_log(FILES, frame(near), LATER).events.equals(FILES.events)
    both = with_log(FILES, frame(sent, near), LATER)
    assert both.events.height == FILES.events.height + 1  # the files have one of the two
    other = replace(sent, time=sent.time + timedelta(seconds=1))
    assert with_log(FILES, frame(other), LATER).events.height == FILES.events.height + 1


def test_files_with_ids_hold_an_event_by_its_id_alone() -> None:
    named = replace(FILES, events=FILES.events.with_columns(event_id=pl.format("f{}", pl.int_range(pl.len()))))
    same_id = from_files(FILES, event_id="f0", time=NOW)
    same_time = from_files(FILES, event_id="another")
    assert with_log(named, frame(same_id), LATER).events.equals(named.events)
    whole = with_log(named, frame(same_id, same_time), LATER)
    assert whole.events.height == named.events.height + 1
    assert whole.events["event_id"].n_unique() == whole.events.height
    half = replace(
        named, events=named.events.with_columns(event_id=pl.when(pl.col("event_id") != "f0").then("event_id"))
    )
    assert with_log(half, frame(same_time), LATER).events.equals(half.events)


def test_files_of_dates_hold_an_event_of_the_day() -> None:
    dates = replace(FILES, events=in_order(FILES.events.with_columns(pl.col("timestamp", "created").dt.truncate("1d"))))
    sent = from_files(FILES, time=FILES.events["timestamp"][0] + timedelta(hours=7))
    assert with_log(dates, frame(sent), LATER).events.equals(dates.events)


def test_the_log_is_taken_up_to_a_time_and_the_number_is_kept() -> None:
    log = frame(bought(1), bought(2), bought(3))
    whole = with_log(FILES, log, NOW + timedelta(seconds=2))
    assert (whole.events.height, whole.log_until) == (FILES.events.height + 2, 2)
    assert with_log(FILES, log.clear(), LATER).log_until == 0


def test_who_no_list_has_is_left_out_and_who_none_could_have_is_added() -> None:
    strangers = frame(bought(1, user_id="new"), bought(2, item_id="new"), bought(3))
    listed = with_log(FILES, strangers, LATER)
    assert listed.events.height == FILES.events.height + 1
    assert listed.notes[-1].endswith("2 of unlisted users or items left out")
    schema = Schema(dataset="open", views=(user_activity_view(value=True, basket=True),), seen_items_may_return=True)
    open_ = replace(FILES, schema=schema, users=FILES.users.select("user_id"), items=FILES.items.select("item_id"))
    whole = with_log(open_, strangers, LATER)
    assert whole.events.height == FILES.events.height + 3
    assert (whole.users.height, whole.items.height) == (FILES.users.height + 1, FILES.items.height + 1)


def test_impressions_are_no_events_and_kinds_count_as_the_dataset_says() -> None:
    shown = [bought(number, kind=EventKind.IMPRESSION, position=number, request_id="r") for number in (1, 2)]
    log = frame(*shown, bought(3, kind=EventKind.VIEW), bought(4, kind=EventKind.PURCHASE), bought(5, kind="saved"))
    assert with_log(FILES, log, LATER).events.height == FILES.events.height + 2
    kinds = (("view", Role.IGNORED), ("saved", Role.INTERACTION), ("impression", Role.IMPRESSION))
    own = replace(FILES, schema=replace(FILES.schema, kinds=kinds))
    whole = with_log(own, log, LATER)
    assert whole.events.filter(pl.col("timestamp") > NOW)["timestamp"].to_list() == [bought(5).time]
    assert whole.impressions is not None
    assert whole.impressions.columns == [*PLAIN, "request_id", "position"]
    assert whole.impressions["timestamp"].to_list() == [event.time for event in shown]
    assert with_log(whole, log, LATER).impressions.equals(whole.impressions)  # type: ignore[union-attr]


def shown(number: int, **changes: object) -> Event:
    given = {"kind": EventKind.IMPRESSION, "request_id": "r", "position": 1, "item_id": f"i{number:03}", "value": None}
    return bought(number, **(given | changes))


def test_an_impression_is_clicked_by_an_interaction_that_names_its_answer() -> None:
    others = ({"request_id": "another"}, {"request_id": None}, {"user_id": "u002"}, {"item_id": "i005"})
    log = frame(
        *(
            shown(
                number, position=number, row=number, **({"propensity": 0.5, "randomised": "a"} if number == 1 else {})
            )
            for number in range(1, 5)
        ),
        bought(5, item_id="i001", request_id="r", value=None),
        bought(6, item_id="i001", request_id="r", value=2.5, kind=EventKind.PURCHASE),
        bought(7, item_id="i001", request_id="r", value=0.5, kind=EventKind.PURCHASE),
        bought(8, item_id="i002", request_id="r", value=None),
        bought(9, item_id="i004", request_id="r", kind="saved"),
        *(bought(10 + place, **({"item_id": "i003", "request_id": "r"} | other)) for place, other in enumerate(others)),
    )
    found = with_log(FILES, log, LATER).impressions
    assert found is not None
    outcome = ["click", "reward", "propensity", "randomised", "click_known", "reward_known"]
    assert found.columns == [*PLAIN, "request_id", "position", "row", *outcome]
    at = dict(log.select("sequence", "created").rows())
    assert found.sort("position").select("position", *outcome).rows() == [
        (1, True, 3.0, 0.5, "a", at[5], at[7]),
        (2, True, None, None, None, at[8], None),
        (3, False, None, None, None, None, None),
        (4, False, None, None, None, None, None),
    ]
    early = with_log(FILES, log, at[6]).impressions
    assert early is not None and early.sort("position")["reward"].to_list() == [2.5, None, None, None]


def test_impressions_of_files_and_log_are_one_table_with_null_for_what_one_lacks() -> None:
    rows = FILES.events.head(3).select(*PLAIN)
    files = replace(FILES, impressions=rows.with_columns(row=pl.lit(2, pl.Int32), device=pl.lit("tv")))
    log = frame(shown(1), shown(2))
    found = with_log(files, log, LATER).impressions
    assert found is not None
    assert found.columns == [*PLAIN, "request_id", "position", "row", "device"]
    assert found["device"].to_list() == ["tv"] * 3 + [None] * 2
    alone = with_log(FILES, frame(shown(1, request_id=None)), LATER).impressions
    assert alone is not None and alone.columns == [*PLAIN, "position"]


def test_clicks_are_unknown_where_clients_name_no_request() -> None:
    """Else every impression of a log of clicks without requests was shown in vain."""
    silent = with_log(FILES, frame(shown(1), bought(5)), LATER).impressions
    assert silent is not None and "click" not in silent.columns
    told = with_log(FILES, frame(shown(1), shown(2), bought(5, request_id="r")), LATER).impressions
    assert told is not None and told.sort("position")["click"].to_list() == [True, False]


def test_another_request_of_the_same_second_is_another_impression() -> None:
    held = shown(1, item_id="i001", request_id="first")
    row = {"user_id": "u001", "item_id": "i001", "timestamp": held.time, "created": LATER, "request_id": "first"}
    rows = pl.DataFrame(row).with_columns(pl.col("timestamp", "created").cast(pl.Datetime("us")))
    files = replace(FILES, impressions=rows)
    found = with_log(files, frame(held, shown(2, item_id="i001", request_id="second")), LATER).impressions
    assert found is not None
    assert sorted(found["request_id"]) == ["first", "second"]


def test_an_impression_of_both_counts_once_by_its_request() -> None:
    held = shown(1, item_id="i001")
    row = {"user_id": "u001", "item_id": "i001", "timestamp": held.time - timedelta(minutes=5), "created": LATER}
    rows = pl.DataFrame(row).with_columns(request_id=pl.lit("r"), timestamp=pl.col("timestamp").cast(pl.Datetime("us")))
    files = replace(FILES, impressions=rows)
    found = with_log(files, frame(held, shown(2), shown(3, request_id="another", item_id="i001")), LATER).impressions
    assert found is not None
    assert found.select("item_id", "request_id").rows() == [("i001", "r"), ("i002", "r"), ("i001", "another")]


def test_the_same_log_twice_adds_nothing() -> None:
    log = frame(bought(1), bought(2), bought(2, event_id="same second"))
    once = with_log(FILES, log, LATER)
    assert with_log(once, log, LATER).events.equals(once.events)
    assert once.events.height == FILES.events.height + 3
    assert isinstance(once.events["created"].max(), datetime)
