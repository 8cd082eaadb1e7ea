"""Right to be forgotten: a user's events in the log, exposures, and online features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.events.base import read_base
from feature_repo.events.base_note import note_path
from feature_repo.events.log import EventLog
from feature_repo.schema import USER_ID, Entity
from feature_repo.store.serving_state import seen_schema
from feature_repo.store.store import Store
from serving.experiments.exposure_log import forget_users as forget_exposures
from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ForgottenUser:
    """Counts of what is deleted of a user, or would be."""

    user: str
    """The user."""
    events: int
    """Events in the log."""
    exposures: int
    """Exposures of experiments."""
    online: bool
    """Whether the online store had features."""
    in_data: int
    """Events in the data of the newest run, those of the log among them."""


def forget_users(
    settings: Settings, dataset: str, log: EventLog, users: Sequence[str], *, now: datetime, dry_run: bool
) -> list[ForgottenUser]:
    """Delete users from the event log, the log of exposures and the online store.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        log: event log of the dataset.
        users: ids of the users.
        now: present time, naive UTC.
        dry_run: whether to count only.

    Raises:
        EventLogError: the log cannot be read or written.
        ExposureLogError: nor can that of exposures.
    """
    store = Store(
        seen_schema(dataset), settings.feast_home, online=settings.online_store, registry=settings.feature_registry
    )
    # First the log: its note keeps a consumer from writing the features again.
    events = {user: log.count(user) if dry_run else log.forget(user, now) for user in dict.fromkeys(users)}
    exposures = forget_exposures(settings.exposure_log(dataset), users, dry_run=dry_run)
    known = store.known_of_all(Entity.USER)
    online = known.intersection(users) if dry_run else store.forget(Entity.USER, users, now)
    held = _events_of_newest_run(settings, dataset, users)
    return [
        ForgottenUser(
            user=user, events=count, exposures=exposures[user], online=user in online, in_data=held.get(user, 0)
        )
        for user, count in events.items()
    ]


def text_of(forgotten: ForgottenUser, *, dry_run: bool) -> str:
    """Say in a line what was deleted of a user, and what is left."""
    verb = "would be deleted" if dry_run else "deleted"
    online = "online features" if forgotten.online else "no online features"
    exposures = f", {forgotten.exposures:,} exposures" if forgotten.exposures else ""
    line = f"{forgotten.user}: {forgotten.events:,} events of the log{exposures} and {online} {verb}"
    if forgotten.in_data:
        line += (
            f"; the newest run was made of {forgotten.in_data:,} events of this user: the next leaves those of the log "
            "out, and has those of your files unless you delete them there"
        )
    return line


def _events_of_newest_run(settings: Settings, dataset: str, users: Sequence[str]) -> dict[str, int]:
    if not note_path(settings.feast_home, dataset).is_file():
        return {}
    events = read_base(settings.feast_home, dataset).tables.events.filter(pl.col(USER_ID).is_in(list(users)))
    return dict(events.group_by(USER_ID).len().iter_rows())
