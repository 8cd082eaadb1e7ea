"""Optimisers of large tables that read and move only the rows with a gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class SparseAdam(torch.optim.Optimizer):
    """Adam of the rows with a gradient, in fewer passes over memory than PyTorch's.

    State and steps are those of `torch.optim.SparseAdam`: moments of a row move only
    when it has a gradient, and bias is corrected by the number of all steps. [Kingma
    and Ba, ICLR 2015, algorithm 1]

    Args:
        parameters: the tables.
        lr: learning rate.
        betas: decay of both moments.
        eps: constant added to the root of the second moment.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the rows with a gradient."""
        for group in self.param_groups:
            (first, second), eps = group["betas"], group["eps"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state |= {"step": 0, "exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}
                state["step"] += 1
                # Rows are gathered once, changed in place and written back once.
                rows, values = _moved(weight.grad)
                mean = state["exp_avg"].index_select(0, rows).lerp_(values, 1 - first)
                square = state["exp_avg_sq"].index_select(0, rows).mul_(second)
                square.addcmul_(values, values, value=1 - second)
                state["exp_avg"].index_copy_(0, rows, mean)
                state["exp_avg_sq"].index_copy_(0, rows, square)
                corrected = math.sqrt(1 - second ** state["step"]) / (1 - first ** state["step"])
                weight.index_add_(0, rows, mean.div_(square.sqrt_().add_(eps)), alpha=-group["lr"] * corrected)


class RowwiseAdagrad(torch.optim.Optimizer):
    """Adagrad with one accumulator per row.

        s_r += mean_d g_rd²;  w_r −= rate · g_r / (√s_r + ε)

    The state is 1 / D of Adagrad's and 1 / 2D of Adam's. [Gupta et al., 2014; as in
    TorchRec's EmbeddingBagCollection]

    Args:
        parameters: the tables.
        lr: learning rate.
        eps: ε.
    """

    def __init__(self, parameters: list[nn.Parameter], lr: float, eps: float = 1e-8) -> None:
        super().__init__(parameters, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the rows with a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "sum" not in state:
                    state["sum"] = torch.zeros(len(weight), device=weight.device)
                rows, values = _moved(weight.grad)
                state["sum"][rows] += values.square().mean(dim=1)
                scale = group["lr"] / (state["sum"][rows].sqrt() + group["eps"])
                weight.index_add_(0, rows, values * scale[:, None], alpha=-1.0)


def _moved(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows with a gradient, and their gradients."""
    gradient = gradient.coalesce() if gradient.is_sparse else gradient.to_sparse(1).coalesce()
    return gradient.indices()[0], gradient.values()
