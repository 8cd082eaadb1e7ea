"""Fields inside Milvus.

A field may have any name: a keyword of Milvus, letters that are not ASCII, or that of the vectors. So Milvus knows the
fields by numbers, and a property of the collection lists their names.

Milvus stores missing values only from 2.5 on. So a field that has some has a companion, which says where they are, and
they themselves are stored as any value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

NAMES = "gatehouse.fields"
"""Property of a collection: names of its fields in order, as a JSON list."""


@dataclass(frozen=True)
class StoredFields:
    """Fields of a stored collection that are read."""

    names: Mapping[str, str]
    """Name inside Milvus by field."""
    companions: Mapping[str, str]
    """Name inside Milvus of the companion, by field that has one."""

    @classmethod
    def of(cls, names: Iterable[str], properties: Mapping[str, str], columns: Iterable[str]) -> StoredFields:
        """Find the fields of a stored collection.

        Args:
            names: fields that are read.
            properties: properties of the collection; those of former releases list no
                names, and store each field under its own.
            columns: all names inside Milvus; in former releases, no field has a companion.

        Raises:
            ValueError: the collection lacks a field.
        """
        if NAMES not in properties:
            return cls(names={name: name for name in names}, companions={})
        stored, there = numbered(json.loads(properties[NAMES])), set(columns)
        if missing := [name for name in names if name not in stored]:
            raise ValueError(f"the collection lacks the fields {missing}; it has {list(stored)}")
        found = {name: stored[name] for name in names}
        companions = {name: companion(stored_as) for name, stored_as in found.items()}
        return cls(names=found, companions={name: each for name, each in companions.items() if each in there})

    @property
    def columns(self) -> list[str]:
        """Names inside Milvus of the fields and their companions."""
        return [*self.names.values(), *self.companions.values()]

    def values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Values by field of a row with `columns`."""
        missing = {name for name, stored_as in self.companions.items() if row[stored_as]}
        return {name: None if name in missing else row[stored_as] for name, stored_as in self.names.items()}

    def expressions(self) -> list[pl.Expr]:
        """Fields by their names, of a table with `columns`."""
        return [
            (
                pl.when(~pl.col(self.companions[name])).then(stored_as)
                if name in self.companions
                else pl.col(stored_as)
            ).alias(name)
            for name, stored_as in self.names.items()
        ]


def numbered(names: Iterable[str]) -> dict[str, str]:
    """Name inside Milvus of each field of a new collection."""
    return {name: f"field_{number}" for number, name in enumerate(names)}


def companion(stored_as: str) -> str:
    """Name inside Milvus of the companion of a field, by its own."""
    return f"{stored_as}_missing"


def filled(items: pl.DataFrame) -> pl.DataFrame:
    """Items under their names inside Milvus, with companions and without missing values."""
    columns = [name for name in items.columns if items[name].null_count()]
    return items.with_columns(
        *(pl.col(name).is_null().alias(companion(name)) for name in columns),
        *(pl.col(name).fill_null(_any_of(items.schema[name])) for name in columns),
    )


def _any_of(type_: pl.DataType) -> pl.Expr:
    """Any value of a type of `Fields`."""
    return pl.lit("" if type_ == pl.String else [] if type_ == pl.List else 0, dtype=type_)
