"""Item filters: one small grammar, compiled for Milvus and for polars.

    department == "GROCERY" and (price_28d < 5 or brand in ["Private", "National"]) and not (price_28d <= 0.5)

A filter compares filterable fields with constants, tests them by `in` or `not in` a list, and joins comparisons by
`and`, `or`, `not` and parentheses. Text fields take ==, !=, in and not in; numbers take all operators. A comparison
with a missing value is false, negated or not: `not` is carried into the comparisons, because Milvus and polars (and
Milvus's own `!=` and `not in`) disagree on it.

A field may have any name, `in` or `class` too: a word before an operator is a field.
"""

from serving.index.filters.parser import parse
from serving.index.filters.tokens import MAX_LENGTH, FilterError, quoted
from serving.index.filters.tree import Comparison, Junction, Where, to_milvus, to_polars

__all__ = [
    "MAX_LENGTH",
    "Comparison",
    "FilterError",
    "Junction",
    "Where",
    "parse",
    "quoted",
    "to_milvus",
    "to_polars",
]
