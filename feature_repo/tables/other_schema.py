"""Canonical tables under the schema of a kept release."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from feature_repo.datasets.canonical import Tables
from feature_repo.errors import InputError
from feature_repo.schema import FEATURES_VERSION, Entity, Schema
from feature_repo.tables.types import column_types

EVENT_COLUMN = {"spend_28d": "value", "spend_all": "value", "price_28d": "value", "basket_size": "basket_id"}
"""Column of the events that a feature is computed from, if it is not the time."""
PROFILES = {"user_profile": "users", "item_profile": "items"}
"""Table that the features of a view are columns of."""


def under_schema(tables: Tables, schema: Schema, entities: Collection[Entity] = (Entity.USER,)) -> Tables:
    """Take tables whose features another schema declares.

    Args:
        tables: canonical tables of a run.
        schema: schema of a kept release.
        entities: entities whose features will be computed.

    Raises:
        InputError: the data of this run lacks what the schema computes its features
            from, or this code computes another version of them; the message says which.
    """
    if schema.features_version != FEATURES_VERSION:
        raise InputError(
            f"schema {schema.digest} has features of version {schema.features_version}, and this code computes version "
            f"{FEATURES_VERSION}: only the code of then can compute them. Train a version with this code (`gatehouse "
            "run`), and promote it"
        )
    lacking = set()
    for view in (view for view in schema.views if view.entity in entities):
        for name, dtype in column_types(view).items():
            table = PROFILES.get(view.name)
            found = getattr(tables, table).schema.get(name, "no such column") if table else dtype
            if found != dtype:
                lacking.add(f"{table}, column {name!r} ({found}, wanted {dtype})")
            elif EVENT_COLUMN.get(name, "timestamp") not in tables.events.columns:
                lacking.add(f"events, column {EVENT_COLUMN[name]!r}")
    if lacking:
        raise InputError(f"schema {schema.digest} needs what this data does not have: {'; '.join(sorted(lacking))}")
    return replace(tables, schema=schema)
