"""Values as Feast stores them, written and read without an import of Feast.

The import takes longer than an answer. A test compares what both write and read.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from feature_repo.schema import Column

VALUES = "feast.protos.feast.types.Value_pb2"
FIELDS = {
    Column.STRING: "string_val",
    Column.INT: "int64_val",
    Column.FLOAT: "double_val",
    Column.STRINGS: "string_list_val",
    Column.INTS: "int64_list_val",
    Column.FLOATS: "float_list_val",
}
"""Field of Feast's message by column type."""


def encoder(column: Column) -> Callable[[Any], bytes]:
    """Make the function that turns values of a column into stored bytes."""
    message, field = _messages().Value, FIELDS[column]

    def encode(value: Any) -> bytes:
        if value is None:
            return b""
        stored = message()
        if field.endswith("_list_val"):
            values = getattr(stored, field)
            values.SetInParent()  # an empty list is not null
            values.val.extend(value)
        else:
            setattr(stored, field, value)
        content: bytes = stored.SerializeToString()
        return content

    return encode


def decode(content: bytes) -> Any:
    """Read stored bytes, see `plain`."""
    message = _messages().Value()
    message.ParseFromString(content)
    return plain(message)


def plain(message: Any) -> Any:
    """Value of Feast's message: None, a number, a text or a list."""
    kind = message.WhichOneof("val")
    if kind is None or kind == "null_val":
        return None
    value = getattr(message, kind)
    return list(value.val) if kind.endswith("_list_val") else value


@cache
def _messages() -> ModuleType:
    """Feast's message of a value, imported from its file."""
    # An import by name would import all of Feast.
    if VALUES in sys.modules:
        return sys.modules[VALUES]
    feast = importlib.util.find_spec("feast")
    if feast is None or feast.origin is None:
        raise ImportError("Feast is not installed: pip install gatehouse with its dependencies")
    path = Path(feast.origin).parent.joinpath(*VALUES.split(".")[1:]).with_suffix(".py")
    spec = importlib.util.spec_from_file_location("feature_repo_feast_values", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: wanted Feast's message of a value")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
