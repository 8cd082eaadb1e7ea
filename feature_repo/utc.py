"""Times as everything here has them: UTC without a zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from feature_repo.errors import InputError

_EPOCH = datetime(1970, 1, 1)


def present_time() -> datetime:
    """Read this machine's clock."""
    return datetime.now(UTC).replace(tzinfo=None)


def utc_time(name: str, text: str) -> datetime:
    """Convert an ISO time with a zone to UTC; one without is UTC.

    Args:
        name: name of the option, for messages.
        text: the time.

    Raises:
        InputError: it is no ISO time.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{name} is {text!r}: wanted an ISO time in UTC, such as 2024-05-31T18:00") from error
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def microseconds(time: datetime) -> int:
    """Count the microseconds from 1970 to a time."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def of_microseconds(count: int) -> datetime:
    """Convert microseconds from 1970 to a time."""
    return _EPOCH + timedelta(microseconds=int(count))
