"""The contract of the libraries that compute a graph, and PyTorch's names in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

# PyTorch's names by their numbers in the format.
DTYPES = (
    None, "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
    "complex32", "complex64", "complex128", "bool", "bfloat16",
)  # fmt: skip
MEMORY_FORMATS = (None, "contiguous_format", "channels_last", "channels_last_3d", "preserve_format")
STRIDED = 7
BY_KEYWORD = 2
ATEN = "torch.ops.aten."


class Operators(Protocol):
    """A library with tensors and ATen's operators on them."""

    idle: frozenset[str]
    """Operators without a result that do nothing in this library."""

    def operator(self, target: str, dtype: str | None) -> Callable[..., Any]:
        """Operator of a node; `dtype` is that of its result, if that is one tensor.

        Raises:
            UnsafeArchiveError: no ATen operator.
        """

    def option(self, kind: str, value: Any) -> Any:
        """Argument that is a type, a device, a layout or a memory format.

        Raises:
            ValueError: another kind, or one that towers do not have.
        """

    def stored(self, content: bytes, meta: Mapping[str, Any]) -> Any:
        """Tensor of stored bytes; `meta` is its description in the archive."""

    def given(self, array: np.ndarray) -> Any:
        """Tensor of an input."""

    def array(self, result: Any) -> np.ndarray:
        """Array of the result."""

    def running(self) -> AbstractContextManager[Any]:
        """Context in which a graph is run."""


def layout(meta: Mapping[str, Any]) -> tuple[str, list[int], list[int], int]:
    """Type, sizes, strides and offset of a stored tensor."""
    sizes, strides = ([size["as_int"] for size in meta[part]] for part in ("sizes", "strides"))
    return str(DTYPES[meta["dtype"]]), sizes, strides, meta["storage_offset"]["as_int"]
