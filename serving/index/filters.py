"""Item filters: one small grammar, compiled for Milvus and for polars.

    department == "GROCERY" and (price_28d < 5 or brand in ["Private", "National"]) and not (price_28d <= 0.5)

A filter compares filterable fields with constants, tests them by `in` or `not in` a list, and joins comparisons by
`and`, `or`, `not` and parentheses. Text fields take ==, !=, in and not in; numbers take all operators. A comparison
with a missing value is false, negated or not: `not` is carried into the comparisons, because Milvus and polars (and
Milvus's own `!=` and `not in`) disagree on it.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import polars as pl

MAX_LENGTH = 10_000
_NAMES: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in",
    ast.NotIn: "not in",
}  # fmt: skip
_OPPOSITE = {"==": "!=", "<": ">=", "<=": ">", "in": "not in"}
_OPPOSITE |= {opposite: name for name, opposite in _OPPOSITE.items()}
_TEXT_OPERATORS = {"==", "!=", "in", "not in"}
Value = str | float


@dataclass(frozen=True)
class Comparison:
    """One field compared with one constant, or with several for `in` and `not in`."""

    field: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Junction:
    """Several filters joined by `and` or `or`."""

    operator: str
    parts: tuple[Where, ...]


Where = Comparison | Junction


def parse(text: str, fields: Mapping[str, Any]) -> Where:
    """Parse a filter over the filterable fields, given as polars type by name.

    ValueError names the unusable part.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"filter of {len(text):,} characters: at most {MAX_LENGTH:,} are read")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"cannot read the filter {text!r}: {error}") from error
    return _where(tree, fields, negated=False)


def to_milvus(where: Where) -> str:
    """Compile a filter to a Milvus expression; every constant is quoted here."""
    if isinstance(where, Junction):
        return "(" + f" {where.operator} ".join(to_milvus(part) for part in where.parts) + ")"
    constants = [json.dumps(value, ensure_ascii=False) for value in where.values]
    match where.operator:
        case "in":
            return f"{where.field} in [{', '.join(constants)}]"
        case "not in":  # Milvus's own `not in` is true for missing values
            return "(" + " and ".join(f"{where.field} != {constant}" for constant in constants) + ")"
        case operator:
            return f"{where.field} {operator} {constants[0]}"


def to_polars(where: Where) -> pl.Expr:
    """Compile a filter to a polars expression, which is never null."""
    if isinstance(where, Junction):
        parts = [to_polars(part) for part in where.parts]
        return reduce(lambda a, b: a & b if where.operator == "and" else a | b, parts)
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


def _where(node: ast.expr, fields: Mapping[str, Any], *, negated: bool) -> Where:
    match node:
        case ast.BoolOp(op=op, values=values):
            is_and = isinstance(op, ast.And) != negated  # De Morgan
            return Junction("and" if is_and else "or", tuple(_where(v, fields, negated=negated) for v in values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _where(operand, fields, negated=not negated)
        case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[right]) if type(op) in _NAMES:
            operator = _NAMES[type(op)]
            return _comparison(name, _OPPOSITE[operator] if negated else operator, _values(right, operator), fields)
        case _:
            raise ValueError(f"cannot filter by {ast.unparse(node)!r}: wanted `field operator constant`, and, or, not")


def _comparison(name: str, operator: str, values: tuple[Value, ...], fields: Mapping[str, Any]) -> Comparison:
    if name not in fields:
        raise ValueError(
            f"cannot filter by {name!r}: the filterable fields are {', '.join(sorted(fields)) or '(none)'}"
        )
    wanted = str if fields[name] == pl.String else float
    wrong = [value for value in values if not isinstance(value, wanted)]
    if wrong:
        raise ValueError(f"cannot filter {name!r} by {wrong[0]!r}: wanted {'text' if wanted is str else 'a number'}")
    if wanted is str and operator not in _TEXT_OPERATORS:
        raise ValueError(f"cannot filter the text field {name!r} by {operator}: wanted ==, !=, in or not in")
    return Comparison(name, operator, values)


def _values(node: ast.expr, operator: str) -> tuple[Value, ...]:
    """Read the constants of the right side: text as it is, numbers as finite floats."""
    try:
        got = ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(f"cannot filter by {ast.unparse(node)!r}: wanted a constant") from error
    is_list = isinstance(got, list | tuple)
    if is_list != (operator in ("in", "not in")) or (is_list and not got):
        raise ValueError(
            f"cannot filter by `{operator} {ast.unparse(node)}`: `in` takes a list, the others one constant"
        )
    return tuple(_value(value) for value in (got if is_list else [got]))


def _value(value: Any) -> Value:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"cannot filter by {value!r}: wanted text or a finite number")
    return float(value)
