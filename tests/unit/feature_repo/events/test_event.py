"""Events as clients send them: what is read, and what is refused by the name of its field."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from feature_repo.errors import InputError
from feature_repo.event_kinds import read_kinds
from feature_repo.events.event import MAX_ID_LENGTH, EventKind, parse_event
from tests.unit.feature_repo.events.events_world import NOW

SENT = {"event_id": "e1", "kind": "click", "user_id": "u1", "item_id": "i1"}


def test_an_event_has_what_the_client_sent_and_its_arrival() -> None:
    sent = SENT | {"time": "2024-05-31T19:59:00+02:00", "value": 3, "basket_id": "b", "position": 2}
    event = parse_event(sent, NOW)
    assert (event.kind, event.user_id, event.item_id) == (EventKind.CLICK, "u1", "i1")
    assert (event.time, event.arrived) == (NOW - timedelta(minutes=1), NOW)
    assert (event.value, type(event.value), event.basket_id, event.position) == (3.0, float, "b", 2)
    assert parse_event(SENT, NOW).time == NOW


@pytest.mark.parametrize(
    ("sent", "group"),
    [("false", None), (" No ", None), ("0", None), ("true", "true"), ("1", "1"), ("swap 2", "swap 2"), (None, None)],
)
def test_a_word_for_no_is_no_random_order_as_in_a_file(sent: str | None, group: str | None) -> None:
    assert parse_event(SENT | {"randomised": sent}, NOW).randomised == group


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", None),
        ("event_id", ""),
        ("user_id", 7),
        ("user_id", "u" * (MAX_ID_LENGTH + 1)),
        ("item_id", "half \ud83d"),
        ("item_id", "nothing\0behind"),
        ("basket_id", ""),
        ("request_id", ["r"]),
        ("kind", "like"),
        ("kind", {}),
        ("value", "3"),
        ("value", True),
        ("value", float("nan")),
        ("value", 10**400),
        ("position", 0),
        ("position", 1.0),
        ("position", 10**9),
        ("row", 0),
        ("column", "2"),
        ("randomised", ""),
        ("propensity", 0.0),
        ("propensity", 1.1),
        ("time", 1_717_171_717),
        ("time", "yesterday"),
        ("time", "0001-01-01T00:00:00+02:00"),
        ("colour", "red"),
        ("arrived", "2024-05-31T18:00:00"),
    ],
)
def test_what_cannot_be_used_is_named(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"field '{field}'") as error:
        parse_event(SENT | {field: value}, NOW)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(("late", "taken"), [(60, True), (61, False), (-7 * 86_400, True), (-7 * 86_400 - 1, False)])
def test_a_clock_may_be_a_minute_ahead_or_a_week_behind(late: int, taken: bool) -> None:
    sent = SENT | {"time": (NOW + timedelta(seconds=late)).isoformat()}
    if taken:
        assert parse_event(sent, NOW).time == NOW + timedelta(seconds=late)
    else:
        with pytest.raises(InputError, match="field 'time'"):
            parse_event(sent, NOW)


def test_an_event_of_a_clock_that_is_ahead_happened_when_it_arrived() -> None:
    """Else no feature would count it until the clocks agree."""
    event = parse_event(SENT | {"time": (NOW + timedelta(seconds=50)).isoformat()}, NOW)
    assert event.timestamp == NOW


@pytest.mark.parametrize("field", ["position", "request_id"])
def test_an_impression_says_by_which_answer_and_where(field: str) -> None:
    sent = SENT | {"kind": "impression", "position": 3, "request_id": "r", "propensity": 1}
    assert parse_event(sent, NOW).propensity == 1.0
    with pytest.raises(InputError, match=f"field '{field}' is missing"):
        parse_event({name: value for name, value in sent.items() if name != field}, NOW)


def test_kinds_are_those_of_the_dataset() -> None:
    kinds = read_kinds({"saved": "interaction", "shown": "impression"}, "here")
    assert parse_event(SENT | {"kind": "saved"}, NOW, kinds).kind == "saved"
    with pytest.raises(InputError, match="field 'kind' is 'click'; wanted one of saved, shown"):
        parse_event(SENT, NOW, kinds)
    with pytest.raises(InputError, match="field 'position' is missing"):
        parse_event(SENT | {"kind": "shown", "request_id": "r"}, NOW, kinds)


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ({"Saved": "interaction"}, "kind 'Saved'; wanted up to 64 lower-case letters"),
        ({1: "interaction"}, "kind 1; wanted"),
        ({"saved": "positive"}, "kind 'saved' is 'positive'; wanted one of interaction, impression, ignored"),
        ({"saved": ["interaction"]}, "kind 'saved' is"),
        ({"shown": "impression"}, "no kind is an interaction"),
        ({f"k{number}": "interaction" for number in range(51)}, "51 kinds; wanted at most 50"),
    ],
)
def test_kinds_that_cannot_be_used_are_named(kinds: dict[Any, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_kinds(kinds, "here")
