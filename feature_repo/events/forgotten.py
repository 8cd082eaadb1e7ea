"""Tables of a run without the users who were forgotten since it read the log."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.events.log import EventLog, user_digest
from feature_repo.schema import USER_ID


def forgotten_since(tables: Tables, log: EventLog) -> list[str]:
    """Users of tables who were forgotten after the log was read into them."""
    noted = {each.digest for each in log.forgotten(tables.log_until)}
    return [user for user in tables.users[USER_ID] if user_digest(user) in noted] if noted else []


def without_users(tables: Tables, users: list[str]) -> Tables:
    """Tables without some users and all that they did."""
    others = ~pl.col(USER_ID).is_in(users)
    shown = None if tables.impressions is None else tables.impressions.filter(others)
    return replace(tables, events=tables.events.filter(others), users=tables.users.filter(others), impressions=shown)
