"""How weights are moved: optimisers, their schedule, and the average that is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from training.recipes.optimisation import Optimisation
from training.towers import TwoTower


class Optimisers:
    """One optimiser for the id tables, of which a batch moves few rows, and Adam for everything else.

    steps: how many there will be, for the warm-up and the cosine; a constant schedule does not look at it.
    """

    def __init__(self, model: TwoTower, config: Optimisation, steps: int) -> None:
        self.config, self.steps, self.step_number = config, steps, 0
        tables = model.tables
        ids = {id(table) for table in tables}
        dense = [weight for weight in model.parameters() if weight.requires_grad and id(weight) not in ids]
        self.weights = [*tables, *dense]
        self.optimisers = [_of_tables(tables, config), _of_dense(dense, config)]

    def step(self) -> None:
        """One update from the gradients that are there, and no gradient afterwards."""
        self.step_number += 1
        factor = self._schedule()
        rates = (self.config.embedding_rate, self.config.learning_rate)
        if self.config.clip is not None:
            _clip(self.weights, self.config.clip)
        for optimiser, rate in zip(self.optimisers, rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def _schedule(self) -> float:
        """Linear warm-up, then constant or half a cosine. [Loshchilov and Hutter, ICLR 2017, equation 5]"""
        warm = self.config.warm_up * self.steps
        rising = min(1.0, self.step_number / warm) if warm else 1.0
        if self.config.schedule == "constant":
            return rising
        done = max(0.0, self.step_number - 1 - warm) / max(1.0, self.steps - warm)
        return rising * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _of_tables(tables: list[nn.Parameter], config: Optimisation) -> torch.optim.Optimizer:
    match config.tables:
        case "sparse_adam":
            return torch.optim.SparseAdam(tables, lr=config.embedding_rate)
        case "rowwise_adagrad":
            return RowwiseAdagrad(tables, lr=config.embedding_rate)
        case "adam":
            return torch.optim.Adam(tables, lr=config.embedding_rate, fused=True)


def _of_dense(weights: list[nn.Parameter], config: Optimisation) -> torch.optim.Optimizer:
    matrices = [weight for weight in weights if weight.dim() > 1]
    others = [weight for weight in weights if weight.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate, fused=True)


class RowwiseAdagrad(torch.optim.Optimizer):
    """Adagrad with one accumulator per row: s_r += mean_d g_rd²; w_r −= rate · g_r / (√s_r + ε).

    Of a sparse gradient only its rows are read and moved. The state is 1 / D of Adagrad's and 1 / 2D of Adam's.
    [Gupta et al., 2014; as in TorchRec's EmbeddingBagCollection]
    """

    def __init__(self, parameters: list[nn.Parameter], lr: float, eps: float = 1e-8) -> None:
        super().__init__(parameters, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "sum" not in state:
                    state["sum"] = torch.zeros(len(weight), device=weight.device)
                gradient = weight.grad.to_sparse(1).coalesce() if not weight.grad.is_sparse else weight.grad.coalesce()
                rows, values = gradient.indices()[0], gradient.values()
                state["sum"][rows] += values.square().mean(dim=1)
                scale = group["lr"] / (state["sum"][rows].sqrt() + group["eps"])
                weight.index_add_(0, rows, values * scale[:, None], alpha=-1.0)


def _clip(weights: list[nn.Parameter], largest: float) -> None:
    """Scale all gradients so that their common norm is at most `largest`; sparse ones are counted by their rows."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    values = [(g.coalesce().values() if g.is_sparse else g) for g in gradients]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(value) for value in values]))
    if norm > largest:
        for gradient in gradients:
            gradient.mul_(largest / norm)


def averaged(model: nn.Module, share: float) -> AveragedModel:
    """The mean of a model's weights over about the newest `share` of its steps, however many there were.

    After step n the mean moves to the new weights by 1 / (1 + share·n). Single steps memorise who did not take what
    yet; in the mean this noise cancels. [polynomial-decay averaging: Shamir and Zhang, ICML 2013, section 4]
    """

    def move(means: Sequence[Tensor], news: Sequence[Tensor], step: Tensor | int) -> None:
        torch._foreach_lerp_(list(means), list(news), float(1 / (1 + share * step)))

    return AveragedModel(model, multi_avg_fn=move)
