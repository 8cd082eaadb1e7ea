"""Device that is not the CPU, as far as Python sees, on a machine without one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

NAME = "cuda"
UNCHECKED = ("backward", "apply", "__get__", "__set__", "to", "as_subclass")
"""Gradients come from autograd without a name, so backward passes are left out; and what a move mixes is its point."""


class There(Tensor):
    """Tensor of the other device; `within` a call of torch it is one of the CPU."""

    within: ClassVar[bool] = False

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("cpu" if There.within else NAME)


class OtherDevice(TorchFunctionMode):
    """Context in which tensors can be moved to and made on the other device.

    Mixing devices raises RuntimeError.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name, kwargs = getattr(func, "__name__", ""), dict(kwargs or {})
        if name == "to" and isinstance(args[1], torch.device):
            return args[0].as_subclass(There if args[1].type == NAME else Tensor)
        if name == "cpu":
            return args[0].as_subclass(Tensor)
        if name == "__get__" and args and isinstance(args[0], There) and func is Tensor.device.__get__:  # type: ignore[attr-defined]
            return torch.device(NAME)
        values, wanted = tree_leaves((args, kwargs)), kwargs.get("device")
        there = wanted is not None and torch.device(wanted).type == NAME
        if name not in UNCHECKED:
            check(name, values)
        if kwargs.get("generator") is not None and (there or any(isinstance(each, There) for each in values)):
            raise RuntimeError(f"{name} draws from a generator of the CPU on another device")
        There.within = True
        try:
            made = func(*args, **kwargs | ({"device": "cpu"} if there else {}))
        finally:
            There.within = False
        return made.as_subclass(There) if there else made


def check(name: str, values: list[Any]) -> None:
    """RuntimeError for tensors of both devices; a number may come from either."""
    tensors = [each for each in values if isinstance(each, Tensor) and each.dim() > 0]
    there = [isinstance(each, There) for each in tensors]
    if any(there) and not all(there):
        shapes = [tuple(each.shape) for each in tensors]
        raise RuntimeError(f"{name} mixes devices: {list(zip(there, shapes, strict=True))}")


def move(model: nn.Module) -> None:
    """Move a model's weights and buffers; a shared weight stays one."""
    moved: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                new = nn.Parameter(weight.data.as_subclass(There), weight.requires_grad)
                module._parameters[name] = moved.setdefault(id(weight), new)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = buffer.as_subclass(There)
