"""Slices by field that the gate's policy asks for, from the features of the hold-out."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from feature_repo.errors import InputError
from feature_repo.schema import Entity, Kind, Schema
from training.evaluation.bands import banded
from training.evaluation.holdout import Holdout
from training.evaluation.slices import FieldSlices, item_partition, user_partition

_ENTITY = {"users": Entity.USER, "items": Entity.ITEM}
_KINDS = (Kind.CATEGORICAL, Kind.NUMERIC)
"""Kinds of features that can be sliced by: by value, or by band."""


def check_fields(fields: Iterable[str], schema: Schema) -> None:
    """Refuse fields that cannot be sliced by, before anything is computed.

    Args:
        fields: names like `items.department`.
        schema: schema of the dataset.

    Raises:
        InputError: the schema has no such categorical or numeric feature.
    """
    known = _kinds(schema)
    if unknown := sorted(set(fields) - set(known)):
        raise InputError(
            f"the gate's policy has slices by {', '.join(unknown)}, which {schema.dataset} does not have as categorical"
            f" or numeric features; it has {', '.join(known) or 'none'}: change the policy that GATEHOUSE_POLICY names"
        )


def slices_of(
    fields: Iterable[str], schema: Schema, asked: pl.DataFrame, corpus: pl.DataFrame, holdout: Holdout
) -> FieldSlices:
    """Part the users and items of a hold-out by fields: by value, or by bands of a number.

    Args:
        fields: names like `items.department`.
        schema: schema of the features.
        asked: features of the users.
        corpus: features of the items.
        holdout: relevant items of the users.
    """
    kinds = _kinds(schema)

    def values(name: str, frame: pl.DataFrame) -> pl.Series:
        column = frame[name.split(".", 1)[1]]
        return banded(column) if kinds[name] is Kind.NUMERIC else column

    names = list(fields)
    users = {name: user_partition(name, values(name, asked)) for name in names if name.startswith("users.")}
    items = {
        name: item_partition(name, values(name, corpus), holdout.relevant)
        for name in names
        if name.startswith("items.")
    }
    return FieldSlices(
        users=tuple(part for part, _ in users.values()),
        items=tuple(part for part, _ in items.values()),
        values={name: count for name, (_, count) in (users | items).items()},
    )


def _kinds(schema: Schema) -> dict[str, Kind]:
    """Kind of each feature that can be sliced by, by its name as a field."""
    return {
        f"{part}.{each.name}": each.kind
        for part, entity in _ENTITY.items()
        for each in schema.features_of(entity)
        if each.kind in _KINDS
    }
