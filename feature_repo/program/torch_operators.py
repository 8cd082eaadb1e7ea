"""PyTorch's operators: every graph, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_repo.program.operators import ATEN, DTYPES, MEMORY_FORMATS, STRIDED, layout
from feature_repo.pt2 import UnsafeArchiveError

if TYPE_CHECKING:
    import torch


class TorchOperators:
    """`Operators` of PyTorch, imported at first use."""

    idle: frozenset[str] = frozenset()

    def operator(self, target: str, dtype: str | None) -> Callable[..., Any]:
        """Operator of a node. UnsafeArchiveError for anything else."""
        import torch

        parts = target.removeprefix(ATEN).split(".")
        if not target.startswith(ATEN) or len(parts) != 2:
            raise UnsafeArchiveError(f"the program calls {target!r}; wanted ATen operators")
        found: Callable[..., Any] = getattr(getattr(torch.ops.aten, parts[0]), parts[1])
        return found

    def option(self, kind: str, value: Any) -> Any:
        """Argument that is a type, a device, a layout or a memory format."""
        import torch

        if kind == "as_scalar_type":
            return getattr(torch, str(DTYPES[value]))
        if kind == "as_device" and value["type"] == "cpu":
            return torch.device("cpu")
        if kind == "as_layout" and value == STRIDED:
            return torch.strided
        if kind == "as_memory_format":
            return getattr(torch, str(MEMORY_FORMATS[value]))
        raise ValueError(f"argument {kind}={value!r}; wanted tensors, sizes and plain values on the CPU")

    def stored(self, content: bytes, meta: Mapping[str, Any]) -> torch.Tensor:
        """Tensor of stored bytes."""
        import torch

        name, sizes, strides, offset = layout(meta)
        dtype = getattr(torch, name)
        if not content:
            return torch.empty(sizes, dtype=dtype)
        # A copy, because a tensor over immutable bytes would be unsafe to write to.
        return torch.frombuffer(bytearray(content), dtype=dtype).as_strided(sizes, strides, offset)

    def given(self, array: np.ndarray) -> torch.Tensor:
        """Tensor of an input."""
        import torch

        return torch.from_numpy(np.array(array))

    def array(self, result: torch.Tensor) -> np.ndarray:
        """Array of the result."""
        found: np.ndarray = result.numpy()
        return found

    def running(self) -> AbstractContextManager[Any]:
        """No gradients."""
        import torch

        return torch.inference_mode()
