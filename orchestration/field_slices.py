"""Slices by field that the gate's policy asks for, from the features of the hold-out."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from feature_repo.errors import InputError
from feature_repo.schema import Entity, Kind, Schema
from training.evaluation.holdout import Holdout
from training.evaluation.slices import FieldSlices, item_partition, user_partition

_ENTITY = {"users": Entity.USER, "items": Entity.ITEM}


def check_fields(fields: Iterable[str], schema: Schema) -> None:
    """Refuse fields that cannot be sliced by, before anything is computed.

    Args:
        fields: names like `items.department`.
        schema: schema of the dataset.

    Raises:
        InputError: the schema has no such categorical feature.
    """
    known = [
        f"{part}.{each.name}"
        for part, entity in _ENTITY.items()
        for each in schema.features_of(entity)
        if each.kind is Kind.CATEGORICAL
    ]
    if unknown := sorted(set(fields) - set(known)):
        raise InputError(
            f"the gate's policy has slices by {', '.join(unknown)}, which {schema.dataset} does not have as categorical"
            f" features; it has {', '.join(known) or 'none'}: change the policy that GATEHOUSE_POLICY names"
        )


def slices_of(fields: Iterable[str], asked: pl.DataFrame, corpus: pl.DataFrame, holdout: Holdout) -> FieldSlices:
    """Part the users and items of a hold-out by fields.

    Args:
        fields: names like `items.department`.
        asked: features of the users.
        corpus: features of the items.
        holdout: relevant items of the users.
    """
    names = list(fields)
    users = {name: user_partition(name, asked[_column(name)]) for name in names if name.startswith("users.")}
    items = {
        name: item_partition(name, corpus[_column(name)], holdout.relevant)
        for name in names
        if name.startswith("items.")
    }
    return FieldSlices(
        users=tuple(part for part, _ in users.values()),
        items=tuple(part for part, _ in items.values()),
        values={name: count for name, (_, count) in (users | items).items()},
    )


def _column(field: str) -> str:
    return field.split(".", 1)[1]
