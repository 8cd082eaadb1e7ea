"""Canonical tables as they were at a moment of the past."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from feature_repo.datasets.canonical import MIN_USERS, Tables, profile_features
from feature_repo.errors import InputError
from feature_repo.schema import USER_ID, Entity
from feature_repo.tables.outcomes import shown_before
from feature_repo.tables.snapshots import known_before


def known_at(tables: Tables, moment: datetime) -> Tables:
    """Tables of what was known before a moment: an event that arrived later is not there yet.

    Users or items without a profile are those of the events. Lists with a profile have no times, so they stay whole:
    an item may be listed before its first sale.

    Args:
        tables: canonical tables of the whole history.
        moment: the moment, naive UTC.

    Raises:
        InputError: fewer users than a run can be judged on were known.
    """
    events, shown = known_before(tables.events, moment), tables.impressions
    if (users := events[USER_ID].n_unique()) < MIN_USERS:
        raise InputError(
            f"{users} users had an event that was known before {moment}; wanted at least {MIN_USERS}: name a later time"
        )
    frames = {Entity.USER: tables.users, Entity.ITEM: tables.items}
    for entity, frame in frames.items():
        if not profile_features(tables.schema, entity):
            frames[entity] = frame.join(events, on=entity.key, how="semi", maintain_order="left")
    return replace(
        tables,
        events=events,
        users=frames[Entity.USER],
        items=frames[Entity.ITEM],
        impressions=None if shown is None else shown_before(shown, moment),
    )
