"""Tree of a filter, and its compilation to Milvus and to polars."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from serving.index.filters.tokens import quoted

OPPOSITE = {"==": "!=", "<": ">=", "<=": ">", "in": "not in"}
"""Every operator, with the one that holds where it does not."""
OPPOSITE |= {opposite: name for name, opposite in OPPOSITE.items()}
Value = str | float


@dataclass(frozen=True)
class Comparison:
    """One field compared with one constant, or with several for `in` and `not in`."""

    field: str
    """Name of the field."""
    operator: str
    """One of `OPPOSITE`."""
    values: tuple[Value, ...]
    """The constants."""


@dataclass(frozen=True)
class Junction:
    """Several filters joined by `and` or `or`."""

    operator: str
    """`and` or `or`."""
    parts: tuple[Where, ...]
    """The filters."""


Where = Comparison | Junction


def to_milvus(where: Where, stored: Mapping[str, str], companions: Mapping[str, str]) -> str:
    """Milvus expression of a filter.

    Args:
        where: the filter.
        stored: names of the fields in the collection.
        companions: names in it of what says where a field's value is missing, by field.
    """
    if isinstance(where, Junction):
        parts = (to_milvus(part, stored, companions) for part in where.parts)
        return "(" + f" {where.operator} ".join(parts) + ")"
    compared = _compared(where, stored[where.field])
    return f"({companions[where.field]} == false and {compared})" if where.field in companions else compared


def _compared(where: Comparison, field: str) -> str:
    """Milvus expression of a comparison, by the field's name there."""
    constants = [quoted(value) if isinstance(value, str) else json.dumps(value) for value in where.values]
    match where.operator:
        case "in":
            return f"{field} in [{', '.join(constants)}]"
        case "not in":  # Milvus's own `not in` is true for missing values
            return "(" + " and ".join(f"{field} != {constant}" for constant in constants) + ")"
        case operator:
            return f"{field} {operator} {constants[0]}"


def to_polars(where: Where) -> pl.Expr:
    """Polars expression of a filter, never null."""
    if isinstance(where, Junction):
        # Flat: an expression as deep as a long filter is wide would end polars.
        join = pl.all_horizontal if where.operator == "and" else pl.any_horizontal
        return join(to_polars(part) for part in where.parts)
    column, values = pl.col(where.field), where.values
    expressions = {
        "==": lambda: column == values[0],
        "!=": lambda: column != values[0],
        "<": lambda: column < values[0],
        "<=": lambda: column <= values[0],
        ">": lambda: column > values[0],
        ">=": lambda: column >= values[0],
        "in": lambda: column.is_in(values),
        "not in": lambda: ~column.is_in(values),
    }
    return expressions[where.operator]().fill_null(False)
