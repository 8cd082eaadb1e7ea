"""Event of a user and an item, as a client reports it and the event log keeps it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from feature_repo.errors import InputError
from feature_repo.event_kinds import DEFAULT_KINDS, Kinds, Role
from feature_repo.truths import is_no
from feature_repo.utc import utc_time

MAX_ID_LENGTH = 256
"""Characters of an id."""
MAX_POSITION = 1_000_000
MAX_AHEAD = timedelta(minutes=1)
"""Time that a client's clock may be ahead of the arrival."""
MAX_BEHIND = timedelta(days=7)
"""Time that an event may be older than its arrival: a phone that was offline."""


class EventKind(StrEnum):
    """Kinds of a dataset that does not name its own."""

    VIEW = "view"
    CLICK = "click"
    PURCHASE = "purchase"
    IMPRESSION = "impression"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Event with its two times, naive UTC.

    Raises:
        InputError: a field cannot be used; the message names it.
    """

    event_id: str
    """Id that the client chose; the same id is the same event."""
    kind: str
    """What happened: a kind of the dataset."""
    user_id: str
    """User who acted or was shown something."""
    item_id: str
    """Item of the event."""
    time: datetime
    """Time by the client's clock."""
    arrived: datetime
    """Time of arrival, by the server's clock."""
    value: float | None = None
    """Money, rating or watch time, as the values of the dataset's events."""
    basket_id: str | None = None
    """Basket of a purchase."""
    request_id: str | None = None
    """Answer that showed the item."""
    position: int | None = None
    """Rank of the item in that answer, from 1."""
    propensity: float | None = None
    """Probability with which the answer showed the item there."""
    row: int | None = None
    """Row of the item on a grid, from 1."""
    column: int | None = None
    """Column of the item on a grid, from 1."""
    randomised: str | None = None
    """Group of items of that answer whose order was drawn at random, this one among them.
    `parse_event` reads a word for no, such as `false` or `0`, as none, as a file does."""

    def __post_init__(self) -> None:
        for name in ("event_id", "user_id", "item_id"):
            check_id(name, getattr(self, name))
        for name in ("basket_id", "request_id", "randomised"):
            if getattr(self, name) is not None:
                check_id(name, getattr(self, name))
        if self.value is not None and not (_is_number(self.value) and math.isfinite(self.value)):
            raise _bad("value", self.value, "a finite number")
        for name in ("position", "row", "column"):
            place = getattr(self, name)
            if place is not None and not (type(place) is int and 1 <= place <= MAX_POSITION):
                raise _bad(name, place, f"a whole number from 1 to {MAX_POSITION:,}")
        if self.propensity is not None and not (_is_number(self.propensity) and 0 < self.propensity <= 1):
            raise _bad("propensity", self.propensity, "a probability above 0, at most 1")

    @property
    def timestamp(self) -> datetime:
        """Time of the event in the tables: no event happened after its arrival."""
        # Else a clock that is ahead would hide a click from the next answer.
        return min(self.time, self.arrived)


FIELDS = tuple(field.name for field in fields(Event) if field.name != "arrived")
"""Fields that a client may send."""
_REQUIRED = ("event_id", "kind", "user_id", "item_id")


def parse_event(raw: Mapping[str, Any], arrived: datetime, kinds: Kinds = DEFAULT_KINDS) -> Event:
    """Read and check the fields that a client sent.

    Args:
        raw: fields by name; `time` is an ISO time, by default the arrival.
        arrived: time of arrival, naive UTC.
        kinds: kinds of the dataset.

    Raises:
        InputError: a field is missing, unknown or cannot be used, or the time is more
            than a minute ahead of the arrival or a week behind it; the message names
            the field.
    """
    for name in raw:
        if name not in FIELDS:
            raise InputError(f"unknown field {name!r}; there are {', '.join(FIELDS)}")
    for name in _REQUIRED:
        if raw.get(name) is None:
            raise InputError(f"field {name!r} is missing")
    found, roles = dict(raw), dict(kinds)
    if not isinstance(found["kind"], str) or found["kind"] not in roles:
        raise _bad("kind", found["kind"], f"one of {', '.join(roles)}")
    if roles[found["kind"]] is Role.IMPRESSION:
        for name in ("position", "request_id"):
            if found.get(name) is None:
                raise InputError(f"field {name!r} is missing; an impression has one")
    found["time"] = _read_time(raw.get("time"), arrived)
    for name in ("value", "propensity"):
        if type(found.get(name)) is int:
            found[name] = _as_float(name, found[name])
    group = found.get("randomised")
    if isinstance(group, str) and is_no(group):
        found["randomised"] = None
    return Event(**found, arrived=arrived)


def _read_time(text: object, arrived: datetime) -> datetime:
    if text is None:
        return arrived
    if not isinstance(text, str):
        raise _bad("time", text, "an ISO time, such as 2024-05-31T18:00:00Z")
    try:
        time = utc_time("field 'time'", text)
    except OverflowError as error:  # year 1, in a zone ahead of UTC
        raise _bad("time", text, "a time of this age") from error
    if time > arrived + MAX_AHEAD:
        raise _bad("time", text, f"at most {MAX_AHEAD.seconds} seconds after the arrival, {arrived}")
    if time < arrived - MAX_BEHIND:
        raise _bad("time", text, f"at most {MAX_BEHIND.days} days before the arrival, {arrived}")
    return time


def _as_float(name: str, number: int) -> float:
    try:
        return float(number)
    except OverflowError as error:
        raise _bad(name, number, "a finite number") from error


def check_id(name: str, text: object) -> None:
    """Raise InputError unless a field is an id that every store can hold."""
    wanted = f"a text of 1 to {MAX_ID_LENGTH} characters"
    if not isinstance(text, str) or not 1 <= len(text) <= MAX_ID_LENGTH:
        raise _bad(name, text, wanted)
    try:
        text.encode()
    except UnicodeEncodeError as error:  # JSON can spell it, no database can hold it
        raise _bad(name, text, f"{wanted}, without half a surrogate pair") from error
    if "\0" in text:
        raise _bad(name, text, f"{wanted}, without a null character")


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _bad(name: str, value: object, wanted: str) -> InputError:
    shown = ascii(value)
    return InputError(f"field {name!r} is {shown if len(shown) <= 100 else shown[:100] + '…'}; wanted {wanted}")
