"""NumPy's versions of the operators in the towers of the named recipes.

They spare the answer to one user the import of PyTorch, which takes longer than
everything else. Arguments are named and ordered as in ATen. Results have the type that
the graph declares, because NumPy's rules of promotion are others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from inspect import signature
from typing import Any

import numpy as np

from feature_repo.program.operators import ATEN, BY_KEYWORD, DTYPES, layout

Array = np.ndarray
LARGE = 200_000
"""Numbers of an array from which on an einsum is worth planning."""
_TYPES = frozenset(DTYPES) - {None, "complex32", "bfloat16"}


class NumpyOperators:
    """`Operators` of NumPy."""

    idle: frozenset[str] = frozenset({f"{ATEN}_assert_tensor_metadata.default"})
    """Assertions of types, which each result has already."""

    @staticmethod
    def know(graph: Mapping[str, Any]) -> bool:
        """Whether all types and all calls of operators in a graph have a version here."""
        dtypes = {DTYPES[each["dtype"]] for each in graph["tensor_values"].values()}
        calls = [node for node in graph["nodes"] if node["target"].startswith(ATEN)]
        return dtypes <= _TYPES and all(_has_version(call) for call in calls)

    def operator(self, target: str, dtype: str | None) -> Callable[..., Any]:
        """Operator of a node, with results of its declared type."""
        version = _VERSIONS[target.removeprefix(ATEN)]
        if dtype is None:
            return version
        declared = np.dtype(dtype)
        return lambda *args, **kwargs: np.asarray(version(*args, **kwargs), declared)

    def option(self, kind: str, value: Any) -> Any:
        """Name of a type; other options concern PyTorch only."""
        return DTYPES[value] if kind == "as_scalar_type" else None

    def stored(self, content: bytes, meta: Mapping[str, Any]) -> Array:
        """Array over stored bytes."""
        name, sizes, strides, offset = layout(meta)
        dtype = np.dtype(name)
        if not content:
            return np.empty(sizes, dtype)
        steps = [stride * dtype.itemsize for stride in strides]
        # The constructor refuses sizes and strides that leave the buffer.
        return np.ndarray(sizes, dtype, buffer=content, offset=offset * dtype.itemsize, strides=steps)

    def given(self, array: Array) -> Array:
        """Input as it is."""
        return array

    def array(self, result: Array) -> Array:
        """Result as it is."""
        return result

    def running(self) -> AbstractContextManager[Any]:
        """Infinities and NaN without warnings, as in PyTorch."""
        return np.errstate(all="ignore")


def _has_version(node: Mapping[str, Any]) -> bool:
    """Whether a version of a node's operator takes the node's arguments."""
    version = _VERSIONS.get(node["target"].removeprefix(ATEN))
    keywords = {each["name"] for each in node["inputs"] if each.get("kind") == BY_KEYWORD}
    try:
        signature(version or _none).bind(*[None] * (len(node["inputs"]) - len(keywords)), **dict.fromkeys(keywords))
    except TypeError:
        return False
    return version is not None


def _none(*_: Any, **__: Any) -> None:
    """No result."""


def _added(x: Array, other: Any, alpha: float = 1) -> Array:
    return np.add(x, other if alpha == 1 else alpha * other)


def _flattened(x: Array, start: int = 0, end: int = -1) -> Array:
    end %= x.ndim
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


def _unflattened(x: Array, dim: int, sizes: Sequence[int]) -> Array:
    dim %= x.ndim
    return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


def _squeezed(x: Array, dim: int) -> Array:
    return x.squeeze(dim) if x.shape[dim] == 1 else x


def _sliced(x: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Array:
    found: Array = x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)]
    return found


def _indexed(x: Array, indices: Sequence[Array | None]) -> Array:
    found: Array = x[tuple(slice(None) if index is None else index for index in indices)]
    return found


def _linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    product: Array = x @ weight.T
    return product if bias is None else product + bias


def _contracted(equation: str, tensors: Sequence[Array]) -> Array:
    # For the arrays of a few users, the search for the best order takes longer than the sum.
    found: Array = np.einsum(equation, *tensors, optimize=max(each.size for each in tensors) > LARGE)
    return found


def _norm(x: Array, ord: float = 2, dim: Sequence[int] | None = None, keepdim: bool = False) -> Array:
    axis = tuple(range(x.ndim)) if dim is None else tuple(dim)
    if ord == 2:
        length: Array = np.sqrt(np.multiply(x, x).sum(axis, keepdims=keepdim))
        return length
    norm: Array = (np.abs(x) ** ord).sum(axis, keepdims=keepdim) ** (1 / ord)
    return norm


def _bags(
    weight: Array,
    indices: Array,
    offsets: Array,
    scale: bool,
    mode: int,
    sparse: bool,
    samples: Array | None,
    last: bool,
    pad: int,
) -> tuple[Array, None, None, None]:
    """Sum or mean of the vectors of each bag of indices; 0 for an empty bag.

    Args:
        weight: vectors.
        indices: rows of all bags, one bag after the other.
        offsets: start of each bag.
        scale: for gradients only.
        mode: 0 for the sum, 1 for the mean.
        sparse: for gradients only.
        samples: factors of the indices; None for 1.
        last: False: each offset starts a bag.
        pad: row that does not count.
    """
    if mode not in (0, 1) or last:
        raise ValueError(f"embedding_bag of mode {mode}, last offset {last}; wanted sums and means of bags")
    kept = indices != pad
    bags = (np.searchsorted(offsets, np.arange(len(indices)), side="right") - 1)[kept]
    vectors = weight[indices[kept]]
    sums = np.zeros((len(offsets), weight.shape[1]), weight.dtype)
    np.add.at(sums, bags, vectors if samples is None else vectors * samples[kept, None])
    if mode == 1:
        sums /= np.maximum(np.bincount(bags, minlength=len(offsets)), 1)[:, None]
    return sums, None, None, None


def _steps(start: float, end: float, step: float, dtype: str, device: None, pin_memory: bool) -> Array:
    return np.arange(start, end, step)


def _kept(x: Array, p: float, train: bool) -> Array:
    if train:
        raise ValueError("the program drops values at random; wanted one that is exported for evaluation")
    return x


_VERSIONS: Mapping[str, Callable[..., Any]] = {
    "_assert_tensor_metadata.default": _none,
    "add.Tensor": _added,
    "amax.default": lambda x, dim=None, keepdim=False: np.max(x, tuple(dim) if dim else None, keepdims=keepdim),
    "amin.default": lambda x, dim=None, keepdim=False: np.min(x, tuple(dim) if dim else None, keepdims=keepdim),
    "arange.default": lambda end, dtype=None, device=None, pin_memory=False: np.arange(end),
    "arange.start_step": lambda start, end, step, dtype=None, device=None, pin_memory=False: np.arange(
        start, end, step
    ),
    "bitwise_not.default": lambda x: np.invert(x),
    "cat.default": lambda tensors, dim=0: np.concatenate(tensors, dim),
    "clamp.default": lambda x, min=None, max=None: np.clip(x, min, max),
    "clamp_min.default": lambda x, other: np.maximum(x, other),
    "div.Tensor": lambda x, other: np.true_divide(x, other),
    "dropout.default": _kept,
    "einsum.default": _contracted,
    "embedding.default": lambda weight, indices, *_: weight[indices],
    "embedding_bag.padding_idx": _bags,
    "eq.Scalar": lambda x, other: np.equal(x, other),
    "exp.default": lambda x: np.exp(x),
    "expand_as.default": lambda x, other: np.broadcast_to(x, other.shape),
    "expm1.default": lambda x: np.expm1(x),
    "flatten.using_ints": _flattened,
    "ge.Scalar": lambda x, other: np.greater_equal(x, other),
    "gt.Scalar": lambda x, other: np.greater(x, other),
    "index.Tensor": _indexed,
    "index_select.default": lambda x, dim, index: np.take(x, index, dim),
    "linalg_vector_norm.default": _norm,
    "linear.default": _linear,
    "log1p.default": lambda x: np.log1p(x),
    "lt.Scalar": lambda x, other: np.less(x, other),
    "masked_fill.Scalar": lambda x, mask, value: np.where(mask, value, x),
    "matmul.default": lambda x, other: np.matmul(x, other),
    "mul.Tensor": lambda x, other: np.multiply(x, other),
    "ne.Scalar": lambda x, other: np.not_equal(x, other),
    "ones_like.default": lambda x, **_: np.ones_like(x),
    "reciprocal.default": lambda x: 1 / x,
    "relu.default": lambda x: np.maximum(x, 0),
    "reshape.default": lambda x, shape: x.reshape(shape),
    "rsub.Scalar": lambda x, other, alpha=1: other - alpha * x,
    "select.int": lambda x, dim, index: np.take(x, index, dim),
    "slice.Tensor": _sliced,
    "squeeze.dim": _squeezed,
    "stack.default": lambda tensors, dim=0: np.stack(tensors, dim),
    "sub.Tensor": lambda x, other, alpha=1: _added(x, other, -alpha),
    "sum.dim_IntList": lambda x, dim, keepdim=False: x.sum(tuple(dim), keepdims=keepdim),
    "sym_size.int": lambda x, dim: x.shape[dim],
    "to.dtype": lambda x, dtype, *_: x.astype(dtype),
    "unbind.int": lambda x, dim=0: list(np.moveaxis(x, dim, 0)),
    "unflatten.int": _unflattened,
    "unsqueeze.default": lambda x, dim: np.expand_dims(x, dim),
    "where.ScalarOther": lambda condition, x, other: np.where(condition, x, other),
    "where.self": lambda condition, x, other: np.where(condition, x, other),
    "where.ScalarSelf": lambda condition, x, other: np.where(condition, x, other),
}
