"""Comparison of a function in PyTorch with one in JAX: the value and all gradients."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
import torch
from torch import Tensor

# In single precision the last digits of a gradient are those of the order of a sum.
jax.config.update("jax_enable_x64", True)

Arrays = dict[str, np.ndarray]


def compare(
    ours: Callable[[dict[str, Tensor]], Tensor], theirs: Callable[[dict[str, jax.Array]], jax.Array], given: Arrays
) -> None:
    """Fail unless two functions of the same arrays have one value, and one gradient for each array.

    Args:
        ours: function in PyTorch.
        theirs: the same function in JAX.
        given: its arguments by name, float64.
    """
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in given.items()}
    value = ours(tensors)
    gradients = torch.autograd.grad(value, list(tensors.values()), allow_unused=True)
    arrays = {name: jax.numpy.asarray(each) for name, each in given.items()}
    wanted, wanted_gradients = jax.jit(jax.value_and_grad(theirs))(arrays)
    np.testing.assert_allclose(value.item(), float(wanted), rtol=1e-9)
    for name, gradient in zip(tensors, gradients, strict=True):
        exact = np.asarray(wanted_gradients[name])
        assert np.isfinite(exact).all(), f"the other package's gradient of {name} is not finite"
        assert gradient is not None or not exact.any(), f"no gradient of {name}; wanted {exact}"
        got = np.zeros_like(exact) if gradient is None else gradient.numpy()
        np.testing.assert_allclose(got, exact, rtol=1e-7, atol=1e-10, err_msg=f"gradient of {name}")
