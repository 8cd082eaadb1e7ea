"""Canonical tables under the schema of a kept release."""

from __future__ import annotations

from dataclasses import replace

from feature_repo.datasets.canonical import Tables
from feature_repo.errors import InputError
from feature_repo.schema import Entity, Schema
from feature_repo.tables.types import column_types

EVENT_COLUMN = {"spend_28d": "value", "spend_all": "value", "basket_size": "basket_id"}
"""Column of the events that an activity of the user is computed from."""


def under_schema(tables: Tables, schema: Schema) -> Tables:
    """Take tables whose user features another schema declares.

    Args:
        tables: canonical tables of a run.
        schema: schema of a kept release.

    Raises:
        InputError: the data of this run lacks what the schema computes its user
            features from; the message names it.
    """
    lacking = set()
    for view in schema.views_of(Entity.USER):
        for name, dtype in column_types(view).items():
            found = tables.users.schema.get(name, "no such column")
            if view.name == "user_profile" and found != dtype:
                lacking.add(f"users, column {name!r} ({found}, wanted {dtype})")
            elif EVENT_COLUMN.get(name, "timestamp") not in tables.events.columns:
                lacking.add(f"events, column {EVENT_COLUMN[name]!r}")
    if lacking:
        raise InputError(f"schema {schema.digest} needs what this data does not have: {'; '.join(sorted(lacking))}")
    return replace(tables, schema=schema)
