"""Optimisers of a training, their schedule, and the average of weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from training.recipes.config import TrainConfig
from training.recipes.optimisation import Optimisation
from training.towers import TwoTower
from training.towers.repeat_head import RepeatHead
from training.trainer.sparse_optimisers import RowwiseAdagrad, SparseAdam


class Optimisers:
    """One optimiser for id tables, and one Adam for each part of the dense weights.

    Args:
        tables: the id tables.
        dense: dense weights, and the learning rate of each part.
        config: declaration of the optimisation.
        steps: number of steps, for the warm-up and the cosine.
        undecayed: ids of dense weights that do not decay.
    """

    def __init__(
        self,
        tables: list[nn.Parameter],
        dense: list[tuple[list[nn.Parameter], float]],
        config: Optimisation,
        steps: int,
        undecayed: frozenset[int] = frozenset(),
    ) -> None:
        self.config, self.steps, self.step_number = config, steps, 0
        self.optimisers, self.rates = [_of_tables(tables, config)], [config.embedding_rate]
        # Clipped part by part: gradients of a reranker must not shorten the steps of
        # the towers.
        self.clipped = [[*tables, *dense[0][0]], *(weights for weights, _ in dense[1:])]
        for weights, rate in dense:
            if weights:
                self.optimisers.append(_of_dense(weights, config, undecayed))
                self.rates.append(rate)

    @classmethod
    def of_towers(
        cls, model: TwoTower, config: TrainConfig, steps: int, behaviour: nn.Module | None = None
    ) -> Optimisers:
        """Optimisers of the towers, the reranker and a behaviour policy.

        Args:
            model: the towers.
            config: the recipe.
            steps: number of steps.
            behaviour: behaviour policy of a recipe that trains for reward.
        """
        reranker = list(model.reranker.parameters()) if model.reranker else []
        head = list(model.repeat.parameters()) if model.repeat else []
        bias = model.clicks.bias_weights() if model.clicks else []
        calibration = [model.clicks.log_gain, model.clicks.level] if model.clicks else []
        # The repeat head is trained later, by optimisers of its own.
        others = {id(weight) for weight in (*model.tables, *reranker, *head, *bias, *calibration)}
        towers = [weight for weight in model.parameters() if weight.requires_grad and id(weight) not in others]
        dense = [(towers, config.optimisation.learning_rate)]
        if config.reranker:
            dense.append((reranker, config.reranker.learning_rate))
        if config.impressions:
            dense.append((calibration, config.impressions.calibration_rate))
            if config.impressions.bias:
                dense.append((bias, config.impressions.bias.learning_rate))
        if config.policy and behaviour:
            dense.append((list(behaviour.parameters()), config.policy.behaviour.learning_rate))
        # A bias that decays leaves part of itself to the towers.
        return cls(model.tables, dense, config.optimisation, steps, frozenset(map(id, bias)))

    @classmethod
    def of_repeat_head(cls, head: RepeatHead, config: TrainConfig, steps: int) -> Optimisers:
        """Optimisers of the repeat head.

        Args:
            head: the head.
            config: the recipe.
            steps: number of steps.
        """
        assert config.repeat is not None
        table = head.vectors.ids.get_parameter("weight")
        dense = [weight for weight in head.parameters() if weight is not table]
        return cls([table], [(dense, config.repeat.rate)], config.optimisation, steps)

    def step(self) -> None:
        """Update all weights by their gradients, then drop the gradients."""
        self.step_number += 1
        factor = self._schedule()
        if self.config.clip is not None:
            for weights in self.clipped:
                _clip(weights, self.config.clip)
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def _schedule(self) -> float:
        """Factor of the rates: linear warm-up, then constant or half a cosine.

        [Loshchilov and Hutter, ICLR 2017, equation 5]
        """
        warm = self.config.warm_up * self.steps
        rising = min(1.0, self.step_number / warm) if warm else 1.0
        if self.config.schedule == "constant":
            return rising
        done = max(0.0, self.step_number - 1 - warm) / max(1.0, self.steps - warm)
        return rising * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _of_tables(tables: list[nn.Parameter], config: Optimisation) -> torch.optim.Optimizer:
    """Optimiser of the id tables."""
    match config.tables:
        case "sparse_adam":
            return SparseAdam(tables, lr=config.embedding_rate)
        case "rowwise_adagrad":
            return RowwiseAdagrad(tables, lr=config.embedding_rate)
        case "adam":
            return torch.optim.Adam(tables, lr=config.embedding_rate, fused=True)


def _of_dense(weights: list[nn.Parameter], config: Optimisation, undecayed: frozenset[int]) -> torch.optim.Optimizer:
    """AdamW of dense weights; only matrices decay.

    Args:
        weights: the weights.
        config: declaration of the optimisation.
        undecayed: ids of weights that do not decay.
    """
    matrices = [weight for weight in weights if weight.dim() > 1 and id(weight) not in undecayed]
    others = [weight for weight in weights if weight.dim() <= 1 or id(weight) in undecayed]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate, fused=True)


def _clip(weights: list[nn.Parameter], largest: float) -> None:
    """Scale all gradients so that their common norm is at most `largest`."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    # The rows of a sparse gradient are its only entries, so their norm is the table's.
    values = [(g.coalesce().values() if g.is_sparse else g) for g in gradients]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(value) for value in values]))
    if norm > largest:
        for gradient in gradients:
            gradient.mul_(largest / norm)


def averaged(model: nn.Module, share: float) -> AveragedModel:
    """Mean of a model's weights over about the newest `share` of its steps.

    After step n the mean moves to the new weights by 1 / (1 + share·n), so that the
    number of steps need not be known. [polynomial-decay averaging: Shamir and Zhang,
    ICML 2013, section 4]
    """

    # Single steps memorise noise of the sample: items not yet taken count as disliked.
    # In a mean over many steps that noise cancels.
    def move(means: Sequence[Tensor], news: Sequence[Tensor], step: Tensor | int) -> None:
        torch._foreach_lerp_(list(means), list(news), float(1 / (1 + share * step)))

    return AveragedModel(model, multi_avg_fn=move)
